"""The one angle convention of slyk.

            y up is -y                 camera frame: x right, y down, z forward (OpenCV), millimetres
               |                       angles:       (pitch, yaw) in radians
               |                       vector:       v = (-cos p sin y, -sin p, -cos p cos y)
      z -------o------- camera         (0, 0)        looks along -z, towards the camera
     forward    \\                      pitch > 0     looks up
                 x right               yaw > 0       looks image-left

Head frame: x image-right, y down, z into the head, so R = I faces the camera. The head's own angles come from the third
column z of R (head axis in the camera frame) as (asin z_y, atan2(z_x, z_z)): pitch > 0 up, yaw > 0 image-left.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def vector_from_pitchyaw(pitchyaw: NDArray[np.floating]) -> Array:
    """Unit vectors (..., 3) from angles (..., 2) in radians, in the frame of the angles."""
    angles = np.asarray(pitchyaw, dtype=np.float64)
    pitch, yaw = angles[..., 0], angles[..., 1]
    return np.stack([-np.cos(pitch) * np.sin(yaw), -np.sin(pitch), -np.cos(pitch) * np.cos(yaw)], axis=-1)


def pitchyaw_from_vector(vector: NDArray[np.floating]) -> Array:
    """Angles (..., 2) in radians from vectors (..., 3) of any length but zero."""
    v = np.asarray(vector, dtype=np.float64)
    pitch = np.arctan2(-v[..., 1], np.hypot(v[..., 0], v[..., 2]))
    yaw = np.arctan2(-v[..., 0], -v[..., 2])
    return np.stack([pitch, yaw], axis=-1)


def head_pitchyaw(rotation: NDArray[np.floating]) -> Array:
    """Head angles (..., 2) in radians from head rotations (..., 3, 3); R = I gives (0, 0)."""
    return pitchyaw_from_vector(-np.asarray(rotation, dtype=np.float64)[..., :, 2])


def angular_error(a: NDArray[np.floating], b: NDArray[np.floating]) -> Array:
    """Angle in radians between vectors (..., 3); exact at 0 and pi, never NaN (atan2, not arccos)."""
    a64, b64 = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.asarray(np.arctan2(np.linalg.norm(np.cross(a64, b64), axis=-1), np.sum(a64 * b64, axis=-1)))
