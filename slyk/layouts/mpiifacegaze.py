"""Layout `mpiifacegaze`: MPIIFaceGaze as released (raw), from the domain `webcam`.

    p00/p00.txt                       28 fields a photo, separated by single spaces
    p00/day01/0001.jpg
    p00/Calibration/{Camera,monitorPose,screenSize}.mat
    6 points-based face model.mat     `model` (3, 6), mm

Fields, from 0: path; target on the screen, px (2); six landmarks, px (12): eye corners image-left to image-right, mouth
corners; head rotation vector and translation (6); face centre fc (3); target gt (3), mm, camera frame; left or right.

Our choice: a recording is a day; photos count from 1 within it. The face model is the set's mean face, symmetric, in
the frame of the real one: origin between the eyes, x through them, y to the mouth, z into the head. The head pose lays
it on the exact 3D points, so that fc is the exact face centre and gt - fc the exact gaze. (The real set found the pose
from pixels, which puts people larger or smaller than the model too near or too far.) The last field alternates, since
the real evaluation subset takes as many left eyes as right. Camera.mat holds no views of a calibration board: `rvecs`
and `tvecs` are zeros in the real shape (100, 3).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from slyk.geometry.camera import Array
from slyk.layouts.common import Row, array, copy, fit, groups, mean_face, rotation_vector, shared, write_mat

DOMAIN = "webcam"
TITLE = "MPIIFaceGaze"
MODEL_NAME = "6 points-based face model.mat"
LANDMARKS = (36, 39, 42, 45, 48, 54)
"""Of the 68: four eye corners, two mouth corners."""
_MIRRORED = [3, 2, 1, 0, 5, 4]
_COLUMNS = (
    *("photo", "recording", "frame", "camera", "head_rotation", "head_translation", "landmarks_2d", "landmarks_3d"),
    *("gaze_target_mm", "screen_target_px", "screen_size", "screen_rotation", "screen_translation"),
)


def write(source: Path, out: Path, table: pa.Table) -> Iterator[int]:
    people = groups(table, _COLUMNS, "person")
    model = face_model([row for rows in people.values() for row in rows])
    write_mat(out / MODEL_NAME, {"model": model.T})
    for number, rows in enumerate(people.values()):
        folder = out / f"p{number:02d}"
        _write_calibration(folder / "Calibration", rows)
        lines = []
        for index, (row, photo) in enumerate(zip(rows, _names(rows), strict=True)):
            copy(source / row["photo"], folder / photo)
            lines.append(f"{photo} {_fields(row, model)} {('left', 'right')[index % 2]}\n")
        (folder / f"{folder.name}.txt").write_text("".join(lines))
        yield len(rows)


def face_model(rows: list[Row]) -> Array:
    """The six points (6, 3) of the set's mean face, mm."""
    points = mean_face(rows, LANDMARKS)
    points = (points + points[_MIRRORED] * np.array([-1.0, 1.0, 1.0])) / 2
    eyes, mouth = points[:4].mean(axis=0), points[4:].mean(axis=0)
    down = (mouth - eyes) / np.linalg.norm(mouth - eyes)
    right = np.array([1.0, 0.0, 0.0])
    axes = np.stack([right, down, np.cross(right, down)])
    return np.asarray((points - eyes) @ axes.T)


def _names(rows: list[Row]) -> list[str]:
    """Paths below the person's folder, a day for each recording."""
    days = {recording: day for day, recording in enumerate(dict.fromkeys(row["recording"] for row in rows), start=1)}
    counts = dict.fromkeys(days, 0)
    names = []
    for row in rows:
        counts[row["recording"]] += 1
        names.append(f"day{days[row['recording']]:02d}/{counts[row['recording']]:04d}.jpg")
    return names


def _fields(row: Row, model: Array) -> str:
    """Fields 1 to 26."""
    rotation, translation = fit(model, array(row, "landmarks_3d", 68, 3)[list(LANDMARKS)], np.full(6, 1 / 6))
    center = rotation @ model.mean(axis=0) + translation
    pixels = np.concatenate(
        [array(row, "screen_target_px", 2), array(row, "landmarks_2d", 68, 2)[list(LANDMARKS)].ravel()]
    )
    lengths = [*rotation_vector(rotation), *translation, *center, *array(row, "gaze_target_mm", 3)]
    return " ".join([*(f"{value:.0f}" for value in np.rint(pixels) + 0.0), *(f"{value:.6f}" for value in lengths)])


def _write_calibration(folder: Path, rows: list[Row]) -> None:
    camera = {
        "cameraMatrix": shared(rows, "camera", 3, 3),
        "distCoeffs": np.zeros((1, 5)),
        "retval": 0.0,
        "rvecs": np.zeros((100, 3)),
        "tvecs": np.zeros((100, 3)),
    }
    write_mat(folder / "Camera.mat", camera)
    turn = rotation_vector(shared(rows, "screen_rotation", 3, 3)).reshape(3, 1)
    write_mat(folder / "monitorPose.mat", {"rvects": turn, "tvecs": shared(rows, "screen_translation", 3, 1)})
    names = ("width_pixel", "height_pixel", "width_mm", "height_mm")
    size = dict(zip(names, shared(rows, "screen_size", 4).tolist(), strict=True))
    write_mat(folder / "screenSize.mat", {name: size[name] for name in sorted(size)})
