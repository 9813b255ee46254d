"""Drawn photos of one eye, whose iris lies where their labels say it looks, as records without a geometry."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from slyk.datasets.record import Record
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.shards.crops import Image
from slyk.shards.eyes import EyeSpec
from tests.drawn import RawSet

EYE_SPEC = EyeSpec(one_eye_px=96)
PHOTO_PX = (160, 120)
HALF_OPENING = np.array([50.0, 24.0])


def draw_eye(gaze: Array, middle: Array) -> tuple[Image, dict[str, Any]]:
    """A photo and its labels: an opening about `middle`, px, in skin; iris and pupil shifted along the gaze."""
    photo = np.full((PHOTO_PX[1], PHOTO_PX[0], 3), 150, np.uint8)
    opening, iris = np.zeros(photo.shape[:2], np.uint8), middle + 30.0 * gaze[:2]
    cv2.ellipse(opening, np.rint(middle).astype(int).tolist(), HALF_OPENING.astype(int).tolist(), 0, 0, 360, 255, -1)
    eye = np.full_like(photo, 220)
    for radius, grey in ((16, 110), (8, 25)):
        cv2.circle(eye, np.rint(iris * 16).astype(int).tolist(), radius * 16, (grey,) * 3, -1, cv2.LINE_AA, shift=4)
    across, round_about = np.linspace(-1, 1, 17), np.arange(8) * np.pi / 4
    half = np.sqrt(1 - across**2)
    lids = [middle + HALF_OPENING * np.stack([across, sign * half], axis=-1) for sign in (-1, 1)]
    ring = np.stack([np.cos(round_about), -np.sin(round_about)], axis=-1)
    points = {"lid": np.concatenate(lids), "iris": iris + 16 * ring, "pupil": iris + 8 * ring}
    labels = {f"{part}_px": px.tolist() for part, px in points.items()} | {f"{part}_valid": True for part in points}
    return np.where(opening[..., None] > 0, eye, photo), labels


def draw_eye_set(root: Path, *, num_groups: int, num_photos: int, seed: int = 0) -> RawSet:
    """Photos of groups e0, e1, ..., each with its own place of the eye and angle of the camera; the last tests."""
    records = []
    for number in range(num_groups):
        rng, group = np.random.default_rng([seed, number]), f"e{number}"
        middle = np.array([80.0, 60.0]) + rng.uniform(-8, 8, 2)
        aside = rng.uniform(-0.25, 0.25, 2)
        (root / group).mkdir(parents=True)
        for index in range(num_photos):
            turn = rng.uniform([-0.4, -0.6], [0.4, 0.6])
            photo, labels = draw_eye(vector_from_pitchyaw(turn), middle)
            name = f"{group}/{index:03d}.png"
            noise = rng.normal(0, 3, photo.shape)
            assert cv2.imwrite(str(root / name), np.clip(photo + noise, 0, 255).astype(np.uint8))
            split = "test" if number == num_groups - 1 else "train"
            gaze = vector_from_pitchyaw(turn + aside)
            about = (f"{group}/{index:03d}", name, group, split, None, gaze)
            records.append(Record(*about, "annotated", "guessed", "unknown", ("still",), labels))
    return RawSet(root, tuple(records))
