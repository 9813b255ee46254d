"""Stage `normalize@<dataset>`: index + photos -> WebDataset shards of face and eye crops, rejects, data report."""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs import tracking
from jobs.cluster import map_rows
from jobs.data_report import write_report
from jobs.stage import stage
from pipelines.index import raw_root
from pipelines.rejects import check_fraction, print_reasons, write_rejects
from slyk.config import load_params
from slyk.config.data import Normalize
from slyk.datasets.index_table import INDEX, rows_of
from slyk.datasets.record import from_row
from slyk.datasets.registry import reader
from slyk.errors import DataMissingError
from slyk.files import alone_in, code_digest, digest, resolve
from slyk.shards import manifest
from slyk.shards.crops import CropSpec
from slyk.shards.eyes import EyeSpec
from slyk.shards.sample import EYE_MEMBERS, MEMBERS
from slyk.shards.write import Picture, Reject, ShardPlan, standing, write_shard

CODE = ("_jpeg_region.c", "datasets/pictures.py", "datasets/record.py", "geometry", "photos.py", "shards")
REJECTS = "rejects.parquet"
PLAIN_BELOW = 3_000
"""Photos that one process has cropped by the time that Ray has started."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--index", required=True)
    parser.add_argument("--rejects", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--report", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    dataset, settings = params.dataset(args.dataset), params.normalize
    raw, out = raw_root(args.dataset, dataset), resolve(args.out)
    with (
        alone_in(out),
        tracking.stage_run(f"normalize@{args.dataset}", params=params, sections=("normalize",)) as run,
    ):
        picture = partial(reader(dataset.reader).picture, raw)
        shards = shard_sizes(resolve(args.index))
        spec = spec_for(resolve(args.index), settings)
        writer = Writer(resolve(args.index), out, picture, spec, settings.jpeg_quality, code_digest(CODE))
        remove_orphans(out, set(shards))
        sidecars = list(write_all(writer, shards))
        rejects = [Reject(**reject) for sidecar in sidecars for reject in sidecar["rejects"]]
        eyes = sum((Counter(sidecar["eyes"]) for sidecar in sidecars), Counter[str]())
        num_faces = sum(shards.values())
        print(f"{args.dataset}: {num_faces - len(rejects)} samples in {len(sidecars)} shards, eyes {counted(eyes)}")
        print_reasons(rejects)
        write_rejects(out / REJECTS, rejects)
        check_fraction(len(rejects), num_faces, settings.max_reject_fraction, out / REJECTS)
        licence = dataset.licence if dataset.licence != "unknown" else reader(dataset.reader).LICENCE
        members = MEMBERS if isinstance(spec, CropSpec) else EYE_MEMBERS
        manifest.write(out, args.dataset, licence, spec.as_dict(), sidecars, members)
        run.log_metrics({"num_samples": num_faces - len(rejects), "num_rejected_faces": len(rejects)})
        run.log_metrics({f"num_eyes_{source}": count for source, count in eyes.items()})
        run.log_dataset(manifest.load(out))
        report = write_report(args.dataset, resolve(args.index), resolve(args.rejects), out, resolve(args.report))
        print(f"report: {report}")


@dataclass(frozen=True)
class Writer:
    """Writes one planned shard after the other; sent whole to the workers, which read their rows themselves."""

    index: Path
    out: Path
    picture: Picture
    spec: CropSpec | EyeSpec
    jpeg_quality: int
    code: str

    def plan(self, name: str) -> tuple[ShardPlan, list[dict[str, Any]]]:
        """A shard's plan and its rows of the index. The plan's digest covers rows, parameters and code."""
        rows = rows_of(self.index, name)
        settings = {"crops": self.spec.as_dict(), "jpeg_quality": self.jpeg_quality, "code": self.code}
        return ShardPlan(name, rows[0]["group"], rows[0]["split"], digest({"rows": rows, **settings})), rows

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Writes the shard that a row names, unless it stands there already; gives back what the manifest needs."""
        plan, rows = self.plan(row["shard"])
        found = standing(self.out, plan)
        sidecar = found or write_shard(
            self.out,
            plan,
            [from_row(row) for row in rows],
            picture=self.picture,
            spec=self.spec,
            jpeg_quality=self.jpeg_quality,
        )
        kept = {name: sidecar[name] for name in (*manifest.ShardEntry.__dataclass_fields__, "rejects")}
        return {"sidecar": json.dumps(kept), "num_photos": len(rows), "complete": found is not None}


def counted(numbers: Mapping[str, int]) -> str:
    """As people write it: `found 288, assumed 12`."""
    return ", ".join(f"{name} {count}" for name, count in sorted(numbers.items())) or "none"


def spec_for(index: Path, settings: Normalize) -> CropSpec | EyeSpec:
    """What is stored of a set: squares of faces, or whole photos where the index has records and none shows a face."""
    found = 0
    for batch in pq.ParquetFile(index).iter_batches(columns=["camera"]):
        found += batch.num_rows
        if pc.any(pc.greater(pc.list_value_length(batch["camera"]), 0)).as_py():
            found = 0
            break
    kind = EyeSpec if found else CropSpec
    return kind(**settings.model_dump(include=set(kind.__dataclass_fields__)))


def shard_sizes(index: Path) -> dict[str, int]:
    """Name -> number of faces of each shard that the index plans, by name. Raises DataMissingError without one."""
    if not index.is_file():
        raise DataMissingError(f"{index} not found: run `dvc repro index@{index.stem}`")
    try:
        known = pq.read_schema(index).names == INDEX.names
    except pa.ArrowInvalid as error:
        raise DataMissingError(f"{index} is damaged ({error}): run `dvc repro -f index@{index.stem}`") from None
    if not known:
        raise DataMissingError(f"{index} was written by another slyk: run `dvc repro index@{index.stem}`")
    counts = Counter[str]()
    for batch in pq.ParquetFile(index).iter_batches(columns=["shard"]):
        counts.update(batch["shard"].to_pylist())
    return dict(sorted(counts.items()))


def remove_orphans(out: Path, names: set[str]) -> None:
    """Deletes what an earlier plan left, and the manifest first: until the end the folder is incomplete.

    Other files than those of shards, and what writers keep while they write, are not ours and stay.
    """
    (out / manifest.NAME).unlink(missing_ok=True)
    (out / REJECTS).unlink(missing_ok=True)
    for path in out.glob("*"):
        ours = path.suffix in (".tar", ".json") and path.stem not in names
        if ours or re.fullmatch(r"\..+\.(tar|json|parquet)\.[a-z0-9_]+", path.name):
            path.unlink(missing_ok=True)


def write_all(writer: Writer, shards: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Writes the shards that are not there yet, one row of Ray Data each, and gives what the manifest needs of all."""
    start, done, written, num_photos = time.monotonic(), 0, 0, sum(shards.values())
    found = {}
    for count, row in enumerate(
        map_rows(writer, [{"shard": name} for name in shards], plain=num_photos < PLAIN_BELOW), start=1
    ):
        sidecar = json.loads(row["sidecar"])
        found[sidecar["name"]] = sidecar
        done, written = done + row["num_photos"], written + (not row["complete"])
        if count % 10 == 0 or count == len(shards):
            seconds = time.monotonic() - start
            left = seconds / done * (num_photos - done)
            print(
                f"  {count}/{len(shards)} shards, {done} photos, {done / seconds:.0f}/s, {left:.0f} s left", flush=True
            )
    print(f"{len(shards) - written} of {len(shards)} shards were complete, {written} written", flush=True)
    return (found[name] for name in shards)


if __name__ == "__main__":
    stage(main)
