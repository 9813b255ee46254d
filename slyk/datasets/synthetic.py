"""Reader of the rendered set: `annotations.parquet` beside `photos/`, everything exact (docs/datasets.md)."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np
import pyarrow.parquet as pq

from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, ParamsError
from slyk.geometry.normalize import FaceGeometry

TITLE = "rendered"
LICENCE = "Apache-2.0"
SOURCE = "dvc repro render"
PER_TASK = 64
ANNOTATIONS = "annotations.parquet"
_HIDING = {"blinking": "eyes_closed", "sunglasses": "eyes_covered"}
"""Flags of photos that show no gaze, and why they are rejected: nobody would label them either."""
_COLUMNS = [
    "photo", "person", "split", "domain", "camera", "head_rotation", "face_center_mm", "eyes_mm", "gaze", *_HIDING
]  # fmt: skip


picture = photo_file


def units(listed: Sequence[str]) -> list[str]:
    """The rendered photos among the listed files."""
    return [path for path in listed if path.startswith("photos/") and path.endswith(".jpg")]


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """One outcome a photo; closed or covered eyes are rejected.

    Raises DataMissingError where the annotations are gone, ParamsError where no faces show.
    """
    if not raw.has(ANNOTATIONS):
        raise DataMissingError(f"{raw.root}/{ANNOTATIONS} not found: render it again with `dvc repro --force render`")
    with raw.local(ANNOTATIONS) as path:
        table = pq.read_table(path, columns=_COLUMNS, filters=[("photo", "in", list(chosen))])
    rows = {row["photo"]: row for row in table.to_pylist()}
    if any(row["domain"] == "near_eye" for row in rows.values()):
        raise ParamsError(
            f"{raw.root} shows one eye a photo (domain near_eye), which cannot be normalized to a face: take the set "
            "out of `datasets` in params.yaml; it is for landmarks"
        )
    for photo in chosen:
        row = rows.get(photo)
        reason = "no_annotation" if row is None else next((why for flag, why in _HIDING.items() if row[flag]), "")
        yield Outcome(photo, reason=reason) if row is None or reason else Outcome(photo, (_record(row),))


def _record(row: dict[str, object]) -> Record:
    def array(name: str, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.asarray(row[name], dtype=np.float64).reshape(shape)

    person, photo = str(row["person"]), str(row["photo"])
    geometry = FaceGeometry(
        camera=array("camera", 3, 3),
        head_rotation=array("head_rotation", 3, 3),
        face_center_mm=array("face_center_mm", 3),
        eyes_mm=array("eyes_mm", 2, 3),
    )
    key = f"{person}/{PurePosixPath(photo).stem}"
    return Record(key, photo, person, str(row["split"]), geometry, array("gaze", 3), "annotated")
