"""What frozen features tell: ridge regression and nearest neighbours. numpy, float64, nothing random.

Probes are fitted on photos of some people and judged by photos of others. How strongly a probe is held back is chosen
among the people that it is fitted on, each left out in turn. Shapes: N photos, D features, T targets.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slyk.geometry.angles import Array, angular_error, pitchyaw_from_vector, vector_from_pitchyaw
from slyk.metrics import errors_deg, mean_direction

ALPHAS = tuple(10.0**power for power in range(-3, 5))
"""Of standardized features, beside N times their variance of 1 (our choice)."""
CONTROLS = frozenset({"gaze_mean_deg", "head_mean_deg", "expression_chance", "random_gaze_deg", "random_same_person"})
"""Of the numbers below those that hang on the photos alone."""


class Ridge(NamedTuple):
    """mean, scale (D,) of features; weights (D, T), bias (T,); alpha: the penalty that was chosen, a photo."""

    mean: Array
    scale: Array
    weights: Array
    bias: Array
    alpha: float

    def __call__(self, features: NDArray[np.floating]) -> Array:
        """(N, D) -> (N, T)."""
        return np.asarray((features - self.mean) / self.scale @ self.weights + self.bias)


def fit_ridge(
    features: NDArray[np.floating],
    targets: NDArray[np.floating],
    people: NDArray[np.str_],
    *,
    weights: Array | None = None,
    alphas: tuple[float, ...] = ALPHAS,
) -> Ridge:
    """The least sum_n weights_n |x_n W + b - y_n|^2 + N alpha |W|^2 over features of mean 0 and deviation 1, both by
    weight; b is not penalized. weights (N,): of photos, with mean 1; None: all alike.

    Of `alphas` the one with the least error, likewise by weight, for people (N,) left out, each in turn. Raises
    ValueError with fewer than two people.
    """
    count = len(features)
    if len(np.unique(people)) < 2:
        raise ValueError(f"{count} photos of fewer than two people: nobody can be left out")
    shares = np.full(count, 1 / count) if weights is None else weights / weights.sum()
    root = np.sqrt(count * shares)[:, None]
    x, y = np.asarray(features, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    mean, middle = shares @ x, shares @ y
    scale = np.sqrt(shares @ (x - mean) ** 2)
    scale[scale < 1e-9 * (1 + np.abs(mean))] = np.inf  # what never varies tells nothing
    x = root * (x - mean) / scale
    left, values, right = np.linalg.svd(x, full_matrices=False)
    own = [np.flatnonzero(people == person) for person in np.unique(people)]
    left_out = [_left_out(left, values**2 / (values**2 + count * a), root, root * y, own) for a in alphas]
    alpha = alphas[int(np.argmin(left_out))]
    found = right.T @ ((values / (values**2 + count * alpha))[:, None] * (left.T @ (root * (y - middle))))
    return Ridge(mean, scale, found, middle, alpha)


def _left_out(left: Array, kept: Array, root: Array, y: Array, people: list[NDArray[np.int64]]) -> float:
    """The squared error for people, each as its photos, of whom the regression knew nothing, without fitting it anew.

    With the hat matrix H of all, the residuals of those left out are (I - H_pp)^-1 r_p: exact for a penalized least
    squares whose scale of features stays as it is. left (N, K), kept (K,): singular vectors and what the penalty leaves
    of each; root (N, 1), which y is multiplied by, stands for the bias.
    """
    basis, kept = np.hstack([left, root / np.sqrt(len(y))]), np.append(kept, 1.0)
    residuals = y - basis @ (kept[:, None] * (basis.T @ y))
    total = 0.0
    for own in people:
        hat = (basis[own] * kept) @ basis[own].T
        total += float(np.sum(np.linalg.solve(np.eye(len(own)) - hat, residuals[own]) ** 2))
    return total


class Seen(NamedTuple):
    """Photos as a network sees them. features (N, D); people (N,); gaze, head (N, 2): pitch and yaw in radians, NaN
    without a label; expressions (N,), "" without one."""

    features: Array
    people: NDArray[np.str_]
    gaze: Array
    head: Array
    expressions: NDArray[np.str_]

    def where(self, some: NDArray[np.bool_]) -> "Seen":
        """Some of the photos."""
        return Seen(self.features[some], self.people[some], self.gaze[some], self.head[some], self.expressions[some])


def direction_probe(fitted: Seen, judged: Seen, name: str) -> dict[str, float]:
    """Mean error in degrees of a probe to `gaze` or `head`, as unit vectors, and of the mean direction of those that it
    is fitted on; nothing where labels are too few."""
    fitted, judged = (seen.where(finite(getattr(seen, name))) for seen in (fitted, judged))
    if len(np.unique(fitted.people)) < 2 or not len(judged.people):
        return {}
    known, true = getattr(fitted, name), getattr(judged, name)
    ridge = fit_ridge(fitted.features, vector_from_pitchyaw(known), fitted.people)
    found = pitchyaw_from_vector(ridge(judged.features))
    mean = np.broadcast_to(mean_direction(known), true.shape)
    return {
        f"{name}_probe_deg": float(errors_deg(found, true).mean()),
        f"{name}_mean_deg": float(errors_deg(mean, true).mean()),
    }


def expression_probe(fitted: Seen, judged: Seen) -> dict[str, float]:
    """The mean share, over the classes that both have, of photos that a probe to all classes names rightly, and that
    of guesses; nothing where labels are too few.

    One against all; each class weighs alike, as it does in the share.
    """
    fitted, judged = (seen.where(seen.expressions != "") for seen in (fitted, judged))
    classes = np.unique(fitted.expressions)
    judged = judged.where(np.isin(judged.expressions, classes))
    present = np.unique(judged.expressions)
    if len(np.unique(fitted.people)) < 2 or len(present) < 2:
        return {}
    right = (fitted.expressions[:, None] == classes).astype(np.float64)
    ridge = fit_ridge(fitted.features, right, fitted.people, weights=right @ (1 / right.mean(axis=0)) / len(classes))
    named = classes[ridge(judged.features).argmax(axis=1)]
    shares = [np.mean(named[judged.expressions == name] == name) for name in present]
    return {"expression_probe": float(np.mean(shares)), "expression_chance": 1 / len(present)}


def nearest_of_others(features: Array, people: NDArray[np.str_], count: int) -> NDArray[np.int64]:
    """For each photo the `count` photos of other people with the nearest features by cosine, nearest first: (N, count),
    -1 where there are no more."""
    similar = _cosines(features)
    similar[people[:, None] == people] = -np.inf
    order = np.argsort(-similar, axis=1, kind="stable")[:, :count]
    return np.where(np.isfinite(np.take_along_axis(similar, order, axis=1)), order, -1)


def neighbours(seen: Seen) -> dict[str, float]:
    """How alike the gaze of nearest photos is: the mean angle in degrees to the nearest photo of another person and to
    all photos of others; and the share of photos whose nearest is of the same person, beside that of random ones."""
    count = len(seen.people)
    if len(np.unique(seen.people)) < 2:
        return {}
    same = seen.people[:, None] == seen.people
    similar = _cosines(seen.features)
    np.fill_diagonal(similar, -np.inf)
    told = {
        "neighbour_same_person": float(np.mean(seen.people[similar.argmax(axis=1)] == seen.people)),
        "random_same_person": float((same.sum() - count) / (count * (count - 1))),
    }
    labelled = seen.where(finite(seen.gaze))
    if len(np.unique(labelled.people)) < 2:
        return told
    gaze = vector_from_pitchyaw(labelled.gaze)
    angles = np.degrees(angular_error(gaze[:, None], gaze))
    nearest = nearest_of_others(labelled.features, labelled.people, 1)
    others = labelled.people[:, None] != labelled.people
    return told | {
        "neighbour_gaze_deg": float(np.take_along_axis(angles, nearest, axis=1).mean()),
        "random_gaze_deg": float(angles[others].mean()),
    }


def finite(rows: Array) -> NDArray[np.bool_]:
    """(N,): whether all of a row is."""
    return np.asarray(np.isfinite(rows).all(axis=1))


def _cosines(features: Array) -> Array:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(lengths, 1e-12)
    return np.asarray(unit @ unit.T)
