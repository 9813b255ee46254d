"""What a crop looks like in a few numbers, for the data report: light, sharpness, where the dark of each eye lies."""

from typing import NamedTuple

import cv2
import numpy as np

from slyk.geometry.camera import Array
from slyk.shards.crops import Crops, CropSpec, Image

_REACH_MM = (13.0, 8.0)
"""Half sides of the window of an eye in which its iris is looked for."""
_DARKEST = 0.12
"""Share of the window that counts as dark: an iris covers 11 to 16 % of it (our choice)."""


class Measures(NamedTuple):
    """luminance, contrast: mean and SD of the grey face, 0-255; sharpness: SD of its Laplacian; right_mm, left_mm (2,):
    x, y of the middle of the darkest part of each eye from the eye's middle; right_seen, left_seen, face_seen: share of
    the square that the photo covers."""

    luminance: float
    contrast: float
    sharpness: float
    right_mm: list[float]
    left_mm: list[float]
    face_seen: float
    right_seen: float
    left_seen: float


def measure(crops: Crops, spec: CropSpec) -> Measures:
    """Numbers of one sample, rounded so that they do not hang on the processor."""
    grey = cv2.cvtColor(crops.face, cv2.COLOR_BGR2GRAY)
    mean, deviation = cv2.meanStdDev(grey)
    edges = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1]
    right, left = (dark_mm(eye, spec.eye_px_per_mm) for eye in (crops.right, crops.left))
    light = [round(float(value[0, 0]), 3) for value in (mean, deviation, edges)]
    return Measures(light[0], light[1], light[2], right, left, *(round(float(share), 4) for share in crops.seen))


def dark_mm(eye: Image, px_per_mm: float) -> list[float]:
    """Where the dark of an eye lies, mm right of and below its middle."""
    half = [min(round(reach * px_per_mm), side // 2) for reach, side in zip(_REACH_MM, eye.shape[1::-1], strict=True)]
    y, x = eye.shape[0] // 2, eye.shape[1] // 2
    grey = cv2.cvtColor(eye[y - half[1] : y + half[1], x - half[0] : x + half[0]], cv2.COLOR_BGR2GRAY)
    grey = cv2.GaussianBlur(grey, (0, 0), 0.8 * px_per_mm)
    limit = np.partition(grey, int(_DARKEST * grey.size), axis=None)[int(_DARKEST * grey.size)]
    moments = cv2.moments((grey <= limit).astype(np.uint8), binaryImage=True)
    middle = np.array([moments["m10"], moments["m01"]]) / moments["m00"] - (np.array(grey.shape[::-1]) - 1) / 2
    across, down = (round(float(value) / px_per_mm, 3) for value in middle)
    return [across, down]


def as_arrays(rows: list[Measures]) -> dict[str, Array]:
    """Name -> values (N,) or (N, 2) of many samples."""
    columns = zip(*rows, strict=True) if rows else [()] * len(Measures._fields)
    return {name: np.array(column, np.float64) for name, column in zip(Measures._fields, columns, strict=True)}
