"""The whole photo of an eye, scaled: how large it becomes and where its points go."""

import cv2
import numpy as np
import pytest

from slyk.geometry.camera import Array
from slyk.shards.crops import Image
from slyk.shards.eyes import EyeSpec, scaled


@pytest.mark.parametrize(
    ("size", "longer", "expected"),
    [
        ((384, 288), 192, (192, 144)),
        ((288, 384), 192, (144, 192)),
        ((100, 60), 192, (192, 115)),
        ((192, 144), 192, (192, 144)),
        ((641, 479), 192, (192, 143)),
        ((3000, 1), 192, (192, 1)),
        ((1, 1), 16, (16, 16)),
    ],
)
def test_the_longer_side_is_given_and_the_other_follows(
    size: tuple[int, int], longer: int, expected: tuple[int, int]
) -> None:
    eye = scaled(np.full((size[1], size[0], 3), 77, np.uint8), EyeSpec(longer))
    assert eye.picture.shape == (expected[1], expected[0], 3)
    assert np.all(eye.picture == 77)


def dot(size: tuple[int, int], at: Array) -> Image:
    """A soft dot, so that its middle can be told to a fraction of a pixel."""
    y, x = np.mgrid[: size[1], : size[0]]
    grey = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * (size[0] / 24) ** 2))
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("size", [(384, 288), (350, 271), (90, 70), (96, 72)])
@pytest.mark.parametrize("share", [(0.3, 0.4), (0.61, 0.55)])
def test_points_go_where_the_matrix_says(size: tuple[int, int], share: tuple[float, float]) -> None:
    at = np.array(size) * share
    eye = scaled(dot(size, at), EyeSpec(96))
    moments = cv2.moments(eye.picture[..., 0])
    found = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
    expected = cv2.perspectiveTransform(at[None, None], eye.eye_from_photo)[0, 0]
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_the_outlines_of_photo_and_picture_meet() -> None:
    """From -0.5 to side - 0.5 in either, since pixels are counted at their middles."""
    eye = scaled(np.zeros((271, 350, 3), np.uint8), EyeSpec(96))
    corners = np.array([[[-0.5, -0.5], [349.5, 270.5]]])
    height, width = eye.picture.shape[:2]
    moved = cv2.perspectiveTransform(corners, eye.eye_from_photo)[0]
    np.testing.assert_allclose(moved, [[-0.5, -0.5], [width - 0.5, height - 0.5]], atol=1e-12)


def test_shrinking_averages() -> None:
    """Stripes of one pixel become grey and no moire."""
    stripes = np.zeros((120, 160, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.ptp(scaled(stripes, EyeSpec(80)).picture) == 0
