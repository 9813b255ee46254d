"""A small set in the layout of the reader `affectnet`, and what damage does to it."""

from pathlib import Path

import numpy as np

from slyk.datasets import affectnet
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

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
TRAINING, VALIDATION = affectnet.LISTS
POINTS = ";".join(f"{x:.2f};{y:.2f}" for x, y in np.random.default_rng(1).uniform(0, 200, (68, 2)))
LINE = f"1/a.jpg,10,20,150,160,{POINTS},3,0.5,-0.25"


def make(root: Path, text: str, name: str = TRAINING) -> Path:
    return save_text(root, text, name)


def clean(root: Path) -> None:
    make(root, f"{HEADER}\n{LINE}\n{LINE.replace('1/a', '1/b')}\n")
    make(root, f"{LINE.replace('1/a', '2/c')}\n", VALIDATION)
    for name in ("1/a", "1/b", "2/c"):
        save_photo(root, f"{affectnet.IMAGES}/{name}.jpg")


PHOTO, NOW = (f"{affectnet.IMAGES}/1/{name}.jpg" for name in ("b", ODD))
KEY = "manually_annotated_images/1/b"
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=[KEY]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(edited(TRAINING, "1/b.jpg,10", "1/b.jpg,nan"), [(PHOTO, "bad_label")], lost=[KEY]),
    **TEXTS,
    "unicode_path": Case(steps(moved(PHOTO, NOW), edited(TRAINING, "1/b", f"1/{ODD}")), renamed={PHOTO: NOW}),
    "duplicate_key": Case(doubled(TRAINING, "1/b"), new=[f"{KEY}-2"]),
    **NO_PEOPLE,
    **NO_SCREEN,
    **NO_CAMERAS,
}
