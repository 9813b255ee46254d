"""One face in one photo, as every reader gives it, and as a row of the index."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np

from slyk.geometry.camera import Array
from slyk.geometry.normalize import FaceGeometry

EyesSource = Literal["annotated", "found", "assumed"]
Known = Literal["measured", "guessed", "aligned", "normalized"]
"""How much of a geometry is known. measured: camera and head pose; guessed: eyes in the photo of an unknown camera;
aligned: a picture cut to the face, turned and scaled in 2D only; normalized: the photo is a normalized face already."""
Center = Literal["six_points", "eyes_and_nose", "eyes", "unknown"]
"""Where gaze starts. six_points: mean of four eye and two mouth corners (MPIIFaceGaze); eyes_and_nose: half the mean of
the eye corners, half that of two nose points (ETH-XGaze); eyes: between the eyes (Gaze360)."""
Labels = Mapping[str, Any]
"""Labels other than gaze, plain JSON values, None of them NaN. Names and meanings:

expression: name of a class in `slyk.datasets.expressions`; votes: class -> number of raters; valence, arousal: -1 to 1;
landmarks_px: [[x, y], ...] in the photo's pixels (integer coordinates are the middles of pixels) and scheme, their
order: 6, 50, 68, 98 points; attributes: name -> true or false; target_px: where on the screen the subject looked;
pupil_px, iris_px, lid_px: contours likewise, with their validity flags and inaccuracies.
"""


@dataclass(frozen=True)
class Record:
    """One face in one photo, in the one convention of slyk (`slyk.geometry.angles`).

    key: unique in its data set, `[a-z0-9_/-]+`; photo: path below the data set's root; group: the unit of splitting
    (person, recording or hash bucket); split: `train` or `test` as the data set ships it; geometry: see FaceGeometry,
    None where the picture shows one eye and nothing of a face;
    gaze (3,): unit vector from the face centre, camera frame, None without a label; eyes: whether the eye positions
    are annotated, found by a detector or assumed from the face box; known, center, labels: see there; tags: what the
    data set says of the photo, as filters of protocols take it ("evaluation", "off_screen", "validation", ...).
    """

    key: str
    photo: str
    group: str
    split: str
    geometry: FaceGeometry | None
    gaze: Array | None
    eyes: EyesSource
    known: Known = "measured"
    center: Center = "six_points"
    tags: tuple[str, ...] = ()
    labels: Labels = field(default_factory=dict)

    @property
    def face(self) -> FaceGeometry:
        """The geometry of a record that shows a face."""
        assert self.geometry is not None, f"{self.key} shows no face"
        return self.geometry


@dataclass(frozen=True)
class ReadOptions:
    """What readers that detect faces need: camera (3, 3) or None for the guess, narrowest face box in px."""

    camera: Array | None = None
    min_face_px: int = 40


@dataclass(frozen=True)
class Outcome:
    """What came of one photo: its records, or the reason why there is none, with a detail for people. A label of a
    photo that is not there, or one that makes no sense, is an outcome too."""

    photo: str
    records: tuple[Record, ...] = ()
    reason: str = ""
    detail: str = ""


def to_row(record: Record) -> dict[str, Any]:
    """A flat row for parquet; arrays become lists of float64, labels canonical JSON."""
    row: dict[str, Any] = {
        f.name: getattr(record, f.name) for f in fields(record) if f.name not in ("geometry", "gaze")
    }
    for f in fields(FaceGeometry):
        value = [] if record.geometry is None else getattr(record.geometry, f.name)
        row[f.name] = np.asarray(value, dtype=np.float64).ravel().tolist()
    row["gaze"] = None if record.gaze is None else np.asarray(record.gaze, dtype=np.float64).tolist()
    row["tags"] = list(record.tags)
    row["labels"] = json.dumps(record.labels, sort_keys=True, allow_nan=False)
    return row


def from_row(row: Mapping[str, Any]) -> Record:
    """The inverse of `to_row`; extra columns are ignored."""
    shapes = {"camera": (3, 3), "head_rotation": (3, 3), "face_center_mm": (3,), "eyes_mm": (2, 3), "distortion": (-1,)}
    geometry = None
    if len(row["camera"]):
        geometry = FaceGeometry(**{name: np.array(row[name], np.float64).reshape(s) for name, s in shapes.items()})
    gaze = None if row["gaze"] is None else np.array(row["gaze"], dtype=np.float64)
    plain = {name: row[name] for name in ("key", "photo", "group", "split", "eyes", "known", "center")}
    return Record(**plain, geometry=geometry, gaze=gaze, tags=tuple(row["tags"]), labels=json.loads(row["labels"]))
