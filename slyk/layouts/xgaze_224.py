"""Layout `xgaze_224`: ETH-XGaze with normalized faces of 224 px, from the domain `studio`.

    train/subject0000.h5, test/subject0001.h5, train_test_split.json

Of N photos: face_patch (N, 224, 224, 3) uint8 BGR; face_gaze (N, 2) and face_head_pose (N, 2) float32, (pitch, yaw) in
radians, only where the split is train; face_mat_norm (N, 3, 3) float32; frame_index, cam_index (N, 1) int, both from 0;
facial_landmarks (N, 68, 2) float32, px of the patch. Normalization: focal length 960 px, distance 300 mm, 448 px,
halved to 224; pose, face model and face centre are those of the layout `xgaze`.

Our choice: float32; cam_index from 0 (public writers disagree); landmarks lie on the halved pixels, 0.25 px off the
plain half; test files keep the head pose. The real labels were found, these are exact. Patches are packed by gzip, not
by LZF as the real ones: h5py's LZF may give other bytes for the same picture.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from slyk.files import write_atomic
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import Array
from slyk.geometry.normalize import homography, normalizing_rotation
from slyk.layouts.common import Row, array, read_image
from slyk.layouts.xgaze import Subject, face_model, face_of, subjects, write_split

DOMAIN = "studio"
TITLE = "ETH-XGaze (normalized, 224 px)"
FOCAL_PX = 960.0
DISTANCE_MM = 300.0
ROI_PX = 448
SIDE_PX = 224
_SHAPES: dict[str, tuple[tuple[int, ...], type]] = {
    "face_patch": ((SIDE_PX, SIDE_PX, 3), np.uint8),
    "face_gaze": ((2,), np.float32),
    "face_head_pose": ((2,), np.float32),
    "face_mat_norm": ((3, 3), np.float32),
    "facial_landmarks": ((68, 2), np.float32),
    "frame_index": ((1,), np.int64),
    "cam_index": ((1,), np.int64),
}


def write(source: Path, out: Path, table: pa.Table) -> Iterator[int]:
    people = subjects(table)
    model = face_model(people)
    write_split(out, people)
    for person in people:
        _write_person(source, out / person.split / f"{person.name}.h5", person, model)
        yield len(person.rows)


def _write_person(source: Path, path: Path, person: Subject, model: Array) -> None:
    import h5py

    kept = {name: kind for name, kind in _SHAPES.items() if person.split == "train" or name != "face_gaze"}
    memory = io.BytesIO()  # on a full disk HDF5 itself crashes
    with h5py.File(memory, "w", libver="latest") as file:  # readers open it for single writer, multiple readers
        for name, (shape, kind) in kept.items():
            packing = {"compression": "gzip"} if name == "face_patch" else {}
            size = (len(person.rows), *shape)
            file.create_dataset(name, size, kind, chunks=(1, *shape), track_times=False, **packing)
        for index, row in enumerate(person.rows):
            sample = normalized(source, row, model)
            for name in kept:
                file[name][index] = sample[name]
    write_atomic(path, memory.getvalue())


def normalized(source: Path, row: Row, model: Array) -> dict[str, Any]:
    """Everything of one photo, by the names in the file."""
    face = face_of(row, model)
    camera, turn = array(row, "camera", 3, 3), normalizing_rotation(face.center, face.rotation)
    scale = float(np.linalg.norm(face.center)) / DISTANCE_MM
    roi_from_px = homography(camera, turn, face.center, FOCAL_PX, ROI_PX, scale)
    roi = cv2.warpPerspective(read_image(source / row["photo"]), roi_from_px, (ROI_PX, ROI_PX))
    points = cv2.perspectiveTransform(array(row, "landmarks_2d", 1, 68, 2), roi_from_px)[0]
    return {
        "face_patch": cv2.resize(roi, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA),
        "face_gaze": pitchyaw_from_vector(turn @ (array(row, "gaze_target_mm", 3) - face.center)),
        "face_head_pose": head_pitchyaw(turn @ face.rotation),
        "face_mat_norm": turn,
        "facial_landmarks": (points + 0.5) * SIDE_PX / ROI_PX - 0.5,
        "frame_index": row["frame"],
        "cam_index": row["camera_id"],
    }
