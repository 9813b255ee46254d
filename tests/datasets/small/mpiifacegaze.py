"""A small set in the layout of the reader `mpiifacegaze`, and what damage does to it."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from slyk.datasets.raw import Raw
from tests.datasets.damage import NO_CAMERAS, ODD, TEXTS, Case, Cases, cut, doubled, edited, emptied, gone, moved, steps
from tests.datasets.trees import save_photo

CAMERA = np.array([[1000.0, 0, 640], [0, 1010, 360], [0, 0, 1]])
LINE = "day01/0005.jpg 640 400 500 300 560 300 640 300 700 300 560 420 640 420 {head} 0 0 600 0 23 600 {target} left"
STRAIGHT = {"head": "0 0 0", "target": "0 23 0"}


def make(root: Path, lines: str, person: str = "p00") -> Raw:
    """A set of one person with these lines."""
    folder = root / person / "Calibration"
    folder.mkdir(parents=True)
    savemat(folder / "Camera.mat", {"cameraMatrix": CAMERA, "distCoeffs": np.zeros((1, 5))})
    sizes = {"width_pixel": 1280, "height_pixel": 800, "width_mm": 286.0, "height_mm": 179.0}
    savemat(folder / "screenSize.mat", sizes)
    (root / person / f"{person}.txt").write_bytes(lines.encode())
    return Raw(root)


def clean(root: Path) -> None:
    good = LINE.format(**STRAIGHT)
    make(root, f"{good}\n{good.replace('0005', '0006')}\n")
    make(root, good, person="p01")
    for name in ("p00/day01/0005", "p00/day01/0006", "p01/day01/0005"):
        save_photo(root, f"{name}.jpg")


LABELS, PHOTO, KEY = "p00/p00.txt", "p00/day01/0006.jpg", "p00/day01/0006"
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=[KEY]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(edited(LABELS, "0006.jpg 640", "0006.jpg nan"), [(PHOTO, "bad_label")], lost=[KEY]),
    **TEXTS,
    "unicode_path": Case(
        steps(moved(PHOTO, f"p00/day01/{ODD}.jpg"), edited(LABELS, "0006", ODD)),
        renamed={PHOTO: f"p00/day01/{ODD}.jpg"},
    ),
    "duplicate_key": Case(doubled(LABELS, "0006"), new=[f"{KEY}-2"]),
    "empty_person": Case(emptied("p01/p01.txt"), [("p01/p01.txt", "bad_label")], lost=["p01/day01/0005"]),
    "off_screen": Case(
        edited(LABELS, "0006.jpg 640", "0006.jpg 1281"), changed={KEY: {"tags": ["off_screen"], "labels": ...}}
    ),
    **NO_CAMERAS,
}
