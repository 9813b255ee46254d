"""Sums, means and lists over the workers of a training run; of one worker, what it has."""

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def count() -> int:
    """How many workers train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(value: Tensor) -> Tensor:
    """The sum over all workers, without a gradient."""
    result = value.detach().clone()
    if count() > 1:
        dist.all_reduce(result)
    return result


def gathered(names: list[str]) -> list[str]:
    """Those of all workers, one after another."""
    if count() == 1:
        return names
    found: list[list[str]] = [[] for _ in range(count())]
    dist.all_gather_object(found, names)
    return [name for part in found for name in part]


def mean(value: Tensor) -> Tensor:
    """The mean over all workers, through which gradients flow to every one of them."""
    if count() == 1:
        return value
    return torch.as_tensor(_Mean.apply(value))  # type: ignore[no-untyped-call]


class _Mean(torch.autograd.Function):
    """Every worker's value is a part of every worker's mean: gradients have the mean of what all ask for."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return total(value) / count()

    @staticmethod
    def backward(ctx: Any, wanted: Tensor) -> Tensor:
        return total(wanted) / count()
