"""A small set in the layout of the reader `w300`, and what damage does to it."""

import shutil
from pathlib import Path

import numpy as np

from slyk.geometry.camera import Array
from tests.datasets.damage import (
    NO_CAMERAS,
    NO_PEOPLE,
    NO_SCREEN,
    ODD,
    TEXTS,
    Case,
    Cases,
    cut,
    edited,
    gone,
    moved,
    steps,
)
from tests.datasets.trees import save_photo

POINTS = np.random.default_rng(2).uniform(20, 100, (68, 2)).round(3)


def pts(points: Array = POINTS, *, wrapper: bool = True, end: str = "\n") -> str:
    """A file's text; its pixels count from 1."""
    lines = [f"{x:.6f} {y:.6f}" for x, y in points + 1]
    return end.join(["version: 1", "n_points:  68", "{", *lines, "}", ""] if wrapper else lines)


def make(root: Path, files: dict[str, str]) -> Path:
    """Photos that nobody opens beside the landmarks."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".jpg").write_bytes(b"read later")
        path.with_suffix(".pts").write_bytes(text.encode())
    return root


def clean(root: Path) -> None:
    stems = ["afw/1_1", "helen/trainset/2_1", "ibug/image_003_1"]
    make(root, {stem: pts() for stem in stems})
    for stem in stems:
        save_photo(root, f"{stem}.jpg", (120, 110))


STEM, NOW = "helen/trainset/2_1", f"helen/trainset/{ODD}_1"
PHOTO, LABELS = f"{STEM}.jpg", f"{STEM}.pts"
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(LABELS, "photo_missing")], lost=[STEM]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(edited(LABELS, f"{POINTS[5, 0] + 1:.6f}", "nan"), [(PHOTO, "bad_label")], lost=[STEM]),
    **TEXTS,
    "unicode_path": Case(steps(moved(PHOTO, f"{NOW}.jpg"), moved(LABELS, f"{NOW}.pts")), renamed={PHOTO: f"{NOW}.jpg"}),
    "duplicate_key": Case(lambda root: shutil.copy(root / PHOTO, root / f"{STEM}.png"), new=[f"{STEM}-2"]),
    **NO_PEOPLE,
    **NO_SCREEN,
    **NO_CAMERAS,
}
