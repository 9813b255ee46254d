"""A small set in the layout of the reader `wflw`, and what damage does to it."""

from pathlib import Path

import numpy as np

from slyk.datasets import wflw
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
from tests.datasets.trees import save_photo, save_text

TRAIN, TEST = wflw.LISTS
POINTS = np.random.default_rng(3).uniform(20, 100, (98, 2)).round(4)


def line_of(
    points: Array, flags: str = "0 0 0 0 0 0", path: str = "0--Parade/a.jpg", box: str = "10 20 110 140"
) -> str:
    return f"{' '.join(f'{value:.6f}' for value in points.ravel())} {box} {flags} {path}"


LINE = line_of(POINTS)


def make(root: Path, text: str, name: str = TRAIN) -> Path:
    return save_text(root, text, name)


def clean(root: Path) -> None:
    make(root, f"{LINE}\n{line_of(POINTS, path='1--Handshaking/b.jpg')}\n")
    make(root, f"{LINE.replace('a.jpg', 'c.jpg')}\n", TEST)
    for name in ("0--Parade/a", "1--Handshaking/b", "0--Parade/c"):
        save_photo(root, f"{wflw.IMAGES}/{name}.jpg", (140, 150))


PHOTO, NOW = (f"{wflw.IMAGES}/1--Handshaking/{name}.jpg" for name in ("b", f"{ODD} c"))
KEY = "train/1--handshaking/b-f0"
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=[KEY]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(edited(TRAIN, "0 1--Hand", "nan 1--Hand"), [(PHOTO, "bad_label")], lost=[KEY]),
    **TEXTS,
    "unicode_path": Case(steps(moved(PHOTO, NOW), edited(TRAIN, "b.jpg", f"{ODD} c.jpg")), renamed={PHOTO: NOW}),
    "duplicate_key": "a photo that is there twice shows two faces",
    **NO_PEOPLE,
    **NO_SCREEN,
    **NO_CAMERAS,
}
