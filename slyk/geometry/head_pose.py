"""Head pose from landmarks: a start in closed form, then refined until the reprojection no longer improves."""

import cv2
import numpy as np

from slyk.geometry.camera import Array

SIX_POINTS_MM = np.array(
    [
        [-45.0, -0.6, 1.7],
        [-17.9, 0.6, -1.8],
        [17.9, 0.6, -1.8],
        [45.0, -0.6, 1.7],
        [-25.6, 69.5, -6.1],
        [25.6, 69.5, -6.1],
    ]
)
"""Corners of eyes and mouth, image-left to image-right, from the eyes' midpoint, head frame, mm: the mean over the 52
rendered people of the quick start, made symmetric (our choice; the real sets bring a model of their own)."""


def fit_head(model_mm: Array, pixels: Array, camera: Array, distortion: Array | None = None) -> tuple[Array, Array]:
    """Rotation (3, 3) and translation (3,), model to camera frame, from N >= 6 points.

    model_mm (N, 3); pixels (N, 2) of the photo as it is, distorted; camera (3, 3). EPnP alone is off by several degrees
    on real landmarks, so Levenberg-Marquardt follows. Raises ValueError where no pose in front of the camera is found.
    """
    model, points = np.ascontiguousarray(model_mm, np.float64), np.ascontiguousarray(pixels, np.float64)
    if not (np.isfinite(model).all() and np.isfinite(points).all()):
        raise ValueError("landmarks that are not finite")
    lens = None if distortion is None or not distortion.size else distortion
    try:
        _, turn, shift = cv2.solvePnP(model, points, camera, lens, flags=cv2.SOLVEPNP_EPNP)
        turn, shift = cv2.solvePnPRefineLM(model, points, camera, lens, turn, shift)
    except cv2.error as error:
        raise ValueError(f"no head pose: {error.err}") from None
    rotation, translation = rotation_from_vector(np.asarray(turn)), np.asarray(shift, np.float64).ravel()
    if not np.isfinite(translation).all() or translation[2] <= 0:
        raise ValueError("the head pose that fits lies behind the camera")
    return rotation, translation


def rotation_from_vector(vector: Array) -> Array:
    """Rotation (3, 3) of a Rodrigues vector (3,), radians."""
    return np.asarray(cv2.Rodrigues(np.asarray(vector, np.float64).reshape(3, 1))[0], np.float64)
