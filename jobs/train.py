"""Ray Train around the library's loop: workers, checkpoints, resuming, progress. Stages bring a Recipe."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jobs.cluster import connect, num_cpus, whole_number
from jobs.stage import outside_error
from jobs.tracking import TrainingLog
from jobs.train_progress import progress, shown
from jobs.train_recipe import Recipe
from jobs.train_worker import Run, worker
from slyk.errors import TrainingError
from slyk.files import alone_in, code_digest, digest, resolve, sha256
from slyk.training import checkpoint as checkpoints
from slyk.training.batches import Plan, Samples

CODE = (
    *("geometry/angles.py", "losses", "metrics.py", "models", "objectives", "ranks.py", "shards", "tasks", "training"),
    "views",
)
JOBS = ("train.py", "train_recipe.py", "train_worker.py")
MAX_FAILURES = 3  # of workers, before the run gives up
KEPT_DAYS = 7  # of a run that nobody goes on with


@dataclass(frozen=True)
class Trained:
    """The end of a run: the module's tensors and a row of metrics a report."""

    state: dict[str, Tensor]
    history: list[dict[str, float]]


@contextmanager
def train(recipe: Recipe, log: TrainingLog) -> Iterator[Trained]:
    """Trains or resumes and hands over the result; after the block, when it is saved, the live checkpoints go.

    Raises CorruptShardError, ParamsError, and SlykError where the same run is on its way, before anything starts;
    TrainingError when the loss is not finite or embeddings collapse.
    """
    sets = [source.verified() for source in recipe.sources]
    for source in recipe.watched:
        source.verified()
    plan = Plan(len(Samples(sets)), recipe.batch_size, recipe.epochs, recipe.seed, 0, max(1, num_workers()))
    plan.parts(recipe.micro_batch)
    recipe.module()  # what is wrong with a network is told here, once, and not by every worker
    fingerprint = digest({**recipe.fingerprint(), "manifests": [s.manifest.digest for s in sets]})
    folder = resolve(os.environ.get("SLYK_RUNS", ".slyk/runs"))
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{recipe.stage.replace('@', '-')}-{fingerprint[:16]}"
    with alone_in(folder / f"{name}.alone"):
        with connect() as ray:
            trained = _fit(ray, recipe, folder, name, fingerprint, log)
        yield trained
        for done in (name, f"{name}.alone"):
            shutil.rmtree(folder / done, ignore_errors=True)


def code_of(stage: str) -> str:
    """Digest of all source that a result depends on; stage: the file of the stage's own."""
    jobs = Path(__file__).parent
    return digest({"slyk": code_digest(CODE), "jobs": [sha256(jobs / name) for name in (*JOBS, Path(stage).name)]})


def num_workers() -> int:
    """SLYK_NUM_WORKERS, else a worker a GPU, else one. 0 trains in this very process."""
    return whole_number("SLYK_NUM_WORKERS", max(1, torch.cuda.device_count()), least=0)


def _fit(ray: Any, recipe: Recipe, folder: Path, name: str, fingerprint: str, log: TrainingLog) -> Trained:
    from ray.train import (
        CheckpointConfig,
        FailureConfig,
        LoggingConfig,
        RunConfig,
        ScalingConfig,
        TrainingFailedError,
    )
    from ray.train.torch import TorchTrainer

    count = num_workers()
    use_gpu = ray.cluster_resources().get("GPU", 0) >= max(1, count)
    cpus = _cpus_per_worker(ray, max(1, count))
    failed = folder / f"{name}.error"
    failed.unlink(missing_ok=True)
    told = folder / f"{name}.progress"
    _sweep(folder, recipe.stage, name)
    if count > 1 and not use_gpu:
        print(f"{recipe.stage}: {count} workers on processors, batch norm takes each one's own statistics", flush=True)
    if count and (folder / name).is_dir():
        print(f"{recipe.stage}: going on from the checkpoints in {folder / name}", flush=True)
    trainer = TorchTrainer(
        worker,
        train_loop_config={"run": Run(recipe, fingerprint, cpus, failed, None if count else folder / name)},
        scaling_config=ScalingConfig(
            num_workers=count, use_gpu=use_gpu, resources_per_worker={"CPU": cpus, "GPU": int(use_gpu)}
        ),
        run_config=RunConfig(
            name=name,
            storage_path=str(folder),
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=3),
            logging_config=LoggingConfig(log_level="ERROR"),
            callbacks=[progress(recipe.stage, log, told)] if count else [],
        ),
    )
    try:
        with shown(told):
            result = trainer.fit()
    except TrainingFailedError as error:
        raise _cause(error) or error from None
    except SystemExit:  # so Ray Train answers Ctrl-C
        raise KeyboardInterrupt from None
    if failed.is_file():
        message = failed.read_text()
        failed.unlink()
        raise TrainingError(message)
    assert result.checkpoint is not None
    with result.checkpoint.as_directory() as directory:
        state = checkpoints.load(Path(directory), fingerprint=fingerprint)
    return Trained(state["module"], state["history"])


def _cause(error: Exception) -> OSError | None:
    """Of a run that was given up, what a worker or the controller met and a user can mend."""
    failures = [*getattr(error, "worker_failures", {}).values(), getattr(error, "controller_failure", error)]
    causes = (outside_error(getattr(failure, "_base_exc", failure)) for failure in failures)
    return next((cause for cause in causes if cause is not None), None)


def _sweep(folder: Path, stage: str, name: str) -> None:
    """Removes what other runs of this stage left that were given up: nothing was written there for days.

    Each run whole: the lock of one that goes on is as old as its start. name: of the run that starts, which goes on
    however old it is.
    """
    runs: dict[str, list[Path]] = {}
    for path in folder.glob(f"{stage.replace('@', '-')}-*"):
        runs.setdefault(path.name.partition(".")[0], []).append(path)
    for run, paths in runs.items():
        newest = max(part.stat().st_mtime for path in paths for part in (path, *path.rglob("*")))
        if run == name or time.time() - newest <= KEPT_DAYS * 86_400:
            continue
        print(f"{stage}: removing {folder / run}, a run that nobody went on with for {KEPT_DAYS} days", flush=True)
        for path in paths:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _cpus_per_worker(ray: Any, count: int) -> int:
    if not os.environ.get("RAY_ADDRESS"):
        return max(1, num_cpus() // count)
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return max(1, int(min(cpus for cpus in nodes if cpus) * len(nodes)) // count)
