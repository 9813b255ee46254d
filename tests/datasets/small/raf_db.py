"""A small set in the layout of the reader `raf_db`, and what damage does to it."""

from pathlib import Path

from slyk.datasets.raf_db import LIST
from tests.datasets.damage import (
    NO_CAMERAS,
    NO_PEOPLE,
    NO_SCREEN,
    ODD,
    TEXTS,
    Case,
    Cases,
    cut,
    doubled,
    edited,
    gone,
    moved,
    steps,
)
from tests.datasets.trees import save_photo, save_text


def make(root: Path, text: str) -> Path:
    return save_text(root, text, LIST)


def clean(root: Path) -> None:
    make(root, "train_00001.jpg 5\ntrain_00002.jpg 1\ntest_0001.jpg 7\n")
    for name in ("train_00001", "train_00002", "test_0001"):
        save_photo(root, f"basic/Image/aligned/{name}_aligned.jpg")


PHOTO, NOW = (f"basic/Image/aligned/train_{name}_aligned.jpg" for name in ("00002", ODD))
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=["train_00002"]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(edited(LIST, "00002.jpg 1", "00002.jpg nan"), [(PHOTO, "bad_label")], lost=["train_00002"]),
    **TEXTS,
    "unicode_path": Case(steps(moved(PHOTO, NOW), edited(LIST, "00002", ODD)), renamed={PHOTO: NOW}),
    "duplicate_key": Case(doubled(LIST, "00002"), new=["train_00002-2"]),
    **NO_PEOPLE,
    **NO_SCREEN,
    **NO_CAMERAS,
}
