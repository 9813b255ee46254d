"""Sums and means over the workers of a training run; of one worker, what it has."""

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.nn import functional as differentiable


def count() -> int:
    """How many workers train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(value: Tensor) -> Tensor:
    """The sum over all workers, without a gradient."""
    result = value.detach().clone()
    if count() > 1:
        dist.all_reduce(result)
    return result


def mean(value: Tensor) -> Tensor:
    """The mean over all workers, through which gradients flow to every one of them."""
    if count() == 1:
        return value
    return torch.as_tensor(differentiable.all_reduce(value / count()))  # type: ignore[no-untyped-call]
