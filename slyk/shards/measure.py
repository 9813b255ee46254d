"""What a picture looks like in a few numbers, for audit and filters: light, sharpness, where an eye is dark, a hash."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.datasets.record import Labels
from slyk.shards.crops import Crops, CropSpec, Image
from slyk.shards.eyes import Eye
from slyk.shards.phash import phash

_REACH_MM = (13.0, 8.0)
"""Half sides of the window of an eye in which its iris is looked for."""
_BLUR_MM = 0.8
_DARKEST = 0.12
"""Share of the window that counts as dark: an iris covers 11 to 16 % of it (our choice)."""
_INNER = 0.7
"""Share of an opening's width and height in which its dark is looked for: at its edge lie the shadow of the upper lid
and the lashes. On 394 rendered eyes of 8 people the dark then follows pitch and yaw at -0.96 and -0.99, as the pupil's
own place does; over the whole opening at -0.90 and -0.87."""
_MIN_OPENING = 0.02
"""Share of a picture of one eye below which the opening of the lids shows no iris."""


class Measures(NamedTuple):
    """Of the grey face at half its size: luminance, contrast: mean and SD, 0-255; sharpness: SD of its Laplacian;
    phash: see there. right_mm, left_mm (2,): x, y of the middle of the darkest part of each eye from the eye's middle;
    right_seen, left_seen, face_seen: share of the square that the photo covers."""

    luminance: float
    contrast: float
    sharpness: float
    phash: str
    right_mm: list[float]
    left_mm: list[float]
    face_seen: float
    right_seen: float
    left_seen: float


class EyeMeasures(NamedTuple):
    """The first four as of a face; dark (2,): x, y of the middle of the dark within the opening of the lids from the
    opening's middle, in widths of the opening; of the picture instead where lids are not labelled; None where they are
    as good as closed or labelled as not seen."""

    luminance: float
    contrast: float
    sharpness: float
    phash: str
    dark: list[float] | None


def measure(crops: Crops, spec: CropSpec) -> Measures:
    """Numbers of one face, rounded so that they do not hang on the processor."""
    right, left = (dark_mm(eye, spec.eye_px_per_mm) for eye in (crops.right, crops.left))
    seen = [round(float(share), 4) for share in crops.seen]
    return Measures(*_light(_half(crops.face)), right, left, *seen)


def measure_eye(eye: Eye, labels: Labels) -> EyeMeasures:
    """Likewise, of a photo of one eye. labels: of its record."""
    half = _half(eye.picture)
    return EyeMeasures(*_light(half), _dark_of_opening(half, eye, labels))


def _half(picture: Image) -> Image:
    """Grey (H / 2, W / 2), averaged: what follows takes a third of the time."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    even = grey[: max(2, grey.shape[0] // 2 * 2), : max(2, grey.shape[1] // 2 * 2)]  # so that no weight is a fraction
    return np.asarray(cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _light(half: Image) -> tuple[float, float, float, str]:
    """luminance, contrast, sharpness, phash."""
    mean, deviation = cv2.meanStdDev(half)
    edges = cv2.meanStdDev(cv2.Laplacian(half, cv2.CV_16S))[1]
    luminance, contrast, sharpness = (round(float(value[0, 0]), 3) for value in (mean, deviation, edges))
    return luminance, contrast, sharpness, phash(half)


def dark_mm(eye: Image, px_per_mm: float) -> list[float]:
    """Where the dark of an eye lies, mm right of and below its middle."""
    half = [min(round(reach * px_per_mm), side // 2) for reach, side in zip(_REACH_MM, eye.shape[1::-1], strict=True)]
    y, x = eye.shape[0] // 2, eye.shape[1] // 2
    window = _blurred(eye[y - half[1] : y + half[1], x - half[0] : x + half[0]], _BLUR_MM * px_per_mm)
    limit = np.partition(window, int(_DARKEST * window.size), axis=None)[int(_DARKEST * window.size)]
    moments = cv2.moments(cv2.threshold(window, float(limit), 1, cv2.THRESH_BINARY_INV)[1])
    across, down = moments["m10"] / moments["m00"] - half[0] + 0.5, moments["m01"] / moments["m00"] - half[1] + 0.5
    return [round(across / px_per_mm, 3), round(down / px_per_mm, 3)]


def _dark_of_opening(half: Image, eye: Eye, labels: Labels) -> list[float] | None:
    """See EyeMeasures. Each pixel counts by how much darker it is than all but `_DARKEST` of those looked at."""
    corners = _opening(half, eye, labels)
    moments = cv2.moments(corners)
    if labels.get("lid_valid") is False or moments["m00"] < _MIN_OPENING * half.size:
        return None
    middle, wide = np.array([moments["m10"], moments["m01"]]) / moments["m00"], float(np.ptp(corners[:, 0]))
    inner = middle + _INNER * (corners - middle)
    left, top, right, bottom = (max(0, int(value)) for value in (*inner.min(axis=0), *inner.max(axis=0) + 2))
    grey = half[top:bottom, left:right]
    if not grey.size:  # the points lie beside the picture
        return None
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.02 * wide), dtype=np.uint8)
    inside = cv2.fillConvexPoly(np.zeros(grey.shape, np.uint8), np.rint(inner - [left, top]).astype(np.int32), 1)
    seen = grey[inside > 0]
    limit = np.partition(seen, int(_DARKEST * seen.size))[int(_DARKEST * seen.size)]
    dark = cv2.moments(cv2.subtract(np.full_like(grey, limit), grey) * inside)
    if dark["m00"] == 0:
        return None
    across, down = dark["m10"] / dark["m00"] + left - middle[0], dark["m01"] / dark["m00"] + top - middle[1]
    return [round(float(across) / wide, 4), round(float(down) / wide, 4)]


def _opening(half: Image, eye: Eye, labels: Labels) -> NDArray[np.float32]:
    """Corners (K, 2) in the half picture: of the convex hull of the lids' points, in whatever order a set lists them,
    or of the picture."""
    if labels.get("lid_px") is None:
        height, width = half.shape
        return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    lids = cv2.perspectiveTransform(np.array([labels["lid_px"]], np.float64), eye.eye_from_photo)[0]
    return np.asarray(cv2.convexHull((lids / 2 - 0.25).astype(np.float32))[:, 0], dtype=np.float32)


def _blurred(picture: Image, sigma_px: float) -> Image:
    """Grey (H, W), smoothed."""
    return np.asarray(cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (0, 0), sigma_px), dtype=np.uint8)
