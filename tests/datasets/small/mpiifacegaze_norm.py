"""A small set in the layout of the reader `mpiifacegaze_norm`, and what damage does to it."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from slyk.datasets.raw import Raw
from tests.datasets.damage import NO_CAMERAS, NO_SCREEN, NO_TEXTS, ODD, Case, Cases, cut, moved, steps

SIDE, FOCAL, DISTANCE = 448, 3200.0, 1000.0
MODEL_MM = np.array([[-45.1, 0, 0], [-21.3, 0, 0], [21.3, 0, 0], [45.1, 0, 0], [-26.3, 69, 0], [26.3, 69, 0]])
LANDMARKS = (MODEL_MM - MODEL_MM.mean(axis=0))[:, :2] * FOCAL / DISTANCE + SIDE / 2
DOWN = (-0.2, 0.1, 0.05, 0.02)
"""Gaze and head: a little below the camera, image-left."""


def make(path: Path, labels: Any, pictures: Any = None) -> Raw:
    """A file of one person: HDF5 behind the 512 bytes of MATLAB's header."""
    labels = np.atleast_2d(np.asarray(labels, dtype=np.float64))
    pictures = np.zeros((len(labels), 3, 8, 8), np.uint8) if pictures is None else pictures
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        file["Data/data"], file["Data/label"] = pictures, labels
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512))
    return Raw(path.parent)


def clean(root: Path) -> None:
    make(root / "p00.mat", [DOWN, DOWN])
    make(root / "p01.mat", [DOWN])


CASES: Cases = {
    "missing_image": "pictures and labels are one file",
    "truncated_jpeg": Case(cut("p01.mat"), error=r"p01\.mat: unreadable: p01\.mat cannot be read as HDF5"),
    "nan_label": Case(
        lambda root: make(root / "p00.mat", [DOWN, (np.nan, 0, 0, 0)]), [("p00.mat#1", "bad_label")], lost=["p00/0001"]
    ),
    **NO_TEXTS,
    "unicode_path": Case(
        steps(lambda root: (root / ODD).mkdir(), moved("p01.mat", f"{ODD}/p01.mat")),
        renamed={"p01.mat#0": f"{ODD}/p01.mat#0"},
    ),
    "duplicate_key": Case(
        steps(lambda root: (root / "q").mkdir(), lambda root: shutil.copy(root / "p01.mat", root / "q/p01.mat")),
        new=["p01/0000-2"],
    ),
    "empty_person": Case(lambda root: make(root / "p01.mat", np.zeros((0, 4))), lost=["p01/0000"]),
    **NO_SCREEN,
    **NO_CAMERAS,
}
