"""The inverse-explained-variance loss of SLYKLatent (arXiv:2402.01555): L (1 + w), w = 1 - V_EX = SSE / SST."""

from typing import Literal

import torch
from torch import Tensor

from slyk import ranks

Scope = Literal["batch", "output", "sample"]
EPS, MAX_WEIGHT = 1e-6, 10.0


def inverse_explained_variance_loss(prediction: Tensor, target: Tensor, *, scope: Scope = "batch") -> Tensor:
    """Mean absolute error weighted by 1 + w. prediction, target: (B, K) in radians; a scalar.

    The paper leaves open over what w is taken; all readings are here (docs/methods.md):
    batch: one w, SSE and SST summed over batch and outputs, SST about each column's mean; output: one w a column;
    sample: w_i = a sample's squared error over the batch's mean variance. w is detached, clamped to [0, 10] and, with
    several ranks, taken over the whole batch.
    """
    weight = _weight(prediction.detach(), target.detach(), scope)
    return ((prediction - target).abs() * (1 + weight)).mean()


def _weight(prediction: Tensor, target: Tensor, scope: Scope) -> Tensor:
    errors = (prediction - target) ** 2
    count = torch.full((1,), float(len(target)), device=target.device)
    sums = ranks.total(torch.cat([count, errors.sum(0), target.sum(0), (target**2).sum(0)]))
    sse, total, total_squares = sums[1:].chunk(3)
    sst = (total_squares - total**2 / sums[0]).clamp_min(0)
    if scope == "batch":
        weight = sse.sum() / (sst.sum() + EPS)
    elif scope == "output":
        weight = sse / (sst + EPS)
    else:
        weight = errors.sum(1, keepdim=True) / (sst.sum() / sums[0] + EPS)
    return weight.clamp(0, MAX_WEIGHT)
