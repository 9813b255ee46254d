"""What is done to each view: drawn from uniform numbers, put together as one warp, one colour matrix and one blur.

Face and eyes turn by one angle, each about its own centre; a mirror image swaps right and left eye and negates yaw.
Everything random is a function of the numbers handed in, so augmentation does not know about workers or ranks.
Shapes: N views.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from slyk.geometry.angles import pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.shards.crops import CropSpec

EYE_ASPECT = (36, 60)  # rows, columns of the field's eye patches (GazeHub)
NUM_DRAWS = 28
MAX_SIGMA = 2.0
ASPECTS = (3 / 4, 4 / 3)  # of a random crop, as everywhere in the field
LUMA = np.array([0.114, 0.587, 0.299])  # of blue, green, red
_YIQ = np.array([LUMA, [-0.322, -0.274, 0.596], [0.312, -0.523, 0.211]])
_BGR = np.linalg.inv(_YIQ)


@dataclass(frozen=True)
class Augmentation:
    """Probabilities and ranges, the fields of `slyk.config.training.Views`; the default changes nothing."""

    flip: float = 0.0
    rotate: float = 0.0
    rotate_deg: float = 0.0
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    gray: float = 0.0
    shift_mm: float = 0.0
    scale: float = 0.0
    light: float = 0.0
    jitter: float = 0.0
    jitter_strength: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1)
    solarize: float = 0.0
    crop: float = 0.0
    crop_area: tuple[float, float] = (0.2, 1.0)


class Draws(NamedTuple):
    """What becomes of N stored samples.

    turn (N, 2, 2): of O(2), carries what was into what is seen; swap (N,): a mirror image, whose right eye is cut from
    the left; warps (3, N, 2, 3): of face, right and left, from pixels of the view to pixels of the stored square; color
    (N, 3, 3), BGR on BGR; offset (N,), grey levels added, besides `pivot` (N,) times the mean luma of the warped face;
    sigma (N,) px of a blur, 0 for none; solarize (N,): what is bright at last becomes dark.
    """

    turn: Array
    swap: Array
    warps: Array
    color: Array
    offset: Array
    pivot: Array
    sigma: Array
    solarize: Array

    def where(self, some: slice) -> "Draws":
        """Those of some samples."""
        return Draws(*(part[:, some] if part is self.warps else part[some] for part in self))

    def of_gaze(self, gaze: Array) -> Array:
        """Labels (N, 2), pitch and yaw in radians or NaN, turned with the pictures about the optical axis."""
        vectors = vector_from_pitchyaw(gaze)
        seen = np.einsum("nij,nj->ni", self.turn, vectors[:, :2])
        return np.asarray(pitchyaw_from_vector(np.concatenate([seen, vectors[:, 2:]], axis=1)))


def numbers(seed: int, places: Sequence[tuple[int, int]], view: int, count: int = NUM_DRAWS) -> Array:
    """(N, count) uniform in [0, 1): a function of (seed, epoch, sample, view) for each place (epoch, sample)."""
    found = np.empty((len(places), count))
    bits = np.random.Philox(key=[seed, 0])
    generator, start = np.random.Generator(bits), bits.state  # a generator a place would cost six times as much
    key = start["state"]["key"]
    for row, (epoch, sample) in zip(found, places, strict=True):
        key[1] = (epoch << 40) | (sample << 4) | view
        bits.state = start
        generator.random(out=row)
    return found


def unchanged(count: int, spec: CropSpec, face_px: int) -> Draws:
    """The view without augmentation, for evaluation and serving."""
    return draw(Augmentation(), np.full((count, NUM_DRAWS), 0.5), spec, face_px)


def draw(a: Augmentation, uniform: Array, spec: CropSpec, face_px: int) -> Draws:
    """Draws of uniform numbers (N, NUM_DRAWS). Each number has its own use: switching one operation off leaves the
    others as they were."""
    u, signed = uniform.T, 2 * uniform.T - 1
    turn = _turns(math.radians(a.rotate_deg) * signed[1] * (u[0] < a.rotate), u[2] < a.flip)
    windows = _windows(a, u[14:19])
    jitter = (u[8] < a.jitter)[:, None] * signed[9:13].T * a.jitter_strength
    gain, added = 1 + a.light * signed[6], 127 * a.light * signed[7]
    brightness, contrast = gain * (1 + jitter[:, 0]), 1 + jitter[:, 1]
    color = _colors(1 + jitter[:, 2], 2 * math.pi * jitter[:, 3], u[5] < a.gray)
    return Draws(
        turn=turn,
        swap=u[2] < a.flip,
        warps=_warps(turn, windows, 1 + a.scale * signed[19:22], a.shift_mm * signed[22:28], spec, face_px),
        color=(brightness * contrast)[:, None, None] * color,
        offset=added,
        pivot=brightness * (1 - contrast),
        sigma=(a.blur_sigma[0] + (a.blur_sigma[1] - a.blur_sigma[0]) * u[4]) * (u[3] < a.blur),
        solarize=u[13] < a.solarize,
    )


def _turns(angle: Array, flip: Array) -> Array:
    """A mirror image, then a turn, counter-clockwise as seen by radians (N,): x right, y down."""
    c, s = np.cos(angle), np.sin(angle)
    mirror = np.where(flip, -1.0, 1.0)
    return np.moveaxis(np.array([[mirror * c, s], [-mirror * s, c]]), 2, 0)


def _windows(a: Augmentation, u: Array) -> Array:
    """(N, 4): width and height of a random crop and where its middle lies, shares of the view about its middle."""
    cropped = u[0] < a.crop
    area = np.where(cropped, a.crop_area[0] + (a.crop_area[1] - a.crop_area[0]) * u[1], 1.0)
    low, high = np.log(ASPECTS)
    aspect = np.where(cropped, np.exp(low + (high - low) * u[2]), 1.0)
    size = np.minimum(np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], axis=1), 1.0)
    return np.concatenate([size, (1 - size) * (u[3:5].T - 0.5)], axis=1)


def _warps(turn: Array, windows: Array, scales: Array, shifts: Array, spec: CropSpec, face_px: int) -> Array:
    """See Draws. scales (3, N) and shifts (6, N) in mm, x and y, of face, right and left; windows crop the face."""
    rows, columns = EYE_ASPECT
    eye_zoom = columns / spec.eye_px
    parts = (
        ((face_px, face_px), face_px / spec.face_px, spec.face_square_px, spec.face_px_per_mm),
        ((columns, rows), eye_zoom, spec.eye_square_px, spec.eye_px_per_mm),
        ((columns, rows), eye_zoom, spec.eye_square_px, spec.eye_px_per_mm),
    )
    back = turn.transpose(0, 2, 1)
    warps = np.empty((3, len(turn), 2, 3))
    for part, (size, zoom, square_px, px_per_mm) in enumerate(parts):
        window = windows if part == 0 else np.array([[1.0, 1.0, 0.0, 0.0]])
        inverse = back / (zoom * scales[part])[:, None, None]  # out -> in
        shift = shifts[2 * part : 2 * part + 2].T * px_per_mm
        around = size * (window[:, 2:] - window[:, :2] / 2)  # of the pixel (0, 0), from the middle
        warps[part, :, :, :2] = inverse * window[:, None, :2]
        warps[part, :, :, 2] = square_px / 2 + shift + np.einsum("nij,nj->ni", inverse, around)
    return warps


def _colors(saturation: Array, hue: Array, gray: Array) -> Array:
    """(N, 3, 3): grey stays grey; hue turns about it by radians (N,), in YIQ."""
    c, s = np.cos(hue) * saturation, np.sin(hue) * saturation
    zero = np.zeros_like(c)
    chroma = np.moveaxis(np.array([[zero + 1, zero, zero], [zero, c, -s], [zero, s, c]]), 2, 0)
    chroma[gray, 1:, 1:] = 0.0
    return np.asarray(_BGR @ chroma @ _YIQ)
