"""Data normalization of 2018 (Zhang et al., "Revisiting Data Normalization for Appearance-Based Gaze Estimation").

A virtual camera turns until it looks at the face centre with the head's x axis level, and scales to a fixed distance.
Images are warped by `K_norm S R K^-1`; labels are rotated by R alone and never scaled.
"""

from dataclasses import dataclass, field

import numpy as np

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
    forward = face_center_mm / np.linalg.norm(face_center_mm)
    down = np.cross(forward, head_rotation[:, 0])
    down /= np.linalg.norm(down)
    right = np.cross(down, forward)
    return np.stack([right, down, forward])


def homography(camera: Array, rotation: Array, point_mm: Array, focal_px: float, size_px: int, scale: float) -> Array:
    """norm_px_from_px (3, 3): a square of `size_px` with `point_mm` of the camera frame in its middle.

    focal_px: of the virtual camera; scale: real over virtual distance of the face, so that all faces have one size.
    """
    point = rotation @ point_mm
    point[2] /= scale  # S of the paper shortens the optical axis only
    offset = focal_px * point[:2] / point[2]
    virtual = np.array(
        [[focal_px, 0.0, size_px / 2 - offset[0]], [0.0, focal_px, size_px / 2 - offset[1]], [0.0, 0.0, 1.0]]
    )
    return np.asarray(virtual @ np.diag([1.0, 1.0, 1.0 / scale]) @ rotation @ np.linalg.inv(camera))
