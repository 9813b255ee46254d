"""An objective as the loop drives it."""

import torch
from torch import Tensor, nn

from slyk.errors import TrainingError
from slyk.objectives.objective import Objective, Outcome, Pair
from slyk.training.batches import Batch
from slyk.training.embeddings import effective_rank, embedding_std
from slyk.training.loop import Step
from slyk.training.schedules import ema_momentum

MOST_WATCHED = 256


class Pretraining:
    """Views of samples through an objective. `wrapped` is the module as the workers share it (DDP), or itself.

    least_deviation: of what the loss compares, see `embedding_std`; with less, `metrics` raises TrainingError in all
    workers.
    """

    def __init__(self, module: Objective, wrapped: nn.Module | None = None, *, least_deviation: float = 0.0) -> None:
        self.module = module
        self.wrapped = wrapped or module
        self.least_deviation = least_deviation
        self._done = 0
        self._compared: Tensor | None = None

    def forward(self, batch: Batch) -> Step:
        outcome: Outcome = self.wrapped(Pair(batch.views[0], batch.views[-1], batch.turn, batch.chance))
        self._compared = outcome.compared  # in training: before batch norm knows its means, evaluation tells little
        return Step(outcome.loss, outcome.embeddings)

    def after_step(self, step: int, num_steps: int) -> None:
        self._done = step + 1
        self.module.after_step(ema_momentum(step, num_steps=num_steps, base=self.module.config.momentum))

    def metrics(self, watched: list[Tensor]) -> dict[str, float]:
        embeddings, compared = torch.cat(watched), self._compared
        rank = effective_rank(embeddings[-MOST_WATCHED:])  # more samples, more rank: always as many, where there are
        told = {"embedding_std": embedding_std(embeddings), "embedding_rank": rank}
        if compared is None:
            return told
        deviation = embedding_std(compared)
        if deviation < self.least_deviation:
            raise TrainingError(
                f"pretraining collapsed: after step {self._done} what the loss compares deviates by {deviation:.2g}, "
                f"less than pretrain.watch.least_deviation, {self.least_deviation:g} (1: an even spread, 0: all faces "
                "look alike, and nothing is left to learn). More steps would not bring it back. Lower learning_rate, "
                "raise momentum or batch_size, or choose another objective in params.yaml; least_deviation 0 trains on "
                "regardless"
            )
        return told | {"compared_std": deviation}
