"""The loss of BYOL: symmetrised negative cosine similarity (arXiv:2006.07733, equation 2, up to 2 + 2 L)."""

from torch import Tensor
from torch.nn.functional import cosine_similarity


def negative_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """-mean cos(prediction, target) over the batch, (B, D) each; no gradient reaches the target. In [-1, 1]."""
    return -cosine_similarity(prediction, target.detach(), dim=-1).mean()


def symmetric_negative_cosine(prediction1: Tensor, prediction2: Tensor, target1: Tensor, target2: Tensor) -> Tensor:
    """Each view predicts the other's target: (D(p1, z2) + D(p2, z1)) / 2."""
    return (negative_cosine(prediction1, target2) + negative_cosine(prediction2, target1)) / 2
