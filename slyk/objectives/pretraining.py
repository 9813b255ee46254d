"""An objective as the loop drives it."""

import torch
from torch import Tensor, nn

from slyk.errors import TrainingError
from slyk.objectives.objective import Objective, Pair
from slyk.training.batches import Batch
from slyk.training.embeddings import effective_rank, embedding_std
from slyk.training.loop import Step
from slyk.training.schedules import ema_momentum


class Pretraining:
    """Views of samples through an objective. `wrapped` is the module as the workers share it (DDP), or itself.

    least_deviation: of embeddings, see `embedding_std`; with less, `metrics` raises TrainingError in all workers.
    """

    def __init__(self, module: Objective, wrapped: nn.Module | None = None, *, least_deviation: float = 0.0) -> None:
        self.module = module
        self.wrapped = wrapped or module
        self.least_deviation = least_deviation
        self._done = 0

    def forward(self, batch: Batch) -> Step:
        return Step(*self.wrapped(Pair(batch.views[0], batch.views[-1], batch.turn)))

    def after_step(self, step: int, num_steps: int) -> None:
        self._done = step + 1
        self.module.after_step(ema_momentum(step, num_steps=num_steps, base=self.module.config.momentum))

    def metrics(self, watched: list[Tensor], batch: Batch) -> dict[str, float]:
        embeddings = torch.cat(watched)
        deviation = embedding_std(embeddings)
        if deviation < self.least_deviation:
            raise TrainingError(
                f"embeddings collapsed: after step {self._done} their deviation is {deviation:.2g}, and 1 is an even "
                f"spread (pretrain.watch.least_deviation is {self.least_deviation:g}). Faces that differ look alike to "
                "the network, and more steps would not bring it back. Lower learning_rate, raise batch_size or "
                "momentum, or choose another objective in params.yaml; least_deviation 0 trains on regardless"
            )
        return {"embedding_std": deviation, "embedding_rank": effective_rank(embeddings)}
