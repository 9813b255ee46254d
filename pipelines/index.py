"""Stage `index@<dataset>`: the listing of a raw set -> one row a face: geometry, label, group and planned shard."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jobs import tracking
from jobs.cluster import connect
from jobs.stage import stage
from pipelines.rejects import check_fraction, print_reasons, write_rejects
from slyk.config import Dataset, load_params
from slyk.datasets import listing, reader
from slyk.datasets.record import Outcome, ReadOptions, outcome_from_json, outcome_to_json, to_table
from slyk.errors import DataMissingError
from slyk.files import resolve, sha256
from slyk.geometry.camera import Array, camera_matrix
from slyk.photos import as_text
from slyk.shards.write import Reject
from slyk.tables import write_parquet

PHOTOS_PER_TASK = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--listing", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rejects", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    dataset = params.datasets[args.dataset]
    root = raw_root(args.dataset, dataset)
    entries = listing.read(resolve(args.listing))
    photos = reader(dataset.reader).photos([entry.path for entry in entries])
    versions = {e.path: f"{e.size} {e.version}" for e in entries if as_text(e.path) == e.path}
    if not photos:
        raise DataMissingError(f"{root} holds no photos: put them there, then run `slyk data scan {args.dataset}`")
    options = ReadOptions(camera=_camera(dataset), min_face_px=params.index.min_face_px)
    with tracking.stage_run(f"index@{args.dataset}", params=params, sections=("index",)) as run:
        named = [photo for photo in photos if photo in versions]
        outcomes = [*read_all(dataset.reader, root, named, options), *_nameless(photos)]
        rejects = [Reject("", o.photo, "index", o.reason, o.detail) for o in outcomes if not o.records]
        table = plan_shards(unique_keys(outcomes), versions, params.index.photos_per_shard)
        run.log_metrics({"num_photos": len(photos), "num_faces": len(table), "num_rejected_photos": len(rejects)})
        print(f"{args.dataset}: {len(photos)} photos, {len(table)} faces, {len(rejects)} photos rejected")
        print_reasons(rejects)
        write_rejects(resolve(args.rejects), rejects)
        check_fraction(len(rejects), len(photos), params.index.max_reject_fraction, resolve(args.rejects))
        write_parquet(resolve(args.out), table)
        run.set_tags({"index_sha256": sha256(resolve(args.out))})


def raw_root(name: str, dataset: Dataset) -> Path:
    """The folder of a raw set. Raises DataMissingError saying where to put it and what to run."""
    root = resolve(dataset.root)
    if not root.is_dir():
        raise DataMissingError(
            f"{root} not found: place or link {name} there (docs/datasets.md), "
            f"then run: slyk data scan {name} && dvc repro"
        )
    return root


def _nameless(photos: list[str]) -> Iterator[Outcome]:
    """A reject for every name that no table can hold."""
    for photo in photos:
        if as_text(photo) != photo:
            yield Outcome(as_text(photo), reason="name_not_utf8", detail="rename the file")


def _camera(dataset: Dataset) -> Array | None:
    if dataset.camera is None:
        return None
    focal_x, focal_y, center_x, center_y = dataset.camera
    camera = camera_matrix(focal_x, (center_x, center_y))
    camera[1, 1] = focal_y
    return camera


def read_all(reader_name: str, root: Path, photos: list[str], options: ReadOptions) -> Iterator[Outcome]:
    """Reads chunks of photos in Ray Data tasks; outcomes come in the order of `photos` whatever the number of cores."""
    starts = range(0, len(photos), PHOTOS_PER_TASK)
    chunks = [{"photos": photos[start : start + PHOTOS_PER_TASK]} for start in starts]

    def read_chunk(row: dict[str, Any]) -> dict[str, Any]:
        outcomes = reader(reader_name).read(root, list(row["photos"]), options)
        return {"first": row["photos"][0], "outcomes": json.dumps([outcome_to_json(o) for o in outcomes])}

    with connect() as ray:
        data = ray.data.from_items(chunks, override_num_blocks=len(chunks)).map(read_chunk)
        found: dict[str, str] = {}
        for row in data.iter_rows():
            found[row["first"]] = row["outcomes"]
            print(f"  {min(len(found) * PHOTOS_PER_TASK, len(photos))}/{len(photos)} photos read", flush=True)
    for chunk in chunks:
        yield from (outcome_from_json(value) for value in json.loads(found[chunk["photos"][0]]))


def unique_keys(outcomes: list[Outcome]) -> list[Outcome]:
    """Gives a second record of the same key a number, so that no sample of a shard hides another."""
    seen: dict[str, int] = {}
    result = []
    for outcome in outcomes:
        records = []
        for record in outcome.records:
            count = seen[record.key] = seen.get(record.key, 0) + 1
            records.append(record if count == 1 else replace(record, key=f"{record.key}-{count}"))
        result.append(replace(outcome, records=tuple(records)))
    return result


def plan_shards(outcomes: list[Outcome], versions: Mapping[str, str], photos_per_shard: int) -> pd.DataFrame:
    """The index: rows sorted by group and key, each with its shard's name; a shard holds one group only.

    versions: photo -> size and version as listed. They make a shard depend on its photos, not on annotations alone.
    """
    table = to_table(record for outcome in outcomes for record in outcome.records)
    if table.empty:
        return table
    table["photo_version"] = table["photo"].map(versions)
    number = table.groupby("group").cumcount() // photos_per_shard
    table["shard"] = [f"{g}-{n:05d}" for g, n in zip(table["group"], np.asarray(number), strict=True)]
    return table


if __name__ == "__main__":
    stage(main)
