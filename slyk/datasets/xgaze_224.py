"""Reader of ETH-XGaze with normalized faces, of 224 px or any other size: an HDF5 file a person.

    train/subject0000.h5, test/subject0001.h5, test_person_specific/subject0012.h5
    train_test_split.json                            optional, see `slyk.datasets.xgaze.part_of`

Of N photos: face_patch (N, S, S, 3) uint8 BGR; face_gaze (N, 2), (pitch, yaw) in radians, normalized frame, which is
slyk's convention; where the file has them, face_head_pose (N, 2) likewise, face_mat_norm (N, 3, 3), frame_index and
cam_index (N, 1), facial_landmarks or landmarks_norm (N, 68, 2), px of the patch. cam_index counts from 0 or from 1, as
its writer chose: it is kept as a label and nothing rests on it. A picture is named `FILE#INDEX`.

The patch of 224 px is seen by a camera of focal length 960 px from 600 mm, its middle on the axis; one of another size
shows the same. Where eyes are seen at a place that the head pose allows, they are annotated, at the depth of the mean
face; else assumed. Landmarks that lie elsewhere come from writers that halve the picture and not its landmarks.
Rows whose face_mat_norm is no rotation were never written: the official script makes room for more photos than it has.
"""

import re
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from slyk.datasets import hdf5
from slyk.datasets.fields import require
from slyk.datasets.pictures import Image, container_of, place_of
from slyk.datasets.raw import Raw
from slyk.datasets.record import EyesSource, Outcome, ReadOptions, Record
from slyk.datasets.xgaze import part_of, people, split_of
from slyk.errors import PhotoError
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array, project, rays
from slyk.geometry.cut_faces import normalized_face
from slyk.geometry.normalize import FaceGeometry
from slyk.photos import MAX_BYTES, Canvas, as_text

TITLE = "ETH-XGaze (normalized faces)"
LICENCE = "CC BY-NC-SA 4.0"
SOURCE = "https://ait.ethz.ch/projects/2020/ETH-XGaze"
PER_TASK = 1
FOCAL_PX = 960.0
DISTANCE_MM = 600.0
SIDE_PX = 224
MAX_PICTURES = 100_000
"""Of a person; ETH-XGaze's have some 10,000. What claims more is not read into memory."""
MAX_SIDE_PX = 2048
EYES_OFF = 0.15
"""How far landmarks may put an eye from where the head pose has it, in sides of the picture: 21 mm."""
_FILES = re.compile(r"(train|test|test_person_specific)/(subject\d+)\.h5")
_SHAPES: dict[str, tuple[int, ...]] = {
    "face_gaze": (2,),
    "face_head_pose": (2,),
    "face_mat_norm": (3, 3),
    "facial_landmarks": (68, 2),
    "landmarks_norm": (68, 2),
    "frame_index": (1,),
    "cam_index": (1,),
}
_EYE_CORNERS = [[36, 39], [42, 45]]
file_of = container_of


class Person(NamedTuple):
    """name: subject0000; folder, part: see `part_of`; side_px of its num_pictures pictures; values: what `_SHAPES`
    names, each (num_pictures, ...), as far as the file has it."""

    name: str
    folder: str
    part: str
    side_px: int
    num_pictures: int
    values: dict[str, Array]


def units(listed: Sequence[str]) -> list[str]:
    """The people's files."""
    return require([path for path in listed if _FILES.fullmatch(path)], "faces of ETH-XGaze", "train/subject0000.h5")


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a picture; one for all of a file that cannot be opened."""
    parts = people(raw)
    for name in chosen:
        try:
            with _opened(raw, name) as file:
                person = _person(file, name, parts)
        except PhotoError as error:
            yield Outcome(name, reason=error.reason, detail=error.detail)
            continue
        for index in range(person.num_pictures):
            photo = f"{name}#{index}"
            try:
                yield Outcome(photo, (_record(person, photo, index),))
            except PhotoError as error:
                yield Outcome(photo, reason=error.reason, detail=f"{name}, row {index}: {error.detail}")


def picture(raw: Raw, name: str, canvas: Canvas | None = None) -> Image:
    """The patch of a record, BGR. Raises PhotoError `not_found`, `unreadable`."""
    patches, place = _held(raw.root, file_of(name)).patches, place_of(name)
    if not place.isdecimal() or int(place) >= patches.shape[0]:
        raise PhotoError("not_found", f"{name}: the file holds {patches.shape[0]} pictures")
    with _told(name):
        return np.asarray(hdf5.read(patches, int(place)), dtype=np.uint8)


class _Held:
    """A file that stays open for the next picture, of a URL its copy too: a task reads hundreds of one file."""

    def __init__(self, raw: Raw, name: str) -> None:
        with ExitStack() as stack:
            self.patches = _patches(stack.enter_context(_opened(raw, name)), name)
            weakref.finalize(self, stack.pop_all().close)


@lru_cache(maxsize=1)
def _held(root: str, name: str) -> _Held:
    return _Held(Raw(root), name)


@contextmanager
def _opened(raw: Raw, name: str) -> Iterator[Any]:
    """The file as h5py shows it. Raises PhotoError `not_found`, `outside_root`, `unreadable`."""
    import h5py

    with raw.local(name) as path, _told(name), h5py.File(path, "r") as file:
        yield file


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What HDF5 raises on damaged files becomes PhotoError `unreadable`."""
    try:
        yield
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise PhotoError("unreadable", as_text(f"{name}: {error}")) from None


def _person(file: Any, name: str, parts: dict[str, frozenset[str]]) -> Person:
    """Raises PhotoError `unreadable`."""
    match = _FILES.fullmatch(name)
    assert match is not None, f"{name} is none of the units"
    count, side_px = _patches(file, name).shape[:2]
    found = {key: _dataset(file, name, key, (count, *shape)) for key, shape in _SHAPES.items()}
    with _told(name):
        read = {key: np.asarray(hdf5.read(value), np.float64) for key, value in found.items() if value is not None}
    values = {key: value.reshape(count, *_SHAPES[key]) for key, value in read.items()}
    return Person(match[2], match[1], part_of(match[2], match[1], parts), side_px, count, values)


def _patches(file: Any, name: str) -> Any:
    """The pictures (N, S, S, 3). Raises PhotoError `unreadable`."""
    found = _dataset(file, name, "face_patch")
    if found is None:
        held = as_text(", ".join(map(str, file))) or "nothing"
        raise PhotoError("unreadable", f"{name} holds no face_patch; it holds: {held}")
    shape: tuple[int, ...] = found.shape or ()
    if found.dtype != np.uint8 or len(shape) != 4 or shape[1:] != (shape[1], shape[1], 3) or shape[1] > MAX_SIDE_PX:
        raise PhotoError("unreadable", f"{name}: face_patch is {found.dtype} {shape}, not uint8 (N, S, S, 3)")
    return found


def _dataset(file: Any, name: str, key: str, shape: tuple[int, ...] | None = None) -> Any:
    """A dataset, None where there is none of this name. Raises PhotoError `unreadable` for what leads out of the file,
    is no array of numbers, has another shape, or would take too much memory to read."""
    import h5py

    link = file.get(key, getlink=True)
    if link is None:
        return None
    found = file[key] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external or found.dtype.kind not in "fiu":
        raise PhotoError("unreadable", f"{name}: {key} is no array of numbers within the file")
    if shape is not None and found.shape != shape and (*found.shape, 1) != shape:
        raise PhotoError("unreadable", f"{name}: {key} has shape {found.shape}, not {shape}")
    chunk_bytes = int(np.prod(found.chunks or (1,), dtype=np.float64)) * found.dtype.itemsize
    if chunk_bytes > MAX_BYTES or (found.shape or (0,))[0] > MAX_PICTURES:
        raise PhotoError("unreadable", f"{name}: {key} has shape {found.shape} in chunks {found.chunks}: too large")
    return found


def _record(person: Person, photo: str, index: int) -> Record:
    """Raises PhotoError `bad_label`."""
    row = {key: values[index] for key, values in person.values.items()}
    if "face_mat_norm" in row and not _is_rotation(row["face_mat_norm"]):
        raise PhotoError("bad_label", "face_mat_norm is no rotation: a row that was never written")
    geometry = normalized_face(
        person.side_px,
        focal_px=FOCAL_PX * person.side_px / SIDE_PX,
        distance_mm=DISTANCE_MM,
        head=_angles(row["face_head_pose"], "face_head_pose") if "face_head_pose" in row else None,
        center="eyes_and_nose",
    )
    labels: dict[str, Any] = {}
    for key, label in (("frame_index", "frame"), ("cam_index", "cam_index")):
        if key in row and np.isfinite(row[key]).all():
            labels[label] = int(row[key][0])
    eyes: EyesSource = "assumed"
    landmarks = row.get("facial_landmarks", row.get("landmarks_norm"))
    if landmarks is not None and _fits(landmarks, geometry, person.side_px):
        geometry, eyes = _with_eyes(geometry, landmarks[_EYE_CORNERS].mean(axis=1)), "annotated"
        labels |= {"landmarks_px": landmarks.round(2).tolist(), "scheme": "68"}
    split, tags = split_of(person.part)
    return Record(
        key=f"{person.folder}/{person.name}/{index:06d}",
        photo=photo,
        group=person.name,
        split=split,
        geometry=geometry,
        gaze=_gaze(row.get("face_gaze"), tested=split == "test"),
        eyes=eyes,
        known="normalized",
        center="eyes_and_nose",
        tags=tags,
        labels=labels,
    )


def _fits(landmarks: Array, face: FaceGeometry, side_px: int) -> bool:
    """Whether landmarks (68, 2) put both eyes about where the head pose does."""
    if not np.isfinite(landmarks).all():
        return False
    off = landmarks[_EYE_CORNERS].mean(axis=1) - project(face.camera, face.eyes_mm)
    return bool(np.linalg.norm(off, axis=1).max() < EYES_OFF * side_px)


def _with_eyes(face: FaceGeometry, eyes_px: Array) -> FaceGeometry:
    """The face with its eyes on the rays through pixels (2, 2), as far from the camera's plane as they were."""
    ahead = rays(face.camera, eyes_px)
    return replace(face, eyes_mm=ahead * (face.eyes_mm[:, 2:] / ahead[:, 2:]))


def _gaze(angles: Array | None, *, tested: bool) -> Array | None:
    """The label; None where that of a test person was kept back: not there, not a number or zero."""
    if tested and (angles is None or np.isnan(angles).all() or not angles.any()):
        return None
    if angles is None:
        raise PhotoError("bad_label", "the file of a training person holds no face_gaze")
    return vector_from_pitchyaw(_angles(angles, "face_gaze"))


def _angles(angles: Array, what: str) -> Array:
    if not (np.isfinite(angles).all() and abs(angles[0]) <= np.pi / 2 + 1e-6 and abs(angles[1]) <= np.pi + 1e-6):
        raise PhotoError("bad_label", f"{what} is {angles.tolist()}, no pitch and yaw in radians")
    return angles


def _is_rotation(matrix: Array) -> bool:
    return bool(np.isfinite(matrix).all() and np.abs(matrix @ matrix.T - np.eye(3)).max() < 1e-3)
