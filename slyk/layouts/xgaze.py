"""Layout `xgaze`: ETH-XGaze, raw, from the domain `studio`.

    data/train/subject0000/frame0000/cam00.JPG        test people below data/test
    data/annotation_train/subject0000.csv             149 columns, no header; test people in data/annotation_test
    avg_cams_final/subject0000/cam00.xml              OpenCV's storage: matrix, no distortion, rig frame to camera
    face_model.txt                                    50 points (50, 3), mm
    train_test_split.json

Columns, from 0: frame, camera; target on the screen, px (2), and in the camera frame, mm (3); head rotation vector and
translation (6); 68 landmarks, px (136). Photos of cam03, cam06 and cam13 are stored turned by 180 degrees: a reader
turns them back, and matrix, pose and landmarks are those of the photo turned back.

Our choice: subjects are people in their order, train and test alike. The face model is the set's mean face in our head
frame; use it and not the real set's. The head pose lays six of its points (corners of eyes and nose) on the exact 3D
points, weighted as ETH-XGaze's face centre weighs them, so that this centre is exact. annotation_test holds the gaze,
which the real set keeps back. A turned photo is compressed a second time.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow as pa

from slyk.geometry.camera import Array
from slyk.layouts.common import (
    Row,
    array,
    copy,
    fit,
    groups,
    mean_face,
    read_image,
    rotation_vector,
    shared,
    write_jpeg,
)

DOMAIN = "studio"
TITLE = "ETH-XGaze (raw)"
TURNED = (3, 6, 13)
"""Cameras that hung upside down."""
MODEL_LANDMARKS = (8, *range(17, 60), 61, 62, 63, 65, 66, 67)
"""Of the 68: the chin and all but the jaw line and the inner corners of the mouth."""
CENTER_ROWS = (20, 23, 26, 29, 15, 19)
"""Of the 50: corners of the eyes, then of the nose."""
CENTER_WEIGHTS = np.array([0.125, 0.125, 0.125, 0.125, 0.25, 0.25])
"""ETH-XGaze's face centre: half the mean of the eyes' corners, half that of the nose's."""
COLUMNS = (
    *("photo", "frame", "camera_id", "size_px", "camera", "world_rotation", "world_translation", "head_rotation"),
    *("head_translation", "landmarks_2d", "landmarks_3d", "gaze_target_mm", "screen_target_px"),
)
_QUALITY = 97


class Subject(NamedTuple):
    """name: "subject0000"; split: "train" or "test"; rows by frame and camera."""

    name: str
    split: str
    rows: list[Row]


class Face(NamedTuple):
    """rotation (3, 3) and translation (3,): face model to camera; center (3,): ETH-XGaze's face centre, mm."""

    rotation: Array
    translation: Array
    center: Array


def write(source: Path, out: Path, table: pa.Table) -> Iterator[int]:
    people = subjects(table)
    model = face_model(people)
    np.savetxt(out / "face_model.txt", model)
    write_split(out, people)
    for name, split, rows in people:
        lines = []
        for row in rows:
            frame, camera = f"frame{row['frame']:04d}", f"cam{row['camera_id']:02d}.JPG"
            target = out / "data" / split / name / frame / camera
            if row["camera_id"] in TURNED:
                write_jpeg(target, np.asarray(cv2.rotate(read_image(source / row["photo"]), cv2.ROTATE_180)), _QUALITY)
            else:
                copy(source / row["photo"], target)
            lines.append(f"{frame},{camera},{_fields(row, model)}\n")
        table_file = out / "data" / f"annotation_{split}" / f"{name}.csv"
        table_file.parent.mkdir(parents=True, exist_ok=True)
        table_file.write_text("".join(lines))
        _write_cameras(out / "avg_cams_final" / name, rows)
        yield len(rows)


def subjects(table: pa.Table) -> list[Subject]:
    found = []
    for number, (key, rows) in enumerate(groups(table, COLUMNS, "person", "split").items()):
        ordered = sorted(rows, key=lambda row: (row["frame"], row["camera_id"]))
        found.append(Subject(f"subject{number:04d}", key[1], ordered))
    return found


def write_split(out: Path, people: list[Subject]) -> None:
    """Files of each split; nobody is left for ETH-XGaze's third one."""
    names = {split: [f"{p.name}.h5" for p in people if p.split == split] for split in ("train", "test")}
    (out / "train_test_split.json").write_text(json.dumps({**names, "test_person_specific": []}, indent=1) + "\n")


def face_model(people: list[Subject]) -> Array:
    """The set's mean face (50, 3), mm, head frame."""
    return mean_face((row for person in people for row in person.rows), MODEL_LANDMARKS)


def face_of(row: Row, model: Array) -> Face:
    points = array(row, "landmarks_3d", 68, 3)[list(MODEL_LANDMARKS)][list(CENTER_ROWS)]
    rotation, translation = fit(model[list(CENTER_ROWS)], points, CENTER_WEIGHTS)
    return Face(rotation, translation, CENTER_WEIGHTS @ points)


def _fields(row: Row, model: Array) -> str:
    """Columns 2 to 148."""
    face = face_of(row, model)
    lengths = [*array(row, "gaze_target_mm", 3), *rotation_vector(face.rotation), *face.translation]
    pixels = [f"{value:.3f}" for value in array(row, "landmarks_2d", 136)]
    target = [f"{value:.3f}" for value in array(row, "screen_target_px", 2)]
    return ",".join([*target, *(f"{value:.6f}" for value in lengths), *pixels])


def _write_cameras(folder: Path, rows: list[Row]) -> None:
    folder.mkdir(parents=True)
    for number in sorted({int(row["camera_id"]) for row in rows}):
        seen = [row for row in rows if row["camera_id"] == number]
        width, height = shared(seen, "size_px", 2)
        name = f"cam{number:02d}.xml"
        storage = cv2.FileStorage(name, cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)  # on disk no error is told
        storage.write("image_Width", int(width))
        storage.write("image_Height", int(height))
        storage.write("Camera_Matrix", shared(seen, "camera", 3, 3))
        storage.write("Distortion_Coefficients", np.zeros((1, 5)))
        storage.write("cam_translation", shared(seen, "world_translation", 3, 1))
        storage.write("cam_rotation", shared(seen, "world_rotation", 3, 3))
        (folder / name).write_text(storage.releaseAndGetString(), encoding="utf-8")
