"""The geometry of a face of which a photo shows only two eyes: enough to normalize it, wrong by what it assumes."""

import numpy as np

from slyk.geometry.camera import Array, rays
from slyk.geometry.normalize import FaceGeometry

EYE_DISTANCE_MM = 63.0
"""Between the middles of an adult's eyes, on average (Dodgson, "Variation and extrema of human interpupillary
distance", 2004: mean 63.36 mm, nearly all adults within 50 to 75)."""
FACE_CENTER_MM = np.array([0.0, 23.2, -2.5])
"""From the eyes' midpoint to the face centre (mean of four eye corners and two mouth corners), head frame: the mean
over 40 rendered people (SD 0.7 and 0.5 mm)."""


def geometry_from_eyes(camera: Array, eyes_px: Array, *, eye_distance_mm: float = EYE_DISTANCE_MM) -> FaceGeometry:
    """A face that looks straight into the camera, its eye line as level as seen.

    camera (3, 3); eyes_px (2, 2): midpoints between the corners of each eye, the subject's right eye (image-left)
    first. The eyes' midpoint lies on its ray at the distance at which `eye_distance_mm` spans what is seen; the head's
    x axis is the eye line, its z axis that ray. Not to be had from two points: pitch and yaw of the head (a head turned
    by yaw seems 1 / cos(yaw) farther away). Raises ValueError where both eyes share a pixel.
    """
    right, left = rays(camera, eyes_px)
    forward = right + left
    forward /= np.linalg.norm(forward)
    across = left - right
    across -= (across @ forward) * forward
    if np.linalg.norm(across) < 1e-9:
        raise ValueError(f"two eyes in one place: {np.asarray(eyes_px).tolist()}")
    across /= np.linalg.norm(across)
    head_rotation = np.stack([across, np.cross(forward, across), forward], axis=1)
    half_angle = np.arctan2(np.linalg.norm(np.cross(right, left)), 1.0 + right @ left)
    middle = forward * (eye_distance_mm / 2 / np.tan(half_angle))
    eyes_mm = middle + np.array([[-0.5], [0.5]]) * eye_distance_mm * across
    scale = eye_distance_mm / EYE_DISTANCE_MM
    return FaceGeometry(camera, head_rotation, middle + head_rotation @ FACE_CENTER_MM * scale, eyes_mm)
