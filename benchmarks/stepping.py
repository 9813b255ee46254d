"""A BYOL step on a processor, 96 px: slyk's loop as it is by default beside lightly's example in fp32.

Both have the same networks with the same weights and the same pictures; lightly's are floats made beforehand, slyk's
bytes as a loader hands them out. On one core seconds are by the clock of the process, which a busy machine disturbs
least, on two by that on the wall. Ratios are of passes that followed each other.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from benchmarks import peer
from benchmarks.pretraining import (
    FIRST,
    PX,
    SECOND,
    alternate,
    batches,
    byol,
    crop_spec,
    floats,
    median_ratio,
    one_thread,
    write_shards,
)
from benchmarks.table import Line, at_least, at_most, figure
from jobs.pretrain import TOGETHER_BELOW
from slyk.objectives.byol import BYOL
from slyk.objectives.pretraining import Pretraining
from slyk.shards.read import ShardSet
from slyk.training.batches import Augmented, Batch, Samples, Seeing
from slyk.training.loop import Settings, Step, adamw, channels_last, fit, resolve_precision

CPU = torch.device("cpu")
Pass = Callable[[], float]
"""Runs a pass and gives seconds a step."""


def measure(backbone: str, size: int, threads: int, steps: int, repeats: int, limit: float | None) -> list[Line]:
    """The lines of a backbone and a batch size; limit: of slyk's default over lightly, None on two threads."""
    if not peer.is_there():
        return [peer.missing(f"step of {backbone}")]
    one_thread(pin=threads == 1)
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    precision = resolve_precision("auto", CPU)
    ways: dict[str, Pass] = {
        "lightly, fp32": lightly(backbone, size, steps, clock),
        f"slyk, {precision}": slyk(backbone, size, steps, clock, precision, together=size < TOGETHER_BELOW),
        "slyk, fp32, views apart": slyk(backbone, size, steps, clock, "fp32", together=False),
    }
    if threads > 1:
        del ways["slyk, fp32, views apart"]
    seconds = {name: np.array(values) for name, values in alternate(ways, repeats).items()}
    theirs, default, *equal = seconds.values()
    what = f"{backbone}, batch {size}" + (f", {threads} threads" if threads > 1 else "")
    lines = [
        figure(f"{what}: {name}", size / float(np.median(values)), "samples/s", f"{np.median(values):.3f} s a step")
        for name, values in seconds.items()
    ]
    ratio = median_ratio(theirs, default)
    name = f"{what}: slyk's default over lightly"
    lines.append(figure(name, ratio) if limit is None else at_least(name, ratio, limit))
    if equal:
        lines.append(at_least(f"{what}: at equal precision", median_ratio(theirs, equal[0]), 0.98))
        apart, told = losses_apart(backbone, size)
        lines.append(at_most(f"{what}: losses of step 1 differ by", apart * 1e5, 1.0, "1e-5", told))
    return lines


def shares(backbone: str, size: int, steps: int, repeats: int, shards: str) -> list[Line]:
    """What stands beside the model in a step of slyk's default, and beside the step the loader's work.

    A report comes after `steps`: 16 are half an epoch of the quick start, which reports twice in each.
    """
    one_thread()
    precision = resolve_precision("auto", CPU)
    objective, optimizer = optimized(backbone, precision, together=size < TOGETHER_BELOW)
    trainable = Watched(objective, optimizer)
    kept, found = batches(steps, size), []
    for number in range(repeats + 1):
        trainable.model = trainable.update = trainable.target = 0.0
        start = time.process_time()
        run(trainable, optimizer, kept, precision, start=number * steps)
        whole = time.process_time() - start
        parts = (whole - trainable.model, trainable.update, trainable.target)
        found.append([whole / steps, *(part / whole for part in parts)])
    whole, beside, update, target = np.median(found[1:], axis=0).tolist()
    note = f"optimizer {update:.4f}, target {target:.4f}, report, logging and waiting {beside - update - target:.4f}"
    loading = load(Path(shards), size, repeats)
    what = f"{backbone}, batch {size}"
    return [
        at_most(f"{what}: all but the model, share of the step", beside, 0.03, "", note),
        figure(
            f"{what}: reading and views, of the step", loading / whole, "", f"{loading * 1e3:.0f} ms a batch, apart"
        ),
    ]


def lightly(backbone: str, size: int, steps: int, clock: Callable[[], float]) -> Pass:
    ours = byol(backbone, together=False)
    model = peer.Composition(ours, peer.lightly_parts()).train()
    optimizer, views = model.optimizer(), [floats(ours, batch) for batch in batches(steps, size)]

    def way() -> float:
        start = clock()
        for first, second in views:
            model.step(optimizer, first, second)
        return (clock() - start) / steps

    return way


def slyk(backbone: str, size: int, steps: int, clock: Callable[[], float], precision: str, *, together: bool) -> Pass:
    objective, optimizer = optimized(backbone, precision, together=together)
    kept, trainable, done = batches(steps, size), Pretraining(objective), [0]

    def way() -> float:
        start = clock()
        run(trainable, optimizer, kept, precision, start=done[0])
        done[0] += steps
        return (clock() - start) / steps

    return way


def optimized(backbone: str, precision: str, *, together: bool) -> tuple[BYOL, Optimizer]:
    """An objective in the memory that its precision wants, and AdamW, as the stage makes them."""
    objective = byol(backbone, together=together)
    channels_last(objective, precision)
    return objective, adamw([(objective, 6e-4)], weight_decay=0.05)


def run(trainable: Pretraining, optimizer: Optimizer, kept: list[Batch], precision: str, *, start: int) -> float:
    """The loop over some batches with a report at the end; the loss that it tells."""
    settings = Settings(1_000_000, 1, lambda step: 1.0, precision, None, CPU)
    (report,) = fit(trainable, optimizer, kept, settings, start=start, report_at={start + len(kept)})
    return report.metrics["loss"]


def losses_apart(backbone: str, size: int) -> tuple[float, str]:
    """How far the losses of the first step are apart in fp32, views apart, and both."""
    ours = byol(backbone, together=False)
    theirs = peer.Composition(ours, peer.lightly_parts()).train()
    kept = batches(1, size)
    expected = float(theirs.step(theirs.optimizer(), *floats(ours, kept[0])))
    found = run(Pretraining(ours), adamw([(ours, 6e-4)], weight_decay=0.05), kept, "fp32", start=0)
    return abs(found - expected), f"{found:.6f} and {expected:.6f}"


class Watched(Pretraining):
    """Adds up seconds of the model, from the start of its forward pass to the optimizer's step, of that step, and of
    the target that follows."""

    def __init__(self, module: BYOL, optimizer: Optimizer) -> None:
        super().__init__(module)
        self.model = self.update = self.target = 0.0
        self._since = 0.0
        optimizer.register_step_pre_hook(self._gradients_are_there)
        optimizer.register_step_post_hook(self._stepped)

    def forward(self, batch: Batch) -> Step:
        self._since = time.process_time()
        return super().forward(batch)

    def _gradients_are_there(self, *_: Any) -> None:
        now = time.process_time()
        self.model, self._since = self.model + now - self._since, now

    def _stepped(self, *_: Any) -> None:
        self.update += time.process_time() - self._since

    def after_step(self, step: int, num_steps: int) -> None:
        start = time.process_time()
        super().after_step(step, num_steps)
        self.target += time.process_time() - start


def load(folder: Path, size: int, repeats: int) -> float:
    """Seconds that a loader works for a batch: shards read, two views made."""
    write_shards(folder, 4 * size, crop_spec(PX, 1.4))
    samples: Samples = Samples([ShardSet.open(folder)])
    dataset = Augmented(samples, Seeing(PX, (FIRST, SECOND), seed=1, eyes=False))
    seconds = []
    for number in range(repeats + 1):
        start = time.process_time()
        dataset[[(number, sample) for sample in range(size)]]
        seconds.append(time.process_time() - start)
    return float(np.median(seconds[1:]))


PROGRAMS: dict[str, Callable[..., list[Line]]] = {"measure": measure, "shares": shares}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]](**json.loads(sys.argv[2]))))
