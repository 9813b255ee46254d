"""Statistics of known pictures, and when two sets of statistics agree."""

import numpy as np
import pytest

from benchmarks.faces import AREAS, CROP_PX, EYES_MIDPOINT_PX, MM_PER_PX, Crop, align
from benchmarks.texture import BANDS, NAMES, agrees, compare, distance, gradient_histogram, measure, spectrum, summarize
from slyk.geometry.eyes import EYE_DISTANCE_MM


def noise(sd: float, shape: tuple[int, int] = (64, 64), seed: int = 0) -> Crop:
    return (128 + sd * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def test_white_noise_has_its_known_statistics() -> None:
    found = measure([noise(5.0, seed=seed) for seed in range(20)])
    assert found["contrast_sd"] == pytest.approx(5.0, rel=0.03)
    assert found["laplacian_sd"] == pytest.approx(5.0 * np.sqrt(20.0), rel=0.03)  # 4 neighbours of weight 1, one of -4
    bands = [found[f"band_{i}"] for i in range(5)]
    np.testing.assert_allclose(bands, 5.0, rtol=0.12)  # flat, whatever the band


def test_small_areas_have_the_spectrum_of_large_ones() -> None:
    small = [spectrum([noise(3.0, (17, 29), seed)]) for seed in range(60)]
    np.testing.assert_allclose(np.mean(small, axis=0), 3.0, rtol=0.12)


@pytest.mark.parametrize("band", range(5))
def test_a_wave_falls_into_its_band(band: int) -> None:
    frequency = np.sqrt(BANDS[band] * BANDS[band + 1])
    across = np.arange(64) * np.cos(0.4) + np.arange(64)[:, None] * np.sin(0.4)
    found = spectrum([(100 + 20 * np.sin(2 * np.pi * frequency * across)).astype(np.float32)])
    others = np.delete(found, band)
    assert found[band] > 5 * others.max()


def test_a_ramp_has_one_gradient() -> None:
    ramp = np.tile(5.0 * np.arange(20, dtype=np.float32), (20, 1))
    shares = gradient_histogram([ramp])
    assert shares[4] == 1.0 and shares.sum() == 1.0  # 4 to 6 grey levels a pixel


def test_a_band_twice_as_strong_misses_and_the_level_never_does() -> None:
    crops = [noise(6.0, (CROP_PX[1], CROP_PX[0]), seed) for seed in range(3)]
    real = summarize(crops)
    assert all(line.ok is not False for line in compare(real, real))
    twice = summarize([(128 + 2 * (crop - 128)).astype(np.float32) for crop in crops])
    lines = {line.name: line for line in compare(real, twice)}
    for part in AREAS:
        for name in NAMES[1:]:
            assert lines[f"photometry {part} {name}"].measured == pytest.approx(2.0, rel=0.01)
            assert lines[f"photometry {part} {name}"].ok is False
        assert lines[f"photometry {part} level"].ok is None
        assert lines[f"photometry {part} gradients"].ok is False


@pytest.mark.parametrize(("ratio", "ok"), [(1.0, True), (1.149, True), (0.851, True), (1.16, False), (0.84, False)])
def test_agreement_is_within_15_percent(ratio: float, ok: bool) -> None:
    assert agrees(ratio) is ok


def test_the_distance_is_the_share_that_moves() -> None:
    assert distance([0.5, 0.5, 0.0], [0.5, 0.25, 0.25]) == pytest.approx(0.25)


def test_eyes_come_to_their_places_whatever_size_and_roll() -> None:
    photo = np.zeros((200, 240), np.float32)
    eyes = np.array([[80.0, 120.0], [150.0, 90.0]])
    for x, y in eyes.astype(int):
        photo[y - 3 : y + 4, x - 3 : x + 4] = 200
    crop = align(photo, eyes)
    half = EYE_DISTANCE_MM / MM_PER_PX / 2
    for side in (-1, 1):
        x, y = round(EYES_MIDPOINT_PX[0] + side * half), round(EYES_MIDPOINT_PX[1])
        assert crop[y, x] > 150
    assert crop.shape == CROP_PX[::-1] and crop[60:].max() < 20
    for part in AREAS:
        for area in AREAS[part]:
            assert min(area.cut(crop).shape) >= 16  # the lowest band needs them
