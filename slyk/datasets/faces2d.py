"""What readers of faces without a camera share: the flat geometry, eyes from landmarks, groups by hash."""

import csv
import os
import zlib
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from slyk.datasets.fields import key_of, numbers
from slyk.datasets.folder import NUM_BUCKETS
from slyk.datasets.record import EyesSource, Labels, Record
from slyk.errors import PhotoError
from slyk.geometry.camera import Array
from slyk.geometry.cut_faces import aligned_face
from slyk.geometry.eyes import EYE_DISTANCE_MM
from slyk.geometry.head_pose import SIX_POINTS_MM
from slyk.geometry.normalize import FaceGeometry
from slyk.photos import MAX_SIDE

Part = Literal["train", "validation", "test"]
SIDE_PX = 10_000
"""Of the flat camera's picture where the photo's own size is in no label: it takes a file open to know, and no point
of a crop moves by a hundredth of a pixel for it."""
MOUTH_MM = float(SIX_POINTS_MM[4, 1])
"""From the eyes' midpoint down to the line between the mouth's corners, the mean over rendered people."""
_PAIRS = {
    "5": ((0, 0), (1, 1), (3, 4)),
    "68": ((36, 39), (42, 45), (48, 54)),
    "98": ((60, 64), (68, 72), (76, 82)),
}
"""Scheme -> landmarks whose midpoints are the image-left eye, the image-right eye and the mouth: corners, since lids
move."""


def landmarks(fields: Sequence[str], num_points: int) -> Array:
    """Points (N, 2) in px from 2 N fields x, y, x, y ... Raises PhotoError `bad_label`."""
    if len(fields) != 2 * num_points:
        raise PhotoError("bad_label", f"{len(fields)} coordinates, not {2 * num_points}")
    points = numbers(fields, f"{num_points} landmarks").reshape(num_points, 2)
    if np.abs(points).max() > MAX_SIDE:
        raise PhotoError("bad_label", f"a landmark at {np.abs(points).max():.0f} px, outside of any photo")
    return points


def face_with_landmarks(points: Array, scheme: str) -> FaceGeometry:
    """The geometry of a face with landmarks (N, 2) of a scheme `5`, `68` or `98`. Raises PhotoError `bad_label`."""
    middles = points[np.array(_PAIRS[scheme])].mean(axis=1)
    try:
        return upright_face(middles[:2], middles[2])
    except ValueError as error:
        raise PhotoError("bad_label", str(error)) from None


def upright_face(eyes_px: Array, mouth_px: Array) -> FaceGeometry:
    """A face in a photo without a camera: eyes (2, 2), image-left first, and the mouth's middle (2,), px.

    A head turned aside brings its eyes together, and by its eyes alone it would seem smaller than it is. So the size
    is the larger of those by the eyes' distance and by that from eyes to mouth; where the mouth has it, the face is
    upright by both, the longer counting more, and the eyes stay where they are seen (our choice). Raises ValueError
    where the eyes share a pixel.
    """
    across = eyes_px[1] - eyes_px[0]
    if np.linalg.norm(across) < 1e-6:
        raise ValueError(f"two eyes in one place: {eyes_px.round(1).tolist()}")
    down = (mouth_px - eyes_px.mean(axis=0)) * EYE_DISTANCE_MM / MOUTH_MM
    by_mouth = np.array([down[1], -down[0]])
    both = across + by_mouth
    if np.linalg.norm(across) >= np.linalg.norm(by_mouth) or np.linalg.norm(both) < 1e-6:
        return aligned_face(SIDE_PX, SIDE_PX, eyes_px)
    wide = both / np.linalg.norm(both) * np.linalg.norm(by_mouth)
    face = aligned_face(SIDE_PX, SIDE_PX, eyes_px.mean(axis=0) + np.array([[-0.5], [0.5]]) * wide)
    depth = face.eyes_mm[:, 2:]
    across_mm = (eyes_px - face.camera[:2, 2]) / face.camera[0, 0] * depth
    return FaceGeometry(
        face.camera, face.head_rotation, face.face_center_mm, np.concatenate([across_mm, depth], axis=1)
    )


def face_record(
    photo: str,
    part: Part,
    geometry: FaceGeometry,
    eyes: EyesSource,
    labels: Labels,
    *,
    name: str = "",
    group: str = "",
    tags: Iterable[str] = (),
) -> Record:
    """A face without gaze. name: what the key is made of, else the photo; group: else the photo's bucket."""
    return Record(
        unique_key(name or stem(photo)),
        photo,
        group or bucket(part, photo),
        "test" if part == "test" else "train",
        geometry,
        None,
        eyes,
        known="aligned",
        center="unknown",
        tags=(*(["validation"] if part == "validation" else []), *tags),
        labels=labels,
    )


def stem(name: str) -> str:
    """A name without its suffix."""
    return os.path.splitext(name)[0]  # noqa: PTH122 (a name below a root or in a list, not a path here)


def unique_key(name: str) -> str:
    """The key of a name, with the name's hash where signs got lost: two photos in Chinese are still two."""
    key = key_of(name)
    return key if key == name.lower() else f"{key}-{zlib.crc32(_bytes(name)):08x}".strip("-")


def bucket(part: Part, name: str) -> str:
    """One of ten stable groups of a part of a set in which nobody is named: no group holds photos of two parts."""
    return f"{part}-bucket{zlib.crc32(_bytes(name)) % NUM_BUCKETS}"


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def csv_fields(line: str) -> list[str]:
    """The fields of a line of a csv file, stripped. Raises PhotoError `bad_label`."""
    try:
        return [field.strip() for field in next(csv.reader([line]))]
    except csv.Error as error:
        raise PhotoError("bad_label", f"not a line of a csv file: {error}") from None


def whole(field: str, what: str) -> int:
    """The whole number of a field such as `3` or `3.0`. Raises PhotoError `bad_label`."""
    value = float(numbers([field], what)[0])
    if not value.is_integer():
        raise PhotoError("bad_label", f"{what}: {field} is not a whole number")
    return int(value)
