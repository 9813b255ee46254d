"""One sample of a shard: how it is written and how it is read, together.

Members of a face, adjacent in the tar: `KEY.face.jpg`, `KEY.right.jpg`, `KEY.left.jpg` (the subject's right and left
eye; right is image-left) and `KEY.json`. In sets that show one eye and no face: `KEY.eye.jpg` and `KEY.json`. A set is
of one kind, which its manifest tells by its `members`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from typing_extensions import TypeVar

from slyk.datasets.record import Center, EyesSource, Known, Labels, Record
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import Array
from slyk.shards import limits
from slyk.shards.crops import Crops, Image
from slyk.shards.eyes import Eye

MEMBERS = ("face.jpg", "right.jpg", "left.jpg", "json")
EYE_MEMBERS = ("eye.jpg", "json")
CONVENTION = "(pitch, yaw) in radians, v = (-cos p sin y, -sin p, -cos p cos y), x right, y down, z forward; BGR jpeg"


@dataclass(frozen=True)
class Sample:
    """A normalized face.

    face (S, S, 3), right and left (E, E, 3) uint8 BGR; gaze (2,) pitch and yaw in the normalized frame or None;
    head (2,) likewise; rotation (3, 3) norm_from_cam; face_from_photo (3, 3), see `Crops`; the rest as in Record.
    """

    key: str
    group: str
    face: Image
    right: Image
    left: Image
    gaze: Array | None
    head: Array
    rotation: Array
    eyes: EyesSource
    photo: str
    face_from_photo: Array = field(default_factory=lambda: np.eye(3))
    known: Known = "measured"
    center: Center = "six_points"
    tags: tuple[str, ...] = ()
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class EyeSample:
    """A photo of one eye and no face.

    eye (H, W, 3) uint8 BGR, the whole photo; gaze (2,) pitch and yaw or None, in the frame of the record, which its
    reader tells: nothing is normalized; eye_from_photo (3, 3), see `Eye`; the rest as in Record. Contours in labels are
    in the photo's pixels: `cv2.perspectiveTransform(points, eye_from_photo)` lays them on `eye`.
    """

    key: str
    group: str
    eye: Image
    gaze: Array | None
    photo: str
    eye_from_photo: Array
    known: Known
    center: Center
    tags: tuple[str, ...] = ()
    labels: Labels = field(default_factory=dict)


S = TypeVar("S", bound=Sample | EyeSample, default=Sample)


def from_crops(record: Record, crops: Crops) -> Sample:
    """Turns labels into the normalized frame: rotated, never scaled."""
    gaze = None if record.gaze is None else pitchyaw_from_vector(crops.rotation @ record.gaze)
    head = head_pitchyaw(crops.rotation @ record.face.head_rotation)
    return Sample(
        record.key,
        record.group,
        crops.face,
        crops.right,
        crops.left,
        gaze,
        head,
        crops.rotation,
        record.eyes,
        record.photo,
        crops.face_from_photo,
        record.known,
        record.center,
        record.tags,
        record.labels,
    )


def from_eye(record: Record, eye: Eye) -> EyeSample:
    """The labels as the record has them."""
    gaze = None if record.gaze is None else pitchyaw_from_vector(record.gaze)
    about = (record.known, record.center, record.tags, record.labels)
    return EyeSample(record.key, record.group, eye.picture, gaze, record.photo, eye.eye_from_photo, *about)


def encode(sample: Sample, jpeg_quality: int) -> dict[str, bytes]:
    """Member suffix -> bytes, in the order of MEMBERS; the same bytes for the same sample."""
    meta = {
        "eyes": sample.eyes,
        **angles(sample),
        "rotation": _plain(sample.rotation),
        "face_from_photo": _plain(sample.face_from_photo),
    }
    members = {f"{name}.jpg": _jpeg(getattr(sample, name), jpeg_quality) for name in ("face", "right", "left")}
    return members | {"json": _json(sample, meta)}


def encode_eye(sample: EyeSample, jpeg_quality: int) -> dict[str, bytes]:
    """Likewise, in the order of EYE_MEMBERS."""
    meta = {**angles(sample), "eye_from_photo": _plain(sample.eye_from_photo)}
    return {"eye.jpg": _jpeg(sample.eye, jpeg_quality), "json": _json(sample, meta)}


def angles(sample: Sample | EyeSample) -> dict[str, list[float] | None]:
    """gaze, and head where a face shows, as they are written."""
    gaze = {"gaze": None if sample.gaze is None else _plain(sample.gaze)}
    return gaze if isinstance(sample, EyeSample) else gaze | {"head": _plain(sample.head)}


def decode(key: str, members: Mapping[str, bytes]) -> Sample:
    """The inverse of `encode`, up to JPEG loss. Raises ValueError or KeyError for what `encode` never writes."""
    meta = limits.meta(members["json"])
    face, right, left = (limits.picture(name, members[name]) for name in MEMBERS[:3])
    rotation, face_from_photo = (limits.numbers(meta[name], 3, 3) for name in ("rotation", "face_from_photo"))
    head, eyes = limits.numbers(meta["head"], 2), limits.text(meta["eyes"])
    about = (head, rotation, eyes, str(meta["photo"]), face_from_photo, *_about(meta))
    return Sample(key, limits.text(meta["group"]), face, right, left, _gaze(meta), *about)  # type: ignore[arg-type]


def decode_eye(key: str, members: Mapping[str, bytes]) -> EyeSample:
    """The inverse of `encode_eye`, likewise."""
    meta = limits.meta(members["json"])
    eye = limits.picture(EYE_MEMBERS[0], members[EYE_MEMBERS[0]])
    about = (str(meta["photo"]), limits.numbers(meta["eye_from_photo"], 3, 3), *_about(meta))
    return EyeSample(key, limits.text(meta["group"]), eye, _gaze(meta), *about)  # type: ignore[arg-type]


def _gaze(meta: Mapping[str, Any]) -> Array | None:
    return None if meta["gaze"] is None else limits.numbers(meta["gaze"], 2)


def _about(meta: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...], Labels]:
    """known, center, tags and labels, as samples of either kind have them."""
    known, center = limits.text(meta["known"]), limits.text(meta["center"])
    return known, center, tuple(map(limits.text, meta["tags"])), dict(meta["labels"])


DECODERS: dict[tuple[str, ...], Callable[[str, Mapping[str, bytes]], Any]] = {MEMBERS: decode, EYE_MEMBERS: decode_eye}
"""Members of a set -> what makes a sample of them."""


def _json(sample: Sample | EyeSample, meta: dict[str, Any]) -> bytes:
    """What samples of either kind tell, and `meta`."""
    both = {
        "group": sample.group,
        "photo": sample.photo,
        "known": sample.known,
        "center": sample.center,
        "tags": list(sample.tags),
        "labels": dict(sample.labels),
    }
    return json.dumps(meta | both, sort_keys=True, allow_nan=False).encode()


def _plain(values: Array) -> list[float]:
    """Numbers to 9 decimals: the last bits are those of the processor's BLAS."""
    flat: list[float] = (np.round(values, 9) + 0.0).ravel().tolist()
    return flat


def _jpeg(image: Image, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return bytes(data)
