"""Reader of ETH-XGaze, raw (Zhang et al. 2020), with its first annotations or the updated ones.

    data/train/subject0000/frame0000/cam00.JPG       whole photos; test people below data/test
    data/annotation_train/subject0000.csv            149 columns, no header; test people in data/annotation_test
    data/annotation_updated/subject0000_update.csv   149 or 249 columns; read in place of the person's first file
    avg_cams_final/subject0000/cam00.xml             OpenCV's storage: size, matrix, distortion
    face_model.txt                                   50 points (50, 3), mm; not in the download
    train_test_split.json                            optional, see `part_of`

Columns, from 0: frame, camera; target on the screen, px (2), and in the camera frame, mm (3); head rotation vector and
translation (6); 68 landmarks, px (136). Columns 149 to 248 are the face model projected by the same numbers, which adds
nothing: they are not read. Gaze leads from the face centre, half the mean of four eye corners and half that of two nose
points of the model under the head pose, to the target. Test people may have no target: gaze is then None.

cam03, cam06 and cam13 hung upside down. Their photos are undistorted, then turned by 180 degrees; head pose and the
unchanged camera matrix belong to the turned picture. `picture` does both, so their records have no distortion, and
their landmarks go the same way. Records of the other cameras hold the distortion, and the crop undoes it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import cv2
import numpy as np

from slyk.calibration import open_storage
from slyk.datasets.fields import key_of, numbers, require, unit
from slyk.datasets.lines import unread
from slyk.datasets.pictures import Image, photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.camera import Array
from slyk.geometry.head_pose import rotation_from_vector
from slyk.geometry.normalize import FaceGeometry
from slyk.photos import Canvas

TITLE = "ETH-XGaze (raw)"
LICENCE = "CC BY-NC-SA 4.0"
SOURCE = "https://ait.ethz.ch/projects/2020/ETH-XGaze"
PER_TASK = 1
MODEL = "face_model.txt"
MODEL_SOURCE = "https://github.com/xucong-zhang/ETH-XGaze"
SPLIT = "train_test_split.json"
PARTS = ("test", "test_person_specific", "train")
TURNED = (3, 6, 13)
NUM_CAMERAS = 18
MODEL_ROWS = (20, 23, 26, 29, 15, 19)
"""Of the face model, from 0: eye corners image-left to image-right, then both sides of the nose."""
CENTER_WEIGHTS = np.array([0.125, 0.125, 0.125, 0.125, 0.25, 0.25])
_LABELS = re.compile(r"data/annotation_(train|test|test_person_specific|updated)/(subject\d+)(?:_update)?\.csv")
_PHOTO = re.compile(r"data/\w+/(subject\d+)/frame\d+/cam(\d\d)\.jpe?g", re.IGNORECASE)
_WITHHELD = re.compile(r"|[+-]?nan|[+-]?0+(\.0*)?(e[+-]?\d+)?", re.IGNORECASE)
_NUM_FIELDS = (149, 249)
_NUM_TARGET = 5
"""Columns of the target, on the screen and in space."""


class Camera(NamedTuple):
    """size_px: width and height of its photos; matrix (3, 3); distortion (5,): k1, k2, p1, p2, k3."""

    size_px: tuple[int, int]
    matrix: Array
    distortion: Array


class Subject(NamedTuple):
    """name: subject0000; folder: that of the photos below `data`; part: see `part_of`; model_mm (6, 3): `MODEL_ROWS`
    of the face model."""

    name: str
    folder: str
    part: str
    model_mm: Array


def units(listed: Sequence[str]) -> list[str]:
    """The label files of the people, of each the updated one where there is one."""
    found = [match for match in map(_LABELS.fullmatch, listed) if match]
    updated = {match[2] for match in found if match[1] == "updated"}
    chosen = [match[0] for match in found if match[1] == "updated" or match[2] not in updated]
    return require(chosen, "labels of ETH-XGaze", "data/annotation_train/subject0000.csv")


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a line. Raises DataMissingError where the face model or a calibration is missing or damaged."""
    parts, model_mm = people(raw), face_model(raw)[list(MODEL_ROWS)]
    for name in chosen:
        subject = _subject(name, parts, model_mm)
        try:
            lines = raw.text(name).split("\n")
        except DataMissingError as error:
            yield unread(raw, name, error)
            continue
        for number, line in enumerate(lines, start=1):
            fields = [field.strip() for field in line.split(",")]
            if fields == [""]:
                continue
            photo = "/".join(["data", subject.folder, subject.name, *fields[:2]])
            try:
                yield Outcome(photo, (_record(raw, subject, photo, fields),))
            except PhotoError as error:
                yield Outcome(photo, reason=error.reason, detail=f"{name}, line {number}: {error.detail}")


def picture(raw: Raw, name: str, canvas: Canvas | None = None) -> Image:
    """The photo of a record; of a camera that hung upside down, undistorted and turned back.

    Raises PhotoError, `wrong_size` where the photo was scaled and no longer fits its calibration.
    """
    photo, match = photo_file(raw, name), _PHOTO.fullmatch(name)
    if match is None:
        raise PhotoError("not_found", f"{name} is not named as a photo of ETH-XGaze is")
    number, camera = int(match[2]), camera_of(raw.root, match[1], int(match[2]))
    size_px = (photo.shape[1], photo.shape[0])
    if size_px != camera.size_px:
        raise PhotoError("wrong_size", f"{name} has {size_px} px, its calibration {camera.size_px}")
    if number not in TURNED:
        return photo
    if camera.distortion.any():
        photo = np.asarray(cv2.undistort(photo, camera.matrix, camera.distortion), dtype=np.uint8)
    return np.asarray(cv2.rotate(photo, cv2.ROTATE_180), dtype=np.uint8)


def people(raw: Raw) -> dict[str, frozenset[str]]:
    """Part of the set -> its people, as `listed` has them."""
    return {part: frozenset(names) for part, names in listed(raw).items()}


def listed(raw: Raw) -> dict[str, list[str]]:
    """Part of the set -> its people in the order of train_test_split.json, which is that of the leaderboard's rows;
    empty where there is no such file. Some copies of it say test_specific for test_person_specific.

    Raises DataMissingError where it is damaged.
    """
    if not raw.has(SPLIT):
        return {}
    try:
        lists = json.loads(raw.text(SPLIT))
        lists.setdefault("test_person_specific", lists.get("test_specific", []))
        return {part: [PurePosixPath(file).stem for file in lists.get(part, [])] for part in PARTS}
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise DataMissingError(f"{raw.root}/{SPLIT} does not list files of {', '.join(PARTS)}: {error}") from None


def part_of(person: str, folder: str, parts: Mapping[str, frozenset[str]]) -> str:
    """The first of `PARTS` whose list names the person, so that nobody who is tested on trains; else the folder."""
    return next((part for part in PARTS if person in parts.get(part, ())), folder)


def split_of(part: str) -> tuple[str, tuple[str, ...]]:
    """The split of a part of the set, and its tags."""
    return ("train" if part == "train" else "test"), (("person_specific",) if part == "test_person_specific" else ())


def face_model(raw: Raw) -> Array:
    """The points (50, 3), mm. Raises DataMissingError telling where to get them."""
    if not raw.has(MODEL):
        raise DataMissingError(
            f"{raw.root}/{MODEL} not found: it is not in the download; take it from {MODEL_SOURCE} and put it there"
        )
    try:
        return numbers(raw.text(MODEL).split(), "points").reshape(50, 3)
    except (PhotoError, ValueError) as error:
        raise DataMissingError(f"{raw.root}/{MODEL} holds no 50 points: {error}; take it from {MODEL_SOURCE}") from None


@lru_cache(maxsize=64)
def camera_of(root: str, subject: str, number: int) -> Camera:
    """The calibration of a camera for a person. Raises DataMissingError where it is missing or damaged."""
    name = f"avg_cams_final/{subject}/cam{number:02d}.xml"
    text = Raw(root).text(name)
    try:
        storage = open_storage(text)
        size = [storage.getNode(f"image_{side}").real() for side in ("Width", "Height")]
        matrix, distortion = (storage.getNode(key).mat() for key in ("Camera_Matrix", "Distortion_Coefficients"))
        storage.release()
    except (cv2.error, SystemError, ValueError) as error:
        raise DataMissingError(f"{root}/{name} cannot be read as OpenCV's storage: {error}") from None
    values = [*size, *np.ravel(matrix), *np.ravel(distortion)]
    if len(values) != 16 or not np.isfinite(values).all() or min(*size, matrix[0, 0]) < 1:
        raise DataMissingError(f"{root}/{name} lacks a size, Camera_Matrix (3, 3) or Distortion_Coefficients (1, 5)")
    return Camera((int(size[0]), int(size[1])), np.reshape(values[2:11], (3, 3)), np.array(values[11:]))


def _subject(name: str, parts: Mapping[str, frozenset[str]], model_mm: Array) -> Subject:
    match = _LABELS.fullmatch(name)
    assert match is not None, f"{name} is none of the units"
    part = part_of(match[2], "train" if match[1] == "updated" else match[1], parts)
    return Subject(match[2], part if match[1] == "updated" else match[1], part, model_mm)


def _record(raw: Raw, subject: Subject, photo: str, fields: Sequence[str]) -> Record:
    """Raises PhotoError `bad_label`."""
    split, tags = split_of(subject.part)
    tested = split == "test"
    if tested and len(fields) + _NUM_TARGET in _NUM_FIELDS:  # no target at all: our choice, the real files are unseen
        fields = [*fields[:2], *[""] * _NUM_TARGET, *fields[2:]]
    if len(fields) not in _NUM_FIELDS:
        raise PhotoError("bad_label", f"{len(fields)} fields, not {_NUM_FIELDS[0]} or {_NUM_FIELDS[1]}")
    match = _PHOTO.fullmatch(photo)
    if match is None or int(match[2]) >= NUM_CAMERAS:
        raise PhotoError("bad_label", f"{fields[0]}, {fields[1]} are no frame and camera, such as frame0000, cam17.JPG")
    number = int(match[2])
    camera, target = camera_of(raw.root, subject.name, number), _target(fields[2:7], tested)
    landmarks = numbers(fields[13:149], "the landmarks").reshape(68, 2)
    geometry = _geometry(subject, camera, numbers(fields[7:13], "the head pose"))
    if number in TURNED:
        geometry, landmarks = replace(geometry, distortion=np.zeros(0)), _turned(landmarks, camera)
    labels: dict[str, Any] = {"frame": int(fields[0][5:]), "camera": number, "scheme": "68"}
    labels["landmarks_px"] = landmarks.round(2).tolist()
    gaze = None
    if target is not None:
        gaze = unit(target[2:] - geometry.face_center_mm, "target - face centre")
        labels["target_px"] = target[:2].tolist()
        tags += ("off_screen",) * bool(np.any(target[:2] < 0))
    key = key_of(photo.removeprefix("data/").rpartition(".")[0])
    return Record(
        key, photo, subject.name, split, geometry, gaze, "annotated", center="eyes_and_nose", tags=tags, labels=labels
    )


def _target(fields: Sequence[str], tested: bool) -> Array | None:
    """Columns 2 to 6; None where those of a test person were kept back: left empty, not a number or zero."""
    if tested and all(_WITHHELD.fullmatch(field) for field in fields[2:]):
        return None
    target = numbers(fields, "the target")
    if not target[2:].any():
        raise PhotoError("bad_label", "the target is the camera's own place: zeros in place of numbers")
    return target


def _geometry(subject: Subject, camera: Camera, pose: Array) -> FaceGeometry:
    rotation = rotation_from_vector(pose[:3])
    points = subject.model_mm @ rotation.T + pose[3:]
    return FaceGeometry(
        camera=camera.matrix,
        head_rotation=rotation,
        face_center_mm=CENTER_WEIGHTS @ points,
        eyes_mm=points[:4].reshape(2, 2, 3).mean(axis=1),
        distortion=camera.distortion,
    )


def _turned(landmarks: Array, camera: Camera) -> Array:
    """Landmarks (68, 2) of the photo turned by 180 degrees, on the picture that is undistorted before it is turned."""
    if not camera.distortion.any():
        return landmarks
    last = np.array(camera.size_px) - 1.0
    plain = cv2.undistortPoints((last - landmarks)[:, None], camera.matrix, camera.distortion, P=camera.matrix)
    return np.asarray(last - plain[:, 0], dtype=np.float64)
