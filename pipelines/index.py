"""Stage `index@<dataset>`: the listing of a raw set -> one row a face: geometry, label, group and planned shard."""

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from jobs import tracking
from jobs.cluster import connect
from jobs.stage import stage
from pipelines.rejects import check_fraction, print_reasons, write_rejects
from slyk.config import load_params
from slyk.config.data import Dataset
from slyk.datasets import listing
from slyk.datasets.index_table import tables_of
from slyk.datasets.index_writer import IndexWriter
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions
from slyk.datasets.registry import file_of, parts_of, reader
from slyk.errors import DataMissingError, SlykError
from slyk.files import resolve, sha256
from slyk.geometry.camera import Array, camera_matrix
from slyk.photos import as_text
from slyk.shards.write import Reject

PATIENCE_S = 5.0
"""About what Ray takes to start."""
MAX_CHUNKS = 4000
PROGRESS_S = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--listing", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rejects", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    dataset, out = params.dataset(args.dataset), resolve(args.out)
    raw = raw_root(args.dataset, dataset)
    versions = {e.path: f"{e.size} {e.version}" for e in listing.read(resolve(args.listing))}
    units = reader(dataset.reader).units(list(versions))
    if not units:
        raise DataMissingError(f"{raw.root} holds no photos: put them there, then run `slyk data scan {args.dataset}`")
    options = ReadOptions(camera=_camera(dataset), min_face_px=params.index.min_face_px)
    with (
        tracking.stage_run(f"index@{args.dataset}", params=params, sections=("index",)) as run,
        IndexWriter(out.with_name(f".{out.stem}.runs"), versions, file_of(dataset.reader)) as index,
    ):
        chunks = planned(dataset.reader, raw, [unit for unit in units if as_text(unit) == unit])
        for table in shown(read_all(dataset.reader, raw, chunks, options), len(chunks)):
            index.add(table)
        for table in tables_of(len(chunks), _nameless(units)):
            index.add(table)
        rejects = [Reject(key="", stage="index", **row) for row in index.rejects().to_pylist()]
        num_photos, num_faces = index.num_photos, index.num_faces
        run.log_metrics({"num_photos": num_photos, "num_faces": num_faces, "num_rejected_photos": len(rejects)})
        print(f"{args.dataset}: {num_photos} photos, {num_faces} faces, {len(rejects)} photos rejected")
        print_reasons(rejects)
        if unnamed := index.unnamed():
            print(f"  {len(unnamed)} photos that no label names, left out; the first: {unnamed[0]}")
        write_rejects(resolve(args.rejects), rejects)
        check_fraction(len(rejects), num_photos, params.index.max_reject_fraction, resolve(args.rejects))
        index.write(out, params.index.photos_per_shard)
        run.set_tags({"index_sha256": sha256(out)})


def raw_root(name: str, dataset: Dataset) -> Raw:
    """The raw set. Raises DataMissingError saying where to put it and what to run."""
    raw = Raw(dataset.root if "://" in dataset.root else resolve(dataset.root))
    if not raw.exists():
        kind = reader(dataset.reader)
        raise DataMissingError(
            f"{raw.root} not found: place or link {name} there ({kind.TITLE}: {kind.SOURCE}; docs/datasets.md), "
            f"then run: slyk data scan {name} && dvc repro"
        )
    return raw


def _nameless(units: list[str]) -> Iterator[Outcome]:
    """A reject for every name that no table can hold."""
    for unit in units:
        if as_text(unit) != unit:
            yield Outcome(as_text(unit), reason="name_not_utf8", detail="rename the file")


def _camera(dataset: Dataset) -> Array | None:
    if dataset.camera is None:
        return None
    focal_x, focal_y, center_x, center_y = dataset.camera
    camera = camera_matrix(focal_x, (center_x, center_y))
    camera[1, 1] = focal_y
    return camera


def planned(name: str, raw: Raw, units: Iterable[str]) -> list[list[str]]:
    """The chunks of the work, in the order of reading: a part of a long label file, or some photos or short files."""
    chunks, short, divided = list[list[str]](), list[str](), parts_of(name)
    for unit in units:
        found = divided(raw, unit)
        if len(found) > 1:
            chunks += [[part] for part in found]
        else:
            short.append(unit)
    size = max(reader(name).PER_TASK, -(-len(short) // MAX_CHUNKS))
    return chunks + [short[start : start + size] for start in range(0, len(short), size)]


def read_all(
    name: str, raw: Raw, chunks: Sequence[Sequence[str]], options: ReadOptions, *, patience_s: float = PATIENCE_S
) -> Iterator[pa.Table]:
    """The outcomes of all chunks as tables, in any order (see `slyk.datasets.index_table.OUTCOMES`).

    Reads here for some seconds, in which small sets are done, and what is left then in Ray Data tasks.
    """

    def read_chunk(number: int) -> Iterator[pa.Table]:
        return tables_of(number, reader(name).read(raw, chunks[number], options))

    def read_batch(batch: pa.Table) -> Iterator[pa.Table]:
        for number in batch["id"].to_pylist():
            yield from read_chunk(first + number)

    start, first = time.monotonic(), 0
    while first < len(chunks) and time.monotonic() - start < patience_s:
        yield from read_chunk(first)
        first += 1
    if first < len(chunks):
        left = len(chunks) - first
        with connect() as ray:
            data = ray.data.range(left, override_num_blocks=left).map_batches(
                read_batch, batch_format="pyarrow", batch_size=None
            )
            try:
                yield from data.iter_batches(batch_format="pyarrow", batch_size=None)
            except SlykError as error:  # Ray's kind of it, whose text is a traceback
                raise getattr(error, "cause", error) from None


def shown(tables: Iterable[pa.Table], num_chunks: int) -> Iterator[pa.Table]:
    """The tables as they come; says now and then how far it is."""
    start = told = time.monotonic()
    seen, num_rows = set[int](), 0
    for table in tables:
        yield table
        seen |= set(table["chunk"].unique().to_pylist())
        num_rows, now = num_rows + len(table), time.monotonic()
        if now - told > PROGRESS_S and seen:
            left, rate = (num_chunks - len(seen)) * (now - start) / len(seen), num_rows / (now - start)
            print(f"  {len(seen)}/{num_chunks} parts, {num_rows} photos, {rate:.0f}/s, {left:.0f} s left", flush=True)
            told = now


if __name__ == "__main__":
    stage(main)
