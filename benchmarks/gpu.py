"""A BYOL step on a GPU: slyk's loop beside lightly's example in one process, its share of the peak, its data.

    python -m benchmarks.pretrain --gpu [--json PATH]

Needs no ray, mlflow, dvc or webdataset. Where lightly cannot be imported, its composition rebuilt of plain torch stands
as the peer, and the table says so. On a processor it runs too, for the tests, without a share of any peak.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import peer
from benchmarks.pretraining import (
    FIRST,
    PX,
    SECOND,
    alternate,
    as_images,
    batches,
    byol,
    crop_spec,
    floats,
    keys,
    median_ratio,
    textures,
    write_shards,
)
from benchmarks.table import Line, at_least, at_most, figure
from slyk.models.encoder import Images
from slyk.objectives.byol import BYOL
from slyk.objectives.pretraining import Pretraining
from slyk.shards.read import ShardSet
from slyk.training.batches import Augmented, Batch, Plan, Samples, Seeing, Stored, Unseen, loader
from slyk.training.loop import Report, Settings, adamw, channels_last, fit, resolve_precision
from slyk.views import fused_torch
from slyk.views.augmentation import draw, numbers

PEAK_TFLOPS = {  # dense bf16 with fp32 sums, by the makers' data sheets; the first name that fits counts
    "H200": 989.4, "GH200": 989.4, "H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.4, "H800": 989.4, "B200": 2250.0,
    "A100": 312.0, "A800": 312.0, "A30": 165.0, "A10": 125.0, "L40S": 362.0, "L40": 181.0, "L4": 121.0,
    "RTX 4090": 165.2, "RTX 3090": 71.0,
}  # fmt: skip
FORWARDS = 8  # of a view and sample: two views forward and backward (3 each), two target forwards
MARGIN = 1.2
VARIETY = 4  # batches in memory, taken in turn


@dataclass(frozen=True)
class Sizes:
    """backbone, samples and pixels; steps a pass; samples of the shards; whether torch.compile is measured too."""

    backbone: str = "resnet18"
    size: int = 1024
    px: int = PX
    steps: int = 50
    repeats: int = 3
    num_samples: int = 20_000
    compile: bool = True


def measure(device: torch.device, sizes: Sizes) -> tuple[list[Line], dict[str, Any]]:
    """The lines, and what the machine is."""
    parts = peer.lightly_parts() if peer.is_there() else peer.plain_parts()
    kept = [on(device, batch) for batch in batches(VARIETY, sizes.size, sizes.px)]
    bytes_there = [unseen(device, sizes, number) for number in range(VARIETY)]
    ways = {"lightly's example": theirs(device, sizes, parts, kept), "slyk": ours(device, sizes, kept)}
    if sizes.compile:
        ways["slyk, compiled"] = ours(device, sizes, kept, compiled=True)
    fastest = "slyk, compiled" if sizes.compile else "slyk"
    ways[f"{fastest}, views made on the device"] = ours(device, sizes, bytes_there, compiled=sizes.compile)
    rates = {name: np.array(values) for name, values in alternate(ways, sizes.repeats).items()}
    flops = FORWARDS * forward_flops(sizes)
    what = f"{sizes.backbone}, {sizes.px} px, batch {sizes.size}"
    lines = [
        figure(f"{what}: {name}", float(np.median(v)), "samples/s", f"{np.median(v) * flops / 1e12:.1f} TFLOP/s")
        for name, v in rates.items()
    ]
    lines.append(at_least(f"slyk over lightly's example ({parts.told})", over(rates, "slyk", "lightly's example"), 1.5))
    lines.append(share_of_peak(device, float(np.median(rates[fastest])) * flops / 1e12))
    slower = 100 * (over(rates, fastest, f"{fastest}, views made on the device") - 1)
    lines.append(at_most("views on the device slow the step by", slower, 10.0, "%"))
    lines.append(waiting(device, sizes))
    machine = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cores": len(os.sched_getaffinity(0)), "torch": torch.__version__, "cuda": torch.version.cuda,
        "precision": resolve_precision("auto", device), "peer": parts.told, "backbone": sizes.backbone,
        "px": sizes.px, "batch": sizes.size, "steps": sizes.steps, "gflop_per_sample": flops / 1e9,
    }  # fmt: skip
    return lines, machine


def over(rates: dict[str, Any], one: str, other: str) -> float:
    return median_ratio(rates[one], rates[other])


def share_of_peak(device: torch.device, reached_tflops: float) -> Line:
    """Of dense bf16, 8 forwards a sample; without a target on a device whose peak is not known."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    peak = peak_tflops(name)
    if peak is None:
        return figure(f"share of the bf16 peak: that of {name} is not known", reached_tflops, "TFLOP/s")
    told = f"{reached_tflops:.0f} of {peak:g} TFLOP/s, goal 20 %"
    return at_least("share of the dense bf16 peak", 100 * reached_tflops / peak, 12.0, "%", told)


def peak_tflops(name: str) -> float | None:
    """Of a device by its name as CUDA tells it."""
    return next((peak for known, peak in PEAK_TFLOPS.items() if known in name), None)


def forward_flops(sizes: Sizes) -> float:
    """Of one view through trunk and projector, a multiplication and an addition counted as two."""
    objective = byol(sizes.backbone, together=False).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        objective.projector(objective.embed(as_images(textures(1, sizes.px))))
    return float(counter.get_total_flops())


def clocked(device: torch.device, count: int, work: Callable[[], None]) -> float:
    """Samples a second by the clock on the wall, from an idle device to an idle device."""
    settle(device)
    start = time.perf_counter()
    work()
    settle(device)
    return count / (time.perf_counter() - start)


def settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def theirs(device: torch.device, sizes: Sizes, parts: peer.Parts, kept: list[Batch]) -> Callable[[], float]:
    """The example, fp32 and float views that lie on the device."""
    objective = byol(sizes.backbone, together=False).to(device)
    model = peer.Composition(objective, parts).to(device).train()
    optimizer, views = model.optimizer(), [floats(objective, batch) for batch in kept]

    def work() -> None:
        total: Tensor | float = 0.0
        for step in range(sizes.steps):
            total = total + model.step(optimizer, *views[step % VARIETY])

    return lambda: clocked(device, sizes.steps * sizes.size, work)


def ours(
    device: torch.device, sizes: Sizes, kept: list[Batch] | list[Unseen], *, compiled: bool = False
) -> Callable[[], float]:
    """The loop as the stage runs it, over batches that lie on the device; a report at the end of the pass."""
    trainer = Trainer(device, sizes, compiled)

    def work() -> None:
        trainer.run((kept[step % VARIETY] for step in range(sizes.steps)), sizes.steps)

    return lambda: clocked(device, sizes.steps * sizes.size, work)


class Trainer:
    """An objective and its optimizer as `jobs.train` makes them ready, and where they stand."""

    def __init__(self, device: torch.device, sizes: Sizes, compiled: bool) -> None:
        self.precision = resolve_precision("auto", device)
        objective: BYOL = byol(sizes.backbone, together=False).to(device)
        channels_last(objective, self.precision)
        if compiled:
            objective.compile()
        self.trainable, self.device, self.done = Pretraining(objective), device, 0
        self.optimizer = adamw([(objective, 6e-4)], weight_decay=0.05)

    def run(self, some: Iterable[Batch | Unseen], steps: int) -> Report:
        """So many steps, and the report of them."""
        settings = Settings(1_000_000, 1, lambda step: 1.0, self.precision, None, self.device)
        start, self.done = self.done, self.done + steps
        (report,) = fit(self.trainable, self.optimizer, some, settings, start=start, report_at={self.done})
        return report


def on(device: torch.device, batch: Batch) -> Batch:
    views = tuple(Images(*(t.to(device) for t in view)) for view in batch.views)
    return Batch(views, batch.turn.to(device), batch.gaze.to(device), batch.keys)


def unseen(device: torch.device, sizes: Sizes, epoch: int) -> Unseen:
    """A batch whose squares lie on the device and whose views are still to be made."""
    spec, places = crop_spec(sizes.px, MARGIN), [(epoch, sample) for sample in range(sizes.size)]
    face = torch.from_numpy(textures(sizes.size, spec.face_square_px, epoch)).to(device)
    none = torch.empty((sizes.size, 0, 0, 3), dtype=torch.uint8, device=device)
    draws = tuple(draw(a, numbers(1, places, v), spec, sizes.px) for v, a in enumerate((FIRST, SECOND)))
    stored = Stored(np.arange(sizes.size), fused_torch.Stored(face, none, none), draws)
    turn, gaze = torch.eye(2).repeat(sizes.size, 1, 1), torch.full((sizes.size, 2), torch.nan)
    return Unseen((stored,), seeing(sizes), turn, gaze, keys(sizes.size))


def seeing(sizes: Sizes) -> Seeing:
    return Seeing(sizes.px, (FIRST, SECOND), seed=1, eyes=False, on_device=True)


def waiting(device: torch.device, sizes: Sizes) -> Line:
    """The share of the loop's time in which it waits for its loader, which reads shards by all cores but one."""
    with tempfile.TemporaryDirectory() as folder:
        write_shards(Path(folder), sizes.num_samples, crop_spec(sizes.px, MARGIN))
        samples: Samples = Samples([ShardSet.open(Path(folder))])
        steps = 2 * sizes.steps
        plan = Plan(len(samples), sizes.size, -(-steps * sizes.size // len(samples)), seed=1)
        workers = len(os.sched_getaffinity(0)) - 1 if device.type == "cuda" else 0
        some = iter(loader(Augmented(samples, seeing(sizes)), plan, start=0, num_workers=workers))
        trainer = Trainer(device, sizes, compiled=sizes.compile)
        first = sizes.steps  # in which workers start and kernels are made
        trainer.run((next(some) for _ in range(first)), first)
        report = trainer.run((next(some) for _ in range(steps - first)), steps - first)
    told = f"{workers} loader workers, {report.metrics['samples_per_second']:.0f} samples/s from shards"
    return at_most("waiting for data", 100 * report.metrics["waiting_share"], 5.0, "%", told)
