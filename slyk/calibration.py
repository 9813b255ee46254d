"""Camera matrices from the calibration files that people have."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from slyk.errors import ParamsError
from slyk.geometry.camera import Array

MATRIX_NAMES = ("cameraMatrix", "camera_matrix", "Camera_Matrix", "K")


def read_camera(path: Path) -> Array:
    """The matrix (3, 3) in a calibration file: OpenCV's .xml, .yml, .yaml, .json or MATLAB's .mat.

    Distortion in the file is not applied. Raises ParamsError where there is no such matrix.
    """
    if not path.is_file():
        raise ParamsError(f"camera file {path} not found")
    try:
        found = _from_mat(path) if path.suffix == ".mat" else _from_opencv(path)
    except (cv2.error, MatReadError, NotImplementedError, SystemError, ValueError) as error:
        raise ParamsError(f"{path} cannot be read as a calibration: {error}") from None
    if found is None or found.shape != (3, 3) or not np.all(np.isfinite(found)) or found[0, 0] <= 0 or found[1, 1] <= 0:
        raise ParamsError(f"{path} holds no camera matrix (3, 3) under any of the names {', '.join(MATRIX_NAMES)}")
    return np.asarray(found, dtype=np.float64)


def _from_mat(path: Path) -> Any:
    content = loadmat(path)
    return next((content[name] for name in MATRIX_NAMES if name in content), None)


def _from_opencv(path: Path) -> Any:
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    try:
        nodes = (storage.getNode(name) for name in MATRIX_NAMES)
        return next((node.mat() for node in nodes if not node.empty()), None)
    finally:
        storage.release()
