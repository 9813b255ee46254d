"""One rank of a training run, in a process of Ray Train."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from jobs.train_recipe import Recipe
from slyk.errors import SlykError, TrainingError
from slyk.training import checkpoint as checkpoints
from slyk.training.batches import Augmented, Plan, Samples, loader
from slyk.training.loop import Report, Settings, channels_last, fit, resolve_precision, synchronized
from slyk.training.schedules import warmup_cosine


@dataclass(frozen=True)
class Run:
    """What every rank is told. failed: where an error is written that the same steps would bring again; kept: in local
    mode the folder of the checkpoint, else None."""

    recipe: Recipe
    fingerprint: str
    threads: int
    failed: Path
    kept: Path | None


class Learner(NamedTuple):
    """A network on its device, as far as it has come."""

    module: nn.Module
    wrapped: nn.Module
    optimizer: Optimizer
    start: int
    history: list[dict[str, float]]


def worker(config: dict[str, Any]) -> None:
    """One rank; config: {"run": Run}. What the same steps would bring again ends the run without a retry: a loss that
    is not finite, a collapse, a sample or a checkpoint that cannot be read."""
    import ray.train

    run: Run = config["run"]
    if run.failed.is_file():  # another rank told why, and took all others along
        return
    context = ray.train.get_context()
    rank, num_ranks = context.get_world_rank(), context.get_world_size()
    try:
        _train(run, rank, num_ranks)
    except TrainingError as error:  # in all ranks together
        if rank == 0:
            run.failed.write_text(str(error))
    except SlykError as error:
        run.failed.write_text(str(error))
        if num_ranks > 1:  # the others wait for this one
            raise


def _train(run: Run, rank: int, num_ranks: int) -> None:
    """All steps that are left."""
    from ray.train.torch import get_device

    recipe = run.recipe
    device = get_device()
    torch.set_num_threads(run.threads)
    torch.use_deterministic_algorithms(device.type == "cpu")
    # nothing reads fresh memory, and filling it costs a tenth of a step
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    samples = Samples([source.opened() for source in recipe.sources])
    plan = Plan(len(samples), recipe.batch_size, recipe.epochs, recipe.seed, rank, num_ranks)
    precision = resolve_precision(recipe.precision, device)
    learner = _learner(run, device, precision, num_ranks)
    watcher = recipe.watcher(learner.module, device, precision) if rank == 0 else None
    if watcher is not None and learner.start == 0:  # what training has to beat
        learner.history.append({"step": 0.0, "epoch": 0.0, **watcher(learner.module)})
    for report in _reports(run, learner, samples, plan, device, precision):
        row = {"step": float(report.step), "epoch": report.step / plan.steps_per_epoch, **report.metrics}
        if watcher is not None:
            row |= watcher(learner.module)
        learner.history.append(row)
        _tell(run, learner, report.step, plan, first=rank == 0)


def _learner(run: Run, device: torch.device, precision: str, num_ranks: int) -> Learner:
    """A new one, or that of the newest checkpoint of this run."""
    torch.manual_seed(run.recipe.seed)
    module = channels_last(run.recipe.module().to(device), precision)
    if num_ranks > 1 and device.type == "cuda":  # on processors batch norm takes each worker's own statistics
        module = synchronized(module)
    if run.recipe.compile:
        module.compile()
    wrapped = nn.parallel.DistributedDataParallel(module) if num_ranks > 1 else module
    optimizer = run.recipe.optimizer(module)
    return Learner(module, wrapped, optimizer, *_resume(run.fingerprint, module, optimizer, device))


def _reports(
    run: Run, learner: Learner, samples: Samples, plan: Plan, device: torch.device, precision: str
) -> Iterator[Report]:
    """The library's loop, from where the learner stands."""
    recipe = run.recipe
    settings = Settings(
        num_steps=plan.num_steps,
        seed=recipe.seed * plan.num_ranks + plan.rank,
        schedule=lambda step: warmup_cosine(
            step, num_steps=plan.num_steps, num_warmup=plan.steps_at(recipe.warmup_epochs)
        ),
        precision=precision,
        clip_norm=recipe.clip_norm,
        device=device,
        parts=plan.parts(recipe.micro_batch),
    )
    seeing = replace(recipe.seeing(learner.module), on_device=device.type == "cuda")
    workers = run.threads - 1 if seeing.on_device else 0  # on a processor they would take turns with the network
    return fit(
        recipe.trainable(learner.module, learner.wrapped),
        learner.optimizer,
        loader(Augmented(samples, seeing), plan, start=learner.start, num_workers=workers),
        settings,
        start=learner.start,
        report_at=report_steps(plan, recipe.checkpoints_per_epoch),
    )


def _tell(run: Run, learner: Learner, step: int, plan: Plan, *, first: bool) -> None:
    """Every rank reports, the first one with a checkpoint."""
    import ray.train

    told = None
    with _unreported(run.kept) as folder:
        if first:
            checkpoints.save(
                folder,
                module=learner.module,
                optimizer=learner.optimizer,
                step=step,
                history=learner.history,
                fingerprint=run.fingerprint,
            )
            told = ray.train.Checkpoint.from_directory(folder)
        rows = list(learner.history)  # Ray packs it later, when the next row may be there
        ray.train.report({"rows": rows, "num_steps": plan.num_steps}, checkpoint=told)


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
