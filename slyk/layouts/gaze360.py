"""Layout `gaze360`: Gaze360, from the domain `wild`.

    metadata.mat                                indices from 0
    imgs/rec_000/head/000000/000131.jpg         recording, person of the recording, frame
    train.txt, validation.txt, test.txt         "rec_000/head/000000/000131.jpg x y z ", with a space at the end

metadata.mat: `recordings`, `splits`, cell arrays (1, K); numbers (1, N); vectors and boxes (N, k). Boxes and points of
the picture are normalized to the full frame of 3382 x 4096, boxes [x, y, w, h], -1 where nothing was found. `gaze_dir`
is in the eye's own system: z along the ray from camera to eye, x left, y up, as the camera sees. split: 0 train, 1 val,
2 test, 3 unused: a frame is used where the three before and the three after it are there too.

Our choice: the last tenth of the training people, at least one of two, validates. Gaze starts at the middle of both
eyes. The Ladybug is five upright cameras, each 72 degrees to the right of the one before; people stand before camera 0;
its system is x along that camera, y left, z up, metres. Faces and eyes count as found where three quarters of the 68
landmarks are seen. Bodies are not rendered: their boxes are -1. ts counts 8 frames a second. Head crops are smaller
than their boxes, since photos are rendered at a lower scale.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from slyk.geometry.camera import Array, camera_matrix, project
from slyk.layouts.common import Row, array, copy, groups, write_mat
from slyk.synthetic.domains.wild import FULL_CENTER, FULL_FOCAL, FULL_SIZE, crop_of

DOMAIN = "wild"
TITLE = "Gaze360"
SPLITS = ("train", "val", "test", "unused")
RADIUS = 3
"""Frames before and after that a video network takes."""
FPS = 8.0
NUM_CAMERAS = 5
FOUND_SHARE = 0.75
_LADYBUG = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation of camera 0's frame into the Ladybug's."""
_COLUMNS = (
    *("photo", "frame", "size_px", "camera", "eyes_mm", "gaze_target_mm", "landmarks_2d", "landmarks_visible"),
    "split",
)
_INTEGERS = ("recording", "frame", "target_cam", "person_identity", "person_cam", "split")


def write(source: Path, out: Path, table: pa.Table) -> Iterator[int]:
    validation = _validation(table)
    lists: dict[str, list[str]] = {name: [] for name in SPLITS}
    entries: list[dict[str, Any]] = []
    recordings = groups(table, _COLUMNS, "person", "recording")
    for index, ((person, _), rows) in enumerate(recordings.items()):
        frames = {row["frame"] for row in rows}
        for row in sorted(rows, key=lambda row: int(row["frame"])):
            split = _split(row, frames, person in validation)
            entry = {"recording": index, "split": SPLITS.index(split), **_entry(row)}
            name = f"rec_{index:03d}/head/{entry['person_identity']:06d}/{row['frame']:06d}.jpg"
            copy(source / row["photo"], out / "imgs" / name)
            lists[split].append(f"{name} {' '.join(f'{value:.6f}' for value in entry['gaze_dir'])} \n")
            entries.append(entry)
        yield len(rows)
    for split, file in (("train", "train"), ("val", "validation"), ("test", "test")):
        (out / f"{file}.txt").write_text("".join(lists[split]))
    write_mat(out / "metadata.mat", _metadata(entries, len(recordings)))


def eye_system(eyes: Array) -> Array:
    """Rotation (3, 3) of the camera frame (x right, y down, z forward) into the eye's system."""
    away = eyes / np.linalg.norm(eyes)
    left = np.cross(away, [0.0, 1.0, 0.0])
    left /= np.linalg.norm(left)
    return np.stack([left, np.cross(away, left), away])


def _validation(table: pa.Table) -> set[str]:
    people = [person for person, split in groups(table, (), "person", "split") if split == "train"]
    number = max(1, len(people) // 10) if len(people) > 1 else 0
    return set(people[len(people) - number :])


def _split(row: Row, frames: set[int], validates: bool) -> str:
    if not all(row["frame"] + step in frames for step in range(-RADIUS, RADIUS + 1)):
        return "unused"
    return "val" if validates else str(row["split"])


def _entry(row: Row) -> dict[str, Any]:
    """What metadata.mat says of a photo, but for its recording and split."""
    crop, camera = crop_of(array(row, "camera", 3, 3)), array(row, "camera", 3, 3)
    full = np.array(FULL_SIZE)

    def in_frame(pixels: Array) -> Array:
        return np.asarray((pixels / crop.scale + np.array([crop.x0, crop.y0])) / full)

    def box(pixels: Array) -> Array:
        first, last = in_frame(pixels.min(axis=0)), in_frame(pixels.max(axis=0))
        return np.concatenate([first, last - first])

    eyes, target = array(row, "eyes_mm", 2, 3).mean(axis=0), array(row, "gaze_target_mm", 3)
    gaze = eye_system(eyes) @ (target - eyes)
    target_cam, target_px = _in_rig(target)
    points, nothing = array(row, "landmarks_2d", 68, 2), -np.ones(4)
    found = float(np.mean(row["landmarks_visible"])) >= FOUND_SHARE
    return {
        "frame": row["frame"],
        "ts": row["frame"] / FPS,
        "person_identity": 0,
        "person_cam": 0,
        "target_cam": target_cam,
        "gaze_dir": gaze / np.linalg.norm(gaze),
        "target_pos3d": _LADYBUG @ target / 1000,
        "target_pos2d": target_px / full,
        "person_eyes3d": _LADYBUG @ eyes / 1000,
        "person_eyes2d": in_frame(project(camera, eyes)),
        "person_head_bbox": np.concatenate([[crop.x0, crop.y0], array(row, "size_px", 2) / crop.scale])
        / np.tile(full, 2),
        "person_body_bbox": nothing,
        "person_face_bbox": box(points) if found else nothing,
        "person_eye_left_bbox": box(points[42:48]) if found else nothing,
        "person_eye_right_bbox": box(points[36:42]) if found else nothing,
    }


def _in_rig(target: Array) -> tuple[int, Array]:
    """The camera before which a point of camera 0's frame lies, and its pixel (2,) there."""
    step = 2 * np.pi / NUM_CAMERAS
    turns = round(float(np.arctan2(target[0], target[2])) / step)
    c, s = np.cos(turns * step), np.sin(turns * step)
    seen = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]]) @ target
    return turns % NUM_CAMERAS, project(camera_matrix(FULL_FOCAL, FULL_CENTER), seen)


def _metadata(entries: list[dict[str, Any]], num_recordings: int) -> dict[str, Any]:
    values: dict[str, Any] = {
        "recordings": _cells([f"rec_{index:03d}" for index in range(num_recordings)]),
        "splits": _cells(SPLITS),
    }
    for name in sorted(entries[0]):
        column = np.array([entry[name] for entry in entries])
        values[name] = (
            column[None].astype(np.int32 if name in _INTEGERS else np.float64) if column.ndim == 1 else column
        )
    return values


def _cells(words: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """A cell array (1, K) of texts."""
    cells = np.empty((1, len(words)), dtype=object)
    cells[0] = words
    return cells
