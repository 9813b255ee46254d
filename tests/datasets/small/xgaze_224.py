"""A small set in the layout of the reader `xgaze_224`, and what damage does to it."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from slyk.datasets.raw import Raw
from tests.datasets.damage import FIXED_NAMES, NO_SCREEN, TEXTS, Case, Cases, cut

Content = dict[str, NDArray[Any]]


def content(num: int = 3, side_px: int = 32) -> Content:
    """A file's datasets: looking straight, up and image-left."""
    rng = np.random.default_rng(0)
    return {
        "face_patch": rng.integers(0, 256, (num, side_px, side_px, 3), np.uint8),
        "face_gaze": np.array([[0.0, 0.0], [0.3, 0.0], [0.0, 0.3]] * num, np.float32)[:num],
        "face_head_pose": np.zeros((num, 2), np.float32),
        "face_mat_norm": np.tile(np.eye(3, dtype=np.float32), (num, 1, 1)),
        "frame_index": np.arange(num)[:, None],
        "cam_index": np.arange(1, num + 1)[:, None],
    }


def make(root: Path, values: Content, name: str = "train/subject0000.h5") -> Raw:
    """A set of one file."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / name, "w") as file:
        for key, value in values.items():
            file.create_dataset(key, data=value, chunks=(1, *value.shape[1:]), compression="lzf")
    return Raw(root)


def clean(root: Path) -> None:
    make(root, content(2))
    make(root, content(1), "test/subject0001.h5")
    lists = {"train": ["subject0000.h5"], "test": ["subject0001.h5"]}
    (root / "train_test_split.json").write_text(json.dumps(lists, indent=1))


FILE, OTHER = "train/subject0000.h5", "test/subject0001.h5"
KEYS = [f"train/subject0000/00000{index}" for index in range(2)]
CASES: Cases = {
    "missing_image": "pictures and labels are one file",
    "truncated_jpeg": Case(cut(FILE), [(FILE, "unreadable")], lost=KEYS),
    "nan_label": Case(
        lambda root: make(root, content(2) | {"face_gaze": np.array([[0, 0], [np.nan, 0]])}),
        [(f"{FILE}#1", "bad_label")],
        lost=KEYS[1:],
    ),
    **TEXTS,
    **FIXED_NAMES,
    "duplicate_key": "keys are places in a file",
    "empty_person": Case(lambda root: make(root, content(0), OTHER), lost=["test/subject0001/000000"]),
    **NO_SCREEN,
    "camera_from_1": Case(
        lambda root: make(root, content(2) | {"cam_index": content(2)["cam_index"] + 1}),
        changed={key: {"labels": ...} for key in KEYS},
    ),
}
