"""A small set in the layout of the reader `gaze360`, and what damage does to it."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import savemat

from slyk.datasets.raw import Raw
from tests.datasets.damage import NO_SCREEN, NO_TEXTS, ODD, Case, Cases, Step, cut, gone, steps
from tests.datasets.trees import save_photo

FULL = np.array([3382.0, 4096.0])
HEAD = (1000.0, 800.0, 400.0, 400.0)  # px of the full frame
NOTHING = (-1.0, -1.0, -1.0, -1.0)


def row_of(**changed: Any) -> dict[str, Any]:
    """What metadata.mat holds of a photo; boxes and points in px of the full frame."""
    plain = {
        "recording": 0,
        "person_identity": 0,
        "frame": 131,
        "split": 0,
        "gaze_dir": (0.0, 0.0, -1.0),
        "person_eyes2d": (1180.0, 990.0),
        "person_head_bbox": HEAD,
        "person_face_bbox": NOTHING,
        "person_eye_left_bbox": NOTHING,
        "person_eye_right_bbox": NOTHING,
    }
    return {**plain, **changed}


def make(root: Path, rows: Sequence[dict[str, Any]], recordings: Sequence[str] = ("rec_000",), **extra: Any) -> Raw:
    """A set of these rows, with photos of 200 x 100 px where the recording is known."""
    columns: dict[str, Any] = {}
    for name in rows[0]:
        values = np.array([r[name] for r in rows], dtype=np.float64)
        if values.ndim == 1:
            columns[name] = values[None]
        else:
            found = np.any(values != -1, axis=1, keepdims=True)
            scale = 1.0 if name == "gaze_dir" else np.tile(FULL, values.shape[1] // 2)
            columns[name] = np.where(found, values / scale, values)
    root.mkdir(exist_ok=True)
    cells = {"recordings": cell(recordings), "splits": cell(["train", "val", "test", "unused"])}
    savemat(root / "metadata.mat", {**columns, **cells, **extra})
    for r in rows:
        if 0 <= r["recording"] < len(recordings):
            path = root / f"imgs/{recordings[r['recording']]}/head/{r['person_identity']:06d}/{r['frame']:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imencode(".jpg", np.full((100, 200, 3), 90, np.uint8))[1].tofile(path)
    return Raw(root)


def cell(words: Sequence[str]) -> Any:
    cells = np.empty((1, len(words)), dtype=object)
    cells[0] = list(words)
    return cells


ROWS = [row_of(), row_of(frame=132), row_of(recording=1, frame=7)]
RECORDINGS = ("rec_000", "rec_001")


def clean(root: Path) -> None:
    make(root, ROWS, RECORDINGS)


def remade(rows: Sequence[dict[str, Any]], recordings: Sequence[str] = RECORDINGS) -> Step:
    return steps(lambda root: shutil.rmtree(root / "imgs"), lambda root: make(root, rows, recordings))


PHOTO, KEY = "imgs/rec_000/head/000000/000132.jpg", "rec_000/000000/000132"
OTHER = "imgs/rec_001/head/000000/000007.jpg"
STRAY = "imgs/rec_009/head/000000/000001.jpg"
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=[KEY]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(
        remade([ROWS[0], row_of(frame=132, gaze_dir=(np.nan, 0, -1)), ROWS[2]]), [(PHOTO, "bad_label")], lost=[KEY]
    ),
    **NO_TEXTS,
    "unicode_path": Case(
        remade(ROWS, ("rec_000", f"rec_{ODD}")), renamed={OTHER: OTHER.replace("rec_001", f"rec_{ODD}")}
    ),
    "duplicate_key": Case(remade([ROWS[0], ROWS[1], ROWS[1], ROWS[2]]), new=[f"{KEY}-2"]),
    "empty_person": Case(lambda root: save_photo(root, STRAY), [(STRAY, "no_annotation")]),
    **NO_SCREEN,
    "camera_from_1": Case(
        remade([{**row, "recording": row["recording"] + 1} for row in ROWS]), error="recording counts from 1"
    ),
}
