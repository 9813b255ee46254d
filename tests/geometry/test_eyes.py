"""Two eyes -> a face: distance, roll and the normalizing rotation, against eyes placed in space by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.geometry.angles import Array, angular_error
from slyk.geometry.camera import camera_matrix, project
from slyk.geometry.eyes import EYE_DISTANCE_MM, FACE_CENTER_MM, geometry_from_eyes
from slyk.geometry.normalize import normalizing_rotation

CAMERA = camera_matrix(500.0, (150.0, 150.0))


def eyes_in_space(middle_mm: Array, roll: float) -> Array:
    """(2, 3): the eyes of a head that faces the camera, rolled about the line of sight."""
    forward = middle_mm / np.linalg.norm(middle_mm)
    level = np.cross([0.0, 1.0, 0.0], forward)
    level /= np.linalg.norm(level)
    across = np.cos(roll) * level + np.sin(roll) * np.cross(forward, level)
    return np.asarray(middle_mm + np.outer([-0.5, 0.5], across) * EYE_DISTANCE_MM)


def test_a_face_on_the_optical_axis_by_hand() -> None:
    """63 mm at 630 mm through 500 px are 50 px; an upright head there is R = I."""
    face = geometry_from_eyes(CAMERA, np.array([[125.0, 150.0], [175.0, 150.0]]))
    np.testing.assert_allclose(face.head_rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(face.eyes_mm, [[-31.5, 0.0, 630.0], [31.5, 0.0, 630.0]], atol=1e-9)
    np.testing.assert_allclose(face.face_center_mm, np.array([0.0, 0.0, 630.0]) + FACE_CENTER_MM, atol=1e-9)


@given(x=st.floats(-150, 150), y=st.floats(-150, 150), z=st.floats(350, 900), roll=st.floats(-np.pi / 3, np.pi / 3))
def test_eyes_seen_from_the_front_come_back(x: float, y: float, z: float, roll: float) -> None:
    middle = np.array([x, y, z])
    eyes_mm = eyes_in_space(middle, roll)
    face = geometry_from_eyes(CAMERA, project(CAMERA, eyes_mm))
    np.testing.assert_allclose(face.eyes_mm, eyes_mm, atol=0.2)
    np.testing.assert_allclose(face.head_rotation @ face.head_rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(face.head_rotation) == pytest.approx(1.0)
    assert face.head_rotation[1, 0] == pytest.approx((eyes_mm[1] - eyes_mm[0])[1] / EYE_DISTANCE_MM, abs=1e-3)


def test_the_normalizing_rotation_bears_a_turned_head() -> None:
    """Yaw of 25 degrees is not seen in two eyes, but normalization needs roll and place alone: 2 degrees remain."""
    yaw, roll = np.deg2rad(25), np.deg2rad(12)
    turn = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1.0]])
    head, middle = lean @ turn, np.array([40.0, -30.0, 600.0])
    eyes_mm = middle + np.outer([-0.5, 0.5], head[:, 0]) * EYE_DISTANCE_MM
    found = geometry_from_eyes(CAMERA, project(CAMERA, eyes_mm))
    exact = normalizing_rotation(middle + head @ FACE_CENTER_MM, head)
    guessed = normalizing_rotation(found.face_center_mm, found.head_rotation)
    assert np.degrees(angular_error(exact, guessed)).max() < 2.0


def test_a_smaller_head_is_nearer_and_smaller() -> None:
    pixels = np.array([[125.0, 140.0], [175.0, 150.0]])
    adult, child = geometry_from_eyes(CAMERA, pixels), geometry_from_eyes(CAMERA, pixels, eye_distance_mm=31.5)
    np.testing.assert_allclose(child.face_center_mm, adult.face_center_mm / 2)
    np.testing.assert_allclose(child.head_rotation, adult.head_rotation)


def test_eyes_in_one_place_are_an_error() -> None:
    with pytest.raises(ValueError, match="one place"):
        geometry_from_eyes(CAMERA, np.array([[10.0, 10.0], [10.0, 10.0]]))
