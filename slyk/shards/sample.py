"""One sample of a shard: how it is written and how it is read, together.

Members of a sample, adjacent in the tar: `KEY.face.jpg`, `KEY.right.jpg`, `KEY.left.jpg` (the subject's right and left
eye; right is image-left) and `KEY.json`.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from slyk.datasets.record import Center, EyesSource, Known, Labels, Record
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import Array
from slyk.shards import limits
from slyk.shards.crops import Crops, Image

MEMBERS = ("face.jpg", "right.jpg", "left.jpg", "json")
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


def encode(sample: Sample, jpeg_quality: int) -> dict[str, bytes]:
    """Member suffix -> bytes, in the order of MEMBERS; the same bytes for the same sample."""
    meta: dict[str, Any] = {
        "group": sample.group,
        "photo": sample.photo,
        "eyes": sample.eyes,
        **angles(sample),
        "rotation": _plain(sample.rotation),
        "face_from_photo": _plain(sample.face_from_photo),
        "known": sample.known,
        "center": sample.center,
        "tags": list(sample.tags),
        "labels": dict(sample.labels),
    }
    members = {f"{name}.jpg": _jpeg(getattr(sample, name), jpeg_quality) for name in ("face", "right", "left")}
    return members | {"json": json.dumps(meta, sort_keys=True).encode()}


def angles(sample: Sample) -> dict[str, list[float] | None]:
    """gaze and head as they are written."""
    return {"gaze": None if sample.gaze is None else _plain(sample.gaze), "head": _plain(sample.head)}


def decode(key: str, members: dict[str, bytes]) -> Sample:
    """The inverse of `encode`, up to JPEG loss. Raises ValueError or KeyError for what `encode` never writes."""
    meta = limits.meta(members["json"])
    face, right, left = (limits.picture(name, members[name]) for name in MEMBERS[:3])
    gaze = None if meta["gaze"] is None else limits.numbers(meta["gaze"], 2)
    rotation, face_from_photo = (limits.numbers(meta[name], 3, 3) for name in ("rotation", "face_from_photo"))
    group, eyes, known, center = (limits.text(meta[name]) for name in ("group", "eyes", "known", "center"))
    about = (eyes, str(meta["photo"]), face_from_photo, known, center, tuple(map(limits.text, meta["tags"])))
    head, labels = limits.numbers(meta["head"], 2), dict(meta["labels"])
    return Sample(key, group, face, right, left, gaze, head, rotation, *about, labels)  # type: ignore[arg-type]


def _plain(values: Array) -> list[float]:
    """Numbers to 9 decimals: the last bits are those of the processor's BLAS."""
    flat: list[float] = (np.round(values, 9) + 0.0).ravel().tolist()
    return flat


def _jpeg(image: Image, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return bytes(data)
