"""The loop: a generator of reports. It knows nothing of Ray, MLflow or files; the caller reports and saves."""

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import torch
from timm.layers import convert_sync_batchnorm
from timm.optim import Lars
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from slyk import ranks
from slyk.errors import TrainingError
from slyk.models.encoder import Images
from slyk.training.batches import Batch, Unseen


class Step(NamedTuple):
    """loss: a scalar with a gradient; watched: (B, D) without, summed up by the trainable's `metrics`."""

    loss: Tensor
    watched: Tensor


class Trainable(Protocol):
    """An objective or a task: what is optimized, a forward pass, what follows a step, what is told of it."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def wrapped(self) -> nn.Module: ...

    def forward(self, batch: Batch) -> Step: ...

    def after_step(self, step: int, num_steps: int) -> None: ...

    def metrics(self, watched: list[Tensor]) -> dict[str, float]: ...


class Report(NamedTuple):
    """step: how many steps are done; metrics: means since the last report."""

    step: int
    metrics: dict[str, float]


class Settings(NamedTuple):
    """seed of dropout; schedule: step -> factor of the learning rates; precision fp32 or bf16; parts: forward and
    backward passes a step, each over an even share of its samples."""

    num_steps: int
    seed: int
    schedule: Callable[[int], float]
    precision: str
    clip_norm: float | None
    device: torch.device
    parts: int = 1


def fit(
    trainable: Trainable,
    optimizer: Optimizer,
    batches: Iterable[Batch | Unseen],
    settings: Settings,
    *,
    start: int,
    report_at: Collection[int],
) -> Iterator[Report]:
    """Runs steps `start` .. `num_steps` and yields a report after each step number in `report_at`.

    Raises TrainingError with step and batch keys when the loss is not finite on any rank.
    """
    trainable.module.train()
    losses = _Losses(settings.device)
    watched: list[Tensor] = []
    began, waited = time.monotonic(), 0.0
    for step, (batch, seconds) in enumerate(_timed(batches), start=start):
        waited += seconds
        torch.manual_seed(settings.seed * 1_000_003 + step)
        factor = settings.schedule(step)
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        batch = _on(settings.device, batch)
        optimizer.zero_grad(set_to_none=True)
        result = _gradients(trainable, batch, settings)
        losses.add(result.loss, step, batch.keys)
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(trainable.module.parameters(), settings.clip_norm, foreach=True)
        optimizer.step()
        trainable.after_step(step, settings.num_steps)
        watched = [*watched[-3:], result.watched]
        if step + 1 in report_at:
            metrics = {"loss": losses.mean(), "learning_rate": optimizer.param_groups[0]["lr"]}
            metrics |= trainable.metrics(watched)
            seconds = time.monotonic() - began
            metrics["samples_per_second"] = losses.count * len(batch.keys) * ranks.count() / seconds
            metrics["waiting_share"] = waited / seconds
            yield Report(step + 1, metrics)
            trainable.module.train()
            losses, watched = _Losses(settings.device), []  # so that a resumed run tells the same
            began, waited = time.monotonic(), 0.0
    losses.look()


def _gradients(trainable: Trainable, batch: Batch, settings: Settings) -> Step:
    """Forward and backward, part by part; the mean loss, what is watched of the parts. Workers add up once, at last."""
    losses, watched = [], []
    for number in range(settings.parts):
        last = number + 1 == settings.parts
        part = batch if settings.parts == 1 else batch.part(slice(number, None, settings.parts))
        with contextlib.nullcontext() if last else _apart(trainable.wrapped):
            with autocast(settings.precision, settings.device):
                result = trainable.forward(part)
            loss = result.loss / settings.parts
            loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        watched.append(result.watched.detach())
    return Step(torch.stack(losses).sum(), torch.cat(watched))


class _Losses:
    """The losses since the last report. Those of a GPU are looked at a step later: it need not be waited for."""

    def __init__(self, device: torch.device) -> None:
        self._at_once = device.type == "cpu"
        self._values: list[float] = []
        self._next: tuple[Tensor, Tensor, int, list[str]] | None = None
        self.count = 0

    def add(self, loss: Tensor, step: int, keys: list[str]) -> None:
        """The loss of this worker. Raises TrainingError for it or, on a GPU, for the one before."""
        self.look()
        self._next = (ranks.total(loss.float()), loss, step, keys)
        self.count += 1
        if self._at_once:
            self.look()

    def mean(self) -> float:
        """Over steps and workers. Raises TrainingError."""
        self.look()
        return sum(self._values) / len(self._values)

    def look(self) -> None:
        """At the last loss. Raises TrainingError where it is not finite, on all workers together."""
        if self._next is None:
            return
        (loss, own, step, keys), self._next = self._next, None
        value = float(loss) / ranks.count()
        if not math.isfinite(value):
            keys = ranks.gathered([] if math.isfinite(float(own)) else keys)
            some = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
            raise TrainingError(
                f"loss is {value} at step {step}; samples of the batch: {some}. Lower learning_rate in params.yaml, or "
                "look at these samples"
            )
        self._values.append(value)


def _timed(batches: Iterable[Batch | Unseen]) -> Iterator[tuple[Batch | Unseen, float]]:
    """Each batch with the seconds that it was waited for."""
    began = time.monotonic()
    for batch in batches:
        yield batch, time.monotonic() - began
        began = time.monotonic()


def adamw(groups: Iterable[tuple[nn.Module, float]], *, weight_decay: float, beta2: float = 0.999) -> AdamW:
    """AdamW with a learning rate a module; decay on weight matrices only, none on biases and norms (our choice)."""
    return AdamW(_decayed(groups, weight_decay), betas=(0.9, beta2), fused=True)


def lars(groups: Iterable[tuple[nn.Module, float]], *, weight_decay: float) -> Optimizer:
    """LARS as BYOL and FRA use it: momentum 0.9, trust 0.001; biases and norms without decay and without scaling."""
    parameters = _decayed(groups, weight_decay)
    for group in parameters:  # else timm scales only where there is decay
        group["always_adapt"] = group["params"][0].ndim > 1
    optimizer: Optimizer = Lars(parameters, momentum=0.9, trust_coeff=0.001)
    return optimizer


def _decayed(groups: Iterable[tuple[nn.Module, float]], weight_decay: float) -> list[dict[str, Any]]:
    parameters = []
    for module, learning_rate in groups:
        trained = [p for p in module.parameters() if p.requires_grad]
        for chosen, decay in (
            ([p for p in trained if p.ndim > 1], weight_decay),
            ([p for p in trained if p.ndim <= 1], 0.0),
        ):
            parameters.append({"params": chosen, "lr": learning_rate, "base_lr": learning_rate, "weight_decay": decay})
    return [group for group in parameters if group["params"]]


def resolve_precision(wanted: str, device: torch.device) -> str:
    """`auto`: bf16 on GPUs and processors with bf16 arithmetic, else fp32: some GPUs only emulate it."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"


def channels_last(module: nn.Module, precision: str) -> nn.Module:
    """Channels-last weights pay with bf16; in fp32 they slow a CPU down. Pictures come channels-last as they are."""
    return module.to(memory_format=torch.channels_last) if precision == "bf16" else module  # type: ignore[call-overload]


def synchronized(module: nn.Module) -> nn.Module:
    """With batch norm by the statistics of all workers, which only GPUs can.

    By timm's converter: torch's own drops the activations that timm fuses with batch norm, without a word.
    """
    converted: nn.Module = convert_sync_batchnorm(module)
    return converted


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Within it a network computes in this precision, fp32 or bf16."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def _apart(wrapped: nn.Module) -> contextlib.AbstractContextManager[object]:
    """While it lasts, gradients stay with their worker."""
    return wrapped.no_sync() if isinstance(wrapped, nn.parallel.DistributedDataParallel) else contextlib.nullcontext()


def _on(device: torch.device, batch: Batch | Unseen) -> Batch:
    if isinstance(batch, Unseen):
        return batch.seen(device)
    if device.type == "cpu":
        return batch
    views = tuple(Images(*(t.to(device, non_blocking=True) for t in images)) for images in batch.views)
    turn, gaze, chance = (t.to(device, non_blocking=True) for t in (batch.turn, batch.gaze, batch.chance))
    return Batch(views, turn, gaze, batch.keys, chance)
