"""Gaze: PMN, the inverse-explained-variance loss, the angular error."""

import numpy as np
import torch
from torch import Tensor, nn

from slyk.geometry.angles import angular_error, vector_from_pitchyaw
from slyk.losses.explained_variance import Scope, inverse_explained_variance_loss
from slyk.models.encoder import Images
from slyk.training.batches import Batch
from slyk.training.loop import Step


class Gaze:
    """Labelled views -> loss; (B, 2) pitch and yaw in radians, normalized frame."""

    def __init__(self, module: nn.Module, wrapped: nn.Module | None = None, *, scope: Scope = "batch") -> None:
        self.module = module
        self.wrapped = wrapped or module
        self.scope: Scope = scope

    def forward(self, batch: Batch) -> Step:
        prediction = self.wrapped(Images(*batch.views[0])).float()
        loss = inverse_explained_variance_loss(prediction, batch.gaze, scope=self.scope)
        error = torch.stack([prediction.detach(), batch.gaze], dim=1)
        return Step(loss, error)

    def after_step(self, step: int, num_steps: int) -> None:
        """Nothing follows a supervised step."""

    def metrics(self, watched: list[Tensor]) -> dict[str, float]:
        pairs = vector_from_pitchyaw(torch.cat(watched).cpu().numpy())
        return {"train_error_deg": float(np.degrees(angular_error(pairs[:, 0], pairs[:, 1]).mean()))}
