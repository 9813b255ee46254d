"""Stage `pretrain`: shards of training groups, labels unused -> an encoder."""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from jobs import tracking
from jobs.roles import roles_of
from jobs.stage import stage
from jobs.train import CODE, Source, train
from slyk.bundle import describe, save_bundle
from slyk.config import Params, Pretrain, load_params
from slyk.files import code_digest, resolve
from slyk.models.encoder import Encoder, EncoderConfig
from slyk.objectives import OBJECTIVES
from slyk.objectives.objective import Objective, ObjectiveConfig
from slyk.objectives.pretraining import Pretraining
from slyk.shards import manifest
from slyk.tables import write_csv
from slyk.training.batches import Seeing
from slyk.training.loop import OPTIMIZERS
from slyk.views.augmentation import Augmentation

TOGETHER_BELOW = 32  # samples: two views in one batch pay where a batch is small (docs/experiments.md)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", required=True, help="folder of the sets' shards")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    sources = training_sources(params, params.pretrain.datasets, resolve(args.shards))
    recipe = PretrainRecipe.of(params, tuple(sources.values()))
    with tracking.stage_run("pretrain", params=params, sections=("protocol", "pretrain")) as run:
        for source in sources.values():
            run.log_dataset(manifest.load(source.folder))
        with train(recipe, run.training_log) as trained:
            encoder = recipe.encoder()
            encoder.load_state_dict(
                {name.removeprefix("encoder."): t for name, t in trained.state.items() if name.startswith("encoder.")}
            )
            out = resolve(args.out)
            save_bundle(
                out, describe(encoder) | {"face_px": recipe.face_px, **provenance(sources)}, encoder.state_dict()
            )
            write_csv(out / "history.csv", trained.history)
        last = trained.history[-1]
        run.log_artifact(out / "history.csv")
        rank, deviation = last["embedding_rank"], last["embedding_std"]
        print(f"pretrain: embedding rank {rank:.1f}, deviation {deviation:.3f} -> {args.out}")


@dataclass(frozen=True)
class PretrainRecipe:
    """See jobs.train.Recipe."""

    stage: str
    sources: tuple[Source, ...]
    seed: int
    batch_size: int
    epochs: int
    warmup_epochs: float
    checkpoints_per_epoch: int
    precision: str
    clip_norm: float | None
    micro_batch: int | None
    compile: bool
    face_px: int
    settings: Pretrain

    @classmethod
    def of(cls, params: Params, sources: tuple[Source, ...]) -> "PretrainRecipe":
        p = params.pretrain
        shared = (p.batch_size, p.epochs, p.warmup_epochs, p.checkpoints_per_epoch, p.precision)
        more = (None, p.micro_batch, p.compile, p.face_px)
        return cls("pretrain", sources, params.seed, *shared, *more, settings=p)

    def fingerprint(self) -> dict[str, Any]:
        chosen = [source.chosen() for source in self.sources]
        return {"seed": self.seed, "params": self.settings.model_dump(), "chosen": chosen, "code": code_digest(CODE)}

    def encoder(self) -> Encoder:
        shape = self.settings.encoder
        weights = None if shape.weights is None else str(resolve(shape.weights))
        encoder = Encoder(EncoderConfig(**shape.model_dump(exclude={"weights"})), weights)
        encoder.face.check(self.face_px)
        return encoder

    def module(self) -> Objective:
        p = self.settings
        values = {field.name: getattr(p, field.name) for field in fields(ObjectiveConfig)}
        if p.together is None:
            values["together"] = p.batch_size < TOGETHER_BELOW
        return OBJECTIVES[p.objective](self.encoder(), ObjectiveConfig(**values))

    def optimizer(self, module: nn.Module) -> Optimizer:
        p = self.settings
        return OPTIMIZERS[p.optimizer]([(module, p.learning_rate)], weight_decay=p.weight_decay)

    def trainable(self, module: nn.Module, wrapped: nn.Module) -> Pretraining:
        assert isinstance(module, Objective)
        return Pretraining(module, wrapped)

    def seeing(self, module: nn.Module) -> Seeing:
        assert isinstance(module, Objective)
        p = self.settings
        views = (p.views, p.second_views or p.views)[: module.num_views]
        augmentations = tuple(Augmentation(**chosen.model_dump()) for chosen in views)
        return Seeing(self.face_px, augmentations, self.seed, eyes=module.sees_eyes)


def training_sources(params: Params, datasets: tuple[str, ...], shards: Path) -> dict[str, Source]:
    """The training groups of each named set, never a gate or test group, and the photos that its protocol takes."""
    sources = {}
    for name in datasets:
        chosen = roles_of(params, manifest.load(shards / name).faces())
        sources[name] = Source(shards / name, chosen.train, chosen.learned)
    return sources


def provenance(sources: dict[str, Source]) -> dict[str, Any]:
    """For a bundle's config: how crops are cut, and which groups of which sets the weights have seen."""
    manifests = {name: manifest.load(source.folder) for name, source in sources.items()}
    return {
        "crops": next(iter(manifests.values())).crops,
        "datasets": {name: {"manifest": m.digest, "licence": m.licence} for name, m in manifests.items()},
        "groups": {name: list(source.groups) for name, source in sources.items()},
    }


if __name__ == "__main__":
    stage(main)
