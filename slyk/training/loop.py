"""The loop: a generator of reports. It knows nothing of Ray, MLflow or files; the caller reports and saves."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from slyk import ranks
from slyk.errors import TrainingError
from slyk.models.encoder import Images
from slyk.training.batches import Batch


class Step(NamedTuple):
    """loss: a scalar with a gradient; watched: (B, D) without, summed up by the trainable's `metrics`."""

    loss: Tensor
    watched: Tensor


class Trainable(Protocol):
    """An objective or a task: what is optimized, a forward pass, what follows a step, what is told of it."""

    @property
    def module(self) -> nn.Module: ...

    def forward(self, batch: Batch) -> Step: ...

    def after_step(self, step: int, num_steps: int) -> None: ...

    def metrics(self, watched: list[Tensor], batch: Batch) -> dict[str, float]: ...


class Report(NamedTuple):
    """step: how many steps are done; metrics: means since the last report."""

    step: int
    metrics: dict[str, float]


class Settings(NamedTuple):
    """seed of dropout; schedule: step -> factor of the learning rates; precision fp32 or bf16."""

    num_steps: int
    seed: int
    schedule: Callable[[int], float]
    precision: str
    clip_norm: float | None
    device: torch.device


def fit(
    trainable: Trainable,
    optimizer: Optimizer,
    batches: Iterable[Batch],
    settings: Settings,
    *,
    start: int,
    report_at: Collection[int],
) -> Iterator[Report]:
    """Runs steps `start` .. `num_steps` and yields a report after each step number in `report_at`.

    Raises TrainingError with step and batch keys when the loss is not finite on any rank.
    """
    trainable.module.train()
    losses: list[float] = []
    watched: list[Tensor] = []
    began = time.monotonic()
    for step, batch in enumerate(batches, start=start):
        torch.manual_seed(settings.seed * 1_000_003 + step)
        factor = settings.schedule(step)
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        batch = _to(batch, settings.device)
        with _autocast(settings):
            result = trainable.forward(batch)
        losses.append(_checked(result.loss, step, batch))
        optimizer.zero_grad(set_to_none=True)
        result.loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(trainable.module.parameters(), settings.clip_norm, foreach=True)
        optimizer.step()
        trainable.after_step(step, settings.num_steps)
        watched = [*watched[-3:], result.watched.detach()]
        if step + 1 in report_at:
            seconds = time.monotonic() - began
            metrics = {"loss": sum(losses) / len(losses), "learning_rate": optimizer.param_groups[0]["lr"]}
            metrics |= trainable.metrics(watched, batch)
            metrics["samples_per_second"] = len(losses) * len(batch.keys) * ranks.count() / seconds
            yield Report(step + 1, metrics)
            losses, watched, began = [], [], time.monotonic()  # so that a resumed run tells the same


def adamw(groups: Iterable[tuple[nn.Module, float]], *, weight_decay: float) -> AdamW:
    """AdamW with a learning rate a module; decay on weight matrices only, none on biases and norms (our choice)."""
    parameters = []
    for module, learning_rate in groups:
        trained = [p for p in module.parameters() if p.requires_grad]
        for chosen, decay in (
            ([p for p in trained if p.ndim > 1], weight_decay),
            ([p for p in trained if p.ndim <= 1], 0.0),
        ):
            parameters.append({"params": chosen, "lr": learning_rate, "base_lr": learning_rate, "weight_decay": decay})
    return AdamW([group for group in parameters if group["params"]], fused=True)


def resolve_precision(wanted: str, device: torch.device) -> str:
    """`auto`: bf16 on GPUs and on processors with bf16 arithmetic, else fp32."""
    if wanted != "auto":
        return wanted
    has_bf16 = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 else "fp32"


def channels_last(module: nn.Module, precision: str) -> nn.Module:
    """Channels-last memory pays with bf16; in fp32 it slows a CPU down threefold."""
    return module.to(memory_format=torch.channels_last) if precision == "bf16" else module  # type: ignore[call-overload]


def _autocast(settings: Settings) -> contextlib.AbstractContextManager[object]:
    if settings.precision == "bf16":
        return torch.autocast(settings.device.type, torch.bfloat16)
    return contextlib.nullcontext()


def _to(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cpu":
        return batch
    views = tuple(Images(*(t.to(device, non_blocking=True) for t in images)) for images in batch.views)
    return batch._replace(views=views, gaze=batch.gaze.to(device, non_blocking=True))


def _checked(loss: Tensor, step: int, batch: Batch) -> float:
    """The mean loss over all ranks, so that all of them stop together when one loss is not finite."""
    value = float(ranks.total(loss.float())) / ranks.count()
    if value != value or value in (float("inf"), float("-inf")):
        keys = ", ".join(batch.keys[:8]) + (f" and {len(batch.keys) - 8} more" if len(batch.keys) > 8 else "")
        raise TrainingError(f"loss is {value} at step {step}; samples of the batch: {keys}")
    return value
