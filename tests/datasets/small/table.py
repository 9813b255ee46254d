"""Tables of one's own data as tests write them, a small set of one, and what damage does to it."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from slyk.datasets import table
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, Record
from slyk.geometry.head_pose import SIX_POINTS_MM, rotation_from_vector
from tests.datasets.damage import ODD, TEXTS, Case, Cases, cut, doubled, edited, gone, moved, steps
from tests.datasets.trees import read_tree, save_photo
from tests.layouts.rendered import Array

Row = dict[str, Any]

CAMERA = np.array([[1000.0, 0, 640], [0, 1010, 360], [0, 0, 1]])
LENS = np.array([0.1, -0.2, 0.001, -0.002, 0.05])
TURN, SHIFT = np.array([0.1, -0.2, 0.05]), np.array([20.0, -30.0, 600.0])
CENTER = SIX_POINTS_MM.mean(axis=0) @ rotation_from_vector(TURN).T + SHIFT
TARGET = np.array([-150.0, 80.0, 10.0])
INTRINSICS = {"fx": 1000, "fy": 1010, "cx": 640, "cy": 360}


def row_of(names: str, values: Any) -> Row:
    return dict(zip(names.split(), np.asarray(values, dtype=np.float64).ravel().tolist(), strict=True))


def six_pixels(lens: Array | None = None) -> Array:
    """Where the corners (6, 2) of a head at TURN, SHIFT are seen."""
    return np.asarray(cv2.projectPoints(SIX_POINTS_MM, TURN, SHIFT, CAMERA, lens)[0], np.float64).reshape(6, 2)


def six_columns(lens: Array | None = None) -> Row:
    return row_of(" ".join(f"lm{i}_{axis}" for i in range(6) for axis in "xy"), six_pixels(lens))


HEAD = row_of("head_rx head_ry head_rz head_tx head_ty head_tz", [*TURN, *SHIFT])
GAZE = row_of("gaze_x gaze_y gaze_z", TARGET - CENTER)
BASIC: Row = {"photo": "a/1.jpg", "person": "ann", **INTRINSICS, **HEAD, **GAZE}


def without(row: Row, *starts: str) -> Row:
    return {name: value for name, value in row.items() if not name.startswith(starts)}


def save(root: Path, rows: list[Row], name: str = "data.csv") -> Raw:
    root.mkdir(exist_ok=True)
    frame = pd.DataFrame(rows)
    frame.to_csv(root / name, index=False) if name.endswith(".csv") else frame.to_parquet(root / name)
    return Raw(root)


outcomes = partial(read_tree, table)


def record_of(root: Path, row: Row, options: ReadOptions | None = None, name: str = "data.csv") -> Record:
    (outcome,) = outcomes(save(root, [row], name), options)
    assert not outcome.reason, outcome.detail
    return outcome.records[0]


def reason_of(root: Path, row: Row) -> str:
    """Reason and detail of a row that stands between two good ones."""
    first, second, third = outcomes(save(root, [BASIC, {**BASIC, **row}, BASIC]))
    assert first.records and third.records and not second.records
    assert "data.csv, line 3: " in second.detail
    return f"{second.reason}: {second.detail}"


def write_camera(root: Path, name: str, matrix: Array) -> None:
    root.mkdir(exist_ok=True)
    storage = cv2.FileStorage(str(root / name), cv2.FILE_STORAGE_WRITE)
    storage.write("camera_matrix", matrix)
    storage.release()


def clean(root: Path) -> None:
    save(root, [BASIC, {**BASIC, "photo": "a/2.jpg"}, {**BASIC, "photo": "b/1.jpg", "person": "bob"}])
    for name in ("a/1", "a/2", "b/1"):
        save_photo(root, f"{name}.jpg")


CASES: Cases = {
    "missing_image": Case(gone("a/2.jpg"), [("a/2.jpg", "photo_missing")], lost=["a/2"]),
    "truncated_jpeg": Case(cut("a/2.jpg"), unread={"a/2.jpg": "truncated"}),
    "nan_label": Case(
        edited("data.csv", "a/2.jpg,ann,1000", "a/2.jpg,ann,nan"), [("a/2.jpg", "bad_label")], lost=["a/2"]
    ),
    **TEXTS,
    "unicode_path": Case(
        steps(moved("a/2.jpg", f"a/{ODD}.jpg"), edited("data.csv", "a/2", f"a/{ODD}")),
        renamed={"a/2.jpg": f"a/{ODD}.jpg"},
    ),
    "duplicate_key": Case(doubled("data.csv", "a/2"), new=["a/2-2"]),
    "empty_person": Case(
        edited("data.csv", "b/1.jpg,bob", "b/1.jpg,"), changed={"b/1": {"group": "bucket5", "shard": "bucket5-00000"}}
    ),
    "off_screen": "targets are points in space",
    "camera_from_1": "cameras are files or numbers in the row",
}
