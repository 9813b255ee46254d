"""From stored squares to what a network sees: one warp turns, mirrors, shifts, scales and crops; label and eyes follow.

Face and eyes turn by one angle, each about its own centre; a mirror image swaps right and left eye and negates yaw.
Everything random is a function of the generator handed in, so augmentation does not know about workers or ranks.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from slyk.geometry.angles import pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.shards.crops import CropSpec, Image
from slyk.shards.sample import Sample

EYE_ASPECT = (36, 60)  # rows, columns of the field's eye patches (GazeHub)


@dataclass(frozen=True)
class Augmentation:
    """Probabilities and ranges, the fields of `slyk.config.Views`; the default changes nothing."""

    flip: float = 0.0
    rotate: float = 0.0
    rotate_deg: float = 0.0
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    gray: float = 0.0
    shift_mm: float = 0.0
    scale: float = 0.0
    light: float = 0.0


class View(NamedTuple):
    """face (P, P, 3), right and left (rows, columns, 3) uint8 BGR; gaze (2,) turned with the picture, or None."""

    face: Image
    right: Image
    left: Image
    gaze: Array | None


@dataclass(frozen=True)
class _Turn:
    angle: float  # radians, counter-clockwise as seen
    flip: bool

    def of_vector(self, vector: Array) -> Array:
        """The direction (3,) after the picture was mirrored, then turned about the optical axis."""
        x, y = (-vector[0] if self.flip else vector[0]), vector[1]
        c, s = math.cos(self.angle), math.sin(self.angle)
        return np.array([c * x + s * y, -s * x + c * y, vector[2]])


def center(sample: Sample, spec: CropSpec, face_px: int) -> View:
    """The view without augmentation, for evaluation and serving."""
    return view(sample, spec, face_px, Augmentation(), None)


def view(
    sample: Sample, spec: CropSpec, face_px: int, augmentation: Augmentation, rng: np.random.Generator | None
) -> View:
    """One augmented view of a sample; `rng` may be None where nothing is random."""
    a = augmentation
    if rng is None:
        return _Recipe(spec, face_px, _Turn(0.0, False), (1.0,) * 3, np.zeros((3, 2))).apply(sample)
    # every number is drawn whether used or not: switching one operation off leaves the others as they were
    chance, extent = rng.random(5), rng.random(5)
    scales, shifts = rng.uniform(-a.scale, a.scale, 3), rng.uniform(-a.shift_mm, a.shift_mm, (3, 2))
    angle = math.radians(a.rotate_deg) * (2 * extent[0] - 1) if chance[0] < a.rotate else 0.0
    turn = _Turn(angle, bool(chance[1] < a.flip))
    result = _Recipe(spec, face_px, turn, tuple(1.0 + scales), shifts).apply(sample)
    images = [result.face, result.right, result.left]
    if chance[2] < a.blur:
        sigma = a.blur_sigma[0] + (a.blur_sigma[1] - a.blur_sigma[0]) * extent[1]
        images = [np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8) for image in images]
    if chance[3] < a.gray:
        images = [_gray(image) for image in images]
    if a.light > 0:
        gain, offset = 1 + a.light * (2 * extent[2] - 1), 127 * a.light * (2 * extent[3] - 1)
        images = [np.asarray(cv2.convertScaleAbs(np.maximum(image * gain + offset, 0.0)), np.uint8) for image in images]
    return View(images[0], images[1], images[2], result.gaze)


@dataclass(frozen=True)
class _Recipe:
    """The geometric part of a view. scales: of face, right, left; shifts_mm (3, 2) likewise."""

    spec: CropSpec
    face_px: int
    turn: _Turn
    scales: tuple[float, ...]
    shifts_mm: Array

    def apply(self, sample: Sample) -> View:
        eyes = (sample.left, sample.right) if self.turn.flip else (sample.right, sample.left)
        zoom = self.face_px / self.spec.face_px
        face = self._warp(sample.face, (self.face_px, self.face_px), zoom, 0, self.spec.face_px_per_mm)
        eye_zoom = EYE_ASPECT[1] / self.spec.eye_px
        right, left = (
            self._warp(eye, EYE_ASPECT, eye_zoom, i + 1, self.spec.eye_px_per_mm) for i, eye in enumerate(eyes)
        )
        if sample.gaze is None:
            return View(face, right, left, None)
        return View(face, right, left, pitchyaw_from_vector(self.turn.of_vector(vector_from_pitchyaw(sample.gaze))))

    def _warp(self, image: Image, size: tuple[int, int], zoom: float, part: int, px_per_mm: float) -> Image:
        rows, columns = size
        c, s = math.cos(self.turn.angle), math.sin(self.turn.angle)
        mirror = -1.0 if self.turn.flip else 1.0
        inverse = np.array([[mirror * c, -mirror * s], [s, c]]) / (zoom * self.scales[part])  # out -> in
        middle_in = image.shape[0] / 2 + self.shifts_mm[part] * px_per_mm
        offset = middle_in - inverse @ np.array([columns / 2, rows / 2])
        matrix = np.hstack([inverse, offset[:, None]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        # turn, shift and scale together may reach beyond the margin: the edge goes on there, no corner is black
        edge = cv2.BORDER_REPLICATE
        return np.asarray(cv2.warpAffine(image, matrix, (columns, rows), flags=flags, borderMode=edge), dtype=np.uint8)


def _gray(image: Image) -> Image:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
