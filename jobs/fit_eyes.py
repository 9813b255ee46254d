"""Fits `slyk.landmarks.eye_refine` on rendered faces: training people fit, test people measure. Half a minute.

    python -m jobs.fit_eyes --raw data/raw/synthetic --out slyk/landmarks/eye_refine.npz

Run it again after the renderer has changed. The result depends on the photos and the seed alone.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from jobs.evaluate_photos import split_records
from slyk.files import resolve, write_atomic
from slyk.geometry.camera import Array, project
from slyk.landmarks.eye_refine import STEPS, features, missing_move, step
from slyk.photos import read_photo

NUM_STEPS, GUESSES_A_PHOTO, RIDGE = 4, 3, 30.0
GUESS_SD = (0.02, 0.11)
"""Standard deviation of the guesses that steps start from, as shares of the eye distance: cascades err by 0.05."""


class Guess(NamedTuple):
    """A grey photo, its true eyes and where they are believed to be, each (2, 2) in pixels."""

    photo: NDArray[np.uint8]
    true_eyes: Array
    eyes: Array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", default="data/raw/synthetic", help="folder of the rendered set")
    parser.add_argument("--out", default=str(STEPS), help="where the fitted numbers go")
    args = parser.parse_args()
    steps = fit(resolve(args.raw), seed=1)
    buffer = io.BytesIO()
    np.savez(buffer, steps=steps.astype(np.float32))
    write_atomic(resolve(args.out), buffer.getvalue())


def fit(raw_root: Path, *, seed: int) -> Array:
    """The steps (NUM_STEPS, F, 2); prints the error on training and on test people after each."""
    rng = np.random.default_rng(seed)
    train = guesses(raw_root, "train", lambda photo, eyes: spoil(photo, eyes, rng), rng)
    test = guesses(raw_root, "test", lambda photo, eyes: (photo, eyes), rng)
    print(f"guesses: {error(train):.2%} of the eye distance on training people, {error(test):.2%} on test people")
    steps = []
    for number in range(NUM_STEPS):
        steps.append(fit_step(train))
        train, test = ([g._replace(eyes=step(g.photo, g.eyes, steps[-1])) for g in part] for part in (train, test))
        print(f"step {number + 1}: {error(train):.2%} and {error(test):.2%}", flush=True)
    return np.stack(steps)


def fit_step(guesses: list[Guess]) -> Array:
    """Ridge regression (F, 2) of the missing moves on the features."""
    gram: Array | float = 0.0
    target: Array | float = 0.0
    for chunk in (guesses[i : i + 500] for i in range(0, len(guesses), 500)):
        seen = [features(g.photo, g.eyes) for g in chunk]
        moves = [missing_move(g.eyes, g.true_eyes, level) for g, (_, level) in zip(chunk, seen, strict=True)]
        rows = np.concatenate([values for values, _ in seen])
        gram, target = gram + rows.T @ rows, target + rows.T @ np.concatenate(moves)
    return np.linalg.solve(np.asarray(gram) + RIDGE * np.eye(np.shape(gram)[0]), np.asarray(target))


def guesses(
    raw_root: Path,
    split: str,
    change: Callable[[NDArray[np.uint8], Array], tuple[NDArray[np.uint8], Array]],
    rng: np.random.Generator,
) -> list[Guess]:
    """Photos of a split, changed, each with several guesses about its eyes."""
    result = []
    for record in split_records(raw_root, split):
        photo = cv2.cvtColor(read_photo(raw_root / record.photo), cv2.COLOR_BGR2GRAY)
        eyes = project(record.face.camera, record.face.eyes_mm)
        changed, true_eyes = change(np.asarray(photo, dtype=np.uint8), eyes)
        distance = np.linalg.norm(true_eyes[1] - true_eyes[0])
        for _ in range(GUESSES_A_PHOTO):
            sd = rng.uniform(*GUESS_SD) * distance
            moved = rng.normal(0, sd, (2, 2)) + rng.normal(0, sd / 2, (1, 2))
            result.append(Guess(changed, true_eyes, true_eyes + moved))
    return result


def spoil(photo: NDArray[np.uint8], eyes: Array, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Array]:
    """Another size, contrast, noise and blur: real photos differ from rendered ones in these first."""
    zoom = rng.uniform(0.45, 1.3)
    interpolation = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(photo, None, fx=zoom, fy=zoom, interpolation=interpolation).astype(np.float64)
    noise = rng.normal(0, rng.uniform(0, 4), resized.shape)
    resized = np.clip(resized * rng.uniform(0.6, 1.3) + rng.uniform(-20, 20) + noise, 0, 255)
    if rng.uniform() < 0.3:
        resized = np.asarray(cv2.GaussianBlur(resized, (0, 0), rng.uniform(0.4, 1.2)), dtype=np.float64)
    return resized.astype(np.uint8), (eyes + 0.5) * zoom - 0.5


def error(guesses: list[Guess]) -> float:
    """Mean distance of an eye from where it is, as a share of the eye distance."""
    shares = [
        np.linalg.norm(g.eyes - g.true_eyes, axis=1).mean() / np.linalg.norm(g.true_eyes[1] - g.true_eyes[0])
        for g in guesses
    ]
    return float(np.mean(shares))


if __name__ == "__main__":
    main()
