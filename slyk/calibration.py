"""Camera matrices from the calibration files that people have."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.io.matlab import MatReadError

from slyk.errors import ParamsError
from slyk.geometry.camera import Array
from slyk.matlab import variables

MAX_BYTES = 2**20
MAX_PARTS = 5_000
"""Of an OpenCV file, by the signs that open a part: some 30,000 parts within parts crash OpenCV's reader."""
MATRIX_NAMES = ("cameraMatrix", "camera_matrix", "Camera_Matrix", "K")


def read_camera(path: Path) -> Array:
    """The matrix (3, 3) in a calibration file: OpenCV's .xml, .yml, .yaml, .json or MATLAB's .mat.

    Distortion in the file is not applied. Raises ParamsError where there is no such matrix.
    """
    if not path.is_file():
        raise ParamsError(f"camera file {path} not found")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"{path.stat().st_size} bytes, at most {MAX_BYTES}")
        data = path.read_bytes()
        found = _from_mat(data) if path.suffix == ".mat" else _from_opencv(data)
    except (cv2.error, MatReadError, NotImplementedError, SystemError, TypeError, ValueError) as error:
        raise ParamsError(f"{path} cannot be read as a calibration: {error}") from None
    if found is None or found.shape != (3, 3) or not np.all(np.isfinite(found)) or found[0, 0] <= 0 or found[1, 1] <= 0:
        raise ParamsError(f"{path} holds no camera matrix (3, 3) under any of the names {', '.join(MATRIX_NAMES)}")
    return np.asarray(found, dtype=np.float64)


def open_storage(text: str) -> cv2.FileStorage:
    """What OpenCV writes as XML, YAML or JSON. Raises ValueError for more parts than any calibration has, cv2.error or
    SystemError for what is damaged."""
    if sum(map(text.count, ("<", "[", "{", "- "))) > MAX_PARTS:
        raise ValueError(f"more than {MAX_PARTS} parts in an OpenCV file")
    return cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)


def _from_mat(data: bytes) -> Any:
    content = variables(data)
    return next((content[name] for name in MATRIX_NAMES if name in content), None)


def _from_opencv(data: bytes) -> Any:
    storage = open_storage(data.decode("utf-8", "replace"))
    try:
        nodes = (storage.getNode(name) for name in MATRIX_NAMES)
        return next((node.mat() for node in nodes if not node.empty()), None)
    finally:
        storage.release()
