"""Reader of rendered sets: `annotations.parquet` beside `photos/`, everything exact (docs/datasets.md).

Faces have the label `expression`, the class that was drawn: their column `emotion` counts as RAF-DB does.

Photos of the domain `near_eye` show one eye. They become records as TEyeD's reader makes them, so that both can be
trained together: no geometry; gaze is the optical axis, from the eyeball's centre, in the frame whose z is the ray to
it, and none where less than half of the pupil's points are seen; the labels {pupil,iris,lid}_{px,valid,inaccuracy},
{pupil,iris,pupil_in_iris}_ellipse and eye_movement, of the eye that shows. Blinks stay: lids are there to be learnt.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from slyk.datasets.expressions import RAF_DB
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.datasets.teyed import EYE_MOVEMENTS
from slyk.errors import DataMissingError
from slyk.geometry.camera import Array, project
from slyk.geometry.ellipse import circle_ellipse, shrunk_to_hold
from slyk.geometry.normalize import FaceGeometry

TITLE = "rendered"
LICENCE = "Apache-2.0"
SOURCE = "dvc repro render"
PER_TASK = 64
ANNOTATIONS = "annotations.parquet"
_HIDING = {"blinking": "eyes_closed", "sunglasses": "eyes_covered"}
"""Flags of photos that show no gaze, and why they are rejected: nobody would label them either."""
_PARTS = {"pupil": 8, "iris": 8, "lid": 34}
_COLUMNS = [
    "photo", "person", "split", "domain", "camera", "head_rotation", "face_center_mm", "eyes_mm", "gaze", "emotion",
    *_HIDING,
]  # fmt: skip
_NEAR_COLUMNS = [
    *("photo", "person", "split", "size_px", "camera", "eyeball_center_mm", "optical_axis", "iris_mm", "pupil_mm"),
    *("eye_movement", "pupil_right_3d", "pupil_left_3d"),
    *(f"{part}_{side}_{what}" for part in _PARTS for side in ("right", "left") for what in ("2d", "visible")),
]


picture = photo_file


def units(listed: Sequence[str]) -> list[str]:
    """The rendered photos among the listed files."""
    return [path for path in listed if path.startswith("photos/") and path.endswith(".jpg")]


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """One outcome a photo; faces with closed or covered eyes are rejected.

    Raises DataMissingError where the annotations are gone.
    """
    if not raw.has(ANNOTATIONS):
        raise DataMissingError(f"{raw.root}/{ANNOTATIONS} not found: render it again with `dvc repro --force render`")
    those = [("photo", "in", list(chosen))]
    with raw.local(ANNOTATIONS) as path:
        rows = {row["photo"]: row for row in pq.read_table(path, columns=_COLUMNS, filters=those).to_pylist()}
        near = any(row["domain"] == "near_eye" for row in rows.values())  # a set is of one domain
        if near:
            rows = {row["photo"]: row for row in pq.read_table(path, columns=_NEAR_COLUMNS, filters=those).to_pylist()}
    for photo in chosen:
        row = rows.get(photo)
        if row is None:
            yield Outcome(photo, reason="no_annotation")
        elif near:
            yield Outcome(photo, (_near_record(row),))
        elif reason := next((why for flag, why in _HIDING.items() if row[flag]), ""):
            yield Outcome(photo, reason=reason)
        elif row["emotion"] not in RAF_DB:
            yield Outcome(photo, reason="bad_label", detail=f"emotion {row['emotion']}, known are 1 to 7")
        else:
            yield Outcome(photo, (_record(row),))


def _record(row: dict[str, Any]) -> Record:
    geometry = FaceGeometry(
        camera=_array(row, "camera", 3, 3),
        head_rotation=_array(row, "head_rotation", 3, 3),
        face_center_mm=_array(row, "face_center_mm", 3),
        eyes_mm=_array(row, "eyes_mm", 2, 3),
    )
    about, labels = (row["photo"], row["person"], row["split"]), {"expression": RAF_DB[row["emotion"]]}
    return Record(_key(row), *about, geometry, _array(row, "gaze", 3), "annotated", labels=labels)


def _near_record(row: dict[str, Any]) -> Record:
    """The eye that shows is the one nearer to the photo's middle."""
    camera, centers = _array(row, "camera", 3, 3), _array(row, "eyeball_center_mm", 2, 3)
    middle = (_array(row, "size_px", 2) - 1) / 2
    index = int(np.argmin(np.linalg.norm(project(camera, centers) - middle, axis=1)))
    side, axis = ("right", "left")[index], _array(row, "optical_axis", 2, 3)[index]
    labels: dict[str, Any] = {"eye_movement": EYE_MOVEMENTS.get(row["eye_movement"])}
    for part, count in _PARTS.items():
        valid = bool(np.mean(row[f"{part}_{side}_visible"]) >= 0.5)
        labels[f"{part}_px"] = _array(row, f"{part}_{side}_2d", count, 2).tolist()
        labels[f"{part}_valid"], labels[f"{part}_inaccuracy"] = valid, 0.0 if valid else None
    center = _array(row, f"pupil_{side}_3d", 8, 3).mean(axis=0)
    pupil, iris = (circle_ellipse(camera, center, axis, float(row[f"{part}_mm"])) for part in ("pupil", "iris"))
    seen = labels["pupil_valid"], labels["iris_valid"]
    for name, ellipse, valid in (
        ("pupil", pupil, seen[0]), ("iris", iris, seen[1]), ("pupil_in_iris", shrunk_to_hold(iris, pupil), all(seen))
    ):  # fmt: skip
        labels[f"{name}_ellipse"] = np.round(ellipse, 6).tolist() if valid else None
    gaze = _seen_along(centers[index]) @ axis if labels["pupil_valid"] else None
    about = (row["photo"], row["person"], row["split"])
    return Record(_key(row), *about, None, gaze, "annotated", "guessed", "unknown", labels=labels)


def _seen_along(ray: Array) -> Array:
    """The camera's axes (3, 3) turned until z lies along a ray (3,), x staying level: rows are the new axes."""
    z = ray / np.linalg.norm(ray)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _key(row: dict[str, Any]) -> str:
    return f"{row['person']}/{PurePosixPath(row['photo']).stem}"


def _array(row: dict[str, Any], name: str, *shape: int) -> Array:
    return np.asarray(row[name], dtype=np.float64).reshape(shape)
