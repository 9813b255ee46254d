"""Pinhole cameras without distortion: matrices (3, 3) in pixels, points in millimetres, camera frame."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def camera_matrix(focal_px: float, center_px: tuple[float, float]) -> Array:
    """The matrix (3, 3) of a camera with square pixels."""
    return np.array([[focal_px, 0.0, center_px[0]], [0.0, focal_px, center_px[1]], [0.0, 0.0, 1.0]])


def guess_camera(width_px: int, height_px: int) -> Array:
    """A camera for a photo of unknown origin: focal length = longer side, centre = middle (our choice, stated)."""
    return camera_matrix(float(max(width_px, height_px)), (width_px / 2, height_px / 2))


def project(camera: Array, points_mm: Array) -> Array:
    """Pixels (..., 2) of points (..., 3) in front of the camera."""
    homogeneous = np.asarray(points_mm) @ camera.T
    return np.asarray(homogeneous[..., :2] / homogeneous[..., 2:], dtype=np.float64)


def rays(camera: Array, pixels: Array) -> Array:
    """Unit vectors (..., 3), camera frame, through pixels (..., 2)."""
    pixels = np.asarray(pixels, dtype=np.float64)
    homogeneous = np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1)
    directions = homogeneous @ np.linalg.inv(camera).T
    return np.asarray(directions / np.linalg.norm(directions, axis=-1, keepdims=True), dtype=np.float64)
