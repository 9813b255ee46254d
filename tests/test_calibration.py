"""Calibration files of OpenCV and MATLAB."""

import os
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.xml", '<?xml version="1.0"?><opencv_storage>' + "<a>" * 100_000 + "</a>" * 100_000 + "</opencv_storage>"),
        ("c.json", '{"K": ' + "[" * 200_000 + "]" * 200_000 + "}"),
        ("c.yml", "%YAML:1.0\n---\nK: " + "[" * 200_000 + "]" * 200_000 + "\n"),
        ("c.yaml", "%YAML:1.0\n---\nK:\n  " + "- " * 200_000 + "1\n"),
    ],
)
def test_parts_in_parts_that_would_crash_the_process(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ParamsError, match="more than 5000 parts"):
        read_camera(tmp_path / name)


@pytest.mark.parametrize("sides", ["<rows>200000</rows><cols>200000</cols>", "<rows>-3</rows><cols>3</cols>"])
def test_matrices_that_claim_much(tmp_path: Path, sides: str) -> None:
    matrix = f'<K type_id="opencv-matrix">{sides}<dt>d</dt><data>1 2 3</data></K>'
    (tmp_path / "c.xml").write_text(f'<?xml version="1.0"?><opencv_storage>{matrix}</opencv_storage>')
    with pytest.raises(ParamsError, match="cannot be read"):
        read_camera(tmp_path / "c.xml")


@pytest.mark.parametrize("name", ["c.xml", "c.mat"])
def test_files_that_are_no_calibration_by_their_size(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    os.truncate(tmp_path / name, 2**40)
    with pytest.raises(ParamsError, match="1099511627776 bytes, at most 1048576"):
        read_camera(tmp_path / name)
