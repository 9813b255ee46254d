"""What tests of readers share: outcomes of a tree of files, its index, and small ways to write and to damage one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.index import planned, read_all
from slyk.datasets import listing
from slyk.datasets.index_writer import IndexWriter
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.datasets.registry import Reader, file_of, reader
from slyk.geometry.camera import Array
from slyk.shards.crops import CropSpec, crop


class Indexed(NamedTuple):
    """rows: of the index; rejects: (photo, reason) of each, in the order of reading."""

    rows: list[dict[str, Any]]
    rejects: list[tuple[str, str]]


def in_memory(root: Path) -> Raw:
    """The files of a tree behind a URL."""
    files = {f"{root}/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}
    fsspec.filesystem("memory").pipe(files)
    return Raw(f"memory:/{root}")


def read_tree(module: Reader, root: Path | Raw, options: ReadOptions | None = None) -> list[Outcome]:
    """The outcomes of all that a reader finds in a tree."""
    raw = root if isinstance(root, Raw) else Raw(root)
    units = module.units([entry.path for entry in listing.scan(raw.root)])
    return list(module.read(raw, units, options or ReadOptions()))


def records_of(module: Reader, root: Path | Raw, options: ReadOptions | None = None) -> list[Record]:
    """The records of a tree in which every outcome has one."""
    return [one(outcome) for outcome in read_tree(module, root, options)]


def only_record(module: Reader, root: Path | Raw, options: ReadOptions | None = None) -> Record:
    """The record of a tree that has one."""
    (record,) = records_of(module, root, options)
    return record


def one(outcome: Outcome) -> Record:
    assert len(outcome.records) == 1, outcome
    return outcome.records[0]


def index_tree(name: str, root: Path, folder: Path, *, photos_per_shard: int = 250) -> Indexed:
    """What the stage `index` makes of a tree, by its functions; the index stays in `folder`."""
    versions = {entry.path: f"{entry.size} {entry.version}" for entry in listing.scan(root)}
    chunks = planned(name, Raw(root), reader(name).units(list(versions)))
    with IndexWriter(folder / "runs", versions, file_of(name)) as index:
        for table in read_all(name, Raw(root), chunks, ReadOptions(), patience_s=np.inf):
            index.add(table)
        index.write(folder / "index.parquet", photos_per_shard)
        told: pa.Table = index.rejects()
    rejects = [(row["photo"], row["reason"]) for row in told.to_pylist()]
    return Indexed(pq.read_table(folder / "index.parquet").to_pylist(), rejects)


def save_text(root: Path, text: str, name: str) -> Path:
    """Writes a file below the root, which it returns."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text.encode())
    return root


def save_photo(root: Path, name: str, size_px: tuple[int, int] = (64, 48)) -> None:
    """A JPEG of noise, so many px wide and high."""
    noise = np.random.default_rng(0).integers(0, 256, (*size_px[::-1], 3), np.uint8)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(cv2.imencode(".jpg", noise)[1].tobytes())


def shown_at(
    marked_px: Array, size: Sequence[int], record: Record, spec: CropSpec, eye: int, *, radius_px: int = 2
) -> Array:
    """Where (2,) a white disc at a pixel of a black picture comes out in the crop of an eye."""
    marked = np.zeros(size, np.uint8)
    cv2.circle(marked, (round(float(marked_px[0])), round(float(marked_px[1]))), radius_px, (255, 255, 255), -1)
    crops = crop(marked, record.face, spec)
    shown = (crops.right, crops.left)[eye].astype(np.float64).sum(axis=2)
    return np.array([(shown.sum(axis=k) @ np.arange(len(shown))) / shown.sum() for k in (0, 1)])
