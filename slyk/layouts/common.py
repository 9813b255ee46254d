"""What several layouts need: rows of the annotations, face models fitted to faces, files whose bytes repeat."""

import io
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.io import savemat

from slyk.errors import PhotoError, SlykError
from slyk.geometry.camera import Array
from slyk.photos import read_photo

Row = dict[str, Any]
Image = NDArray[np.uint8]

MAT_HEADER = b"MATLAB 5.0 MAT-file, written by slyk".ljust(116)
"""In place of scipy's first 116 bytes, which hold the date."""


def groups(table: pa.Table, columns: Iterable[str], *by: str) -> dict[tuple[str, ...], list[Row]]:
    """The rows, with these columns only, by the values of `by`, all in the set's order."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in table.select(list(dict.fromkeys([*by, *columns]))).to_pylist():
        found.setdefault(tuple(row[name] for name in by), []).append(row)
    return found


def array(row: Row, name: str, *shape: int) -> Array:
    return np.asarray(row[name], dtype=np.float64).reshape(shape)


def shared(rows: Sequence[Row], name: str, *shape: int) -> Array:
    """A value that all rows must agree in, such as the camera of a recording."""
    values = np.array([row[name] for row in rows], dtype=np.float64)
    assert np.allclose(values, values[0], rtol=0, atol=1e-6), f"{name} differs between photos that share one"
    return np.asarray(values[0].reshape(shape))


def copy(source: Path, target: Path) -> None:
    """The same bytes at another place. Raises SlykError for what is no whole photo."""
    read_image(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def read_image(path: Path) -> Image:
    """BGR (H, W, 3). Raises SlykError where it is missing, cut or no picture."""
    try:
        return read_photo(path)
    except PhotoError as error:
        reason = error.reason.replace("_", " ")
        raise SlykError(f"{path}: {reason}; render the set again (dvc repro render)") from None


def read_mask(path: Path) -> Image:
    """Regions (H, W); as `read_image`."""
    return np.ascontiguousarray(read_image(path)[..., 0])


def write_jpeg(path: Path, image: Image, quality: int) -> None:
    """Colours at full resolution, so that writing a decoded photo again changes little."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    done, data = cv2.imencode(".jpg", image, options)
    assert done
    path.write_bytes(data.tobytes())


def write_mat(path: Path, values: Mapping[str, Any]) -> None:
    """A MATLAB 5 file without a date."""
    buffer = io.BytesIO()
    savemat(buffer, dict(values), do_compression=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MAT_HEADER + buffer.getvalue()[len(MAT_HEADER) :])


def mean_face(rows: Iterable[Row], landmarks: Sequence[int]) -> Array:
    """Some of the 68 landmarks (K, 3) in the head frame, the mean over photos: a face model for all of a set."""
    points = [
        (array(row, "landmarks_3d", 68, 3)[list(landmarks)] - array(row, "head_translation", 3))
        @ array(row, "head_rotation", 3, 3)
        for row in rows
    ]
    return np.asarray(np.mean(points, axis=0))


def fit(model: Array, points: Array, weights: Array) -> tuple[Array, Array]:
    """Rotation (3, 3) and translation (3,) that lay the model (K, 3) on points (K, 3) with the least weighted squared
    distance (Kabsch 1976). weights (K,) sum to one; the weighted means then coincide."""
    origin, center = weights @ model, weights @ points
    u, _, v = np.linalg.svd((model - origin).T @ (weights[:, None] * (points - center)))
    turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    rotation = (u @ turn @ v).T
    return rotation, center - rotation @ origin


def rotation_vector(rotation: Array) -> Array:
    """Rodrigues' vector (3,)."""
    return np.asarray(cv2.Rodrigues(rotation)[0], dtype=np.float64).ravel()
