"""Views: picture, eyes and label move together."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from slyk.config import Params
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.shards.crops import CropSpec, Image
from slyk.shards.read import ShardSet
from slyk.shards.sample import Sample
from slyk.views.augmentation import NUM_DRAWS, Augmentation, draw
from slyk.views.single import View, apply, center, view
from tests.drawn import SMALL_SPEC

SPEC = CropSpec(480.0, 600.0, 112, 1.4, 60, 1.6, 1.6)
ALWAYS_TURN = Augmentation(rotate=1.0, rotate_deg=30.0)
FLIP = Augmentation(flip=1.0)


def filled(value: int, side: int) -> Image:
    return np.full((side, side, 3), value, np.uint8)


def sample_of(face: Image, right: Image, left: Image, gaze: Array | None) -> Sample:
    return Sample("k", "g", face, right, left, gaze, np.zeros(2), np.eye(3), "annotated", "k.jpg")


def dotted(direction: Array, side: int, radius_px: float) -> Image:
    """Black, with a soft bright dot where the direction (3,) points, seen from the middle."""
    x0, y0 = side / 2 + radius_px * direction[:2] / np.linalg.norm(direction[:2])
    y, x = np.mgrid[:side, :side]
    light = 255 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 2.5**2))
    return np.repeat(light.astype(np.uint8)[..., None], 3, axis=2)


def arm(image: Image) -> Array:
    """From the middle (columns / 2, rows / 2) to the centroid of the light, px."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image[..., 0].astype(float)
    middle = np.array([image.shape[1], image.shape[0]]) / 2
    return np.asarray(np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum() - middle)


def with_dots(gaze: Array) -> Sample:
    direction = vector_from_pitchyaw(gaze)
    eye = dotted(direction, 96, 12.0)
    return sample_of(dotted(direction, 156, 40.0), eye, eye, gaze)


def assert_gaze(seen: View, expected: ArrayLike) -> None:
    assert seen.gaze is not None
    np.testing.assert_allclose(seen.gaze, np.asarray(expected, dtype=np.float64), atol=1e-12)


def assert_dots_follow(seen: View, zoom: float) -> None:
    """The dots stand where the label now points, as far from the middle as before."""
    assert seen.gaze is not None
    direction = vector_from_pitchyaw(seen.gaze)[:2]
    direction /= np.linalg.norm(direction)
    np.testing.assert_allclose(arm(seen.face), 40.0 * zoom * direction, atol=0.4)
    for eye in (seen.right, seen.left):
        np.testing.assert_allclose(arm(eye), 12.0 * direction, atol=0.4)


@given(st.floats(0.1, 2 * math.pi), st.integers(0, 2**32), st.booleans())
def test_a_dot_where_the_gaze_points_moves_along(around: float, seed: int, flip: bool) -> None:
    gaze = 0.4 * np.array([np.sin(around), np.cos(around)])
    augmentation = replace(ALWAYS_TURN, flip=float(flip))
    seen = view(with_dots(gaze), SPEC, 96, augmentation, np.random.default_rng(seed))
    assert_dots_follow(seen, 96 / 112)


def test_without_augmentation_the_middle_is_cut() -> None:
    gaze = np.array([0.2, -0.3])
    seen = center(with_dots(gaze), SPEC, 112)
    assert seen.face.shape == (112, 112, 3) and seen.right.shape == seen.left.shape == (36, 60, 3)
    assert_dots_follow(seen, 1.0)
    assert_gaze(seen, gaze)
    np.testing.assert_array_equal(seen.face, with_dots(gaze).face[22:134, 22:134])
    np.testing.assert_array_equal(seen.right, with_dots(gaze).right[30:66, 18:78])


def test_a_mirror_swaps_the_eyes_and_negates_yaw() -> None:
    gaze = np.array([0.2, 0.3])
    sample = sample_of(filled(50, 156), filled(100, 96), filled(200, 96), gaze)
    seen = view(sample, SPEC, 96, FLIP, np.random.default_rng(0))
    assert seen.right.mean() == 200 and seen.left.mean() == 100
    assert_gaze(seen, [0.2, -0.3])


def test_a_mirror_mirrors_the_picture() -> None:
    seen = view(with_dots(np.array([0.1, 0.4])), SPEC, 96, FLIP, np.random.default_rng(0))
    straight = center(with_dots(np.array([0.1, 0.4])), SPEC, 96)
    np.testing.assert_allclose(arm(seen.face), arm(straight.face) * [-1, 1], atol=0.05)


def test_a_turn_by_hand() -> None:
    """Who looks image-right, in a picture turned counter-clockwise by 45 degrees, looks right and up; then mirrored."""
    uniform = np.full((2, NUM_DRAWS), 0.5)
    uniform[:, 0], uniform[:, 1], uniform[:, 2] = 0.0, 1.0, (0.9, 0.0)
    turns = draw(Augmentation(rotate=1.0, rotate_deg=45.0, flip=0.5), uniform, SPEC, 96).turn
    half = math.sqrt(0.5)
    np.testing.assert_allclose(turns[0] @ [1.0, 0.0], [half, -half], atol=1e-12)
    np.testing.assert_allclose(turns[1] @ [1.0, 0.0], [-half, half], atol=1e-12)


def test_turns_are_isometric_and_stay_within_their_range() -> None:
    gaze = np.array([0.0, -0.5])
    angles = []
    for seed in range(40):
        seen = view(with_dots(gaze), SPEC, 96, ALWAYS_TURN, np.random.default_rng(seed))
        assert seen.gaze is not None
        before, after = vector_from_pitchyaw(gaze), vector_from_pitchyaw(seen.gaze)
        assert after[2] == pytest.approx(before[2])
        angles.append(math.degrees(math.atan2(-after[1], after[0])))
    assert -30 <= min(angles) < -15 and 15 < max(angles) <= 30


@pytest.mark.parametrize("seed", range(30))
def test_no_corner_is_empty(params: Params, spec: CropSpec, seed: int) -> None:
    """White squares stay white through all of pretraining's turns, shifts and scales."""
    sample = sample_of(
        filled(255, spec.face_square_px), filled(255, spec.eye_square_px), filled(255, spec.eye_square_px), None
    )
    views = Augmentation(**params.pretrain.views.model_dump())
    seen = view(sample, spec, params.pretrain.face_px, replace(views, rotate=1.0), np.random.default_rng(seed))
    assert min(seen.face.min(), seen.right.min(), seen.left.min()) == 255


@pytest.mark.parametrize("angle_deg", [-30, 30])
def test_the_default_margins_bear_thirty_degrees(params: Params, spec: CropSpec, angle_deg: int) -> None:
    """Only what was stored is shown: a black frame drawn around the stored squares stays unseen."""
    face, eye = filled(255, spec.face_square_px), filled(255, spec.eye_square_px)
    for square in (face, eye):
        square[[0, -1]] = square[:, [0, -1]] = 0
    uniform = np.full((1, NUM_DRAWS), 0.5)
    uniform[0, :2] = 0.0, 0.5 + angle_deg / 60
    draws = draw(Augmentation(rotate=1.0, rotate_deg=30.0), uniform, spec, params.pretrain.face_px)
    seen = apply(sample_of(face, eye, eye, None), draws, params.pretrain.face_px)
    assert min(seen.face.min(), seen.right.min(), seen.left.min()) == 255


def test_shift_and_scale_move_the_picture_but_not_the_label() -> None:
    gaze = np.array([0.3, 0.0])
    moved = view(with_dots(gaze), SPEC, 112, Augmentation(shift_mm=3.0, scale=0.1), np.random.default_rng(3))
    straight = center(with_dots(gaze), SPEC, 112)
    assert_gaze(moved, gaze)
    distance = np.linalg.norm(arm(moved.face) - arm(straight.face))
    assert 0.1 < distance < 3 * np.sqrt(2) * SPEC.face_px_per_mm / 0.9 + 0.1 * 40


def test_the_same_numbers_give_the_same_view(params: Params, samples: ShardSet) -> None:
    augmentation = Augmentation(**params.pretrain.views.model_dump())
    one, two, other = (view(samples[0], SMALL_SPEC, 48, augmentation, np.random.default_rng(s)) for s in (5, 5, 6))
    for a, b in zip(one[:3], two[:3], strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.any(one.face != other.face)


def test_switching_one_operation_off_leaves_the_others() -> None:
    """Blur does not change which angle is drawn."""
    sample = with_dots(np.array([0.1, 0.4]))
    plain = view(sample, SPEC, 96, ALWAYS_TURN, np.random.default_rng(1))
    blurred = view(sample, SPEC, 96, replace(ALWAYS_TURN, blur=1.0, gray=1.0, flip=0.0), np.random.default_rng(1))
    assert plain.gaze is not None and blurred.gaze is not None
    np.testing.assert_array_equal(plain.gaze, blurred.gaze)
    assert blurred.face.max() < plain.face.max()


def test_gray_and_light(samples: ShardSet) -> None:
    gray = view(samples[0], SMALL_SPEC, 48, Augmentation(gray=1.0), np.random.default_rng(0))
    assert np.ptp(gray.face.astype(int), axis=2).max() == 0
    means = []
    for seed in range(8):
        lit = view(samples[0], SMALL_SPEC, 48, Augmentation(light=0.5), np.random.default_rng(seed))
        means.append(lit.face.mean())
        assert lit.face.dtype == np.uint8
    assert np.std(means) > 5


def test_without_a_label_there_is_none(samples: ShardSet) -> None:
    unlabelled = replace(samples[0], gaze=None)
    assert view(unlabelled, SMALL_SPEC, 48, ALWAYS_TURN, np.random.default_rng(0)).gaze is None
