"""Stage `finetune@gaze`: labelled shards + encoder -> a gaze model, and beside it one from random weights."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from jobs import tracking
from jobs.pretrain import provenance, training_sources
from jobs.stage import stage
from jobs.train import code_of, train
from jobs.train_recipe import Source
from slyk.bundle import Bundle, bundle_digest, describe, load_bundle, save_bundle
from slyk.config import Params, load_params
from slyk.config.training import FinetuneGaze
from slyk.errors import ParamsError
from slyk.files import resolve
from slyk.models.encoder import Encoder, EncoderConfig
from slyk.models.pmn import PMN, PMNConfig
from slyk.shards import manifest
from slyk.tables import write_csv
from slyk.tasks import TASKS
from slyk.training.batches import Seeing
from slyk.training.loop import Trainable, adamw
from slyk.views.augmentation import Augmentation

RANDOM_INIT = "random_init"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True, choices=sorted(TASKS))
    parser.add_argument("--shards", required=True, help="folder of the sets' shards")
    parser.add_argument("--encoder", required=True, help="folder written by pretrain")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    sources = training_sources(params, params.finetune.gaze.datasets, resolve(args.shards))
    encoder, out = resolve(args.encoder), resolve(args.out)
    run_name, sections = f"finetune@{args.task}", ("protocol", f"finetune.{args.task}")
    with tracking.stage_run(run_name, params=params, sections=sections) as run:
        for source in sources.values():
            run.log_dataset(manifest.load(source.folder))
        run.set_tags({"encoder": bundle_digest(encoder), "objective": told_of(encoder)["objective"]})
        recipe = FinetuneRecipe.of(params, tuple(sources.values()), encoder)
        transferred = finetune(recipe, sources, run.training_log, out)
        run.log_metrics({"num_transferred_tensors": transferred})
        run.log_artifact(out / "history.csv")
    with tracking.stage_run(
        f"{run_name}.{RANDOM_INIT}", params=params, sections=("protocol", f"finetune.{args.task}")
    ) as run:
        finetune(recipe.from_random(), sources, run.training_log, out / RANDOM_INIT)


def finetune(recipe: "FinetuneRecipe", sources: dict[str, Source], log: tracking.TrainingLog, out: Path) -> int:
    """Trains one model into `out`; returns how many of its tensors came from pretraining."""
    with train(recipe, log) as trained:
        network = recipe.module()
        assert isinstance(network, PMN)
        tensors = [name.partition(".")[0] for name in network.encoder.state_dict()]
        learned = told_of(recipe.encoder)["learned"] if recipe.pretrained else []
        transferred, num_encoder = sum(name in learned for name in tensors), len(tensors)
        network.load_state_dict(trained.state)
        config = describe(network) | {
            "task": "gaze",
            "face_px": recipe.face_px,
            **provenance(sources),
            "pretrained": pretraining(recipe) if recipe.pretrained else None,
            "transferred": {"num_tensors": transferred, "of_encoder": num_encoder},
            "params": recipe.settings.model_dump(mode="json"),
        }
        save_bundle(out, config, network.state_dict())
        write_csv(out / "history.csv", trained.history)
    print(f"{recipe.stage}: {transferred} of {num_encoder} encoder tensors came from pretraining", flush=True)
    return transferred


def told_of(encoder: Path) -> dict[str, Any]:
    """What pretrain says of its encoder. Raises ParamsError where another stage wrote the folder."""
    config = load_bundle(encoder).config
    if "pretraining" not in config:
        raise ParamsError(f"{encoder} holds no encoder of pretrain: run `dvc repro pretrain`, or give another folder")
    return dict(config["pretraining"])


def pretraining(recipe: "FinetuneRecipe") -> dict[str, Any]:
    """What the encoder had seen, for the checks of evaluate."""
    bundle = load_bundle(recipe.encoder)
    return {
        "digest": bundle_digest(recipe.encoder),
        "datasets": bundle.config["datasets"],
        "groups": bundle.config["groups"],
    }


@dataclass(frozen=True)
class FinetuneRecipe:
    """See jobs.train_recipe.Recipe. encoder: the bundle of pretrain; pretrained: take its weights too, not only its
    shape."""

    stage: str
    sources: tuple[Source, ...]
    seed: int
    batch_size: int
    epochs: int
    warmup_epochs: float
    checkpoints_per_epoch: int
    precision: str
    clip_norm: float | None
    face_px: int
    settings: FinetuneGaze
    encoder: Path
    pretrained: bool
    micro_batch: int | None = None
    compile: bool = False
    watched: tuple[Source, ...] = ()

    @classmethod
    def of(cls, params: Params, sources: tuple[Source, ...], encoder: Path) -> "FinetuneRecipe":
        p = params.finetune.gaze
        shared = (p.batch_size, p.epochs, p.warmup_epochs, p.checkpoints_per_epoch, p.precision, p.clip_norm)
        face_px = load_bundle(encoder).face_px
        return cls(
            "finetune@gaze", sources, params.seed, *shared, face_px, settings=p, encoder=encoder, pretrained=True
        )

    def from_random(self) -> "FinetuneRecipe":
        """The control: same data, steps and network, no pretraining, one learning rate throughout."""
        values = {**self.__dict__, "stage": f"{self.stage}.{RANDOM_INIT}", "pretrained": False}
        return FinetuneRecipe(**values)

    def fingerprint(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "params": self.settings.model_dump(),
            "chosen": [source.chosen() for source in self.sources],
            "encoder": bundle_digest(self.encoder) if self.pretrained else load_bundle(self.encoder).config["model"],
            "code": code_of(__file__),
        }

    def module(self) -> nn.Module:
        bundle = load_bundle(self.encoder)
        shape = EncoderConfig(**bundle.config["model"])
        network = PMN(PMNConfig(shape, self.settings.hidden, self.settings.dropout))
        if self.pretrained:
            transfer(bundle, network.encoder)
        return network

    def optimizer(self, module: nn.Module) -> Optimizer:
        assert isinstance(module, PMN)
        p = self.settings
        rate = p.encoder_learning_rate if self.pretrained else p.learning_rate
        heads = nn.ModuleList([module.face_bottleneck, module.right_bottleneck, module.left_bottleneck, module.head])
        return adamw([(module.encoder, rate), (heads, p.learning_rate)], weight_decay=p.weight_decay)

    def trainable(self, module: nn.Module, wrapped: nn.Module) -> Trainable:
        return TASKS["gaze"](module, wrapped, scope=self.settings.ev_scope)

    def seeing(self, module: nn.Module) -> Seeing:
        return Seeing(self.face_px, (Augmentation(**self.settings.views.model_dump()),), self.seed)

    def watcher(self, module: nn.Module, device: torch.device, precision: str) -> None:
        return None


def transfer(bundle: Bundle, encoder: Encoder) -> None:
    """Every tensor of the pretrained encoder, none missing, none left over. Raises ParamsError naming what differs."""
    missing, unexpected = encoder.load_state_dict(bundle.state, strict=False)
    if missing or unexpected:
        raise ParamsError(f"the encoder does not fit: missing {missing[:3]}, left over {unexpected[:3]}")


if __name__ == "__main__":
    stage(main)
