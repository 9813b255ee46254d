"""Stage `normalize@<dataset>`: index + photos -> WebDataset shards of face and eye crops, rejects, data report."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jobs import tracking
from jobs.cluster import connect
from jobs.data_report import write_report
from jobs.stage import stage
from pipelines.index import raw_root
from pipelines.rejects import check_fraction, print_reasons, write_rejects
from slyk.config import load_params
from slyk.datasets.record import from_row
from slyk.datasets.registry import reader
from slyk.errors import DataMissingError
from slyk.files import code_digest, digest, resolve
from slyk.shards import manifest
from slyk.shards.crops import CropSpec, Image
from slyk.shards.write import Reject, ShardPlan, is_complete, sidecar_path, write_shard

CODE = ("datasets/pictures.py", "datasets/record.py", "geometry", "photos.py", "shards")
REJECTS = "rejects.parquet"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--index", required=True)
    parser.add_argument("--rejects", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--report", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    dataset, settings = params.datasets[args.dataset], params.normalize
    spec = CropSpec(**settings.model_dump(include=set(CropSpec.__dataclass_fields__)))
    raw, out = raw_root(args.dataset, dataset), resolve(args.out)
    with tracking.stage_run(f"normalize@{args.dataset}", params=params, sections=("normalize",)) as run:
        tasks = plan(resolve(args.index), spec, settings.jpeg_quality)
        remove_orphans(out, {task["plan"].name for task in tasks})
        picture = partial(reader(dataset.reader).picture, raw)
        sidecars = write_all(tasks, out, picture, spec, settings.jpeg_quality)
        rejects = [Reject(**reject) for sidecar in sidecars for reject in sidecar["rejects"]]
        eyes = sum((Counter(sidecar["eyes"]) for sidecar in sidecars), Counter[str]())
        num_faces = sum(len(task["rows"]) for task in tasks)
        print(f"{args.dataset}: {num_faces - len(rejects)} samples in {len(sidecars)} shards, eyes {dict(eyes)}")
        print_reasons(rejects)
        write_rejects(out / REJECTS, rejects)
        check_fraction(len(rejects), num_faces, settings.max_reject_fraction, out / REJECTS)
        licence = dataset.licence if dataset.licence != "unknown" else reader(dataset.reader).LICENCE
        manifest.write(out, args.dataset, licence, spec.as_dict(), sidecars)
        run.log_metrics({"num_samples": num_faces - len(rejects), "num_rejected_faces": len(rejects)})
        run.log_metrics({f"num_eyes_{source}": count for source, count in eyes.items()})
        run.log_dataset(manifest.load(out))
        report = write_report(args.dataset, resolve(args.index), resolve(args.rejects), out, resolve(args.report))
        print(f"report: {report}")


def plan(index: Path, spec: CropSpec, jpeg_quality: int) -> list[dict[str, Any]]:
    """One task a shard: its plan and its rows. The plan's digest covers rows, parameters and code."""
    if not index.is_file():
        raise DataMissingError(f"{index} not found: run `dvc repro index@{index.stem}`")
    rows = sorted(pq.read_table(index).to_pylist(), key=lambda row: (row["shard"], row["key"]))
    settings = {"crops": spec.as_dict(), "jpeg_quality": jpeg_quality, "code": code_digest(CODE)}
    tasks = []
    for name, group in groupby(rows, key=lambda row: str(row["shard"])):
        part = list(group)
        shard = ShardPlan(name, part[0]["group"], part[0]["split"], digest({"rows": part, **settings}))
        tasks.append({"plan": shard, "rows": part})
    return tasks


def remove_orphans(out: Path, names: set[str]) -> None:
    """Deletes what an earlier plan left, and the manifest first: until the end the folder is incomplete."""
    (out / manifest.NAME).unlink(missing_ok=True)
    (out / REJECTS).unlink(missing_ok=True)
    for path in out.glob("*"):
        if path.stem not in names or path.suffix not in (".tar", ".json"):
            path.unlink()


def write_all(
    tasks: list[dict[str, Any]], out: Path, picture: Callable[[str], Image], spec: CropSpec, jpeg_quality: int
) -> list[dict[str, Any]]:
    """Writes the shards that are not there yet, one Ray Data row each, and returns all sidecars."""
    todo = [task for task in tasks if not is_complete(out, task["plan"])]
    if todo:
        out.mkdir(parents=True, exist_ok=True)
        print(f"{len(tasks) - len(todo)} of {len(tasks)} shards are complete, writing {len(todo)}", flush=True)

        def write_one(row: dict[str, Any]) -> dict[str, Any]:
            task = todo[row["id"]]
            records = [from_row(row) for row in task["rows"]]
            sidecar = write_shard(out, task["plan"], records, picture=picture, spec=spec, jpeg_quality=jpeg_quality)
            return {"name": sidecar["name"], "num_samples": sidecar["num_samples"]}

        start, done = time.monotonic(), 0
        with connect() as ray:
            data = ray.data.range(len(todo), override_num_blocks=len(todo)).map(write_one)
            for count, row in enumerate(data.iter_rows(), start=1):
                done += row["num_samples"]
                if count % 10 == 0 or count == len(todo):
                    rate = done / (time.monotonic() - start)
                    print(f"  {count}/{len(todo)} shards, {done} samples, {rate:.0f}/s", flush=True)
    return [json.loads(sidecar_path(out, task["plan"].name).read_bytes()) for task in tasks]


if __name__ == "__main__":
    stage(main)
