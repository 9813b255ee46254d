"""Data normalization of 2018: the rotation, and where the homography puts things."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.geometry.camera import camera_matrix, project
from slyk.geometry.normalize import homography, normalizing_rotation
from tests.drawn import rotation

places = st.tuples(st.floats(-300, 300), st.floats(-300, 300), st.floats(300, 1500))
turns = st.tuples(*[st.floats(-0.6, 0.6)] * 3)
CAMERA = camera_matrix(900.0, (320.0, 240.0))


def test_an_upright_head_on_the_axis_is_left_alone() -> None:
    np.testing.assert_allclose(normalizing_rotation(np.array([0, 0, 600.0]), np.eye(3)), np.eye(3), atol=1e-12)


def test_a_rolled_head_is_set_upright_by_hand() -> None:
    """A head rolled by 30 degrees on the axis is turned back by 30 degrees."""
    roll = np.deg2rad(30)
    found = normalizing_rotation(np.array([0, 0, 600.0]), rotation(0, 0, roll))
    np.testing.assert_allclose(found, rotation(0, 0, -roll), atol=1e-12)


@given(places, turns)
def test_the_rotation_centres_the_face_and_levels_the_head(
    place: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    center, head = np.array(place), rotation(*turn)
    found = normalizing_rotation(center, head)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(found) == pytest.approx(1.0)
    np.testing.assert_allclose(found @ center, [0.0, 0.0, float(np.linalg.norm(center))], atol=1e-6)
    level = found @ head[:, 0]
    assert level[1] == pytest.approx(0.0, abs=1e-9)
    assert level[0] > 0


@given(places, turns, st.tuples(*[st.floats(-60, 60)] * 3))
def test_the_point_lands_in_the_middle_of_its_square(
    place: tuple[float, float, float], turn: tuple[float, float, float], offset: tuple[float, float, float]
) -> None:
    center = np.array(place)
    found = normalizing_rotation(center, rotation(*turn))
    point, scale = center + offset, float(np.linalg.norm(center)) / 600.0
    matrix = homography(CAMERA, found, point, 480.0, 112, scale)
    pixel = cv2.perspectiveTransform(project(CAMERA, point)[None, None], matrix)[0, 0]
    np.testing.assert_allclose(pixel, [56.0, 56.0], atol=1e-6)


@given(places, turns)
def test_all_faces_have_one_size(place: tuple[float, float, float], turn: tuple[float, float, float]) -> None:
    """10 mm across at the face centre are 10 * focal / distance = 8 px, wherever the face was."""
    center = np.array(place)
    found = normalizing_rotation(center, rotation(*turn))
    matrix = homography(CAMERA, found, center, 480.0, 112, float(np.linalg.norm(center)) / 600.0)
    beside = center + 10.0 * found[0]
    pixel = cv2.perspectiveTransform(project(CAMERA, beside)[None, None], matrix)[0, 0]
    np.testing.assert_allclose(pixel, [64.0, 56.0], atol=1e-6)
