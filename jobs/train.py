"""Ray Train around the library's loop: workers, checkpoints, resuming, progress. Stages bring a Recipe."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from jobs.cluster import connect, num_cpus
from jobs.tracking import TrainingLog
from slyk.datasets.protocols import Filter
from slyk.errors import DataMissingError, TrainingError
from slyk.files import digest, resolve
from slyk.shards import manifest
from slyk.shards.read import ShardSet
from slyk.training import checkpoint as checkpoints
from slyk.training.batches import Augmented, Plan, Samples, Seeing, loader
from slyk.training.loop import Settings, Trainable, channels_last, fit, resolve_precision
from slyk.training.probes import CONTROLS
from slyk.training.schedules import warmup_cosine

CODE = ("geometry/angles.py", "losses", "metrics.py", "models", "objectives", "shards", "tasks", "training", "views")
MAX_FAILURES = 3  # of workers, before the run gives up
KEPT_DAYS = 7  # of a run that nobody goes on with
UNTOLD = {"step", "epoch", "learning_rate", "waiting_share", "neighbour_same_person", *CONTROLS}
"""What a line of progress leaves to MLflow and history.csv."""
Watcher = Callable[[Any], dict[str, float]]
"""What tells more of a module that learns."""


@dataclass(frozen=True)
class Source:
    """Where samples come from: a folder of shards, the groups to read, and which of their photos (None: all)."""

    folder: Path
    groups: tuple[str, ...]
    keep: Filter | None = None

    def verified(self) -> ShardSet:
        """Raises DataMissingError where no photo is left, CorruptShardError."""
        shards = ShardSet.open(self.folder, self.groups, self.keep)
        if not len(shards):
            kept = "" if self.keep is None else f"{self.keep} "
            raise DataMissingError(
                f"{self.folder} holds no {kept or 'photos '}of the {len(self.groups)} training groups: choose another "
                f"protocol for {self.folder.name} in params.yaml (docs/protocols.md)"
            )
        return shards

    def opened(self) -> ShardSet:
        """Without checking every byte again; the driver did."""
        return ShardSet(self.folder, manifest.load(self.folder), self.groups, self.keep)

    def chosen(self) -> dict[str, Any]:
        """What is read, as plain values, for a fingerprint."""
        return {"groups": self.groups, "keep": None if self.keep is None else asdict(self.keep)}


class Recipe(Protocol):
    """What a stage trains and how; plain data and methods, sent whole to the workers.

    watched: photos that nothing is learned from; watcher: what tells more of the module at each report, if anything.
    """

    @property
    def stage(self) -> str: ...

    @property
    def sources(self) -> tuple[Source, ...]: ...

    @property
    def watched(self) -> tuple[Source, ...]: ...

    @property
    def seed(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def epochs(self) -> int: ...

    @property
    def warmup_epochs(self) -> float: ...

    @property
    def checkpoints_per_epoch(self) -> int: ...

    @property
    def precision(self) -> str: ...

    @property
    def clip_norm(self) -> float | None: ...

    @property
    def micro_batch(self) -> int | None: ...

    @property
    def compile(self) -> bool: ...

    def fingerprint(self) -> dict[str, Any]: ...

    def module(self) -> nn.Module: ...

    def optimizer(self, module: nn.Module) -> Optimizer: ...

    def trainable(self, module: nn.Module, wrapped: nn.Module) -> Trainable: ...

    def seeing(self, module: nn.Module) -> Seeing: ...

    def watcher(self, module: nn.Module, device: torch.device, precision: str) -> Watcher | None: ...


@dataclass(frozen=True)
class Trained:
    """The end of a run: the module's tensors and a row of metrics a report."""

    state: dict[str, Tensor]
    history: list[dict[str, float]]


@contextmanager
def train(recipe: Recipe, log: TrainingLog) -> Iterator[Trained]:
    """Trains or resumes and hands over the result; after the block, when it is saved, the live checkpoints go.

    Raises CorruptShardError, ParamsError before anything starts, TrainingError when the loss is not finite or
    embeddings collapse.
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
    with connect() as ray:
        trained = _fit(ray, recipe, folder, name, fingerprint, log)
    yield trained
    shutil.rmtree(folder / name, ignore_errors=True)


def num_workers() -> int:
    """SLYK_NUM_WORKERS, else a worker a GPU, else one. 0 trains in this very process."""
    return int(os.environ.get("SLYK_NUM_WORKERS", max(1, torch.cuda.device_count())))


def _fit(ray: Any, recipe: Recipe, folder: Path, name: str, fingerprint: str, log: TrainingLog) -> Trained:
    from ray.train import CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig
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
        _worker,
        train_loop_config={
            "recipe": recipe,
            "fingerprint": fingerprint,
            "threads": cpus,
            "failed": failed,
            "kept": None if count else folder / name,
        },
        scaling_config=ScalingConfig(
            num_workers=count, use_gpu=use_gpu, resources_per_worker={"CPU": cpus, "GPU": int(use_gpu)}
        ),
        run_config=RunConfig(
            name=name,
            storage_path=str(folder),
            failure_config=FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=CheckpointConfig(num_to_keep=3),
            logging_config=LoggingConfig(log_level="ERROR"),
            callbacks=[_progress(recipe.stage, log, told)] if count else [],
        ),
    )
    with _shown(told):
        result = trainer.fit()
    if failed.is_file():
        message = failed.read_text()
        failed.unlink()
        raise TrainingError(message)
    assert result.checkpoint is not None
    with result.checkpoint.as_directory() as directory:
        state = checkpoints.load(Path(directory), fingerprint=fingerprint)
    return Trained(state["module"], state["history"])


def _sweep(folder: Path, stage: str, name: str) -> None:
    """Removes what other runs of this stage left that were given up: nothing was written there for days.

    name: of the run that starts, which goes on however old it is.
    """
    for old in folder.glob(f"{stage.replace('@', '-')}-*"):
        if old.name.startswith(name):
            continue
        if time.time() - max(path.stat().st_mtime for path in (old, *old.rglob("*"))) > KEPT_DAYS * 86_400:
            print(f"{stage}: removing {old}, a run that nobody went on with for {KEPT_DAYS} days", flush=True)
            shutil.rmtree(old) if old.is_dir() else old.unlink()


def _cpus_per_worker(ray: Any, count: int) -> int:
    if not os.environ.get("RAY_ADDRESS"):
        return max(1, num_cpus() // count)
    nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return max(1, int(min(cpus for cpus in nodes if cpus) * len(nodes)) // count)


def _worker(config: dict[str, Any]) -> None:
    """One rank. A loss that is not finite, or a collapse, ends the run without a retry: the same steps would fail
    again."""
    import ray.train
    from ray.train.torch import get_device

    recipe: Recipe = config["recipe"]
    context = ray.train.get_context()
    rank, num_ranks = context.get_world_rank(), context.get_world_size()
    device = get_device()
    torch.set_num_threads(config["threads"])
    torch.use_deterministic_algorithms(device.type == "cpu")
    # nothing reads fresh memory, and filling it costs a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    samples = Samples([source.opened() for source in recipe.sources])
    plan = Plan(len(samples), recipe.batch_size, recipe.epochs, recipe.seed, rank, num_ranks)
    precision = resolve_precision(recipe.precision, device)
    torch.manual_seed(recipe.seed)
    module = channels_last(recipe.module().to(device), precision)
    if num_ranks > 1 and device.type == "cuda":  # on processors batch norm takes each worker's own statistics
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
    if recipe.compile:
        module.compile()
    wrapped = nn.parallel.DistributedDataParallel(module) if num_ranks > 1 else module
    optimizer = recipe.optimizer(module)
    start, history = _resume(config["fingerprint"], module, optimizer, device)
    settings = Settings(
        num_steps=plan.num_steps,
        seed=recipe.seed * num_ranks + rank,
        schedule=lambda step: warmup_cosine(
            step, num_steps=plan.num_steps, num_warmup=plan.steps_at(recipe.warmup_epochs)
        ),
        precision=precision,
        clip_norm=recipe.clip_norm,
        device=device,
        parts=plan.parts(recipe.micro_batch),
    )
    seeing = replace(recipe.seeing(module), on_device=device.type == "cuda")
    workers = config["threads"] - 1 if seeing.on_device else 0  # on a processor they would take turns with the network
    batches = loader(Augmented(samples, seeing), plan, start=start, num_workers=workers)
    reports = fit(
        recipe.trainable(module, wrapped),
        optimizer,
        batches,
        settings,
        start=start,
        report_at=report_steps(plan, recipe.checkpoints_per_epoch),
    )
    watcher = recipe.watcher(module, device, precision) if rank == 0 else None
    try:
        for report in reports:
            row = {"step": float(report.step), "epoch": report.step / plan.steps_per_epoch, **report.metrics}
            if watcher is not None:
                row |= watcher(module)
            history.append(row)
            with _unreported(config["kept"]) as folder:
                told = None
                if rank == 0:
                    checkpoints.save(
                        folder,
                        module=module,
                        optimizer=optimizer,
                        step=report.step,
                        history=history,
                        fingerprint=config["fingerprint"],
                    )
                    told = ray.train.Checkpoint.from_directory(folder)
                ray.train.report({"rows": history, "num_steps": plan.num_steps}, checkpoint=told)
    except TrainingError as error:
        if rank == 0:
            config["failed"].write_text(str(error))


@contextmanager
def _unreported(kept: Path | None) -> Iterator[Path]:
    """Where to save a checkpoint: Ray copies what is reported, but in local mode (`kept`) it leaves it in its place."""
    if kept is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept


def report_steps(plan: Plan, per_epoch: int) -> frozenset[int]:
    """Step numbers after which to report and save: evenly through each epoch, always at its end."""
    return frozenset(max(1, plan.steps_at(part / per_epoch)) for part in range(1, plan.epochs * per_epoch + 1))


def _resume(
    fingerprint: str, module: nn.Module, optimizer: Optimizer, device: torch.device
) -> tuple[int, list[dict[str, float]]]:
    """Step to start at and the history so far; loads the newest checkpoint of this run, if any."""
    import ray.train

    found = ray.train.get_checkpoint()
    if found is None:
        return 0, []
    with found.as_directory() as folder:
        state = checkpoints.load(Path(folder), fingerprint=fingerprint, device=device)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    print(f"resumed at step {state['step']}", flush=True)
    return int(state["step"]), list(state["history"])


def _progress(stage: str, log: TrainingLog, told: Path) -> Any:
    from ray.train import UserCallback

    class Progress(UserCallback):  # type: ignore[misc]
        """In the controller, where each committed report arrives once, also after a crash: MLflow and a file."""

        began: tuple[float, float] | None = None
        logged: frozenset[int] = frozenset()

        def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
            rows, num_steps = metrics[0]["rows"], metrics[0]["num_steps"]
            step = rows[-1]["step"]
            self.began = self.began or (time.monotonic(), step)
            values = ", ".join(f"{name} {value:.4g}" for name, value in rows[-1].items() if name not in UNTOLD)
            place = f"epoch {rows[-1]['epoch']:.1f}, step {step:.0f}/{num_steps}"
            with told.open("a") as file:
                file.write(f"{stage}: {place}, {values}{self._left(step, num_steps)}\n")
            for row in rows:  # those of before a restart too, each once: the run that MLflow shows is whole
                if row["step"] not in self.logged:
                    log.log_epoch(int(row["step"]), {name: value for name, value in row.items() if name != "step"})
            self.logged |= {row["step"] for row in rows}

        def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
            with told.open("a") as file:
                for rank, error in worker_exceptions.items():
                    first = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                    file.write(f"{stage}: worker {rank} failed, going back to the last checkpoint: {first}\n")

        def _left(self, step: float, num_steps: int) -> str:
            assert self.began is not None
            done = step - self.began[1]
            return f", {(time.monotonic() - self.began[0]) / done * (num_steps - step):.0f} s left" if done else ""

    return Progress()


@contextmanager
def _shown(told: Path) -> Iterator[None]:
    """Prints what the controller writes into a file: Ray's own relay of output mixes it with its chatter."""
    told.write_text("")
    ended = threading.Event()

    def follow() -> None:
        with told.open() as file:
            while True:
                last = ended.is_set()
                for line in file:
                    print(line, end="", flush=True)
                if last:
                    return
                ended.wait(0.5)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        told.unlink(missing_ok=True)
