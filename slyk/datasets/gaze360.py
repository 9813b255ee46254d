"""Reader of Gaze360 (Kellnhofer et al. 2019).

    metadata.mat
    imgs/rec_000/head/000000/000131.jpg     recording, person of the recording, frame: a photo cut to the head

metadata.mat, all indices from 0: `recordings` and `splits`, cell arrays of names; `recording`, `person_identity`,
`frame`, `split` (1, N); `gaze_dir` (N, 3); `person_eyes2d` (N, 2); `person_{head,face,eye_left,eye_right}_bbox` (N, 4),
[x, y, w, h]. Points and boxes are shares of the full frame of 3382 x 4096 px, -1 where nothing was found.

gaze_dir is in the eye's own system: z along the ray from the camera to the eyes, x left, y up as the camera sees. With
the signs of x and y changed it is what slyk calls normalized, wherever in the frame the person stands: no rotation may
be applied to it, and a picture that is rolled by the line of the eyes would need its label rolled too. So the geometry
is that of a camera which looks along this ray, its principal point between the eyes, at a head that is straight and
level as far as anybody knows: normalizing it turns nothing.

The frames of `unused` are rejects, those of `val` train with the tag `validation`. Tags besides: `face_detected` where
there is a face box; `front_180` for |yaw| <= 90 degrees. Front-facing has two definitions: `front_20_band`,
|yaw| <= 20 degrees, is the band that public code takes; `front_20_cone`, at most 20 degrees between gaze and the
direction to the camera, the cone of 40 degrees that the paper's text speaks of.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slyk.datasets.fields import key_of, matlab, require, unit, variable
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import EyesSource, Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.angles import angular_error, pitchyaw_from_vector
from slyk.geometry.camera import Array
from slyk.geometry.eyes import EYE_DISTANCE_MM
from slyk.geometry.normalize import FaceGeometry
from slyk.photos import header_size

TITLE = "Gaze360"
LICENCE = "Gaze360 licence: research only, no redistribution"
SOURCE = "http://gaze360.csail.mit.edu"
PER_TASK = 8
METADATA = "metadata.mat"
FULL_PX = np.array([3382.0, 4096.0])
FOCAL_PX = 2100.0
"""Of the full frame, so that distances come out in metres (our choice; without rotation it changes no picture)."""
FACE_MM, HEAD_MM = 150.0, 300.0
"""Longer sides of the boxes around an ordinary face and head (our choice). A face box a little too large for what it
shows leaves frontal faces to the distance of the eyes, which shrinks as the head turns away."""
EYES_IN_FACE = np.array([0.5, 0.3])
"""Where the middle of the eyes lies in a face box (our choice: between the boxes of usual detectors)."""
_PHOTO = re.compile(r"imgs/([^/]+)/head/[^/]+/[^/]+\.jpg")
_INTO_CAMERA = np.array([0.0, 0.0, -1.0])
picture = photo_file


class Metadata(NamedTuple):
    """recordings, splits: names; numbers (4, N): recording, person_identity, frame, split, -1 for what is no number;
    gaze (N, 3) in our axes; eyes (N, 2) and boxes (4, N, 4), head, face, right and left eye: px of the full frame."""

    recordings: list[str]
    splits: list[str]
    numbers: NDArray[np.int64]
    gaze: Array
    eyes: Array
    boxes: Array

    def rows(self, recording: str) -> list[int]:
        known = [index for index, name in enumerate(self.recordings) if name == recording]
        return [int(row) for row in np.flatnonzero(np.isin(self.numbers[0], known))]

    def photo(self, row: int) -> str:
        recording, person, frame, _ = (int(number) for number in self.numbers[:, row])
        return f"imgs/{self.recordings[recording]}/head/{person:06d}/{frame:06d}.jpg"


def units(listed: Sequence[str]) -> list[str]:
    """metadata.mat and the first photo of each recording, which stands for all of them."""
    found = require([path for path in listed if path == METADATA], "labels of Gaze360", METADATA)
    first: dict[str, str] = {}
    for path in listed:
        if match := _PHOTO.fullmatch(path):
            first.setdefault(match[1], path)
    return [*found, *first.values()]


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a row of the recordings that are chosen. metadata.mat stands for the rows of no recording and for the
    recordings of which nothing is there. Raises DataMissingError where it lacks something."""
    data = _metadata(raw)
    for unit_name in chosen:
        rows: list[int]
        if unit_name == METADATA:
            strays = (data.numbers[0] < 0) | (data.numbers[0] >= len(data.recordings))
            for row in np.flatnonzero(strays):
                told = f"row {row}: recording {data.numbers[0, row]} of {len(data.recordings)}, counted from 0"
                yield Outcome(METADATA, reason="bad_label", detail=f"{METADATA}, {told}")
            rows = [row for name in data.recordings for row in _absent(raw, data, name)]
        else:
            rows = data.rows(unit_name.split("/")[1])
            if not rows:
                yield Outcome(unit_name, reason="no_annotation", detail=f"{METADATA} does not have its recording")
        yield from (_outcome(raw, data, row) for row in rows)


def _absent(raw: Raw, data: Metadata, recording: str) -> list[int]:
    rows = data.rows(recording)
    return [] if any(raw.has(data.photo(row)) for row in rows) else rows


def _metadata(raw: Raw) -> Metadata:
    content = matlab(raw, METADATA)
    for name in ("recordings", "splits", "recording", "gaze_dir"):
        if name not in content:
            raise DataMissingError(f"{raw.root}/{METADATA} holds no {name}: is it Gaze360's? (docs/datasets.md)")
    recordings, splits = ([str(np.ravel(cell)[0]).strip() for cell in np.ravel(content[name])]
                          for name in ("recordings", "splits"))  # fmt: skip
    count = np.size(content["recording"])

    def column(name: str, *shape: int) -> Array:
        return variable(content, [name], (count, *shape), METADATA)

    numbers = np.stack([column(name) for name in ("recording", "person_identity", "frame", "split")])
    whole = np.where(np.isfinite(numbers), numbers, -1).astype(np.int64)
    if count and whole[0].min() == 1 and whole[0].max() == len(recordings):
        raise DataMissingError(f"{raw.root}/{METADATA}: recording counts from 1, the original counts from 0")
    boxes = np.stack([column(f"person_{part}_bbox", 4) for part in ("head", "face", "eye_right", "eye_left")])
    return Metadata(
        recordings,
        splits,
        whole,
        column("gaze_dir", 3) * np.array([-1.0, -1.0, 1.0]),
        column("person_eyes2d", 2) * FULL_PX,
        boxes * np.tile(FULL_PX, 2),
    )


def _outcome(raw: Raw, data: Metadata, row: int) -> Outcome:
    photo = data.photo(row)
    try:
        if data.numbers[1:, row].min() < 0 or data.numbers[3, row] >= len(data.splits):
            raise PhotoError("bad_label", f"person, frame and split are {data.numbers[1:, row].tolist()}")
        split = data.splits[data.numbers[3, row]]
        if split == "unused":
            return Outcome(photo, reason="unused_by_the_set", detail=f"{METADATA}, row {row}")
        return Outcome(photo, (_record(raw, data, row, photo, split),))
    except PhotoError as error:
        return Outcome(photo, reason=error.reason, detail=f"{METADATA}, row {row}: {error.detail}")


def _record(raw: Raw, data: Metadata, row: int, photo: str, split: str) -> Record:
    """Raises PhotoError `bad_label`."""
    gaze = unit(data.gaze[row], "gaze_dir")
    head, face, right, left = (_box(box) for box in data.boxes[:, row])
    if head is None:
        raise PhotoError("bad_label", "the photo is cut by the head box, which is not there")
    pixels, px_per_mm, source = _eyes(head, face, (right, left), data.eyes[row])
    yaw = abs(float(np.rad2deg(pitchyaw_from_vector(gaze)[1])))
    told = {
        "validation": split == "val",
        "face_detected": face is not None,
        "front_180": yaw <= 90,
        "front_20_band": yaw <= 20,
        "front_20_cone": float(np.rad2deg(angular_error(gaze, _INTO_CAMERA))) <= 20,
    }
    return Record(
        key_of(photo.removeprefix("imgs/").removesuffix(".jpg").replace("/head/", "/")),
        photo,
        key_of(photo.split("/")[1]),
        "test" if split == "test" else "train",
        _geometry(head, _size_px(raw, photo, head), pixels, px_per_mm),
        gaze,
        source,
        "normalized",
        "eyes",
        tuple(tag for tag, holds in told.items() if holds),
    )


def _box(box: Array) -> Array | None:
    """The box (4,), None where nothing was found."""
    return box if np.isfinite(box).all() and np.all(box[2:] > 0) else None


def _eyes(
    head: Array, face: Array | None, both: tuple[Array | None, Array | None], seen: Array
) -> tuple[Array, float, EyesSource]:
    """The eyes (2, 2), right first, px of the full frame; the scale there; whether they are annotated.

    head, face, both: boxes (4,); seen (2,): `person_eyes2d`. Without both eye boxes the eyes are level, about a place
    in the face box, or `seen`, or the middle of the head box, whichever is there first.
    """
    scales = [float(head[2:].max()) / HEAD_MM if face is None else float(face[2:].max()) / FACE_MM]
    right, left = both
    if right is not None and left is not None:
        pixels = np.stack([box[:2] + box[2:] / 2 for box in (right, left)])
        return pixels, max([*scales, float(np.linalg.norm(pixels[1] - pixels[0])) / EYE_DISTANCE_MM]), "annotated"
    if face is not None:
        middle = face[:2] + EYES_IN_FACE * face[2:]
    else:
        inside = bool(np.all(seen > head[:2]) and np.all(seen < head[:2] + head[2:]))
        middle = seen if inside else head[:2] + head[2:] / 2
    apart = np.array([[-0.5, 0.0], [0.5, 0.0]]) * EYE_DISTANCE_MM * scales[0]
    return middle + apart, scales[0], "assumed"


def _size_px(raw: Raw, photo: str, head: Array) -> Array:
    """Width and height (2,) of the photo; where it cannot be read, which is told later, those of its box."""
    try:
        return np.array(header_size(raw.read(photo), photo), dtype=np.float64)
    except PhotoError:
        return head[2:]


def _geometry(head: Array, size_px: Array, eyes: Array, px_per_mm: float) -> FaceGeometry:
    """head (4,) and eyes (2, 2) in px of the full frame, of which the photo of size_px shows the box."""
    zoom, middle = size_px / head[2:], eyes.mean(axis=0)
    camera = np.diag([*(FOCAL_PX * zoom), 1.0])
    camera[:2, 2] = (middle - head[:2]) * zoom
    center = np.array([0.0, 0.0, FOCAL_PX / px_per_mm])
    across = np.concatenate([(eyes - middle) / px_per_mm, np.zeros((2, 1))], axis=1)
    return FaceGeometry(camera, np.eye(3), center, center + across)
