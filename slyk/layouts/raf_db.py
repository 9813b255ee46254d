"""Layout `raf_db`: RAF-DB, basic emotions, aligned faces, from the domain `wide`.

    basic/EmoLabel/list_patition_label.txt      "train_00001.jpg 5", no header; the misspelling is the real one
    basic/Image/aligned/train_00001_aligned.jpg 100x100

Labels 1-7: surprise, fear, disgust, happiness, sadness, anger, neutral; the prefix of the name is the split.

Our choice: faces are aligned by the similarity that brings the middles of both eyes and of the mouth's corners nearest
to `TEMPLATE`; photos count from 1 within a split, train first.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from slyk.geometry.camera import Array
from slyk.layouts.common import Image, Row, array, groups, read_image, write_jpeg

DOMAIN = "wide"
TITLE = "RAF-DB"
SIDE_PX = 100
TEMPLATE = np.array([[31.0, 38.0], [69.0, 38.0], [50.0, 79.0]])
"""Middles of the image-left eye, the image-right eye and the mouth, px."""
_FINE = 3
"""Faces are sampled at this many times the size, then averaged."""
_QUALITY = 95
_COLUMNS = ("photo", "landmarks_2d", "emotion")


def write(source: Path, out: Path, table: pa.Table) -> Iterator[int]:
    lines = []
    numbers = {"train": count(1), "test": count(1)}
    people = groups(table, _COLUMNS, "split", "person")
    for (split, _), rows in sorted(people.items(), key=lambda item: item[0][0] != "train"):
        for row in rows:
            name = f"{split}_{next(numbers[split]):05d}"
            face = aligned(read_image(source / row["photo"]), row)
            write_jpeg(out / f"basic/Image/aligned/{name}_aligned.jpg", face, _QUALITY)
            lines.append(f"{name}.jpg {row['emotion']}\n")
        yield len(rows)
    (out / "basic/EmoLabel").mkdir()
    (out / "basic/EmoLabel/list_patition_label.txt").write_text("".join(lines))


def aligned(photo: Image, row: Row) -> Image:
    """The face (100, 100, 3)."""
    points = array(row, "landmarks_2d", 68, 2)
    middles = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[[48, 54]].mean(axis=0)])
    fine = _FINE * TEMPLATE + (_FINE - 1) / 2  # integer coordinates are the middles of pixels in both
    side = _FINE * SIDE_PX
    large = cv2.warpAffine(photo, similarity(middles, fine), (side, side), flags=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(large, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def similarity(source: Array, target: Array) -> Array:
    """The turn, scale and shift (2, 3) that bring points (N, 2) nearest to others in the sense of least squares."""
    a, b = ((points - points.mean(axis=0)) @ np.array([1.0, 1j]) for points in (source, target))
    factor = (a.conj() @ b) / (a.conj() @ a)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([turn, target.mean(axis=0) - turn @ source.mean(axis=0)])
