"""Stage `index@<dataset>`: the listing of a raw set -> one row a face: geometry, label, group and planned shard."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jobs import tracking
from jobs.cluster import connect
from jobs.stage import stage
from pipelines.rejects import check_fraction, print_reasons, write_rejects
from slyk.config import Dataset, load_params
from slyk.datasets import listing
from slyk.datasets.pictures import file_of
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, outcome_from_json, outcome_to_json, to_table
from slyk.datasets.registry import reader
from slyk.errors import DataMissingError, SplitError
from slyk.files import resolve, sha256
from slyk.geometry.camera import Array, camera_matrix
from slyk.photos import as_text
from slyk.shards.write import Reject
from slyk.tables import write_parquet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--listing", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rejects", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    dataset = params.datasets[args.dataset]
    raw = raw_root(args.dataset, dataset)
    entries = listing.read(resolve(args.listing))
    units = reader(dataset.reader).units([entry.path for entry in entries])
    versions = {e.path: f"{e.size} {e.version}" for e in entries if as_text(e.path) == e.path}
    if not units:
        raise DataMissingError(f"{raw.root} holds no photos: put them there, then run `slyk data scan {args.dataset}`")
    options = ReadOptions(camera=_camera(dataset), min_face_px=params.index.min_face_px)
    with tracking.stage_run(f"index@{args.dataset}", params=params, sections=("index",)) as run:
        named = [unit for unit in units if unit in versions]
        outcomes = [*read_all(dataset.reader, raw, named, options), *_nameless(units)]
        outcomes = [with_photos(outcome, versions) for outcome in outcomes]
        rejects = [Reject("", o.photo, "index", o.reason, o.detail) for o in outcomes if not o.records]
        table = plan_shards(unique_keys(outcomes), versions, params.index.photos_per_shard)
        run.log_metrics({"num_photos": len(outcomes), "num_faces": len(table), "num_rejected_photos": len(rejects)})
        print(f"{args.dataset}: {len(outcomes)} photos, {len(table)} faces, {len(rejects)} photos rejected")
        print_reasons(rejects)
        write_rejects(resolve(args.rejects), rejects)
        check_fraction(len(rejects), len(outcomes), params.index.max_reject_fraction, resolve(args.rejects))
        write_parquet(resolve(args.out), table)
        run.set_tags({"index_sha256": sha256(resolve(args.out))})


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


def with_photos(outcome: Outcome, versions: Mapping[str, str]) -> Outcome:
    """The outcome, or a reject where the file that it names was not listed."""
    missing = {file_of(record.photo) for record in outcome.records} - set(versions)
    if not missing:
        return outcome
    return Outcome(outcome.photo, reason="photo_missing", detail=f"{sorted(missing)[0]} is labelled, but not there")


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


def read_all(reader_name: str, raw: Raw, units: list[str], options: ReadOptions) -> Iterator[Outcome]:
    """Reads chunks of units in Ray Data tasks; outcomes come in the order of `units` whatever the number of cores."""
    per_task = reader(reader_name).PER_TASK
    chunks = [{"units": units[start : start + per_task]} for start in range(0, len(units), per_task)]

    def read_chunk(row: dict[str, Any]) -> dict[str, Any]:
        outcomes = reader(reader_name).read(raw, list(row["units"]), options)
        return {"first": row["units"][0], "outcomes": json.dumps([outcome_to_json(o) for o in outcomes])}

    with connect() as ray:
        data = ray.data.from_items(chunks, override_num_blocks=len(chunks)).map(read_chunk)
        found: dict[str, str] = {}
        for row in data.iter_rows():
            found[row["first"]] = row["outcomes"]
            print(f"  {min(len(found) * per_task, len(units))}/{len(units)} files read", flush=True)
    for chunk in chunks:
        yield from (outcome_from_json(value) for value in json.loads(found[chunk["units"][0]]))


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
    check_groups(table)
    table["photo_version"] = table["photo"].map(file_of).map(versions)
    number = table.groupby("group").cumcount() // photos_per_shard
    table["shard"] = [f"{g}-{n:05d}" for g, n in zip(table["group"], np.asarray(number), strict=True)]
    return table


def check_groups(table: pd.DataFrame) -> None:
    """Raises SplitError where a group has photos of two splits: one person would be trained on and tested on."""
    splits = table.groupby("group")["split"].agg(lambda column: sorted(set(column)))
    mixed = splits[splits.map(len) > 1]
    if len(mixed):
        named = "; ".join(f"{group} in {' and '.join(parts)}" for group, parts in mixed.head(3).items())
        raise SplitError(
            f"{len(mixed)} of {len(splits)} groups (people or recordings) have photos in two splits ({named}): "
            "give each one split, or tell people apart that share a name"
        )


if __name__ == "__main__":
    stage(main)
