"""Geometry of pictures that show a face and no more: turned upright in 2D, or normalized by somebody else."""

from typing import Literal

import numpy as np

from slyk.geometry.camera import Array, camera_matrix
from slyk.geometry.eyes import EYE_DISTANCE_MM, FACE_CENTER_MM, geometry_from_eyes
from slyk.geometry.normalize import FaceGeometry

FAR = 1000.0
"""Focal length of the flat camera in picture sides: perspective shifts no point of a face by a hundredth of a pixel."""
EYES_AND_NOSE_MM = np.array([0.0, 22.5, -10.3])
"""From the eyes' midpoint to ETH-XGaze's kind of face centre, head frame: the mean over 144 rendered photos."""


def aligned_face(width_px: int, height_px: int, eyes_px: Array) -> FaceGeometry:
    """A face in a picture without a camera: what follows turns, scales and shifts it in 2D, so that the eyes (2, 2),
    the subject's right eye (image-left) first, come level. Raises ValueError where both share a pixel."""
    camera = camera_matrix(FAR * max(width_px, height_px), (width_px / 2, height_px / 2))
    return geometry_from_eyes(camera, eyes_px)


def normalized_face(
    size_px: int,
    *,
    focal_px: float,
    distance_mm: float,
    head: Array | None,
    center: Literal["six_points", "eyes_and_nose"],
) -> FaceGeometry:
    """A face of which somebody made a normalized picture of size_px x size_px, principal point in its middle.

    head: (pitch, yaw) in radians, normalized frame, None for straight ahead. Normalizing it again turns nothing. The
    eyes stand where those of a mean face do under that head pose: assumed.
    """
    rotation = level_rotation(np.zeros(2) if head is None else head)
    middle = np.array([0.0, 0.0, distance_mm])
    from_center = -(FACE_CENTER_MM if center == "six_points" else EYES_AND_NOSE_MM)
    apart = np.array([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]) * EYE_DISTANCE_MM
    camera = camera_matrix(focal_px, (size_px / 2, size_px / 2))
    return FaceGeometry(camera, rotation, middle, middle + (from_center + apart) @ rotation.T)


def level_rotation(head: Array) -> Array:
    """The head rotation (3, 3) of head angles (pitch, yaw) as normalization leaves it: the x axis is level and points
    to the right of the picture, also of a head seen from behind."""
    pitch, yaw = float(head[0]), float(head[1])
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.array([forward[2], 0.0, -forward[0]])
    right *= np.copysign(1.0, right[0]) / np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward], axis=1)
