"""Our calibration files beside real ones: the same names, shapes and types."""

import os
from pathlib import Path

import cv2
import pytest
from scipy.io import whosmat

from tests.drawn import REPOSITORY
from tests.layouts.rendered import Export

REAL_DATA = Path(os.environ.get("SLYK_REAL_DATA", REPOSITORY.parent / "shared" / "data"))


def real(folder: str, pattern: str) -> list[Path]:
    found = sorted((REAL_DATA / "calibrations" / folder).glob(pattern))
    if not found:
        pytest.skip(f"no files in {REAL_DATA / 'calibrations' / folder}: set SLYK_REAL_DATA")
    return found


def nodes(path: Path) -> dict[str, object]:
    """Name of a node -> shape and type, or None for a number."""
    storage = cv2.FileStorage(os.fspath(path), cv2.FILE_STORAGE_READ)  # its nodes live as long as it does
    root = storage.root()
    found = {name: root.getNode(name) for name in root.keys()}  # noqa: SIM118 (no mapping)
    return {name: None if node.isInt() else (node.mat().shape, node.mat().dtype.str) for name, node in found.items()}


def test_camera_mat(exported: Export) -> None:
    ours = whosmat(exported("mpiifacegaze").out / "p00/Calibration/Camera.mat")
    for path in real("mpiifacegaze", "Camera*.mat"):
        assert whosmat(path) == ours


def test_camera_xml(exported: Export) -> None:
    ours = nodes(exported("xgaze").out / "avg_cams_final/subject0000/cam01.xml")
    assert len(ours) == 6
    for path in real("eth-xgaze", "cam*.xml"):
        assert nodes(path) == ours
        assert list(nodes(path)) == list(ours)
