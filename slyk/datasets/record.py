"""One face in one photo, as every reader gives it, and the table of them that `index` writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from slyk.geometry.camera import Array
from slyk.geometry.normalize import FaceGeometry

EyesSource = Literal["annotated", "found", "assumed"]


@dataclass(frozen=True)
class Record:
    """One face in one photo, in the one convention of slyk (`slyk.geometry.angles`).

    key: unique in its data set, `[a-z0-9_/-]+`; photo: path below the data set's root; group: the unit of splitting
    (person, recording or hash bucket); split: `train` or `test` as the data set ships it; geometry: see FaceGeometry;
    gaze (3,): unit vector from the face centre, camera frame, None without a label; eyes: whether the eye positions
    are annotated, found by a detector or assumed from the face box.
    """

    key: str
    photo: str
    group: str
    split: str
    geometry: FaceGeometry
    gaze: Array | None
    eyes: EyesSource


@dataclass(frozen=True)
class ReadOptions:
    """What readers that detect faces need: camera (3, 3) or None for the guess, narrowest face box in px."""

    camera: Array | None = None
    min_face_px: int = 40


@dataclass(frozen=True)
class Outcome:
    """What came of one photo: its records, or the reason why there is none, with a detail for people."""

    photo: str
    records: tuple[Record, ...] = ()
    reason: str = ""
    detail: str = ""


def to_row(record: Record) -> dict[str, Any]:
    """A flat row for parquet; arrays become lists of float64."""
    row: dict[str, Any] = {
        f.name: getattr(record, f.name) for f in fields(record) if f.name not in ("geometry", "gaze")
    }
    for f in fields(record.geometry):
        row[f.name] = np.asarray(getattr(record.geometry, f.name), dtype=np.float64).ravel().tolist()
    row["gaze"] = None if record.gaze is None else np.asarray(record.gaze, dtype=np.float64).tolist()
    return row


def from_row(row: Mapping[str, Any]) -> Record:
    """The inverse of `to_row`; extra columns are ignored."""
    geometry = FaceGeometry(
        camera=np.array(row["camera"], dtype=np.float64).reshape(3, 3),
        head_rotation=np.array(row["head_rotation"], dtype=np.float64).reshape(3, 3),
        face_center_mm=np.array(row["face_center_mm"], dtype=np.float64),
        eyes_mm=np.array(row["eyes_mm"], dtype=np.float64).reshape(2, 3),
    )
    gaze = None if row["gaze"] is None else np.array(row["gaze"], dtype=np.float64)
    return Record(row["key"], row["photo"], row["group"], row["split"], geometry, gaze, row["eyes"])


def to_table(records: Iterable[Record]) -> pd.DataFrame:
    """One row a record, sorted by key: the order never depends on who read first."""
    return pd.DataFrame([to_row(r) for r in sorted(records, key=lambda r: (r.group, r.key))])


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    """Plain values, as tasks hand them back."""
    return {
        "photo": outcome.photo,
        "records": [to_row(record) for record in outcome.records],
        "reason": outcome.reason,
        "detail": outcome.detail,
    }


def outcome_from_json(value: Mapping[str, Any]) -> Outcome:
    """The inverse of `outcome_to_json`."""
    records = tuple(from_row(row) for row in value["records"])
    return Outcome(value["photo"], records, value["reason"], value["detail"])
