"""Drawn faces whose eyes show where they look: a raw set in the layout of the rendered one, and shards of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from slyk.datasets import pictures
from slyk.datasets.expressions import RAF_DB
from slyk.datasets.index_table import Row, tables_of
from slyk.datasets.index_writer import IndexWriter
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, Record
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array, camera_matrix, project
from slyk.geometry.normalize import FaceGeometry
from slyk.shards import manifest
from slyk.shards.crops import CropSpec, Image
from slyk.shards.eyes import EyeSpec
from slyk.shards.sample import EYE_MEMBERS, MEMBERS
from slyk.shards.write import ShardPlan, write_shard

REPOSITORY = Path(__file__).resolve().parents[1]
PHOTO_PX = 240
FOCAL_PX = 384.0
EYES_IN_HEAD = np.array([[-31.0, -23.0, 2.5], [31.0, -23.0, 2.5]])  # from the face centre, mm
SMALL_SPEC = CropSpec(
    focal_px=240.0, distance_mm=600.0, face_px=56, face_margin=1.4, eye_px=60, eye_margin=1.6, eye_zoom=3.2
)


@dataclass(frozen=True)
class RawSet:
    """Records of all photos below `root`."""

    root: Path
    records: tuple[Record, ...]


def rotation(pitch: float, yaw: float, roll: float) -> Array:
    """Head rotation (3, 3) from Euler angles in radians."""
    x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1.0]])
    return np.asarray(z @ y @ x)


def geometry_at(center_mm: Array, head_rotation: Array, camera: Array | None = None) -> FaceGeometry:
    """A face of common size at a place."""
    camera = camera_matrix(FOCAL_PX, (PHOTO_PX / 2, PHOTO_PX / 2)) if camera is None else camera
    return FaceGeometry(camera, head_rotation, center_mm, center_mm + EYES_IN_HEAD @ head_rotation.T)


def draw_face(geometry: FaceGeometry, gaze: Array, rng: np.random.Generator, side_px: int = PHOTO_PX) -> Image:
    """A disc with two white eyes, the dark irises shifted along the gaze direction."""
    photo = np.full((side_px, side_px, 3), rng.integers(30, 120, 3), np.uint8)
    noise = np.clip(rng.normal(8.0, 4.0, photo.shape), 0, 255).astype(np.uint8)
    px_per_mm = float(geometry.camera[0, 0] / geometry.face_center_mm[2])

    def disc(point_mm: Array, radius_mm: float, colour: tuple[int, int, int]) -> None:
        x, y = project(geometry.camera, point_mm)
        fine = (round(x * 16), round(y * 16))
        cv2.circle(photo, fine, round(radius_mm * px_per_mm * 16), colour, -1, cv2.LINE_AA, shift=4)

    disc(geometry.face_center_mm, 75.0, (110, 150, 200))
    for eye_mm in geometry.eyes_mm:
        disc(eye_mm, 13.0, (240, 240, 240))
        disc(eye_mm + 12.0 * gaze * [1, 1, 0], 6.0, (40, 30, 20))
    return np.asarray(cv2.add(photo, noise), np.uint8)


def draw_raw_set(root: Path, *, num_train: int, num_test: int, num_photos: int, seed: int = 0) -> RawSet:
    """Photos and `annotations.parquet` of people p000, p001, ... as the renderer lays them out."""
    records, rows = [], []
    for person in range(num_train + num_test):
        name, split = f"p{person:03d}", "train" if person < num_train else "test"
        rng = np.random.default_rng([seed, person])
        (root / "photos" / name).mkdir(parents=True)
        for number in range(num_photos):
            center = np.array([*rng.uniform(-30, 30, 2), rng.uniform(550, 700)])
            geometry = geometry_at(center, rotation(*rng.uniform(-0.2, 0.2, 3)))
            gaze = vector_from_pitchyaw(rng.uniform(-0.4, 0.4, 2))
            photo = f"photos/{name}/{number:03d}.jpg"
            assert cv2.imwrite(str(root / photo), draw_face(geometry, gaze, rng))
            emotion = 1 + (person + number) % len(RAF_DB)
            about, labels = (photo, name, split), {"expression": RAF_DB[emotion]}
            records.append(Record(f"{name}/{number:03d}", *about, geometry, gaze, "annotated", labels=labels))
            rows.append(_annotation(records[-1]) | {"emotion": emotion})
    pq.write_table(pa.Table.from_pylist(rows), root / "annotations.parquet")
    return RawSet(root, tuple(records))


def _annotation(record: Record) -> dict[str, Any]:
    arrays = {name: value.ravel().tolist() for name, value in vars(record.geometry).items()}
    assert record.gaze is not None
    return {
        "photo": record.photo,
        "person": record.group,
        "split": record.split,
        "domain": "wide",
        "blinking": False,
        "sunglasses": False,
        **arrays,
        "gaze": record.gaze.tolist(),
    }


def write_index(
    path: Path, records: Sequence[Record], photos_per_shard: int, versions: Mapping[str, str] = {}
) -> pd.DataFrame:
    """The index of records by the writer of the library, as it is read back. versions: of photos other than `1 v1`."""
    outcomes = [Outcome(record.photo, (record,)) for record in records]
    listed = {record.photo: versions.get(record.photo, "1 v1") for record in records}
    with IndexWriter(path.with_suffix(".runs"), listed, str) as index:
        for table in tables_of(0, outcomes):
            index.add(table)
        index.write(path, photos_per_shard)
    return pd.DataFrame(pq.read_table(path).to_pandas())


def shards_of(index: Path) -> list[tuple[str, list[Row]]]:
    """(shard, its rows) in the order of the index."""
    rows = pq.read_table(index).to_pylist()
    return [(shard, list(part)) for shard, part in groupby(rows, key=lambda row: str(row["shard"]))]


def write_shards(
    folder: Path, raw: RawSet, spec: CropSpec | EyeSpec = SMALL_SPEC, *, dataset: str = "synthetic"
) -> None:
    """A shard a person and the manifest, by the writers of the library."""
    folder.mkdir(parents=True, exist_ok=True)
    sidecars = []
    for group in sorted({record.group for record in raw.records}):
        records = [record for record in raw.records if record.group == group]
        plan = ShardPlan(f"{group}-00000", group, records[0].split, f"plan of {group}")
        sidecars.append(
            write_shard(
                folder, plan, records, picture=partial(pictures.photo_file, Raw(raw.root)), spec=spec, jpeg_quality=95
            )
        )
    members = MEMBERS if isinstance(spec, CropSpec) else EYE_MEMBERS
    manifest.write(folder, dataset, "Apache-2.0", spec.as_dict(), sidecars, members)
