"""From roughly found eyes to the midpoints between their corners, by supervised descent on gradient histograms.

Xiong and De la Torre, "Supervised Descent Method and its Applications to Face Alignment" (CVPR 2013): a few linear
steps, each from the features around the present guess to the move that is still missing. What a cascade finds is drawn
to the iris, which would hide from the network where the eye looks; these steps learned from rendered faces that gaze is
not position. `python -m jobs.fit_eyes` fits them on the rendered training people; the numbers are `eye_refine.npz`.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array

Gray = NDArray[np.uint8]

STEPS = Path(__file__).with_name("eye_refine.npz")
EYE_DISTANCE_PX = 84.0
"""Between the eyes in the pictures that features come from: 4 px for 3 mm."""
PATCH_PX = (64, 40)
MAX_MOVE = 0.25
"""Of the eye distance: a step that leads farther has lost its way, and the guess stays."""


def refine(gray: Gray, eyes_px: Array) -> Array:
    """Better eyes (2, 2), the subject's right eye first, from a photo (H, W) and a guess off by a tenth of their
    distance or so."""
    start_px = np.asarray(eyes_px, dtype=np.float64)
    picture, picture_from_photo, offset = _at_size(gray, start_px)
    eyes = start = start_px * picture_from_photo + offset
    distance = float(np.linalg.norm(start[1] - start[0]))
    for weights in _steps():
        eyes = step(picture, eyes, weights)
        if not np.linalg.norm(eyes - start, axis=1).max() < MAX_MOVE * distance:
            return start_px
    return np.asarray((eyes - offset) / picture_from_photo)


def step(gray: Gray, eyes: Array, weights: Array) -> Array:
    """One linear step: eyes (2, 2) + features (2, F) @ weights (F, 2), turned back from the level pictures."""
    values, level_from_photo = features(gray, eyes)
    move = values @ weights
    move[1, 0] *= -1  # the left eye was seen in a mirror
    return np.asarray(eyes + move @ np.linalg.inv(level_from_photo).T)


def features(gray: Gray, eyes: Array) -> tuple[Array, Array]:
    """Features (2, F) of right and left eye: gradients around itself, around the other eye, and 1; level_from_photo.

    The left eye is seen in a mirror, so that one set of weights serves both. The pictures are level and of one size.
    """
    across = eyes[1] - eyes[0]
    distance = float(np.hypot(across[0], across[1]))
    c, s = across / distance
    level_from_photo = EYE_DISTANCE_PX / distance * np.array([[c, s], [-s, c]])
    middle = (np.array(PATCH_PX) - 1) / 2
    seen = []
    for eye, mirror in zip(eyes, (1, -1), strict=True):
        matrix = np.hstack([level_from_photo, (middle - level_from_photo @ eye)[:, None]])
        patch = cv2.warpAffine(gray, matrix, PATCH_PX, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        seen.append(np.ravel(_hog().compute(np.ascontiguousarray(patch[:, ::mirror]))))
    rows = [np.concatenate([*pair, [1.0]]) for pair in (seen, seen[::-1])]
    return np.stack(rows), level_from_photo


def missing_move(eyes: Array, true_eyes: Array, level_from_photo: Array) -> Array:
    """(2, 2): what `step` should add to each eye, in the level pictures."""
    move = (true_eyes - eyes) @ level_from_photo.T
    move[1, 0] *= -1
    return np.asarray(move)


def _at_size(gray: Gray, eyes: Array) -> tuple[Gray, float, Array]:
    """The surroundings of the eyes, area-averaged where the photo is much finer than the patches; picture = photo *
    scale + offset."""
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    factor = int(distance / EYE_DISTANCE_PX)
    if factor < 2:
        return gray, 1.0, np.zeros(2)
    left, top = np.maximum(eyes.min(axis=0) - distance, 0).astype(int)
    right, bottom = np.ceil(eyes.max(axis=0) + distance).astype(int)
    part = gray[top:bottom, left:right]
    size = (max(1, part.shape[1] // factor), max(1, part.shape[0] // factor))
    part = part[: size[1] * factor, : size[0] * factor]
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return small, 1.0 / factor, (0.5 - np.array([left, top])) / factor - 0.5


@cache
def _hog() -> cv2.HOGDescriptor:
    """Histograms of oriented gradients: 7 x 4 blocks of 36 a patch."""
    return cv2.HOGDescriptor(PATCH_PX, (16, 16), (8, 8), (8, 8), 9)


@cache
def _steps() -> Array:
    """(steps, F, 2), fitted by `jobs.fit_eyes`."""
    with np.load(STEPS, allow_pickle=False) as file:
        return np.asarray(file["steps"], dtype=np.float64)
