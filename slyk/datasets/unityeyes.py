"""Reader of UnityEyes (Wood et al. 2016) and of sets that UnityEyes 2 wrote with one camera: renders of one eye.

    imgs/1.jpg
    imgs/1.json

Vectors are strings, "(0.3404, 0.3879, -0.8566, 0.0000)". Gaze is Unity's camera frame, x right, y up, z forward: slyk's
is (x, -y, z), from the eyeball's centre.

- UnityEyes: `eye_details.look_vec`; `interior_margin_2d` (16 points of the lids' edge: from the inner corner along the
  upper lid to the outer one and back along the lower), `caruncle_2d` (7), `iris_2d` (32), each (x, y, depth) with y
  from the picture's lower edge. Unity counts from the corners of pixels, slyk from their middles: px = (x - 0.5,
  height - y - 0.5). They become the labels lid_px, caruncle_px, iris_px. `head_pose`, how the camera stands about the
  eye, is not read: a record of one eye has no place for it.
- UnityEyes 2: `ground_truth.gaze_vec` and nothing on the picture. Its sets of several cameras are not read.

Nobody is told apart: groups are hash buckets of the path. The renderer ships no split and no camera matrix.
"""

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from slyk.datasets.fields import numbers, require, unit
from slyk.datasets.folder import NUM_BUCKETS, is_photo, key_of
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import PhotoError
from slyk.geometry.camera import Array
from slyk.photos import header_size

TITLE = "UnityEyes"
LICENCE = "UnityEyes: none stated; UnityEyes 2: MIT"
SOURCE = "https://www.cl.cam.ac.uk/research/rainbow/projects/unityeyes/"
PER_TASK = 500
MAX_JSON_BYTES = 2**20
_CONTOURS = {"lid_px": ("interior_margin_2d", 16), "caruncle_px": ("caruncle_2d", 7), "iris_px": ("iris_2d", 32)}
_LABELS = re.compile(r"(?:.*/)?[0-9]+\.json")
picture = photo_file


def units(listed: Sequence[str]) -> list[str]:
    """The photos, and the files of labels that have none."""
    photos = [path for path in listed if is_photo(path)]
    labelled = {_labels_of(photo) for photo in photos}
    alone = [path for path in listed if _LABELS.fullmatch(path) and path not in labelled]
    return require([*photos, *alone], "photos of UnityEyes", "imgs/1.jpg with imgs/1.json")


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a photo, and one for labels without a photo."""
    for name in chosen:
        if name.endswith(".json"):
            photo = str(PurePosixPath(name).with_suffix(".jpg"))
            yield Outcome(photo, reason="photo_missing", detail=f"{name} labels it, but it is not there")
            continue
        try:
            yield Outcome(name, (_record(raw, name),))
        except PhotoError as error:
            yield Outcome(name, reason=error.reason, detail=error.detail)


def _labels_of(photo: str) -> str:
    return str(PurePosixPath(photo).with_suffix(".json"))


def _record(raw: Raw, photo: str) -> Record:
    """Raises PhotoError."""
    name = _labels_of(photo)
    if not raw.has(name):
        raise PhotoError("no_annotation", f"{name} is not there")
    content = _content(raw, name)
    look = _inside(content, "eye_details", "look_vec")
    gaze = _inside(content, "ground_truth", "gaze_vec") if look is None else look
    if gaze is None:
        raise PhotoError("bad_label", f"{name} holds neither eye_details.look_vec nor ground_truth.gaze_vec")
    direction = unit(_numbers(gaze, (3, 4), f"{name}: gaze")[:3] * [1.0, -1.0, 1.0], f"{name}: gaze")
    labels: dict[str, Any] = {}
    if look is not None:
        height = header_size(raw.read(photo), photo)[1]
        for label, (key, count) in _CONTOURS.items():
            labels[label] = _contour(content.get(key), count, height, f"{name}: {key}").tolist()
    group = f"bucket{zlib.crc32(photo.encode()) % NUM_BUCKETS}"
    return Record(
        key_of(photo), photo, group, "train", None, direction, "annotated", "guessed", "unknown", labels=labels
    )


def _content(raw: Raw, name: str) -> dict[str, Any]:
    """Raises PhotoError `bad_label`."""
    try:
        content = json.loads(raw.read(name, max_bytes=MAX_JSON_BYTES))
    except PhotoError as error:
        raise PhotoError("bad_label", str(error)) from None
    except (ValueError, RecursionError) as error:
        raise PhotoError("bad_label", f"{name} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise PhotoError("bad_label", f"{name} holds no object")
    return content


def _inside(content: dict[str, Any], section: str, key: str) -> Any:
    part = content.get(section)
    return part.get(key) if isinstance(part, dict) else None


def _numbers(text: Any, counts: Sequence[int], what: str) -> Array:
    """The numbers of "(1.0, 2.0, 3.0)". Raises PhotoError `bad_label`."""
    inside = re.fullmatch(r"\s*\(([^()]*)\)\s*", text) if isinstance(text, str) else None
    fields = inside[1].split(",") if inside else []
    if len(fields) not in counts:
        wanted = " or ".join(map(str, counts))
        raise PhotoError("bad_label", f"{what} is {str(text)[:60]!r}, not {wanted} numbers in brackets")
    return numbers(fields, what)


def _contour(points: Any, count: int, height: int, what: str) -> Array:
    """Points (count, 2) in slyk's pixels. Raises PhotoError `bad_label`."""
    if not isinstance(points, list) or len(points) != count:
        found = f"{len(points)} points" if isinstance(points, list) else "no list"
        raise PhotoError("bad_label", f"{what} is {found}, not {count} points")
    unity = np.array([_numbers(point, (3,), what) for point in points])
    return np.stack([unity[:, 0] - 0.5, height - unity[:, 1] - 0.5], axis=-1)
