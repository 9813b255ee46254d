"""An objective as the loop drives it."""

import torch
from torch import Tensor, nn

from slyk.objectives.objective import Objective, Pair
from slyk.training.batches import Batch
from slyk.training.embeddings import effective_rank, embedding_std
from slyk.training.loop import Step
from slyk.training.schedules import ema_momentum


class Pretraining:
    """Views of samples through an objective. `wrapped` is the module as the workers share it (DDP), or itself."""

    def __init__(self, module: Objective, wrapped: nn.Module | None = None) -> None:
        self.module = module
        self.wrapped = wrapped or module

    def forward(self, batch: Batch) -> Step:
        return Step(*self.wrapped(Pair(batch.views[0], batch.views[-1], batch.turn)))

    def after_step(self, step: int, num_steps: int) -> None:
        self.module.after_step(ema_momentum(step, num_steps=num_steps, base=self.module.config.momentum))

    def metrics(self, watched: list[Tensor], batch: Batch) -> dict[str, float]:
        embeddings = torch.cat(watched)
        return {"embedding_std": embedding_std(embeddings), "embedding_rank": effective_rank(embeddings)}
