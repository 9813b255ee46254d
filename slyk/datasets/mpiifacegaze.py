"""Reader of MPIIFaceGaze, raw (Zhang et al. 2017), with the evaluation subset of MPIIGaze where its lists are there.

    p00/p00.txt                       28 fields a photo, split at spaces
    p00/day01/0005.jpg
    p00/Calibration/{Camera,screenSize}.mat
    6 points-based face model.mat     `model` (3, 6), mm
    Evaluation Subset/sample list for eye image/p00.txt      lines "day01/0005.jpg left", of MPIIGaze; optional

Fields, from 0: path below the person's folder; target on the screen, px (2); six landmarks, px (12); head rotation
vector and translation (6); face centre fc (3); gaze target gt (3), mm, camera frame; left or right. gaze = gt - fc.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from slyk.datasets.fields import key_of, matlab, numbers, require, unit, variable
from slyk.datasets.lines import unread, words
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.camera import Array
from slyk.geometry.head_pose import SIX_POINTS_MM, rotation_from_vector
from slyk.geometry.normalize import FaceGeometry

TITLE = "MPIIFaceGaze"
LICENCE = "CC BY-NC-SA 4.0"
SOURCE = "https://www.mpi-inf.mpg.de/departments/computer-vision-and-machine-learning/research/gaze-based-human-computer-interaction/its-written-all-over-your-face-full-face-appearance-based-gaze-estimation"
PER_TASK = 1
MODEL = "6 points-based face model.mat"
_LABELS = re.compile(r"(p\d\d)/\1\.txt")
_NUM_FIELDS = 28
picture = photo_file


class Person(NamedTuple):
    """name: p00; camera (3, 3), distortion (5,), screen_px (2,); model_mm (6, 3); evaluated: photo -> eye."""

    name: str
    camera: Array
    distortion: Array
    screen_px: Array
    model_mm: Array
    evaluated: dict[str, str]


def units(listed: Sequence[str]) -> list[str]:
    """The label files of the people."""
    return require([path for path in listed if _LABELS.fullmatch(path)], "labels of MPIIFaceGaze", "p00/p00.txt")


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a line. Raises DataMissingError where a calibration is missing."""
    for name in chosen:
        person = _person(raw, name.partition("/")[0])
        try:
            lines = raw.text(name).split("\n")
        except DataMissingError as error:
            yield unread(raw, name, error)
            continue
        for number, line in enumerate(lines, start=1):
            fields = words(line)
            if not fields:
                continue
            photo = f"{person.name}/{fields[0]}"
            try:
                yield Outcome(photo, (_record(person, photo, fields),))
            except PhotoError as error:
                yield Outcome(photo, reason=error.reason, detail=f"{name}, line {number}: {error.detail}")


def _person(raw: Raw, name: str) -> Person:
    where = f"{name}/Calibration"
    camera, screen = matlab(raw, f"{where}/Camera.mat"), matlab(raw, f"{where}/screenSize.mat")
    sides = [variable(screen, [f"{side}_pixel"], (), f"{where}/screenSize.mat") for side in ("width", "height")]
    model = variable(matlab(raw, MODEL), ["model"], (3, 6), MODEL).T if raw.has(MODEL) else SIX_POINTS_MM
    chosen = f"Evaluation Subset/sample list for eye image/{name}.txt"
    pairs = [words(line) for line in raw.text(chosen).split("\n")] if raw.has(chosen) else []
    return Person(
        name,
        variable(camera, ["cameraMatrix"], (3, 3), f"{where}/Camera.mat"),
        variable(camera, ["distCoeffs"], (5,), f"{where}/Camera.mat"),
        np.array(sides).ravel(),
        model,
        {pair[0]: pair[1] for pair in pairs if len(pair) == 2},
    )


def _record(person: Person, photo: str, fields: Sequence[str]) -> Record:
    """Raises PhotoError `bad_label`."""
    if len(fields) < _NUM_FIELDS - 1:
        raise PhotoError("bad_label", f"{len(fields)} fields, not {_NUM_FIELDS}")
    values = numbers(fields[1:27], "26 numbers after the path")
    target_px, landmarks = values[:2], values[2:14].reshape(6, 2)
    rotation, translation = rotation_from_vector(values[14:17]), values[17:20]
    center, target = values[20:23], values[23:26]
    corners = person.model_mm[:4] @ rotation.T + translation
    geometry = FaceGeometry(
        camera=person.camera,
        head_rotation=rotation,
        face_center_mm=center,
        eyes_mm=corners.reshape(2, 2, 3).mean(axis=1),
        distortion=person.distortion,
    )
    tags = []
    if np.any(target_px < 0) or np.any(target_px > person.screen_px):
        tags.append("off_screen")
    if fields[0] in person.evaluated:
        tags += ["evaluation", f"evaluation_{person.evaluated[fields[0]]}"]
    labels = {"target_px": target_px.tolist(), "landmarks_px": landmarks.tolist(), "scheme": "6"}
    if len(fields) >= _NUM_FIELDS:
        labels["eye"] = fields[27]
    key = key_of(photo.removesuffix(".jpg"))
    gaze = unit(target - center, "gt - fc")
    return Record(key, photo, person.name, "train", geometry, gaze, "annotated", tags=tuple(tags), labels=labels)
