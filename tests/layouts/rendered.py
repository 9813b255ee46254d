"""Small rendered sets on disk, one of each domain, and what the layouts make of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from slyk.synthetic.annotate import schema
from slyk.synthetic.render import render_person

Array = NDArray[np.float64]
Row = dict[str, Any]

SIZES = {
    "wide": (3, 3, 128),
    "webcam": (2, 6, 192),
    "wild": (3, 9, 64),
    "studio": (2, 18, 128),
    "near_eye": (2, 10, 160),
}
"""People, photos of each, width of a photo in px; the last person is a test person."""
MAT_HEADER_BYTES = 116


class Rendered(NamedTuple):
    root: Path
    rows: list[Row]


class Exported(NamedTuple):
    """out: the folder in the real layout; source: the set; rows: its annotations in the order of the set."""

    out: Path
    source: Path
    rows: list[Row]


Export = Callable[[str], Exported]


def render(root: Path, domain: str) -> Rendered:
    num_people, num_photos, photo_px = SIZES[domain]
    rows = []
    for number in range(num_people):
        person, split = f"p{number:03d}", "test" if number == num_people - 1 else "train"
        shots = render_person(11, number, domain=domain, num_photos=num_photos, photo_px=photo_px, eye_supersampling=1)
        for index, shot in enumerate(shots):
            photo, mask = f"photos/{person}/{index:03d}.jpg", f"masks/{person}/{index:03d}.png"
            for path, data in ((photo, shot.photo), (mask, shot.mask)):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(data)
            place = {"photo": photo, "mask": mask, "person": person, "split": split, "domain": domain}
            rows.append({**place, **shot.annotation})
    return annotated(root, rows)


def annotated(root: Path, rows: list[Row]) -> Rendered:
    """Writes the annotations of photos that are there."""
    pq.write_table(pa.Table.from_pylist(rows, schema=schema()), root / "annotations.parquet")
    return Rendered(root, rows)


def array(row: Row, name: str, *shape: int) -> Array:
    return np.array(row[name], dtype=np.float64).reshape(shape)


def unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))


def angle_deg(a: Array, b: Array) -> float:
    return float(np.rad2deg(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))
