"""Laws of angles: whatever a convention calls a direction, there and back it is the same direction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.datasets.table_columns import ANGLE_UNITS, CONVENTIONS, vector_of_angles
from slyk.geometry.angles import Array, angular_error, head_pitchyaw, pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.cut_faces import level_rotation
from slyk.geometry.normalize import normalizing_rotation
from tests.drawn import rotation

pitches = st.floats(-1.55, 1.55)
yaws = st.floats(-np.pi + 1e-6, np.pi)
turns = st.tuples(*[st.floats(-0.7, 0.7)] * 3)
places = st.tuples(st.floats(-300, 300), st.floats(-300, 300), st.floats(300, 1500))
MIRROR = np.diag([-1.0, 1.0, 1.0])

AS_PUBLISHED = {
    "slyk": lambda x, y, z: (np.arcsin(-y), np.arctan2(-x, -z)),
    "eth-xgaze": lambda x, y, z: (np.arcsin(-y), np.arctan2(-x, -z)),
    "gazehub": lambda x, y, z: (np.arcsin(-y), np.arctan2(-x, -z)),
    "mpiifacegaze-mat": lambda x, y, z: (np.arcsin(y), np.arctan2(x, -z)),
    "up-right": lambda x, y, z: (np.arcsin(-y), np.arctan2(x, -z)),
}
"""Pitch and yaw of a unit vector in the camera frame (x right, y down, z forward), by each convention's own formula."""


def test_every_convention_is_tried() -> None:
    assert AS_PUBLISHED.keys() == CONVENTIONS.keys()


@given(pitches, yaws, st.sampled_from(sorted(CONVENTIONS)), st.sampled_from(sorted(ANGLE_UNITS)))
def test_a_cell_of_angles_is_the_vector_it_was_made_of(pitch: float, yaw: float, convention: str, unit: str) -> None:
    vector = vector_from_pitchyaw(np.array([pitch, yaw]))
    angles = np.array(AS_PUBLISHED[convention](*vector)) / ANGLE_UNITS[unit]
    row = {"pitch": repr(float(angles[0])), "yaw": repr(float(angles[1])), "convention": convention, "angle_unit": unit}
    assert angular_error(vector_of_angles(row), vector) < 1e-7


@given(pitches, yaws)
def test_other_frames_of_published_sets(pitch: float, yaw: float) -> None:
    """Gaze360: x left, y up, z away, yaw = atan2(x, -z), pitch = asin(y). ETH-XGaze's helper gives the negative."""
    ours = np.array([pitch, yaw])
    vector = vector_from_pitchyaw(ours)
    x, y, z = vector * [-1, -1, 1]
    np.testing.assert_allclose([np.arcsin(y), np.arctan2(x, -z)], ours, atol=1e-7)
    helper = np.array([np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)])
    np.testing.assert_allclose(-helper, vector, atol=1e-12)


@given(pitches, yaws)
def test_a_mirror_negates_yaw_alone(pitch: float, yaw: float) -> None:
    mirrored = pitchyaw_from_vector(MIRROR @ vector_from_pitchyaw(np.array([pitch, yaw])))
    assert mirrored[0] == pytest.approx(pitch, abs=1e-9)
    assert np.cos(mirrored[1] + yaw) == pytest.approx(1.0)


@given(turns)
def test_a_mirror_negates_the_heads_yaw_and_roll(turn: tuple[float, float, float]) -> None:
    """The head in the mirror: R becomes M R M, which is the Euler angles (pitch, -yaw, -roll)."""
    mirrored = MIRROR @ rotation(*turn) @ MIRROR
    np.testing.assert_allclose(mirrored, rotation(turn[0], -turn[1], -turn[2]), atol=1e-12)
    np.testing.assert_allclose(head_pitchyaw(mirrored), head_pitchyaw(rotation(*turn)) * [1, -1], atol=1e-9)


@given(st.floats(-1.4, 1.4), st.floats(-1.4, 1.4))
def test_head_angles_lead_to_a_level_head_and_back(pitch: float, yaw: float) -> None:
    found = level_rotation(np.array([pitch, yaw]))
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(found) == pytest.approx(1.0)
    np.testing.assert_allclose(head_pitchyaw(found), [pitch, yaw], atol=1e-9)


@given(places, turns)
def test_two_angles_are_all_of_a_normalized_head(
    place: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    """Normalization takes the roll away, so pitch and yaw give the head's rotation back."""
    head = rotation(*turn)
    normalized = normalizing_rotation(np.array(place), head) @ head
    np.testing.assert_allclose(level_rotation(head_pitchyaw(normalized)), normalized, atol=1e-9)


@given(places, turns)
def test_normalizing_twice_turns_nothing(place: tuple[float, float, float], turn: tuple[float, float, float]) -> None:
    center, head = np.array(place), rotation(*turn)
    first = normalizing_rotation(center, head)
    np.testing.assert_allclose(normalizing_rotation(first @ center, first @ head), np.eye(3), atol=1e-9)


@given(places, turns, turns)
def test_normalization_does_not_know_how_the_camera_was_held(
    place: tuple[float, float, float], turn: tuple[float, float, float], camera: tuple[float, float, float]
) -> None:
    """Another camera in the same place sees everything turned by Q; its normalizing rotation is R Q^T."""
    center, head, other = np.array(place), rotation(*turn), rotation(*camera)
    expected = normalizing_rotation(center, head) @ other.T
    np.testing.assert_allclose(normalizing_rotation(other @ center, other @ head), expected, atol=1e-9)


@given(places, turns, pitches, yaws)
def test_labels_go_into_the_normalized_frame_and_back(
    place: tuple[float, float, float], turn: tuple[float, float, float], pitch: float, yaw: float
) -> None:
    norm_from_cam: Array = normalizing_rotation(np.array(place), rotation(*turn))
    gaze = vector_from_pitchyaw(np.array([pitch, yaw]))
    label = pitchyaw_from_vector(norm_from_cam @ gaze)
    assert angular_error(norm_from_cam.T @ vector_from_pitchyaw(label), gaze) < 1e-9
