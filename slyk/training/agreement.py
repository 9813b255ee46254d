"""How well regions that a network found agree with true ones: nobody told it their names, so names are matched first.

Shapes: N photos, h x w places of a map, K regions found, C true classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.optimize import linear_sum_assignment

from slyk.geometry.angles import Array

Labels = NDArray[np.integer]


class Agreement(NamedTuple):
    """mean_iou over the pairs (region, class, intersection over union) of a one-to-one matching, best first."""

    mean_iou: float
    pairs: list[tuple[int, int, float]]


def agreement(found: Labels, true: Labels, num_found: int) -> Agreement:
    """Regions of all places of all photos, found (N, h, w) in 0 .. K-1 and true (N, h, w), matched so that the sum of
    their IoU is the largest (Hungarian method).

    Each class that occurs is matched to one region at most: of K regions and C classes the smaller number are pairs.
    Raises ValueError for maps of different shapes.
    """
    if found.shape != true.shape:
        raise ValueError(f"regions of shape {found.shape}, classes of shape {true.shape}")
    classes, numbers = np.unique(true, return_inverse=True)
    both = np.bincount(found.ravel() * len(classes) + numbers.ravel(), minlength=num_found * len(classes))
    both = both.reshape(num_found, len(classes)).astype(np.float64)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
    iou = both / np.maximum(either, 1)
    rows, columns = linear_sum_assignment(iou, maximize=True)
    pairs = [(int(r), int(classes[c]), float(iou[r, c])) for r, c in zip(rows, columns, strict=True)]
    return Agreement(float(iou[rows, columns].mean()), sorted(pairs, key=lambda pair: -pair[2]))


def clusters(features: Array, count: int, seed: int) -> Labels:
    """Maps of features (N, h, w, D) as clusters (N, h, w) of their places by k-means: a control without learning."""
    rows = np.asarray(features, dtype=np.float64).reshape(-1, features.shape[-1])
    _, labels = kmeans2(rows, count, minit="++", seed=seed)
    return np.asarray(labels.reshape(features.shape[:-1]))


def cells(count: int, shape: tuple[int, int, int]) -> Labels:
    """Regions (N, h, w) by place alone, alike in all photos: clusters of the places of a map. Normalized faces lie
    alike, so this is a control to beat."""
    rows, columns = np.mgrid[: shape[1], : shape[2]].astype(np.float64)
    labels = clusters(np.stack([rows, columns], axis=2)[None], count, seed=0)
    return np.broadcast_to(labels, shape)


def scattered(count: int, shape: tuple[int, int, int], seed: int) -> Labels:
    """Regions (N, h, w) by chance."""
    return np.random.default_rng(seed).integers(0, count, shape)
