"""The losses of FRA (arXiv:2403.02138): faces and their regions agree between views, networks on whose pixel is whose.

Shapes: B faces, K regions, D width of an embedding, N pixels of all faces of a batch.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize, softmax

from slyk import ranks
from slyk.losses.cosine import negative_cosine

ONLINE_TEMPERATURE = 0.1
TARGET_TEMPERATURE = 0.04
NEGATIVE_WEIGHT = 0.02
SINKHORN_ROUNDS = 3


def instance_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """L_inst: 2 - 2 mean cos(prediction, target) of (B, D) each; no gradient reaches the target. In [0, 4]."""
    return 2 + 2 * negative_cosine(prediction, target)


def region_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """L_obj of (B, K, D) each: a region is like itself in the other view (L_pos) and unlike the others (L_neg).

    L_pos = 2 - 2 mean cos(p_k, z_k); L_neg = mean over faces and regions k of the sum over other regions j of
    cos(p_k, z_j)^2, divided by K; L_pos + 0.02 L_neg. No gradient reaches the target.
    """
    own, others = normalize(prediction, dim=-1), normalize(target.detach(), dim=-1)
    cosines = (own[:, :, None] * others[:, None]).sum(dim=-1)  # autocast would round those of a product of matrices
    same = cosines.diagonal(dim1=-2, dim2=-1)
    positive = 2 - 2 * same.mean()
    negative = (cosines.square().sum(dim=-1) - same.square()).mean() / cosines.shape[-1]
    return positive + NEGATIVE_WEIGHT * negative


def sinkhorn(shares: Tensor) -> Tensor:
    """Shares (N, K) of pixels in regions, made even: each pixel's sum to 1, each region takes nearly N / K.

    The shares themselves are the kernel. Three rounds of: regions to 1 / K, pixels to 1 / N. N counts the pixels of all
    workers.
    """
    num_pixels = ranks.total(torch.tensor(float(len(shares)), dtype=shares.dtype, device=shares.device))
    plan = shares / ranks.total(shares.sum())
    for _ in range(SINKHORN_ROUNDS):
        plan = plan / (ranks.total(plan.sum(dim=0)) * shares.shape[1])
        plan = plan / (plan.sum(dim=1, keepdim=True) * num_pixels)
    return plan * num_pixels


def relation_loss(online: Tensor, target: Tensor) -> Tensor:
    """L_ce + R of scores (N, K) of the same pixels by the online and the target network, cosines in [-1, 1].

    L_ce: cross entropy of the online shares, at temperature 0.1, to the target's, at 0.04 and made even by `sinkhorn`.
    R = log K - H(mean online share) >= 0 keeps all regions in use. No gradient reaches the target.
    """
    with torch.no_grad():
        wanted = sinkhorn(softmax(target / TARGET_TEMPERATURE, dim=1))
    log_shares = log_softmax(online / ONLINE_TEMPERATURE, dim=1)
    cross_entropy = -(wanted * log_shares).sum(dim=1).mean()
    use = ranks.mean(log_shares.exp().mean(dim=0))
    entropy = -(use * use.clamp_min(torch.finfo(use.dtype).tiny).log()).sum()
    return cross_entropy + math.log(online.shape[1]) - entropy
