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
import simplejpeg
from typing_extensions import TypeVar

from slyk.datasets.record import Center, EyesSource, Known, Labels, Record
from slyk.errors import CorruptShardError
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import Array
from slyk.photos import MAX_PIXELS
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
    """The inverse of `encode`, up to JPEG loss. Raises CorruptShardError for a picture larger than photos may be."""
    meta = json.loads(members["json"])
    face, right, left = (_picture(key, name, members) for name in MEMBERS[:3])
    gaze = None if meta["gaze"] is None else np.array(meta["gaze"])
    rotation, face_from_photo = (np.array(meta[name]).reshape(3, 3) for name in ("rotation", "face_from_photo"))
    about = (meta["eyes"], meta["photo"], face_from_photo, meta["known"], meta["center"], tuple(meta["tags"]))
    return Sample(key, meta["group"], face, right, left, gaze, np.array(meta["head"]), rotation, *about, meta["labels"])


def decode_eye(key: str, members: Mapping[str, bytes]) -> EyeSample:
    """The inverse of `encode_eye`, likewise."""
    meta = json.loads(members["json"])
    eye = _picture(key, EYE_MEMBERS[0], members)
    gaze = None if meta["gaze"] is None else np.array(meta["gaze"])
    eye_from_photo = np.array(meta["eye_from_photo"]).reshape(3, 3)
    about = (meta["known"], meta["center"], tuple(meta["tags"]), meta["labels"])
    return EyeSample(key, meta["group"], eye, gaze, meta["photo"], eye_from_photo, *about)


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


def _picture(key: str, name: str, members: Mapping[str, bytes]) -> Image:
    height, width, _, _ = simplejpeg.decode_jpeg_header(members[name])
    if height * width > MAX_PIXELS:
        raise CorruptShardError(f"sample {key}: {name} measures {width} x {height}, more than {MAX_PIXELS} pixels")
    return np.asarray(simplejpeg.decode_jpeg(members[name], colorspace="BGR"), dtype=np.uint8)
