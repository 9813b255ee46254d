"""The domain `wide`: gaze uniform, independent of the head, out of reach of constants and of head pose alone."""

import numpy as np
import pytest

from slyk.geometry.angles import Array, angular_error, head_pitchyaw, pitchyaw_from_vector
from slyk.synthetic.identity import stream
from slyk.synthetic.render import make_person
from slyk.synthetic.scene import EYE_LIMIT, GAZE_LIMIT, HEAD_LIMIT, Scene, draw_scene


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    people = [make_person(5, i) for i in range(2)]
    return [draw_scene(p.identity, p.head, stream(5, i, n), 300) for i, p in enumerate(people) for n in range(200)]


@pytest.fixture(scope="module")
def gaze(scenes: list[Scene]) -> Array:
    directions = np.stack([s.target - s.face_center for s in scenes])
    return np.asarray(directions / np.linalg.norm(directions, axis=-1, keepdims=True))


def test_no_shortcut_predicts_gaze(scenes: list[Scene], gaze: Array) -> None:
    heads = np.stack([-s.rotation[:, 2] for s in scenes])
    assert np.rad2deg(angular_error(gaze, gaze.mean(axis=0)).mean()) > 20
    assert np.rad2deg(angular_error(gaze, heads).mean()) > 20


def test_gaze_fills_its_range_evenly(gaze: Array) -> None:
    angles = pitchyaw_from_vector(gaze) / GAZE_LIMIT
    assert np.all(np.abs(angles) <= 1 + 1e-9)
    for column in angles.T:
        counts, _ = np.histogram(column, bins=4, range=(-1, 1))
        assert np.all(np.abs(counts - 100) < 40)  # 4.6 standard deviations


def test_head_and_eyes_stay_within_reach(scenes: list[Scene]) -> None:
    heads = np.stack([head_pitchyaw(s.rotation) for s in scenes])
    assert np.all(np.abs(heads) <= HEAD_LIMIT + 1e-9) and np.all(heads.std(axis=0) > np.deg2rad(13))
    eyes = np.stack([pitchyaw_from_vector(s.visual @ s.rotation) for s in scenes])
    assert np.all(np.abs(eyes) <= EYE_LIMIT + 1e-9)


def test_eyes_converge_on_a_target_within_reach(scenes: list[Scene]) -> None:
    distances = [np.linalg.norm(s.target - s.face_center) for s in scenes]
    assert min(distances) >= 450 and max(distances) <= 900
    apart = [np.rad2deg(angular_error(s.visual[0], s.visual[1])) for s in scenes]
    assert min(apart) > 2 and max(apart) < 9
    assert all(s.visual[0] @ s.rotation[:, 0] > s.visual[1] @ s.rotation[:, 0] for s in scenes)


def test_most_faces_have_every_corner_of_the_crop_in_the_photo(scenes: list[Scene]) -> None:
    """A normalized face of 196 mm around the face centre, projected, against a photo of 300 px."""
    half = np.array([s.camera[0, 0] * 98 / s.face_center[2] for s in scenes])
    middles = np.array([(s.camera @ s.face_center)[:2] / s.face_center[2] for s in scenes])
    inside = (middles.min(axis=1) - half > 0) & (middles.max(axis=1) + half < 300)
    assert inside.mean() > 0.85
