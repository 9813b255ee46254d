"""Which objective gives features that tell gaze, of people never seen? Equal time for each, three seeds.

    python -m benchmarks.objectives [--ways NAME ...] [--seeds 0 1 2] [--threads 2]   trains and judges what is missing
    python -m benchmarks.objectives --table                                           the tables of docs/experiments.md

Reads the shards of `dvc repro normalize` and the masks of the rendered photos. A run takes about 40 minutes of one core
and goes on, below --runs, where it was ended; its result is benchmarks/results/objectives/NAME-SEED.json.
"""

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks import region_agreement
from benchmarks.objective_probes import by_answer, by_network, by_pixels, judged, turned
from benchmarks.objective_runs import BATCH, WAYS, Supervised, Way, people, train
from jobs.stage import stage
from slyk.config import load_params
from slyk.files import resolve, write_json
from slyk.geometry.angles import pitchyaw_from_vector
from slyk.metrics import errors_deg
from slyk.objectives.region_awareness import RegionAwareness
from slyk.objectives.watching import photos_of
from slyk.shards.read import ShardSet
from slyk.training.loop import resolve_precision

PIXELS = "ridge on pixels"
RESULTS = Path("benchmarks/results/objectives")
REGION_PHOTOS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", default=[PIXELS, *WAYS], choices=[PIXELS, *WAYS])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shards", default="data/shards/synthetic")
    parser.add_argument("--raw", type=Path, default=Path("data/raw/synthetic"), help="the photos, for their masks")
    parser.add_argument("--runs", type=Path, default=Path("out/benchmarks/objectives"))
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if args.threads < 1:
        parser.error(f"--threads {args.threads}: one at least")
    cv2.setNumThreads(1)
    torch.set_num_threads(args.threads)
    if not args.table:
        for seed in args.seeds:
            for name in args.ways:
                path = RESULTS / f"{plain(name)}-{seed}.json"
                if not path.is_file():
                    write_json(path, result(name, seed, resolve(args.shards), args.raw, args.runs / path.stem))
                    print(f"{name}, seed {seed} -> {path}", flush=True)
    from benchmarks.objective_tables import tables

    print(tables(RESULTS))


def plain(name: str) -> str:
    """As part of a file's name."""
    return name.replace(",", "").replace(" ", "_")


def result(name: str, seed: int, shards: Path, raw: Path, folder: Path) -> dict[str, Any]:
    """Trains one way with one seed, or goes on with it, and judges what came of it."""
    train_people, test_people = people(load_params(resolve("params.yaml")), shards)
    known, unknown = (ShardSet[Any].open(shards, groups) for groups in (train_people, test_people))
    about = {"way": name, "seed": seed, "manifest": known.manifest.digest}
    about |= {"train_people": len(train_people), "test_people": len(test_people), "test_photos": len(unknown)}
    if name == PIXELS:
        return about | {"features": {"embedding": judged(known, unknown, 96, by_pixels)}}
    way = WAYS[name]
    trainable, history = train(way, seed=seed, shards=shards, groups=train_people, folder=folder)
    module = trainable.module
    precision = resolve_precision("auto", torch.device("cpu"))
    kinds = ["embedding"] + (["face map"] if way.objective in ("mbyol", "random") else [])
    found = {kind: judged(known, unknown, way.face_px, by_network(module, precision, kind)) for kind in kinds}
    if isinstance(trainable, Supervised):
        answer = turned(unknown, np.zeros(len(unknown)), way.face_px, by_answer(trainable, precision))
        error = errors_deg(pitchyaw_from_vector(answer.features), answer.gaze).mean()
        about["own_answer_deg"] = float(error)
    if isinstance(module, RegionAwareness):
        about["regions"] = regions(module, way, unknown, raw, seed)
    steps = int(history[-1]["step"]) if history else 0
    told = {"steps": steps, "images": steps * BATCH, "cpu_s": round(sum(row["cpu_s"] for row in history))}
    return about | told | {"history": history, "features": found}


def regions(module: RegionAwareness, way: Way, unknown: ShardSet[Any], raw: Path, seed: int) -> dict[str, float]:
    """Mean IoU with the renderer's regions, of the network and of its controls, on photos of people never seen."""
    torch.manual_seed(seed)
    untaught = way.module()
    assert isinstance(untaught, RegionAwareness)
    photos = photos_of([unknown], way.face_px, REGION_PHOTOS, eyes=False)
    lines = region_agreement.compared(module, untaught, photos, unknown, raw, seed)
    return {line.name: line.measured for line in lines if line.name != "photos"}


if __name__ == "__main__":
    stage(main)
