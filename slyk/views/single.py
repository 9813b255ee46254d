"""Views of one sample."""

from typing import NamedTuple

import numpy as np

from slyk.geometry.camera import Array
from slyk.shards.crops import CropSpec, Image
from slyk.shards.read import Pictures
from slyk.shards.sample import Sample
from slyk.views import fused_cv
from slyk.views.augmentation import NUM_DRAWS, Augmentation, Draws, draw, unchanged


class View(NamedTuple):
    """face (P, P, 3), right and left (rows, columns, 3) uint8 BGR; gaze (2,) turned with the picture, or None."""

    face: Image
    right: Image
    left: Image
    gaze: Array | None


def center(sample: Sample, spec: CropSpec, face_px: int) -> View:
    """The view without augmentation, for evaluation and serving."""
    return apply(sample, unchanged(1, spec, face_px), face_px)


def view(sample: Sample, spec: CropSpec, face_px: int, augmentation: Augmentation, rng: np.random.Generator) -> View:
    """One augmented view of a sample."""
    return apply(sample, draw(augmentation, rng.random((1, NUM_DRAWS)), spec, face_px), face_px)


def apply(sample: Sample, draws: Draws, face_px: int) -> View:
    """The only view of `draws`."""
    stored = Pictures(sample.face[None], sample.right[None], sample.left[None])
    seen = fused_cv.apply(stored, draws, fused_cv.empty(1, face_px, eyes=True))
    gaze = None if sample.gaze is None else draws.of_gaze(np.asarray(sample.gaze)[None])[0]
    return View(seen.face[0], seen.right[0], seen.left[0], gaze)
