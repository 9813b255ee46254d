"""Data normalization of 2018 (Zhang et al., "Revisiting Data Normalization for Appearance-Based Gaze Estimation").

A virtual camera turns until it looks at the face centre with the head's x axis level, and scales to a fixed distance.
Images are warped by `K_norm S R K^-1`; labels are rotated by R alone and never scaled.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from slyk.geometry.camera import Array


@dataclass(frozen=True)
class FaceGeometry:
    """Where one face is, in the camera frame of its photo.

    camera (3, 3); head_rotation (3, 3), head to camera; face_center_mm (3,), the origin of gaze; eyes_mm (2, 3), the
    midpoints between the corners of each eye, the subject's right eye (image-left) first; distortion: OpenCV's
    coefficients k1, k2, p1, p2, k3 of the photo, or none. The camera matrix is that of the undistorted picture too.
    """

    camera: Array
    head_rotation: Array
    face_center_mm: Array
    eyes_mm: Array
    distortion: Array = field(default_factory=lambda: np.zeros(0))


def normalizing_rotation(face_center_mm: Array, head_rotation: Array) -> Array:
    """R = norm_from_cam (3, 3): z to the face centre, x level with the head's x axis."""
    forward = _unit(*face_center_mm.tolist())
    down = _unit(*_cross(forward, head_rotation[:, 0].tolist()))
    return np.array([_cross(down, forward), down, forward])


def homography(
    camera: Array, rotation: Array, point_mm: Array, focal_px: ArrayLike, size_px: ArrayLike, scale: float
) -> Array:
    """norm_px_from_px (..., 3, 3): squares of `size_px` (...) with `point_mm` (..., 3), camera frame, in their middle.

    focal_px (...): of the virtual cameras; scale: real over virtual distance of the face, so that all faces have one
    size.
    """
    point, focal, size = (np.asarray(value, dtype=np.float64) for value in (point_mm, focal_px, size_px))
    point = point @ rotation.T
    # S of the paper shortens the optical axis only: z / scale for points, the third column / scale for rays
    virtual = np.zeros((*point.shape[:-1], 3, 3))
    virtual[..., 0, 0] = virtual[..., 1, 1] = focal
    virtual[..., :2, 2] = size[..., None] / (2 * scale) - focal[..., None] * point[..., :2] / point[..., 2:]
    virtual[..., 2, 2] = 1 / scale
    return np.asarray(virtual @ (rotation @ np.linalg.inv(camera)), dtype=np.float64)


# Three numbers at a time: NumPy's calls cost more than the arithmetic, and every photo needs these.


def _unit(x: float, y: float, z: float) -> list[float]:
    length = math.sqrt(x * x + y * y + z * z)
    return [x / length, y / length, z / length]


def _cross(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
