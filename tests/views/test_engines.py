"""Both engines on equal draws: operations by hand on plain pictures, and how far they are apart on real ones."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from slyk.geometry.camera import Array
from slyk.models.encoder import Images
from slyk.shards.crops import CropSpec
from slyk.shards.read import Pictures, ShardSet
from slyk.views import fused_cv, fused_torch
from slyk.views.augmentation import LUMA, NUM_DRAWS, Augmentation, Draws, draw, unchanged
from tests.drawn import SMALL_SPEC
from tests.views.test_augmentation import ALL, SPEC, uniform

ENGINES = ("cv", "torch")


def seen(engine: str, stored: Pictures, draws: Draws, face_px: int) -> Pictures:
    """(N, h, w, 3) by either engine."""
    if engine == "cv":
        return Pictures(*fused_cv.apply(stored, draws, fused_cv.empty(len(stored.face), face_px, eyes=True)))
    images: Images = fused_torch.apply(fused_torch.Stored(*map(torch.from_numpy, stored)), draws, face_px, eyes=True)
    assert images.face.dtype == torch.uint8
    return Pictures(*(part.permute(0, 2, 3, 1).numpy() for part in images))


def plain(colors: Array, spec: CropSpec = SPEC) -> Pictures:
    """Faces and eyes of one colour each (N, 3)."""
    faces, eyes = (
        np.ascontiguousarray(np.broadcast_to(colors[:, None, None], (len(colors), side, side, 3)).astype(np.uint8))
        for side in (spec.face_square_px, spec.eye_square_px)
    )
    return Pictures(faces, eyes, eyes.copy())


@pytest.mark.parametrize("engine", ENGINES)
def test_colours_by_hand(engine: str) -> None:
    """The same for a face and its eyes: the mean that contrast turns about is the face's."""
    draws = draw(replace(ALL, blur=0.0, solarize=0.0), uniform(40), SPEC, 96)
    colors = np.random.default_rng(1).integers(60, 190, (40, 3)).astype(float)
    found = seen(engine, plain(colors), draws, 96)
    offset = draws.offset + draws.pivot * (colors @ LUMA)
    expected = np.clip(np.einsum("nij,nj->ni", draws.color, colors) + offset[:, None], 0, 255)
    for part in found:
        np.testing.assert_allclose(part.mean(axis=(1, 2)), expected, atol=1.0)
        assert np.ptp(part, axis=(1, 2)).max() == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_solarizing_by_hand(engine: str) -> None:
    draws = draw(Augmentation(solarize=1.0), uniform(4), SPEC, 96)
    found = seen(engine, plain(np.repeat([[0], [127], [128], [255]], 3, axis=1)), draws, 96)
    assert found.face[:, 5, 5, 0].tolist() == [0, 127, 127, 0]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_blur_spreads_a_dot_by_its_sigma(engine: str) -> None:
    stored = plain(np.zeros((3, 3)))
    stored.face[:, 78, 78] = 255
    draws = unchanged(3, SPEC, 112)._replace(sigma=np.array([0.0, 0.8, 1.9]))
    found = seen(engine, stored, draws, 112).face[..., 0].astype(float)
    assert found[0, 56, 56] == 255 and found[0].sum() == 255
    for picture, sigma in zip(found[1:], (0.8, 1.9), strict=True):
        y, x = np.mgrid[:112, :112]
        spread = (picture * ((x - 56) ** 2 + (y - 56) ** 2)).sum() / picture.sum()
        assert spread == pytest.approx(2 * sigma**2, rel=0.15)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mirror_swaps_the_eyes(engine: str) -> None:
    stored = plain(np.full((2, 3), 90))
    stored.left[:] = 200
    draws = unchanged(2, SPEC, 96)._replace(swap=np.array([True, False]))
    found = seen(engine, stored, draws, 96)
    assert found.right[:, 3, 3, 0].tolist() == [200, 90] and found.left[:, 3, 3, 0].tolist() == [90, 200]


def test_engines_agree(samples: ShardSet) -> None:
    """On equal draws: under 2 of 255 in the mean, for each picture of each sample."""
    stored = samples.pictures(range(len(samples)))
    for seed in range(4):
        draws = draw(ALL, uniform(len(samples), seed), SMALL_SPEC, 48)
        one, other = (seen(engine, stored, draws, 48) for engine in ENGINES)
        for a, b in zip(one, other, strict=True):
            difference = np.abs(a.astype(int) - b.astype(int)).mean(axis=(1, 2, 3))
            assert difference.max() < 2 and difference.mean() < 1


def test_a_view_does_not_depend_on_its_company(samples: ShardSet) -> None:
    stored = samples.pictures(range(8))
    draws = draw(ALL, uniform(8), SMALL_SPEC, 48)
    alone = draws.where(slice(5, 6))
    for engine in ENGINES:
        whole = seen(engine, stored, draws, 48)
        one = seen(engine, Pictures(*(part[5:6] for part in stored)), alone, 48)
        for a, b in zip(whole, one, strict=True):
            np.testing.assert_allclose(a[5].astype(int), b[0].astype(int), atol=0 if engine == "cv" else 1)


def test_the_edge_goes_on_beyond_the_square() -> None:
    """Where a view reaches further than what is stored no corner is black."""
    wide = Augmentation(rotate=1.0, rotate_deg=45.0, shift_mm=10.0, scale=0.3)
    draws = draw(wide, np.random.default_rng(0).random((20, NUM_DRAWS)), SPEC, 96)
    for engine in ENGINES:
        assert min(part.min() for part in seen(engine, plain(np.full((20, 3), 255)), draws, 96)) == 255


def test_a_blur_is_that_of_opencv() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, *SPEC_SQUARE, 3)).astype(np.uint8)
    stored = plain(np.zeros((1, 3)))._replace(face=noise)
    for sigma in (0.3, 1.1, 2.0):
        draws = unchanged(1, SPEC, 112)._replace(sigma=np.array([sigma]))
        expected = cv2.GaussianBlur(noise[0, 22:134, 22:134], (0, 0), sigma).astype(int)
        for engine in ENGINES:
            assert np.abs(seen(engine, stored, draws, 112).face[0].astype(int) - expected).max() <= 2


SPEC_SQUARE = (SPEC.face_square_px, SPEC.face_square_px)
