"""What is drawn for views: each operation by hand, ranges, and independence of each from the others."""

import math
from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.config.training import Views
from slyk.geometry.camera import Array
from slyk.shards.crops import CropSpec
from slyk.views.augmentation import LUMA, NUM_DRAWS, Augmentation, draw, numbers, unchanged

SPEC = CropSpec(480.0, 600.0, 112, 1.4, 60, 1.6, 1.6)
FACE_PX = 96
ALL = Augmentation(
    flip=0.5, rotate=0.8, rotate_deg=30.0, blur=0.5, gray=0.2, shift_mm=3.0, scale=0.1, light=0.3, jitter=0.8,
    solarize=0.3, crop=0.7,
)  # fmt: skip
BLUE, GREEN, RED = np.eye(3) * 255


def uniform(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((count, NUM_DRAWS))


def middle(**chosen: float) -> Array:
    """Numbers that change nothing, but for those named by their place, `n5`."""
    numbers = np.full((1, NUM_DRAWS), 0.5)
    for name, value in chosen.items():
        numbers[0, int(name[1:])] = value
    return numbers


def test_params_name_the_same_fields_with_the_same_defaults() -> None:
    values = {field.name: getattr(Views(), field.name) for field in fields(Augmentation)}
    assert Augmentation(**values) == Augmentation()
    assert set(values) == set(Views.model_fields)


def test_nothing_is_the_middle_of_the_stored_square() -> None:
    draws = unchanged(2, SPEC, 112)
    np.testing.assert_allclose(draws.turn, np.broadcast_to(np.eye(2), (2, 2, 2)), atol=1e-12)
    np.testing.assert_allclose(draws.warps[0, 1], [[1, 0, 22], [0, 1, 22]], atol=1e-9)
    np.testing.assert_allclose(draws.warps[2, 0], [[1, 0, 18], [0, 1, 30]], atol=1e-9)
    np.testing.assert_allclose(draws.color[0], np.eye(3), atol=1e-12)
    assert not (draws.offset.any() or draws.pivot.any() or draws.sigma.any() or draws.solarize.any())


def test_numbers_are_functions_of_seed_epoch_sample_and_view() -> None:
    some = numbers(1, [(0, 3), (2, 5)], 0)
    assert some.shape == (2, NUM_DRAWS) and some.min() >= 0 and some.max() < 1
    np.testing.assert_array_equal(numbers(1, [(2, 5)], 0)[0], some[1])
    others = [numbers(2, [(0, 3)], 0), numbers(1, [(1, 3)], 0), numbers(1, [(0, 4)], 0), numbers(1, [(0, 3)], 1)]
    assert all(np.abs(other - some[0]).max() > 0.1 for other in others)


def test_numbers_are_even_and_independent() -> None:
    found = numbers(7, [(0, i) for i in range(4000)], 1)
    np.testing.assert_allclose(found.mean(axis=0), 0.5, atol=0.03)
    np.testing.assert_allclose(found.var(axis=0), 1 / 12, atol=0.006)
    assert np.abs(np.corrcoef(found.T) - np.eye(NUM_DRAWS)).max() < 0.07
    assert np.abs(np.corrcoef(found[:-1, 0], found[1:, 0])[0, 1]) < 0.05


@pytest.mark.parametrize("name", ["flip", "rotate", "blur", "gray", "jitter", "solarize", "crop", "shift_mm", "light"])
def test_switching_one_operation_off_leaves_the_others(name: str) -> None:
    changed = {
        "flip": {"turn", "swap", "warps"}, "rotate": {"turn", "warps"}, "blur": {"sigma"}, "gray": {"color"},
        "jitter": {"color", "pivot"}, "solarize": {"solarize"}, "crop": {"warps"}, "shift_mm": {"warps"},
        "light": {"color", "offset", "pivot"},
    }[name]  # fmt: skip
    whole, without = (draw(a, uniform(50), SPEC, FACE_PX) for a in (ALL, Augmentation(**(asdict(ALL) | {name: 0.0}))))
    assert {f for f in whole._fields if not np.array_equal(getattr(whole, f), getattr(without, f))} == changed


def test_probabilities_and_ranges() -> None:
    draws = draw(ALL, uniform(8000), SPEC, FACE_PX)
    assert draws.swap.mean() == pytest.approx(0.5, abs=0.02)
    assert (draws.sigma > 0).mean() == pytest.approx(0.5, abs=0.02)
    assert draws.solarize.mean() == pytest.approx(0.3, abs=0.02)
    blurred = draws.sigma[draws.sigma > 0]
    assert 0.1 <= blurred.min() < 0.15 and 1.95 < blurred.max() <= 2.0
    mirror = np.where(draws.swap, -1.0, 1.0)
    angle = np.degrees(np.arctan2(draws.turn[:, 0, 1], mirror * draws.turn[:, 0, 0]))
    assert (np.abs(angle) > 1e-9).mean() == pytest.approx(0.8, abs=0.02)
    assert 29 < np.abs(angle).max() <= 30 and angle.mean() == pytest.approx(0, abs=0.6)
    np.testing.assert_allclose(np.linalg.det(draws.turn), mirror)


@given(st.floats(-0.5, 0.5), st.floats(0.0, 2.0))
def test_colours_keep_grey_and_its_level(hue: float, saturation: float) -> None:
    strength = (0.0, 0.0, abs(saturation - 1), abs(hue))
    chosen = middle(n8=0.0, n11=float(saturation > 1), n12=float(hue > 0))
    color = draw(Augmentation(jitter=1.0, jitter_strength=strength), chosen, SPEC, FACE_PX).color[0]
    np.testing.assert_allclose(color @ [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], atol=2e-3)
    np.testing.assert_allclose(LUMA @ color, LUMA, atol=2e-3)  # hue and saturation leave the luma


def test_grey_by_hand() -> None:
    color = draw(Augmentation(gray=1.0), uniform(1), SPEC, FACE_PX).color[0]
    for pure, luma in ((BLUE, 0.114), (GREEN, 0.587), (RED, 0.299)):
        np.testing.assert_allclose(color @ pure, np.full(3, 255 * luma), atol=0.3)


def test_hue_by_hand() -> None:
    """A third of a turn carries red to green and green to blue, up to the luma, which stays: YIQ is no colour wheel."""
    color = draw(
        Augmentation(jitter=1.0, jitter_strength=(0, 0, 0, 1 / 3)), middle(n8=0.0, n12=0.0), SPEC, FACE_PX
    ).color[0]
    chroma = np.eye(3) - LUMA
    for pure, to in ((RED, GREEN), (GREEN, BLUE), (BLUE, RED)):
        found, wanted = color @ pure - LUMA @ pure, chroma @ to
        assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.9


def test_brightness_and_contrast_by_hand() -> None:
    """0.8 of the light, then 1.4 of the distance from the mean: 1.12 x - 0.32 of the mean."""
    strength = (0.2, 0.4, 0.0, 0.0)
    draws = draw(Augmentation(jitter=1.0, jitter_strength=strength), middle(n8=0.0, n9=0.0, n10=1.0), SPEC, FACE_PX)
    np.testing.assert_allclose(draws.color[0], 1.12 * np.eye(3), atol=2e-3)
    assert draws.pivot[0] == pytest.approx(-0.32) and draws.offset[0] == 0.0


@given(st.integers(0, 2**32))
def test_crops_stay_within_the_face(seed: int) -> None:
    """Of 0.2 to 1 of its area and of aspects 3:4 to 4:3, as far as it reaches."""
    draws = draw(Augmentation(crop=1.0), uniform(20, seed), SPEC, 112)
    corners = np.array([[0, 0, 1], [112, 112, 1.0]])
    low, high = np.moveaxis(np.einsum("nij,kj->nki", draws.warps[0], corners), 1, 0)
    assert low.min() >= 22 - 1e-9 and high.max() <= 134 + 1e-9
    size = (high - low) / 112
    area, aspect = size.prod(axis=1), size[:, 0] / size[:, 1]
    assert area.min() >= 0.2 * 0.75 and area.max() <= 1.0
    assert aspect.min() >= 3 / 4 - 1e-9 and aspect.max() <= 4 / 3 + 1e-9
    np.testing.assert_allclose(draws.warps[1:], unchanged(20, SPEC, 112).warps[1:])  # eyes are whole


def test_labels_turn_and_missing_ones_stay_missing() -> None:
    draws = draw(Augmentation(rotate=1.0, rotate_deg=30.0), middle(n0=0.0, n1=1.0), SPEC, FACE_PX)
    ahead, none = draws.of_gaze(np.array([[0.0, 0.0]])), draws.of_gaze(np.array([[np.nan, np.nan]]))
    np.testing.assert_allclose(ahead, [[0.0, 0.0]], atol=1e-12)
    assert np.isnan(none).all()
    right = draws.of_gaze(np.array([[0.0, -0.2]]))[0]  # image-right, turned counter-clockwise: up
    assert right[0] == pytest.approx(math.asin(math.sin(0.2) * math.sin(math.radians(30))))
