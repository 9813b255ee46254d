"""Pretraining by one Ray Train worker on one core and by two on two: samples a second, as the loop reports them.

Real Ray Train, real DDP over gloo, the stage's own recipe and worker; Ray's own processes have the cores of the workers
and no other. Beside it what one worker does while Ray has the second core, and the ceiling: two processes that train at
the same time and share nothing but the machine.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pretraining import FIRST, HIDDEN, OUT, PX, SECOND, crop_spec, one_thread, write_shards
from benchmarks.stepping import CPU, slyk
from benchmarks.table import Line, at_least, figure
from benchmarks.worker import ONE_THREAD
from jobs.cluster import connect
from jobs.pretrain import PretrainRecipe
from jobs.tracking import TrainingLog
from jobs.train import train
from jobs.train_recipe import Source
from slyk.config import load_params
from slyk.config.training import Pretrain, Views
from slyk.shards import manifest
from slyk.training.loop import resolve_precision

REPORTS = 4  # of a run; the first is not counted


class Silent(TrainingLog):
    """Reports go nowhere."""

    def log_epoch(self, step: int, metrics: Mapping[str, float]) -> None:
        pass


def measure(backbone: str, size: int, steps: int, repeats: int, shards: str) -> list[Line]:
    """The lines; `steps` between two reports. Raises where Ray does not start."""
    if len(os.sched_getaffinity(0)) < 2:
        return [figure("two Ray Train workers: not counted, this machine has one core", 0.0)]
    folder = Path(shards) / f"{2 * size * steps}"
    write_shards(folder, 2 * size * steps, crop_spec(PX, 1.4))
    rates: dict[tuple[int, int], list[float]] = {(1, 1): [], (1, 2): [], (2, 2): []}  # by workers and cores
    with tempfile.TemporaryDirectory() as runs:
        os.environ |= ONE_THREAD | {"SLYK_RUNS": runs}
        for _ in range(repeats):
            for (count, num_cores), found in rates.items():
                found.append(rate(recipe(backbone, size, count, folder), count, num_cores))
    alone = [together(1, backbone, size, steps), together(2, backbone, size, steps)]
    one, beside, two = (np.array(found) for found in rates.values())
    what = f"Ray, {backbone}, {size} a worker"
    return [
        figure(f"{what}: one Train worker, one core", float(np.median(one)), "samples/s"),
        figure(f"{what}: one worker, Ray on a second", float(np.median(beside)), "samples/s"),
        figure(f"{what}: two workers, two cores", float(np.median(two)), "samples/s"),
        at_least(f"{what}: two workers over one", float(np.median(two / one)), 1.7, "", spread(two / one)),
        figure(f"{what}: two over one, Ray on a second", float(np.median(two / beside)), "", spread(two / beside)),
        figure("two processes that share nothing over one", alone[1] / alone[0], "", "the ceiling, without DDP"),
    ]


def spread(ratios: Any) -> str:
    return "pairs: " + ", ".join(f"{ratio:.2f}" for ratio in ratios)


def recipe(backbone: str, size: int, count: int, folder: Path) -> PretrainRecipe:
    """The stage's recipe with BYOL and its views; `REPORTS` reports, as many steps apart by any number of workers."""
    params = load_params(Path("params.yaml"))
    chosen = {
        "objective": "byol", "face_px": PX, "projector_hidden": HIDDEN, "projector_out": OUT,
        "encoder": params.pretrain.encoder.model_copy(update={"backbone": backbone}),
        "views": Views(**vars(FIRST)), "second_views": Views(**vars(SECOND)), "batch_size": size * count,
        "epochs": REPORTS * count // 2, "checkpoints_per_epoch": 2 // count, "warmup_epochs": 0.0,
    }  # fmt: skip
    settings = Pretrain.model_validate(params.pretrain.model_dump() | chosen)
    groups = tuple(manifest.load(folder).groups())
    return PretrainRecipe.of(params.model_copy(update={"pretrain": settings}), (Source(folder, groups),))


def rate(chosen: PretrainRecipe, count: int, num_cores: int) -> float:
    """Samples a second of a run by so many workers, by a Ray that has so many cores, all its processes together: the
    median of its reports but the first."""
    os.environ |= {"SLYK_NUM_WORKERS": str(count), "SLYK_NUM_CPUS": str(count)}
    with cores(num_cores), connect(), train(chosen, Silent("", "")) as trained:
        return float(np.median([row["samples_per_second"] for row in trained.history[1:]]))


@contextmanager
def cores(count: int) -> Iterator[None]:
    """What this thread starts within the block runs on so many cores."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(usual)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


def together(count: int, backbone: str, size: int, steps: int) -> float:
    """Samples a second of so many processes at once, each with its own network, added up."""
    arguments = json.dumps({"backbone": backbone, "size": size, "steps": steps})
    command = [sys.executable, "-m", "benchmarks.ranks_scaling", "apart", arguments]
    running = [
        subprocess.Popen(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    told = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError("a process of the ceiling failed: see above")
    return float(sum(json.loads(line.splitlines()[-1]) for line in told))


def apart(backbone: str, size: int, steps: int) -> float:
    """Samples a second of the loop over batches in memory, by the clock on the wall."""
    one_thread(pin=False)
    way = slyk(backbone, size, steps, time.perf_counter, resolve_precision("auto", CPU), together=False)
    return size / min(way() for _ in range(2))  # the first pass makes things ready


PROGRAMS: dict[str, Callable[..., Any]] = {"measure": measure, "apart": apart}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]](**json.loads(sys.argv[2]))))
