"""The angle convention by hand, and its laws."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from slyk.geometry.angles import Array, angular_error, head_pitchyaw, pitchyaw_from_vector, vector_from_pitchyaw
from tests.drawn import rotation

components = st.floats(-1e6, 1e6, allow_subnormal=False)
vectors = arrays(np.float64, 3, elements=components)


@pytest.mark.parametrize(
    ("degrees", "vector"),
    [
        ((0, 0), (0, 0, -1)),  # towards the camera
        ((90, 0), (0, -1, 0)),  # up
        ((0, 90), (-1, 0, 0)),  # image-left
        ((30, 0), (0, -0.5, -np.sqrt(0.75))),
        ((0, -30), (0.5, 0, -np.sqrt(0.75))),  # image-right
        ((0, 180), (0, 0, 1)),  # away
    ],
)
def test_directions_by_hand(degrees: tuple[float, float], vector: tuple[float, float, float]) -> None:
    angles = np.deg2rad(np.array(degrees, dtype=float))
    np.testing.assert_allclose(vector_from_pitchyaw(angles), vector, atol=1e-12)
    np.testing.assert_allclose(vector_from_pitchyaw(pitchyaw_from_vector(np.array(vector))), vector, atol=1e-12)


@given(st.floats(-1.57, 1.57), st.floats(-np.pi + 1e-9, np.pi))
def test_angles_round_trip(pitch: float, yaw: float) -> None:
    vector = vector_from_pitchyaw(np.array([pitch, yaw]))
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    np.testing.assert_allclose(pitchyaw_from_vector(vector), [pitch, yaw], atol=1e-9)


@given(vectors)
def test_vectors_round_trip_whatever_their_length(vector: Array) -> None:
    length = np.linalg.norm(vector)
    assume(length > 1e-6)
    np.testing.assert_allclose(vector_from_pitchyaw(pitchyaw_from_vector(vector)), vector / length, atol=1e-9)


@given(vectors, vectors)
def test_the_error_is_symmetric_and_never_nan(a: Array, b: Array) -> None:
    error = angular_error(a, b)
    assert 0 <= error <= np.pi
    assert error == angular_error(b, a)


@given(vectors, vectors, st.floats(1e-3, 1e3))
def test_the_error_ignores_lengths_and_turns(a: Array, b: Array, length: float) -> None:
    assume(min(np.linalg.norm(a), np.linalg.norm(b)) > 1e-3)
    turn = rotation(0.3, -0.7, 1.1)
    np.testing.assert_allclose(angular_error(length * (turn @ a), turn @ b), angular_error(a, b), atol=1e-9)


def test_the_error_is_exact_where_arccos_is_not() -> None:
    straight = np.array([0.0, 0.0, -1.0])
    assert angular_error(straight, straight) == 0.0
    assert angular_error(straight, -straight) == np.pi
    tiny = vector_from_pitchyaw(np.array([1e-9, 0.0]))
    np.testing.assert_allclose(angular_error(tiny, straight), 1e-9, rtol=1e-6)
    np.testing.assert_allclose(angular_error(straight, np.array([0.0, 5.0, 0.0])), np.pi / 2)


def test_shapes_broadcast() -> None:
    angles = np.zeros((4, 5, 2), np.float32)
    assert vector_from_pitchyaw(angles).shape == (4, 5, 3)
    assert vector_from_pitchyaw(angles).dtype == np.float64
    assert pitchyaw_from_vector(np.ones((4, 5, 3))).shape == (4, 5, 2)
    assert angular_error(np.ones((4, 5, 3)), np.ones(3)).shape == (4, 5)


def test_the_head_faces_the_camera_at_the_identity() -> None:
    np.testing.assert_array_equal(head_pitchyaw(np.eye(3)), [0.0, 0.0])


@given(st.floats(-1.2, 1.2), st.floats(-1.2, 1.2), st.floats(-1.2, 1.2))
def test_head_angles_are_those_of_the_third_column(pitch: float, yaw: float, roll: float) -> None:
    turn = rotation(pitch, yaw, roll)
    z = turn[:, 2]
    np.testing.assert_allclose(head_pitchyaw(turn), [np.arcsin(z[1]), np.arctan2(z[0], z[2])], atol=1e-9)


def test_a_head_that_looks_up_and_left_by_hand() -> None:
    """The face's front is -z of the head: turned up and image-left, its axis into the head points down and right."""
    up, left = rotation(np.deg2rad(-20), 0, 0), rotation(0, np.deg2rad(30), 0)
    np.testing.assert_allclose(np.rad2deg(head_pitchyaw(up)), [20, 0], atol=1e-9)
    np.testing.assert_allclose(np.rad2deg(head_pitchyaw(left)), [0, 30], atol=1e-9)
    assert (-up[:, 2])[1] < 0 and (-left[:, 2])[0] < 0
