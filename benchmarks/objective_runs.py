"""Training runs of the experiment on objectives: what is compared, and one run, resumable, without Ray."""

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from jobs.train import CODE
from slyk.config import Params
from slyk.datasets.protocols import roles
from slyk.files import code_digest, digest
from slyk.models.encoder import Encoder, EncoderConfig, Images
from slyk.objectives import OBJECTIVES
from slyk.objectives.objective import Objective, ObjectiveConfig
from slyk.objectives.pretraining import Pretraining
from slyk.shards import manifest
from slyk.shards.read import ShardSet
from slyk.training import checkpoint
from slyk.training.batches import Augmented, Batch, Plan, Samples, Seeing, loader
from slyk.training.loop import Settings, Step, adamw, channels_last, fit, resolve_precision
from slyk.training.schedules import warmup_cosine
from slyk.views.augmentation import Augmentation

BATCH = 64
WARMUP_EPOCHS = 5.0
MOMENTUM = 0.99  # of the target at first; 0.996 is for runs of ten times as many steps
WEIGHT_DECAY = 0.05
SLYK_VIEWS = Augmentation(
    flip=0.5, rotate=0.5, rotate_deg=30.0, blur=0.5, gray=0.2, shift_mm=3.0, scale=0.1, light=0.2
)  # of params.yaml, and some light
UPRIGHT = replace(SLYK_VIEWS, flip=0.0, rotate=0.0)
FRA_FIRST = Augmentation(flip=0.5, crop=1.0, jitter=0.8, gray=0.2, blur=1.0)
FRA_SECOND = replace(FRA_FIRST, blur=0.1, solarize=0.2)
MAE_VIEWS = Augmentation(flip=0.5, crop=1.0)
LABELLED_VIEWS = Augmentation(
    flip=0.5, rotate=0.3, rotate_deg=5.0, blur=0.1, blur_sigma=(0.1, 0.8), gray=0.1, shift_mm=2.0, scale=0.06, light=0.2
)  # of fine-tuning in params.yaml


@dataclass(frozen=True)
class Way:
    """One way to train. objective: of OBJECTIVES, or `supervised`, or `random` for none; epochs: what fits into 40
    minutes of one core here, 20 of two."""

    objective: str
    epochs: int
    views: tuple[Augmentation, ...] = (SLYK_VIEWS, SLYK_VIEWS)
    backbone: str = "resnet18"
    face_px: int = 96
    learning_rate: float = 6e-4
    extra: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)

    def module(self) -> Objective:
        """With random weights; those of `supervised` and `random` are an mBYOL that is never asked for its loss."""
        encoder = Encoder(EncoderConfig(self.backbone, width=256, heads=4, layers=1, **self.encoder))
        config = ObjectiveConfig(projector_hidden=1024, projector_out=256, momentum=MOMENTUM, **self.extra)
        return OBJECTIVES.get(self.objective, OBJECTIVES["mbyol"])(encoder, config)


WAYS: dict[str, Way] = {
    "mbyol": Way("mbyol", 30),
    "mbyol, conditioned": Way("mbyol", 30, extra={"equivariance": "conditioned"}),
    "mbyol, shuffled condition": Way("mbyol", 30, extra={"equivariance": "shuffled"}),
    "mbyol, no turns": Way("mbyol", 30, (UPRIGHT, UPRIGHT)),
    "byol": Way("byol", 39),
    "region_awareness": Way("region_awareness", 16, (FRA_FIRST, FRA_SECOND), face_px=112, encoder={"stride": 16}),
    "masked": Way("masked", 88, (MAE_VIEWS,), "vit_tiny", learning_rate=1e-3),
    "random init": Way("random", 0),
    "supervised": Way("supervised", 87, (LABELLED_VIEWS,), learning_rate=1e-3),
}


class Supervised:
    """The reference: gaze from the same embedding by one linear layer, which shares the objective's fate."""

    def __init__(self, module: Objective) -> None:
        self.module = self.wrapped = module
        module.add_module("gaze", nn.Linear(module.encoder.config.width, 3))

    def forward(self, batch: Batch) -> Step:
        found = self.answer(batch.views[0])
        return Step((found - vectors(batch.gaze)).abs().mean(), found.detach())

    def answer(self, images: Images) -> Tensor:
        """Directions (B, 3), not of unit length."""
        return torch.as_tensor(self.module.get_submodule("gaze")(self.module.embed(images)).float())

    def after_step(self, step: int, num_steps: int) -> None:
        """Nothing follows a supervised step."""

    def metrics(self, watched: list[Tensor]) -> dict[str, float]:
        return {}


def vectors(pitchyaw: Tensor) -> Tensor:
    """Unit vectors (B, 3), as slyk.geometry.angles.vector_from_pitchyaw."""
    pitch, yaw = pitchyaw.unbind(1)
    return torch.stack([-pitch.cos() * yaw.sin(), -pitch.sin(), -pitch.cos() * yaw.cos()], dim=1)


class Run(NamedTuple):
    """What was trained, and a row an epoch: step, loss, CPU seconds and more."""

    trainable: Pretraining | Supervised
    history: list[dict[str, float]]


def trainable_of(way: Way) -> Pretraining | Supervised:
    """Raises KeyError for an unknown objective."""
    module = way.module()
    return Supervised(module) if way.objective == "supervised" else Pretraining(module)


def people(params: Params, shards: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Groups to learn from and groups that nothing ever learns from."""
    found = roles(manifest.load(shards), **params.protocol.of(shards.name))
    return found.train, found.test


def train(way: Way, *, seed: int, shards: Path, groups: tuple[str, ...], folder: Path) -> Run:
    """Trains, or goes on where a run was ended, in `folder`."""
    samples = Samples([ShardSet[Any].open(shards, groups)])
    plan = Plan(len(samples), BATCH, max(1, way.epochs), seed)
    made_of = {
        "way": repr(way),
        "shared": (BATCH, WARMUP_EPOCHS, MOMENTUM, WEIGHT_DECAY),
        "seed": seed,
        "groups": groups,
        "manifest": samples.sets[0].manifest.digest,
        "code": code_digest(CODE),
    }
    fingerprint = digest(made_of)
    torch.manual_seed(seed)
    precision = resolve_precision("auto", torch.device("cpu"))
    trainable = trainable_of(way)
    module = trainable.module
    channels_last(module, precision)
    optimizer = adamw([(module, way.learning_rate)], weight_decay=WEIGHT_DECAY)
    start, history = 0, list[dict[str, float]]()
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / checkpoint.NAME).is_file():
        state = checkpoint.load(folder, fingerprint=fingerprint)
        module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        start, history = int(state["step"]), state["history"]
    if way.epochs == 0:
        estimate_statistics(module, samples, way, seed)
        return Run(trainable, history)
    if start == plan.num_steps:
        return Run(trainable, history)
    settings = Settings(
        plan.num_steps,
        seed,
        lambda step: warmup_cosine(step, num_steps=plan.num_steps, num_warmup=plan.steps_at(WARMUP_EPOCHS)),
        precision,
        None,
        torch.device("cpu"),
    )
    seeing = Seeing(way.face_px, way.views, seed, eyes=module.sees_eyes, places=module.num_places(way.face_px))
    batches = loader(Augmented(samples, seeing), plan, start=start)
    report_at = {plan.steps_at(epoch) for epoch in range(1, way.epochs + 1)}
    began = time.process_time()
    for report in fit(trainable, optimizer, batches, settings, start=start, report_at=report_at):
        history.append({"step": report.step, "cpu_s": time.process_time() - began, **report.metrics})
        began = time.process_time()
        print(json.dumps({k: round(v, 4) for k, v in history[-1].items()}), flush=True)
        save(folder, module, optimizer, report.step, history, fingerprint)
    return Run(trainable, history)


def estimate_statistics(module: Objective, samples: Samples, way: Way, seed: int) -> None:
    """Batch norm of random weights learns the statistics of the training people, and nothing else does."""
    seeing = Seeing(way.face_px, way.views[:1], seed)
    module.train()
    with torch.no_grad():
        for batch in loader(Augmented(samples, seeing), Plan(len(samples), BATCH, 2, seed), start=0):
            assert isinstance(batch, Batch)
            module.embed(batch.views[0])


def save(
    folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, step: int, history: list[Any], fingerprint: str
) -> None:
    """Whole or not at all."""
    made = folder / "made"
    made.mkdir(exist_ok=True)
    checkpoint.save(made, module=module, optimizer=optimizer, step=step, history=history, fingerprint=fingerprint)
    (made / checkpoint.NAME).replace(folder / checkpoint.NAME)


def seconds_per_step(way: Way, shards: Path, groups: tuple[str, ...], steps: int = 8) -> float:
    """CPU seconds of a step, after two to warm up."""
    samples = Samples([ShardSet[Any].open(shards, groups)])
    torch.manual_seed(0)
    trainable = trainable_of(way)
    precision = resolve_precision("auto", torch.device("cpu"))
    module = trainable.module
    channels_last(module, precision)
    seeing = Seeing(way.face_px, way.views, 0, eyes=module.sees_eyes)
    settings = Settings(steps + 2, 0, lambda step: 0.0, precision, None, torch.device("cpu"))
    plan = Plan(len(samples), BATCH, 1, 0)
    reports = fit(
        trainable,
        adamw([(module, 1e-3)], weight_decay=0.0),
        loader(Augmented(samples, seeing), plan, start=0),
        settings,
        start=0,
        report_at={2, steps + 2},
    )
    next(reports)
    began = time.process_time()
    next(reports)
    return (time.process_time() - began) / steps
