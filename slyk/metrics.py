"""Figures of a gaze report from angles alone: errors, intervals over people, explained variance. numpy, no torch.

Photos of one person are no independent draws, so every interval comes from resampling people: a drawn person brings all
of their photos (cluster bootstrap; Field and Welsh, "Bootstrapping clustered data", 2007).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slyk.geometry.angles import Array, angular_error, pitchyaw_from_vector, vector_from_pitchyaw


class Interval(NamedTuple):
    """A mean over all photos with its 95 % interval; same unit as what went in."""

    mean: float
    low: float
    high: float


def errors_deg(pred: NDArray[np.floating], true: NDArray[np.floating]) -> Array:
    """Angles (N,) in degrees between gaze directions given as (N, 2) pitch and yaw in radians, one frame."""
    return np.degrees(angular_error(vector_from_pitchyaw(pred), vector_from_pitchyaw(true)))


def mean_direction(pitchyaw: NDArray[np.floating]) -> Array:
    """Pitch and yaw (2,) of the mean of the unit vectors of (N, 2) angles."""
    return pitchyaw_from_vector(vector_from_pitchyaw(pitchyaw).mean(axis=0))


def explained_variance(pred: NDArray[np.floating], true: NDArray[np.floating]) -> Array:
    """1 - SSE / SST per column of (N, C), SST about the column's mean of `true`.

    1 without error, 0 for a constant mean and, by our choice, where `true` does not vary and nothing is to explain.
    """
    true64 = np.asarray(true, dtype=np.float64)
    squared_errors = np.sum((np.asarray(pred, dtype=np.float64) - true64) ** 2, axis=0)
    squared_total = np.sum((true64 - true64.mean(axis=0)) ** 2, axis=0)
    return np.asarray(
        1 - np.divide(squared_errors, squared_total, out=np.ones_like(squared_total), where=squared_total > 0)
    )


def person_means(values: NDArray[np.floating], people: ArrayLike) -> dict[str, float]:
    """The mean of `values` (N,) per person, by name."""
    names, sums, counts = _sums(values, people)
    return {str(name): float(mean) for name, mean in zip(names, sums / counts, strict=True)}


def bootstrap_mean(values: NDArray[np.floating], people: ArrayLike, *, num_samples: int, seed: int) -> Interval:
    """The mean of `values` (N,) over photos, with the 95 % percentile interval over draws of people."""
    _, sums, counts = _sums(values, people)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (num_samples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high))


def paired_bootstrap(
    a: NDArray[np.floating], b: NDArray[np.floating], people: ArrayLike, *, num_samples: int, seed: int
) -> Interval:
    """The mean of a - b, values of two models on the same photos, with its interval over draws of the same people."""
    return bootstrap_mean(np.asarray(a) - np.asarray(b), people, num_samples=num_samples, seed=seed)


def _sums(values: NDArray[np.floating], people: ArrayLike) -> tuple[NDArray[np.str_], Array, Array]:
    names, index = np.unique(np.asarray(people, dtype=str), return_inverse=True)
    if len(index) == 0 or len(index) != len(values):
        raise ValueError(f"{len(values)} values for {len(index)} photos: expected one each, and at least one")
    sums = np.bincount(index, weights=np.asarray(values, dtype=np.float64))
    return names, np.asarray(sums, dtype=np.float64), np.bincount(index).astype(np.float64)
