"""Writes one shard: the same bytes for the same plan, whole or absent, with a sidecar that names every member."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from slyk.datasets.record import Record
from slyk.errors import OF_THE_MACHINE, CorruptShardError, PhotoError, SlykError
from slyk.files import write_atomic
from slyk.photos import Canvas, Region
from slyk.shards import sidecar
from slyk.shards.crops import Crops, CropSpec, Cut, Image
from slyk.shards.eyes import Eye, EyeSpec, scaled
from slyk.shards.measure import measure, measure_eye
from slyk.shards.sample import angles, encode, encode_eye, from_crops, from_eye
from slyk.shards.tar import Tar

Picture = Callable[[str, Canvas], Image]
"""The photo that a record names, perhaps on the canvas."""
_TOGETHER = 16
"""Records a step; their crops are a few MB."""


@dataclass(frozen=True)
class ShardPlan:
    """What one shard is made of. digest covers the records, the crop parameters and the code that reads them."""

    name: str
    group: str
    split: str
    digest: str


@dataclass(frozen=True)
class Reject:
    """Why a photo or a face is not in the shards. error: the class of the exception, if it was one."""

    key: str
    photo: str
    stage: str
    reason: str
    detail: str
    error: str = ""


def standing(folder: Path, plan: ShardPlan) -> dict[str, Any] | None:
    """The sidecar where the shard of this very plan stands in the folder, byte for byte."""
    try:
        found = sidecar.read(sidecar.path_of(folder, plan.name))
        data = (folder / f"{plan.name}.tar").read_bytes()
    except (OSError, CorruptShardError):
        return None
    expected = plan.digest, hashlib.sha256(data).hexdigest()
    return found if (found.get("plan"), found.get("sha256")) == expected else None


def write_shard(
    folder: Path,
    plan: ShardPlan,
    records: Sequence[Record],
    *,
    picture: Picture,
    spec: CropSpec | EyeSpec,
    jpeg_quality: int,
) -> dict[str, Any]:
    """Makes samples of the records' photos, as `picture` gives them, and returns the sidecar.

    The samples, of faces or of eyes as `spec` says for the whole set, go into `folder/NAME.tar`. A photo that cannot be
    used is kept out and told in the sidecar's `rejects`. The sidecar is written last: a shard without one is not
    complete. Raises SlykError or OSError where the machine and not a photo is the cause: no memory, a full disk.
    """
    tar, eyes, tags, rejects, num_labelled = Tar(), Counter[str](), Counter[str](), list[Reject](), 0
    measures: dict[str, dict[str, Any]] = {}
    for record, made in _samples(records, picture, spec, jpeg_quality):
        if isinstance(made, Reject):
            rejects.append(made)
            continue
        members, measures[record.key] = made
        for name in sorted(members):
            tar.add(f"{record.key}.{name}", members[name])
        eyes[record.eyes] += 1
        tags.update(set(record.tags))
        num_labelled += record.gaze is not None
    data = tar.closed()
    about, text = sidecar.sealed(
        {
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
            "members": tar.places,
            "measures": measures,
            "rejects": [asdict(reject) for reject in rejects],
        }
    )
    write_atomic(folder / f"{plan.name}.tar", data)
    write_atomic(sidecar.path_of(folder, plan.name), text)
    return about


Made = tuple[dict[str, bytes], dict[str, Any]]
"""Members of a sample by suffix, and its row of the sidecar: what was measured, angles, tags and expression."""


def _samples(
    records: Sequence[Record], picture: Picture, spec: CropSpec | EyeSpec, jpeg_quality: int
) -> Iterator[tuple[Record, Made | Reject]]:
    """Every record with its sample, or with what a step said against its photo.

    Each step is done for some records before the next: a photo fills the processor's caches, and what comes after it
    starts slowly. Together the steps so take a fifth less time (benchmarks/normalize.py).
    """
    canvas = Canvas()
    for start in range(0, len(records), _TOGETHER):
        part = records[start : start + _TOGETHER]
        cuts = _each(part, [spec] * len(part), _locate)
        shown = _each(part, cuts, lambda record, cut: _cut_out(record, cut, picture, canvas))
        made = _each(part, shown, lambda record, crops: _finish(record, crops, spec, jpeg_quality))
        yield from zip(part, made, strict=True)


def _each(records: Sequence[Record], values: Sequence[Any], step: Callable[[Record, Any], Any]) -> list[Any]:
    """What a step makes of each record's value; a reject takes its place and passes the steps after."""
    found = []
    for record, value in zip(records, values, strict=True):
        if not isinstance(value, Reject):
            try:
                value = step(record, value)
            except Exception as error:
                value = _reject(record, error)
        found.append(value)
    return found


def _locate(record: Record, spec: CropSpec | EyeSpec) -> tuple[Cut | EyeSpec, Region | None]:
    """What to cut out of the photo, and the part of it that this needs."""
    if isinstance(spec, EyeSpec):
        return spec, None
    if record.geometry is None:
        raise PhotoError("one_eye", f"{record.photo} shows no face to normalize, as other photos of the set do")
    cut = Cut.of(record.geometry, spec)
    return cut, cut.region


def _cut_out(
    record: Record, place: tuple[Cut | EyeSpec, Region | None], picture: Picture, canvas: Canvas
) -> Crops | Eye:
    cut, canvas.region = place
    photo = picture(record.photo, canvas)
    return scaled(photo, cut) if isinstance(cut, EyeSpec) else cut.crops(photo)


def _finish(record: Record, shown: Crops | Eye, spec: CropSpec | EyeSpec, jpeg_quality: int) -> Made:
    about = {"tags": list(record.tags), "expression": record.labels.get("expression")}
    if isinstance(shown, Eye):
        eye = from_eye(record, shown)
        return encode_eye(eye, jpeg_quality), measure_eye(shown, record.labels)._asdict() | angles(eye) | about
    assert isinstance(spec, CropSpec)
    face = from_crops(record, shown)
    return encode(face, jpeg_quality), measure(shown, spec)._asdict() | angles(face) | about


def _reject(record: Record, error: Exception) -> Reject:
    """What is told of a photo whose sample could not be made. Raises SlykError for what does not concern the photo."""
    kind = type(error)
    if isinstance(error, PhotoError):
        return Reject(record.key, record.photo, "normalize", error.reason, error.detail, kind.__name__)
    if isinstance(error, SlykError):
        raise error
    told = " ".join(str(getattr(error, "err", error)).split())[:200]  # cv2.error tells places in its source too
    if _is_of_the_machine(error):
        raise SlykError(
            f"{record.photo}: {told or 'no memory left'}. The cause is the machine and not the photo: free memory, "
            "disk or connections and run again; shards that are complete stay"
        ) from error
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return Reject(record.key, record.photo, "normalize", "unreadable", told, name)


def _is_of_the_machine(error: Exception) -> bool:
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.STS_NO_MEM
    return isinstance(error, MemoryError | ConnectionError) or getattr(error, "errno", 0) in OF_THE_MACHINE
