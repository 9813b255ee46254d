"""What is measured of a crop: by hand on drawn eyes."""

import numpy as np
import pytest

from slyk.geometry.camera import Array
from slyk.shards.crops import Crops, CropSpec, Image
from slyk.shards.eyes import EyeSpec, scaled
from slyk.shards.measure import dark_mm, measure, measure_eye
from slyk.shards.phash import phash
from tests.eyes import draw_eye

SPEC = CropSpec(480.0, 600.0, 112, 1.4, 60, 1.6, 1.6)


def eye(right_mm: float, down_mm: float) -> Image:
    """A light square with a dark disc of 6 mm radius."""
    side, scale = SPEC.eye_square_px, SPEC.eye_px_per_mm
    y, x = (np.mgrid[:side, :side] - (side - 1) / 2) / scale
    grey = np.where(np.hypot(x - right_mm, y - down_mm) < 5.0, 40, 200).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("place", [(0.0, 0.0), (4.0, 0.0), (-5.0, 1.5), (0.0, -2.0)])
def test_the_dark_is_where_the_disc_is(place: tuple[float, float]) -> None:
    np.testing.assert_allclose(dark_mm(eye(*place), SPEC.eye_px_per_mm), place, atol=0.5)


def test_numbers_of_a_crop() -> None:
    face = np.full((156, 156, 3), 90, np.uint8)
    face[:, 78:] = 110
    turn: Array = np.eye(3)
    found = measure(Crops(face, eye(-3, 0), eye(3, 0), turn, turn, (1.0, 0.5, 0.25)), SPEC)
    assert found.luminance == 100 and found.contrast == 10
    assert found.sharpness == pytest.approx(np.sqrt(2 * 20**2 / 78), rel=0.02)  # two columns of 78 hold the step
    assert found.right_mm[0] < -2 and found.left_mm[0] > 2
    assert (found.face_seen, found.right_seen, found.left_seen) == (1.0, 0.5, 0.25)
    assert found.phash == phash(np.ascontiguousarray(face[::2, ::2, 0]))  # as shrunk by half


def test_an_even_square_says_nothing_and_does_not_fail() -> None:
    even = np.full((96, 96, 3), 7, np.uint8)
    np.testing.assert_allclose(dark_mm(even, SPEC.eye_px_per_mm), [0, 0], atol=0.5)


MIDDLE = np.array([84.0, 56.0])


@pytest.mark.parametrize("px", [80, 160, 320])
@pytest.mark.parametrize("x", [-0.6, 0.0, 0.5])
def test_the_dark_of_one_eye_is_told_in_widths_of_its_opening(x: float, px: int) -> None:
    """The iris moves by 30 px for a gaze of length 1, the opening is 100 px wide; whatever the size of the picture."""
    photo, labels = draw_eye(np.array([x, 0.0, -np.sqrt(1 - x * x)]), MIDDLE)
    dark = measure_eye(scaled(photo, EyeSpec(px)), labels).dark
    assert dark is not None
    np.testing.assert_allclose(dark, [0.3 * x, 0.0], atol=0.03)


def test_of_lids_nobody_labelled_the_picture_is_the_measure() -> None:
    photo, labels = draw_eye(np.array([0.3, -0.2, -0.93]), MIDDLE)
    dark = measure_eye(scaled(photo, EyeSpec(160)), {"pupil_px": labels["pupil_px"]}).dark
    assert dark is not None
    expected = (MIDDLE + 30 * np.array([0.3, -0.2]) - [79.5, 59.5]) / 160
    np.testing.assert_allclose(dark, expected, atol=0.03)


def test_closed_lids_and_lids_beside_the_picture_show_no_dark() -> None:
    photo, labels = draw_eye(np.array([0.0, 0.0, -1.0]), MIDDLE)
    eye = scaled(photo, EyeSpec(160))
    lids = np.array(labels["lid_px"])
    flat = np.column_stack([lids[:, 0], np.full(34, MIDDLE[1])])
    for points in (flat, lids + 500, lids - 500):
        assert measure_eye(eye, labels | {"lid_px": points.tolist()}).dark is None
    assert measure_eye(eye, labels | {"lid_valid": False}).dark is None
    even = scaled(np.full_like(photo, 90), EyeSpec(160))
    found = measure_eye(even, labels)
    assert found.dark is None and (found.luminance, found.contrast, found.sharpness) == (90, 0, 0)
