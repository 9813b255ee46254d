"""One sample of a shard: how it is written and how it is read, together.

Members of a sample, adjacent in the tar: `KEY.face.jpg`, `KEY.right.jpg`, `KEY.left.jpg` (the subject's right and left
eye; right is image-left) and `KEY.json`.
"""

import json
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg

from slyk.datasets.record import EyesSource, Record
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import Array
from slyk.shards.crops import Crops, Image

MEMBERS = ("face.jpg", "right.jpg", "left.jpg", "json")
CONVENTION = "(pitch, yaw) in radians, v = (-cos p sin y, -sin p, -cos p cos y), x right, y down, z forward; BGR jpeg"


@dataclass(frozen=True)
class Sample:
    """A normalized face.

    face (S, S, 3), right and left (E, E, 3) uint8 BGR; gaze (2,) pitch and yaw in the normalized frame or None;
    head (2,) likewise; rotation (3, 3) norm_from_cam.
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


def from_crops(record: Record, crops: Crops) -> Sample:
    """Turns labels into the normalized frame: rotated, never scaled."""
    gaze = None if record.gaze is None else pitchyaw_from_vector(crops.rotation @ record.gaze)
    head = head_pitchyaw(crops.rotation @ record.face.head_rotation)
    images = (crops.face, crops.right, crops.left)
    return Sample(record.key, record.group, *images, gaze, head, crops.rotation, record.eyes, record.photo)


def encode(sample: Sample, jpeg_quality: int) -> dict[str, bytes]:
    """Member suffix -> bytes, in the order of MEMBERS; the same bytes for the same sample."""
    meta: dict[str, Any] = {
        "group": sample.group,
        "photo": sample.photo,
        "eyes": sample.eyes,
        "gaze": None if sample.gaze is None else _plain(sample.gaze),
        "head": _plain(sample.head),
        "rotation": _plain(sample.rotation),
    }
    members = {f"{name}.jpg": _jpeg(getattr(sample, name), jpeg_quality) for name in ("face", "right", "left")}
    return members | {"json": json.dumps(meta, sort_keys=True).encode()}


def decode(key: str, members: dict[str, bytes]) -> Sample:
    """The inverse of `encode`, up to JPEG loss."""
    meta = json.loads(members["json"])
    images = (simplejpeg.decode_jpeg(members[f"{name}.jpg"], colorspace="BGR") for name in ("face", "right", "left"))
    face, right, left = images
    gaze = None if meta["gaze"] is None else np.array(meta["gaze"])
    rotation = np.array(meta["rotation"]).reshape(3, 3)
    return Sample(
        key, meta["group"], face, right, left, gaze, np.array(meta["head"]), rotation, meta["eyes"], meta["photo"]
    )


def _plain(values: Array) -> list[float]:
    """Numbers to 9 decimals: the last bits are those of the processor's BLAS."""
    flat: list[float] = (np.round(values, 9) + 0.0).ravel().tolist()
    return flat


def _jpeg(image: Image, quality: int) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return bytes(data)
