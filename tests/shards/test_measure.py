"""What is measured of a crop: by hand on drawn eyes."""

import numpy as np
import pytest

from slyk.geometry.camera import Array
from slyk.shards.crops import Crops, CropSpec, Image
from slyk.shards.measure import dark_mm, measure

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
    assert found.sharpness == pytest.approx(np.sqrt(2 * 20**2 / 156), rel=0.02)  # two columns of 156 hold the step
    assert found.right_mm[0] < -2 and found.left_mm[0] > 2
    assert (found.face_seen, found.right_seen, found.left_seen) == (1.0, 0.5, 0.25)


def test_an_even_square_says_nothing_and_does_not_fail() -> None:
    even = np.full((96, 96, 3), 7, np.uint8)
    np.testing.assert_allclose(dark_mm(even, SPEC.eye_px_per_mm), [0, 0], atol=0.5)
