"""Reader of one's own data: photos and a table of them, `data.csv` (UTF-8, commas, a header) or `data.parquet`.

A row is a face. Columns, `photo` alone required; an empty cell is as no column:

- photo: path below the root. person: the unit of splitting, else one of ten hash buckets of the path; recording: put
  before the person where people are numbered anew in each recording. split: train (default) or test.
- fx, fy, cx, cy in px, or camera: path below the root of a calibration file (`slyk.calibration`); without either the
  camera of params.yaml, else a guess from the photo's size. k1, k2, p1, p2, k3: OpenCV's distortion.
- lm0_x, lm0_y, ... in px of the photo, integers being the middles of pixels: the usual 68, or 6, which are the corners
  of eyes and mouth, image-left to image-right. Without landmarks and head pose the face is detected; it must be one.
- head_rx, head_ry, head_rz (Rodrigues' vector) and head_tx, head_ty, head_tz (mm): head frame of SIX_POINTS_MM (x
  image-right, y down, z into the head, origin between the eyes) to camera frame; else fitted to the landmarks.
- The label, camera frame (x right, y down, z forward), from the mean of the six points: gaze_x, gaze_y, gaze_z, any
  length; or target_x, target_y, target_z in mm; or pitch, yaw, their convention (`table_columns.CONVENTIONS`) and
  angle_unit (radians or degrees).
- expression: a name of `slyk.datasets.expressions.CLASSES`.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from slyk.calibration import read_camera
from slyk.datasets.expressions import CLASSES
from slyk.datasets.fields import key_of as slug_of
from slyk.datasets.fields import require
from slyk.datasets.folder import NUM_BUCKETS, key_of
from slyk.datasets.lines import part_of
from slyk.datasets.pictures import Image, photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import EyesSource, Outcome, ReadOptions, Record
from slyk.datasets.table_columns import CAMERA, DISTORTION, HEAD, LANDMARKS, check, choice, filled, gaze, values
from slyk.datasets.table_files import cells_of, divided_table
from slyk.errors import ParamsError, PhotoError
from slyk.geometry.camera import Array, camera_matrix, guess_camera
from slyk.geometry.eyes import geometry_from_eyes
from slyk.geometry.head_pose import SIX_POINTS_MM, fit_head, rotation_from_vector
from slyk.geometry.normalize import FaceGeometry
from slyk.landmarks.cascades import find_faces

TITLE = "table of one's own data"
LICENCE = "unknown"
SOURCE = "yours"
PER_TASK = 1
NAMES = ("data.csv", "data.parquet")
SIX_OF_68 = (36, 39, 42, 45, 48, 54)
MAX_OFF = 0.1
"""How far landmarks may lie from the face of the head pose (root mean square), in diagonals of their box. Of 144
rendered faces, fitted, the most is 0.04; of their points in wrong orders, where no face turns away, the least 0.15."""
MAX_GROUP = 100
"""Signs of a group's name, which begins those of files: these have 255 bytes at most."""
picture, parts = photo_file, divided_table


@dataclass
class _Table:
    """name: of the file; num_landmarks: of a row; cameras: those of calibration files that were read; detected: the
    photos in which a face was found -> the line that asked."""

    raw: Raw
    name: str
    options: ReadOptions
    num_landmarks: int
    cameras: dict[str, Array] = field(default_factory=dict)
    detected: dict[str, str] = field(default_factory=dict)


def units(listed: Sequence[str]) -> list[str]:
    """The table. Raises ParamsError where there are two."""
    found = [name for name in NAMES if name in listed]
    if len(found) > 1:
        raise ParamsError(f"both {' and '.join(found)} are there: keep the one that counts")
    return require(found, "table of photos", " or ".join(NAMES))


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a row. Raises ParamsError for columns that cannot be, DataMissingError for what is no table."""
    for unit in chosen:
        name = part_of(unit).file
        lines = cells_of(raw, unit)
        header = next(lines, (0, []))[1]
        table = _Table(raw, name, options, check(header, f"{raw.root}/{name}"))
        for number, cells in lines:
            if any(cells):
                yield _outcome(table, number, header, cells)


def _outcome(table: _Table, number: int, header: Sequence[str], cells: Sequence[str]) -> Outcome:
    row = dict(zip(header, cells, strict=False))
    photo = row.get("photo", "").replace("\\", "/")
    line = f"{'line' if table.name.endswith('.csv') else 'row'} {number}"
    try:
        if len(cells) != len(header):
            raise PhotoError("bad_label", f"{len(cells)} cells, not {len(header)}")
        if not photo:
            raise PhotoError("bad_label", "photo is empty")
        placed = filled(row, HEAD) or filled(row, LANDMARKS[table.num_landmarks])
        if not placed and photo in table.detected:
            same = "without a head pose or landmarks both mean the same face"
            raise PhotoError("bad_label", f"{table.detected[photo]} names this photo too, and {same}")
        record = _record(table, photo, row)
        if not placed:
            table.detected[photo] = line
        return Outcome(photo, (record,))
    except PhotoError as error:
        leads_out = " leads out of the data set's folder" * (error.reason == "outside_root")
        return Outcome(photo, reason=error.reason, detail=f"{table.name}, {line}: {error.detail}{leads_out}")


def _record(table: _Table, photo: str, row: Mapping[str, str]) -> Record:
    """Raises PhotoError."""
    given, lens = _camera(table, row), values(row, DISTORTION)
    if given is None and lens is not None:
        raise PhotoError("bad_label", "k1, k2, p1, p2, k3 without a camera")
    camera = guess_camera(*picture(table.raw, photo).shape[1::-1]) if given is None else given
    lens = np.zeros(0) if lens is None else lens
    pose, points = values(row, HEAD), values(row, LANDMARKS[table.num_landmarks])
    labels: dict[str, object] = {}
    if points is not None:
        points = points.reshape(-1, 2)
        labels = {"landmarks_px": points.tolist(), "scheme": str(len(points))}
    if row.get("expression"):
        labels["expression"] = choice(row, "expression", CLASSES)
    measured = given is not None and (pose is not None or points is not None)
    geometry, eyes = _face(table, photo, pose, points, camera, lens)
    split = choice(row, "split", ("train", "test"), default="train")
    return Record(
        key=key_of(photo),
        photo=photo,
        group=_group(row.get("recording", ""), row.get("person", ""), photo, split),
        split=split,
        geometry=geometry,
        gaze=gaze(row, geometry.face_center_mm),
        eyes=eyes,
        known="measured" if measured else "guessed",
        labels=labels,
    )


def _camera(table: _Table, row: Mapping[str, str]) -> Array | None:
    """The matrix (3, 3) of the row, else of params.yaml, if any. Raises PhotoError `bad_label`."""
    numbers, name = values(row, CAMERA), row.get("camera", "")
    if numbers is not None:
        if min(numbers[:2]) <= 0:
            raise PhotoError("bad_label", f"focal lengths {numbers[:2].tolist()} are not above 0")
        matrix = camera_matrix(numbers[0], (numbers[2], numbers[3]))
        matrix[1, 1] = numbers[1]
        return matrix
    if name and name not in table.cameras:
        try:
            with table.raw.local(name) as path:
                table.cameras[name] = read_camera(path)
        except PhotoError as error:
            raise PhotoError("bad_label", f"camera: {error}") from None
        except ParamsError as error:
            raise PhotoError("bad_label", f"camera: {error}".replace(str(path), name)) from None
    return table.cameras[name] if name else table.options.camera


def _face(
    table: _Table, photo: str, pose: Array | None, points: Array | None, camera: Array, lens: Array
) -> tuple[FaceGeometry, EyesSource]:
    """From the head pose (6,), else the landmarks (6 or 68, 2), else by detection. Raises PhotoError."""
    six = points[list(SIX_OF_68)] if points is not None and len(points) == 68 else points
    if pose is not None:
        rotation, translation = rotation_from_vector(pose[:3]), pose[3:]
    elif six is not None:
        try:
            rotation, translation = fit_head(SIX_POINTS_MM, six, camera, lens)
        except ValueError as error:
            raise PhotoError("bad_label", f"landmarks: {error}") from None
    else:
        return _detected(picture(table.raw, photo), camera, lens, table.options.min_face_px)
    geometry = _posed(camera, lens, rotation, translation)
    if six is not None:
        seen = cv2.projectPoints(SIX_POINTS_MM, cv2.Rodrigues(rotation)[0], translation, camera, lens)[0].reshape(6, 2)
        off, size = np.sqrt(np.mean(np.sum((seen - six) ** 2, axis=1))), np.linalg.norm(np.ptp(six, axis=0))
        if not off < MAX_OFF * size:
            other = "their order another" if pose is None else "the head's frame another"
            raise PhotoError(
                "bad_label", f"landmarks, {size:.0f} px across, are {off:.1f} px off the face: is {other}?"
            )
    return geometry, "annotated"


def _posed(camera: Array, lens: Array, rotation: Array, translation: Array) -> FaceGeometry:
    """Raises PhotoError `bad_label` for a head behind the camera or seen from behind."""
    six = SIX_POINTS_MM @ rotation.T + translation
    center = six.mean(axis=0)
    if not (np.all(six[:, 2] > 0) and rotation[:, 2] @ center > 0):  # nor where huge numbers made them NaN
        raise PhotoError("bad_label", "the head is behind the camera or turns its back: is its frame another one?")
    return FaceGeometry(camera, rotation, center, six[:4].reshape(2, 2, 3).mean(axis=1), lens)


def _detected(shown: Image, camera: Array, lens: Array, min_face_px: int) -> tuple[FaceGeometry, EyesSource]:
    """The only face. Raises PhotoError `no_face`, `several_faces`."""
    faces = find_faces(shown, min_face_px=min_face_px)
    if len(faces) != 1:
        reason = "several_faces" if faces else "no_face"
        raise PhotoError(reason, f"{len(faces)} faces of at least {min_face_px} px, and no landmarks that say which")
    eyes_px = faces[0].eyes_px
    if lens.size:
        eyes_px = np.asarray(cv2.undistortPoints(eyes_px[:, None], camera, lens, P=camera)[:, 0], np.float64)
    return replace(geometry_from_eyes(camera, eyes_px), distortion=lens), faces[0].eyes


def _group(recording: str, person: str, photo: str, split: str) -> str:
    """Person below recording, whichever is given, with a hash where signs had to go; else a bucket of the split."""
    name = "_".join(filter(None, [recording, person]))
    if not name:
        return f"{'test-' if split == 'test' else ''}bucket{zlib.crc32(photo.encode()) % NUM_BUCKETS}"
    slug = slug_of(name).replace("/", "-")[:MAX_GROUP]
    return slug if slug == name.lower() else f"{slug}-{zlib.crc32(name.encode()):08x}".lstrip("-")
