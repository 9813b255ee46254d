"""Writes one shard: the same bytes for the same plan, whole or absent, with a sidecar that names every member."""

import hashlib
import io
import json
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from webdataset import TarWriter

from slyk.datasets.record import Record
from slyk.errors import PhotoError
from slyk.files import write_atomic, write_json
from slyk.shards.crops import CropSpec, Image, crop
from slyk.shards.measure import measure
from slyk.shards.sample import angles, encode, from_crops


@dataclass(frozen=True)
class ShardPlan:
    """What one shard is made of. digest covers the records, the crop parameters and the code that reads them."""

    name: str
    group: str
    split: str
    digest: str


@dataclass(frozen=True)
class Reject:
    """Why a photo or a face is not in the shards."""

    key: str
    photo: str
    stage: str
    reason: str
    detail: str


def sidecar_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def is_complete(folder: Path, plan: ShardPlan) -> bool:
    """Whether the shard of this very plan stands in the folder, byte for byte."""
    try:
        sidecar = json.loads(sidecar_path(folder, plan.name).read_bytes())
        data = (folder / f"{plan.name}.tar").read_bytes()
    except (OSError, ValueError):
        return False
    return bool(sidecar.get("plan") == plan.digest and sidecar.get("sha256") == hashlib.sha256(data).hexdigest())


def write_shard(
    folder: Path,
    plan: ShardPlan,
    records: Sequence[Record],
    *,
    picture: Callable[[str], Image],
    spec: CropSpec,
    jpeg_quality: int,
) -> dict[str, Any]:
    """Crops the records' photos, as `picture` gives them by name, into `folder/NAME.tar` and returns the sidecar.

    A photo that cannot be used is kept out and told in the sidecar's `rejects`. The sidecar is written last: a shard
    without one is not complete.
    """
    buffer, eyes, tags, rejects, num_labelled = io.BytesIO(), Counter[str](), Counter[str](), list[Reject](), 0
    measures: dict[str, dict[str, Any]] = {}
    with TarWriter(buffer, encoder=False, mtime=0, user="slyk", group="slyk", compress=False) as tar:
        for record in records:
            try:
                if record.geometry is None:
                    raise PhotoError("one_eye", f"{record.photo} shows no face to normalize")
                crops = crop(picture(record.photo), record.geometry, spec)
            except PhotoError as error:
                rejects.append(Reject(record.key, record.photo, "normalize", error.reason, error.detail))
                continue
            sample = from_crops(record, crops)
            tar.write({"__key__": record.key, **encode(sample, jpeg_quality)})
            told = {
                "tags": list(record.tags),
                "expression": record.labels.get("expression"),
                "phash": _phash(crops.face),
            }
            measures[record.key] = measure(crops, spec)._asdict() | angles(sample) | told
            eyes[record.eyes] += 1
            tags.update(set(record.tags))
            num_labelled += record.gaze is not None
    data = buffer.getvalue()
    sidecar = {
        "name": plan.name,
        "group": plan.group,
        "split": plan.split,
        "plan": plan.digest,
        "num_samples": sum(eyes.values()),
        "num_labelled": num_labelled,
        "eyes": dict(eyes),
        "tags": dict(sorted(tags.items())),
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "members": _members(data),
        "measures": measures,
        "rejects": [asdict(reject) for reject in rejects],
    }
    write_atomic(folder / f"{plan.name}.tar", data)
    write_json(sidecar_path(folder, plan.name), sidecar)
    return sidecar


def _phash(face: Image) -> str:
    """16 hex digits: the signs of the cosine transform of the grey face at frequencies 1 to 8 of either axis."""
    grey = cv2.resize(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    return np.packbits(cv2.dct(grey.astype(np.float64))[1:9, 1:9] > 0).tobytes().hex()


def _members(data: bytes) -> list[list[Any]]:
    """[name, offset, size, crc32] of each member, in file order."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [[m.name, m.offset_data, m.size, zlib.crc32(data[m.offset_data : m.offset_data + m.size])] for m in tar]
