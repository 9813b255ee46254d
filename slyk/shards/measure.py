"""What a picture looks like in a few numbers, for audit and filters: light, sharpness, where an eye is dark, a hash."""

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.datasets.record import Labels
from slyk.geometry.camera import Array
from slyk.shards.crops import Crops, CropSpec, Image
from slyk.shards.eyes import Eye
from slyk.shards.phash import phash

_REACH_MM = (13.0, 8.0)
"""Half sides of the window of an eye in which its iris is looked for."""
_BLUR_MM = 0.8
_DARKEST = 0.12
"""Share of the window that counts as dark: an iris covers 11 to 16 % of it (our choice)."""
_MIN_OPENING = 0.02
"""Share of a picture of one eye below which the opening of the lids shows no iris."""


class Measures(NamedTuple):
    """luminance, contrast: mean and SD of the grey face, 0-255; sharpness: SD of its Laplacian; phash: see there, of
    the face; right_mm, left_mm (2,): x, y of the middle of the darkest part of each eye from the eye's middle;
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
    """The first four as of a face; dark (2,): x, y of the middle of the darkest part of the opening between the lids
    from the opening's middle, in widths of the opening, None where the lids are as good as closed or labelled as not
    seen; where lids are not labelled, of the picture, in widths of it."""

    luminance: float
    contrast: float
    sharpness: float
    phash: str
    dark: list[float] | None


def measure(crops: Crops, spec: CropSpec) -> Measures:
    """Numbers of one face, rounded so that they do not hang on the processor."""
    right, left = (dark_mm(eye, spec.eye_px_per_mm) for eye in (crops.right, crops.left))
    seen = [round(float(share), 4) for share in crops.seen]
    return Measures(*_light(crops.face), right, left, *seen)


def measure_eye(eye: Eye, labels: Labels) -> EyeMeasures:
    """Likewise, of a photo of one eye. labels: of its record."""
    return EyeMeasures(*_light(eye.picture), _dark_of_opening(eye, labels))


def _light(picture: Image) -> tuple[float, float, float, str]:
    """luminance, contrast, sharpness, phash."""
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    mean, deviation = cv2.meanStdDev(grey)
    edges = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1]
    luminance, contrast, sharpness = (round(float(value[0, 0]), 3) for value in (mean, deviation, edges))
    return luminance, contrast, sharpness, phash(grey)


def dark_mm(eye: Image, px_per_mm: float) -> list[float]:
    """Where the dark of an eye lies, mm right of and below its middle."""
    half = [min(round(reach * px_per_mm), side // 2) for reach, side in zip(_REACH_MM, eye.shape[1::-1], strict=True)]
    y, x = eye.shape[0] // 2, eye.shape[1] // 2
    window = _blurred(eye[y - half[1] : y + half[1], x - half[0] : x + half[0]], _BLUR_MM * px_per_mm)
    limit = np.partition(window, int(_DARKEST * window.size), axis=None)[int(_DARKEST * window.size)]
    across, down = _middle(cv2.threshold(window, float(limit), 1, cv2.THRESH_BINARY_INV)[1])
    return [round((across - half[0] + 0.5) / px_per_mm, 3), round((down - half[1] + 0.5) / px_per_mm, 3)]


def _dark_of_opening(eye: Eye, labels: Labels) -> list[float] | None:
    """See EyeMeasures. The opening is the convex hull of the lids' points, in whatever order a set lists them."""
    height, width = eye.picture.shape[:2]
    corners = np.array([[0.0, 0.0], [width - 1, 0.0], [width - 1, height - 1], [0.0, height - 1]])
    if labels.get("lid_px") is not None:
        if labels.get("lid_valid") is False:
            return None
        lids = np.asarray(labels["lid_px"], dtype=np.float64)
        corners = cv2.convexHull(cv2.perspectiveTransform(lids[None], eye.eye_from_photo)[0].astype(np.float32))[:, 0]
    if cv2.contourArea(corners.astype(np.float32)) < _MIN_OPENING * width * height:
        return None
    wide = float(np.ptp(corners[:, 0]))
    opening = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(opening, np.round(corners).astype(np.int32), 1)
    grey = _blurred(eye.picture, 0.03 * wide)
    inside = grey[opening > 0]
    if not inside.size:  # the lids' points lie beside the picture
        return None
    limit = np.partition(inside, int(_DARKEST * inside.size))[int(_DARKEST * inside.size)]
    across, down = _middle(((grey <= limit) & (opening > 0)).astype(np.uint8))
    middle_x, middle_y = _middle(opening)
    return [round((across - middle_x) / wide, 4), round((down - middle_y) / wide, 4)]


def _blurred(picture: Image, sigma_px: float) -> NDArray[np.uint8]:
    """Grey (H, W), smoothed."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    kernel = _gauss(sigma_px)
    return np.asarray(cv2.sepFilter2D(grey, cv2.CV_8U, kernel, kernel), dtype=np.uint8)


@lru_cache(maxsize=64)
def _gauss(sigma_px: float) -> Array:
    """Weights (K, 1) to three SD, as cv2.GaussianBlur takes them, which needs twice the time."""
    return np.asarray(cv2.getGaussianKernel(round(6 * sigma_px + 1) | 1, sigma_px, cv2.CV_32F))


def _middle(mask: NDArray[Any]) -> tuple[float, float]:
    """x, y of the middle of the pixels that are 1."""
    moments = cv2.moments(mask)
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
