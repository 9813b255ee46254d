"""Calibration files of OpenCV and MATLAB."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from slyk.calibration import read_camera
from slyk.errors import ParamsError

MATRIX = np.array([[994.7, 0.0, 624.7], [0.0, 998.2, 364.1], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize("name", ["camera.xml", "camera.yml", "camera.json"])
def test_opencv(tmp_path: Path, name: str) -> None:
    storage = cv2.FileStorage(str(tmp_path / name), cv2.FILE_STORAGE_WRITE)
    storage.write("Camera_Matrix", MATRIX)
    storage.release()
    np.testing.assert_array_equal(read_camera(tmp_path / name), MATRIX)


def test_matlab(tmp_path: Path) -> None:
    savemat(tmp_path / "Camera.mat", {"cameraMatrix": MATRIX, "distCoeffs": np.zeros((1, 5))})
    np.testing.assert_array_equal(read_camera(tmp_path / "Camera.mat"), MATRIX)


@pytest.mark.parametrize(("name", "text"), [("c.json", '{"other": 1}'), ("c.xml", "no calibration"), ("c.mat", "x")])
def test_what_is_no_calibration_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ParamsError, match=name):
        read_camera(tmp_path / name)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="not found"):
        read_camera(tmp_path / "none.xml")
