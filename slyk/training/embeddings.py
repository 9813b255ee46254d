"""Signs of collapse in an embedding."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from slyk import ranks


def embedding_std(embeddings: Tensor) -> float:
    """Mean deviation of the L2-normalized embeddings (N, D), times sqrt(D): 1 for an even spread, 0 when collapsed.

    Over the embeddings of all workers, so that each of them knows the same.
    """
    unit = normalize(embeddings.double(), dim=1)
    count = ranks.total(torch.tensor(len(unit), device=unit.device))
    centred = unit - ranks.total(unit.sum(dim=0)) / count
    variance = ranks.total((centred**2).sum(dim=0)) / (count - 1)
    return float(variance.sqrt().mean() * unit.shape[1] ** 0.5)


def effective_rank(embeddings: Tensor) -> float:
    """exp of the entropy of the normalized singular values of the centred embeddings (N, D) (Roy & Vetterli 2007)."""
    values = torch.linalg.svdvals((embeddings - embeddings.mean(0)).double())
    shares = values / values.sum().clamp_min(1e-12)
    return float(torch.exp(-(shares * torch.log(shares.clamp_min(1e-12))).sum()))
