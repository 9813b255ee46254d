"""Eyes inside a found face by voting: every raw window of four eye cascades, on the face and on its mirror image.

A single Haar window is off by several pixels; the mean of dozens is not. Each window votes for the midpoint between the
eye's two corners, its own centre plus an offset that depends on the cascade; the densest place on each side wins.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array

Gray = NDArray[np.uint8]

SIDES_PX = (160, 200)
"""Faces are searched for eyes at this size, whatever their size in the photo; at the second where one is missing."""
ROWS = (0.10, 0.65)
"""Where in the height of the box eyes can be."""
TYPICAL = np.array([[0.307, 0.39], [0.693, 0.39]])
"""Right and left eye of the subject in the box of frontalface_alt2, as shares of its side."""
VOTE_SIGMA = 0.035
PRIOR_SIGMA = 0.12
MIN_VOTES = 3.0

CASCADES: dict[str, tuple[float, float]] = {
    "eye": (0.0, 0.02),
    "eye_tree_eyeglasses": (0.0, 0.01),
    "lefteye_2splits": (0.0, 0.155),
    "righteye_2splits": (0.0, 0.155),
}
"""Offset from the middle of a window to the eye's midpoint, as shares of the window's side."""


class Eyes(NamedTuple):
    """points (2, 2): both eyes as shares of the face box, right eye of the subject first; votes (2,): their support;
    found: both have support and lie to each other as eyes do."""

    points: Array
    votes: Array
    found: bool


def find_eyes(face: Gray) -> Eyes:
    """The eyes in a square grey face picture (H, H); an eye that is not seen stands where the other one suggests."""
    votes = np.empty((0, 2))
    for side_px in SIDES_PX:
        votes = np.concatenate([votes, _votes_at(face, side_px)])
        right, left = (_densest(votes, place) for place in TYPICAL)
        points, support = np.stack([right[0], left[0]]), np.array([right[1], left[1]])
        if support.min() >= MIN_VOTES and _plausible(points):
            return Eyes(points, support, True)
    seen = support >= MIN_VOTES
    if seen.sum() == 1:
        shift = (points - TYPICAL)[seen][0]
        return Eyes(np.where(seen[:, None], points, TYPICAL + shift), support, False)
    return Eyes(TYPICAL.copy(), support, False)


def _plausible(points: Array) -> bool:
    across, down = points[1] - points[0]
    return bool(0.24 <= np.hypot(across, down) <= 0.56 and abs(down) <= 0.45 * across)


def _votes_at(face: Gray, side_px: int) -> Array:
    """(N, 2): where the raw windows see an eye in the face scaled to `side_px` and in its mirror image."""
    interpolation = cv2.INTER_AREA if face.shape[0] > side_px else cv2.INTER_LINEAR
    picture = cv2.equalizeHist(cv2.resize(face, (side_px, side_px), interpolation=interpolation))
    top, bottom = (round(share * side_px) for share in ROWS)
    offset = np.array([0.0, top / side_px])
    band = np.asarray(picture[top:bottom], dtype=np.uint8)
    straight = _votes(band) / side_px + offset
    mirrored = _votes(np.ascontiguousarray(band[:, ::-1])) / side_px + offset
    mirrored[:, 0] = 1.0 - mirrored[:, 0]
    return np.concatenate([straight, mirrored])


def _votes(band: Gray) -> Array:
    """(N, 2): x and y in pixels of the band, a vote for each raw window of each cascade."""
    side_px = band.shape[1]
    smallest, largest = round(0.15 * side_px), round(0.45 * side_px)
    points = [np.empty((0, 2))]
    for name, offset in CASCADES.items():
        found = cascade(name).detectMultiScale(band, 1.1, 0, 0, (smallest, smallest), (largest, largest))
        windows = np.asarray(sorted(map(tuple, found)), dtype=np.float64).reshape(
            -1, 4
        )  # found by threads in any order
        points.append(windows[:, :2] + windows[:, 2:] * (0.5 + np.array(offset)))
    return np.concatenate(points)


def _densest(votes: Array, typical: Array) -> tuple[Array, float]:
    """The place with most votes around it, prior included, refined to their mean; its support in votes."""
    near = votes[np.abs(votes - typical).max(axis=1) < 2 * PRIOR_SIGMA]
    if not len(near):
        return typical, 0.0
    prior = np.exp(-0.5 * np.sum((near - typical) ** 2, axis=1) / PRIOR_SIGMA**2)
    kernel = np.exp(-0.5 * np.sum((near[:, None] - near[None]) ** 2, axis=2) / VOTE_SIGMA**2)
    best = int(np.argmax((kernel @ prior) * prior))
    weights = kernel[best]
    for _ in range(3):  # mean shift from the best vote
        point = weights @ near / weights.sum()
        weights = np.exp(-0.5 * np.sum((near - point) ** 2, axis=1) / VOTE_SIGMA**2)
    return np.asarray(point), float(weights.sum())


@cache
def cascade(name: str) -> cv2.CascadeClassifier:
    """Loaded once a process. Cascades keep state while they search: threads must not share them."""
    folder = Path(cv2.__file__).parent / "data"  # cv2.data has no types
    return cv2.CascadeClassifier(str(folder / f"haarcascade_{name}.xml"))
