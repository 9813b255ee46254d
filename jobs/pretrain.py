"""Stage `pretrain`: shards of training groups, labels unused -> an encoder."""

import argparse
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from jobs import tracking
from jobs.pretrain_pictures import save_pictures
from jobs.roles import roles_of
from jobs.stage import stage
from jobs.train import code_of, train
from jobs.train_recipe import Source
from slyk.bundle import describe, save_bundle
from slyk.config import Params, load_params
from slyk.config.training import Pretrain
from slyk.datasets import protocols
from slyk.errors import ParamsError
from slyk.files import resolve, sha256
from slyk.models.encoder import Encoder, EncoderConfig
from slyk.objectives import OBJECTIVES
from slyk.objectives.objective import Objective, ObjectiveConfig
from slyk.objectives.pretraining import Pretraining
from slyk.objectives.watching import Photos, Watcher, photos_of
from slyk.shards import manifest
from slyk.tables import write_csv
from slyk.training.batches import Samples, Seeing
from slyk.training.loop import adamw, lars
from slyk.views.augmentation import Augmentation

TOGETHER_BELOW = 32  # samples: two views in one batch pay where a batch is small (docs/performance.md)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", required=True, help="folder of the sets' shards")
    parser.add_argument("--out", required=True)
    parser.add_argument("--report", required=True, help="folder for pictures of what it sees")
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    everybody = training_sources(params, params.pretrain.datasets, resolve(args.shards))
    sources, watched = set_apart(everybody, params.pretrain.watch.people)
    for name, source in sources.items():
        stored = manifest.load(source.folder).crops["face_px"]
        if params.pretrain.face_px > stored:
            wanted = params.pretrain.face_px
            print(f"pretrain: faces of {name} are stored with {stored} px and enlarged to {wanted}", flush=True)
    recipe = PretrainRecipe.of(params, tuple(sources.values()), tuple(watched.values()))
    with tracking.stage_run("pretrain", params=params, sections=("protocol", "pretrain")) as run:
        run.set_tags({"objective": objective_of(params.pretrain)})
        for source in sources.values():
            run.log_dataset(manifest.load(source.folder))
        with train(recipe, run.training_log) as trained:
            module = recipe.module()
            module.load_state_dict(trained.state)
            encoder, out = module.encoder, resolve(args.out)
            config = describe(encoder) | {"face_px": recipe.face_px, **provenance(sources)}
            save_bundle(out, config | {"pretraining": recipe.told(encoder)}, encoder.state_dict())
            write_csv(out / "history.csv", trained.history)
            photos, samples = recipe.photos(module, of_watched=True), Samples([s.opened() for s in recipe.sources])
            pictures = save_pictures(
                resolve(args.report), module, photos, samples, recipe.seeing(module), recipe.precision
            )
        first, last = trained.history[0], trained.history[-1]
        if "gaze_probe_deg" in first:
            run.log_metrics({"start_gaze_probe_deg": first["gaze_probe_deg"]})
        for path in (out / "history.csv", *pictures):
            run.log_artifact(path)
        rank, deviation = last["embedding_rank"], last["embedding_std"]
        print(f"pretrain: embedding rank {rank:.1f}, deviation {deviation:.3f} -> {args.out}, {args.report}")


@dataclass(frozen=True)
class PretrainRecipe:
    """See jobs.train_recipe.Recipe."""

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
    watched: tuple[Source, ...] = ()

    @classmethod
    def of(cls, params: Params, sources: tuple[Source, ...], watched: tuple[Source, ...] = ()) -> "PretrainRecipe":
        p = params.pretrain
        shared = (p.batch_size, p.epochs, p.warmup_epochs, p.checkpoints_per_epoch, p.precision)
        more = (None, p.micro_batch, p.compile, p.face_px)
        return cls("pretrain", sources, params.seed, *shared, *more, settings=p, watched=watched)

    def fingerprint(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "params": self.settings.model_dump(),
            "weights": None if self.weights is None else sha256(self.weights),
            "chosen": [source.chosen() for source in self.sources],
            "watched": [source.chosen() for source in self.watched],
            "code": code_of(__file__),
        }

    @property
    def weights(self) -> Path | None:
        """The file that the trunk starts from."""
        path = self.settings.encoder.weights
        return None if path is None else resolve(path)

    def told(self, encoder: Encoder) -> dict[str, Any]:
        """Of a bundle: the objective, the parts of the encoder that it trains, and all params."""
        learned = {name.partition(".")[0] for name, p in encoder.named_parameters() if p.requires_grad}
        params = self.settings.model_dump(mode="json")
        return {"objective": objective_of(self.settings), "learned": sorted(learned), "params": params}

    def encoder(self) -> Encoder:
        shape = self.settings.encoder.model_dump(exclude={"weights"})
        encoder = Encoder(EncoderConfig(**shape), None if self.weights is None else str(self.weights))
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
        groups = [(module, p.learning_rate)]
        if p.optimizer == "lars":
            return lars(groups, weight_decay=p.weight_decay)
        return adamw(groups, weight_decay=p.weight_decay, beta2=p.adamw_beta2)

    def trainable(self, module: nn.Module, wrapped: nn.Module) -> Pretraining:
        assert isinstance(module, Objective)
        return Pretraining(module, wrapped, least_deviation=self.settings.watch.least_deviation)

    def seeing(self, module: nn.Module) -> Seeing:
        assert isinstance(module, Objective)
        p = self.settings
        views = (p.views, p.second_views or p.views)[: module.num_views]
        augmentations = tuple(Augmentation(**chosen.model_dump()) for chosen in views)
        places = module.num_places(self.face_px)
        return Seeing(self.face_px, augmentations, self.seed, eyes=module.sees_eyes, places=places)

    def watcher(self, module: nn.Module, device: torch.device, precision: str) -> Watcher | None:
        if not self.watched:
            return None
        assert isinstance(module, Objective)
        fitted, judged = (self.photos(module, of_watched=part) for part in (False, True))
        return Watcher(fitted, judged, device, precision)

    def photos(self, module: Objective, *, of_watched: bool) -> Photos:
        """Of the people who are left out, or of all where nobody is, or of those whom pretraining sees."""
        chosen = self.watched if of_watched and self.watched else self.sources
        sets = [source.opened() for source in chosen]
        return photos_of(sets, self.face_px, self.settings.watch.photos, eyes=module.sees_eyes)


def objective_of(p: Pretrain) -> str:
    """As tables name it: `mbyol`, `mbyol conditioned`."""
    return p.objective if p.equivariance == "none" else f"{p.objective} {p.equivariance}"


def training_sources(params: Params, datasets: tuple[str, ...], shards: Path) -> dict[str, Source]:
    """The training groups of each named set, never a gate or test group, and the photos that its protocol takes."""
    sources = {}
    for name in datasets:
        chosen = roles_of(params, manifest.load(shards / name).faces())
        sources[name] = Source(shards / name, chosen.train, chosen.learned)
    return sources


def set_apart(sources: dict[str, Source], people: int) -> tuple[dict[str, Source], dict[str, Source]]:
    """What pretraining sees of each set, and `people` groups that it leaves out, to be watched.

    Raises ParamsError where fewer than two would be left: no probe can be fitted on one.
    """
    seen: dict[str, Source] = {}
    watched: dict[str, Source] = {}
    for name, source in sources.items() if people else ():
        if len(source.groups) < people + 2:
            raise ParamsError(
                f"pretrain.watch.people is {people}, but {name} has {len(source.groups)} training groups, of which two "
                "at least must be left: lower it in params.yaml (0 leaves nobody out), or add people"
            )
        rest, some = protocols.set_apart(source.groups, people)
        seen[name], watched[name] = replace(source, groups=rest), replace(source, groups=some)
    return seen or sources, watched


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
