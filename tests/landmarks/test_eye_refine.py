"""Guesses about eyes come closer to the midpoints between the corners, whatever the size, side and gaze."""

import cv2
import numpy as np
import pytest

from jobs.fit_eyes import Guess, error, fit_step
from slyk.landmarks.eye_refine import STEPS, features, missing_move, refine, step
from tests.photos import PHOTO_PX, portrait

GUESSES = [np.array(g, dtype=float) for g in ([[4, -3], [-3, 2]], [[-5, 0], [-4, 1]], [[0, 5], [2, 4]])]


def grey(person: int) -> np.ndarray:
    return np.asarray(cv2.cvtColor(portrait(person).photo, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


@pytest.mark.parametrize("person", [3, 4, 5])
@pytest.mark.parametrize("guess", GUESSES)
def test_a_guess_comes_close(person: int, guess: np.ndarray) -> None:
    """From several pixels to below 4 % of the eye distance, about 2.5 mm."""
    known = portrait(person).eyes_px
    found = refine(grey(person), known + guess)
    share = np.linalg.norm(found - known, axis=1) / np.linalg.norm(known[1] - known[0])
    assert share.max() < 0.04


def test_a_mirror_image_gives_mirrored_eyes() -> None:
    photo, known = grey(3), portrait(3).eyes_px + GUESSES[0]
    mirrored = (known * (-1.0, 1.0) + np.array([PHOTO_PX - 1, 0.0]))[::-1]
    again = refine(photo[:, ::-1].copy(), mirrored)[::-1] * (-1.0, 1.0) + np.array([PHOTO_PX - 1, 0.0])
    np.testing.assert_allclose(again, refine(photo, known), atol=0.3)


def test_a_large_photo_gives_the_same_place() -> None:
    photo, known = grey(4), portrait(4).eyes_px + GUESSES[0]
    large = np.asarray(cv2.resize(photo, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    np.testing.assert_allclose((refine(large, known * 6 + 2.5) - 2.5) / 6, refine(photo, known), atol=0.5)


def test_eyes_at_the_very_edge_are_no_error() -> None:
    found = refine(grey(3), np.array([[0.0, 0.0], [30.0, 2.0]]))
    assert np.isfinite(found).all()
    large = np.tile(grey(3), (5, 5))
    assert np.isfinite(refine(large, np.array([[2.0, 2.0], [800.0, 3.0]]))).all()


def test_a_step_reaches_what_is_missing() -> None:
    """With weights that give a constant move, both eyes move by it in the level picture, the left one mirrored."""
    eyes, true_eyes = np.array([[100.0, 120.0], [160.0, 140.0]]), np.array([[103.0, 118.0], [157.0, 138.0]])
    _, level_from_photo = features(grey(3), eyes)
    move = missing_move(eyes, true_eyes, level_from_photo)
    weights = np.zeros((np.load(STEPS)["steps"].shape[1], 2))
    weights[-1] = move[0]
    np.testing.assert_allclose(step(grey(3), eyes, weights)[0], true_eyes[0])
    weights[-1] = move[1]
    np.testing.assert_allclose(step(grey(3), eyes, weights)[1], true_eyes[1])


def test_fitting_lowers_the_error() -> None:
    rng = np.random.default_rng(1)
    known = [portrait(person) for person in range(3)]
    guesses = [Guess(grey(i), p.eyes_px, p.eyes_px + rng.normal(0, 3, (2, 2))) for i, p in enumerate(known)] * 2
    weights = fit_step(guesses)
    after = [g._replace(eyes=step(g.photo, g.eyes, weights)) for g in guesses]
    assert error(after) < 0.5 * error(guesses)
