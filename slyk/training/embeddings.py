"""Signs of collapse in an embedding."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def embedding_std(embeddings: Tensor) -> float:
    """Mean deviation of the L2-normalized embeddings (N, D), times sqrt(D): 1 for an even spread, 0 when collapsed."""
    return float(normalize(embeddings.float(), dim=1).std(dim=0).mean() * embeddings.shape[1] ** 0.5)


def effective_rank(embeddings: Tensor) -> float:
    """exp of the entropy of the normalized singular values of the centred embeddings (N, D) (Roy & Vetterli 2007)."""
    values = torch.linalg.svdvals((embeddings - embeddings.mean(0)).double())
    shares = values / values.sum().clamp_min(1e-12)
    return float(torch.exp(-(shares * torch.log(shares.clamp_min(1e-12))).sum()))
