"""Do the regions that FRA finds without labels agree with the true regions of rendered faces?

    python -m benchmarks.region_agreement --shards data/shards --raw data/raw/synthetic [--set synthetic] [--epochs 4]
        [--face-px 160] [--photos 200] [--seed 1] [--kept out/fra.safetensors] [--picture out/fra.png] [--json PATH]

Trains FRA with the other values of params.yaml (a network kept by a run with the same values is taken as it is) and
judges it by people whom it never saw. True regions: the renderer's masks, carried into the face that the network sees;
each place of its map has the class that covers most of it, all parts of the eye as one. Controls: k-means with as many
clusters on the maps of the same trunk and of one that learned nothing, the place in the face alone, chance.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmarks import table
from benchmarks.table import Line, figure
from jobs.pretrain import PretrainRecipe, set_apart, training_sources
from jobs.pretrain_pictures import evenly, regions_sheet
from jobs.sheet import png
from jobs.stage import stage
from jobs.train_worker import report_steps
from slyk.config import Params, load_params
from slyk.errors import SlykError
from slyk.files import digest, resolve, write_atomic
from slyk.geometry.angles import Array
from slyk.layouts.common import read_mask
from slyk.models.encoder import Images
from slyk.models.regions import Regions
from slyk.objectives.region_awareness import RegionAwareness
from slyk.objectives.watching import Photos, photos_of, places_of
from slyk.shards.read import ShardSet
from slyk.synthetic.regions import EYE_REGIONS, Region
from slyk.training.agreement import Labels, agreement, cells, clusters, scattered
from slyk.training.batches import Augmented, Plan, Samples, loader
from slyk.training.loop import Settings, channels_last, fit, resolve_precision
from slyk.training.schedules import warmup_cosine
from slyk.views.augmentation import unchanged

NUM_CLASSES = len(Region)
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", default="data/shards", help="folder of the sets' shards")
    parser.add_argument("--raw", type=Path, default=Path("data/raw/synthetic"), help="the rendered set, with its masks")
    parser.add_argument("--set", default="synthetic", help="its name below --shards")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--face-px", type=int, default=160)
    parser.add_argument("--photos", type=int, default=200, help="to judge by")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kept", type=Path, default=Path("out/benchmarks/region_awareness.safetensors"))
    parser.add_argument("--picture", type=Path, help="draw some faces with their regions there")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    recipe = recipe_of(load_params(resolve("params.yaml")), args.set, resolve(args.shards), args)
    module = learned(recipe, args.kept)
    (source,) = recipe.watched
    shards = source.opened()
    photos = photos_of([shards], recipe.face_px, args.photos, eyes=False)
    if args.picture:
        some = Images(*(part[torch.from_numpy(evenly(len(photos.people), 6))] for part in photos.images))
        write_atomic(args.picture, png(regions_sheet(some, seen(module, [some]))))
    torch.manual_seed(recipe.seed)
    untaught = recipe.module()
    assert isinstance(untaught, RegionAwareness)
    lines = compared(module, untaught, photos, shards, args.raw, recipe.seed)
    print("\n".join(table.format_line(line) for line in lines))
    if args.json:
        table.write(args.json, lines)


def recipe_of(params: Params, name: str, shards: Path, args: argparse.Namespace) -> PretrainRecipe:
    """FRA on one set by params.yaml, but for what the command line says."""
    chosen = {"objective": "region_awareness", "datasets": (name,), "equivariance": "none"}
    chosen |= {"epochs": args.epochs, "face_px": args.face_px}
    changed = {"seed": args.seed, "pretrain": params.pretrain.model_copy(update=chosen)}
    sources = training_sources(params, (name,), shards)
    seen, watched = set_apart(sources, max(1, params.pretrain.watch.people))
    return PretrainRecipe.of(params.model_copy(update=changed), tuple(seen.values()), tuple(watched.values()))


def learned(recipe: PretrainRecipe, kept: Path) -> RegionAwareness:
    """The network, trained in this process, or as an earlier run with the same values kept it."""
    torch.manual_seed(recipe.seed)
    module = recipe.module()
    assert isinstance(module, RegionAwareness)
    manifests = [source.opened().manifest.digest for source in recipe.sources]
    wanted = {"fingerprint": digest({**recipe.fingerprint(), "manifests": manifests})}
    if kept.is_file():
        with safe_open(kept, "pt") as file:
            same = file.metadata() == wanted
        if same:
            module.load_state_dict(load_file(kept))
            return module.eval()
    train_here(recipe, module)
    kept.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: part.contiguous() for name, part in module.state_dict().items()}, kept, wanted)
    return module.eval()


def train_here(recipe: PretrainRecipe, module: RegionAwareness) -> None:
    """The stage's loop without what surrounds it."""
    precision = resolve_precision(recipe.precision, CPU)
    channels_last(module, precision)
    samples = Samples([source.opened() for source in recipe.sources])
    plan = Plan(len(samples), recipe.batch_size, recipe.epochs, recipe.seed)
    warmup = plan.steps_at(recipe.warmup_epochs)
    settings = Settings(
        num_steps=plan.num_steps,
        seed=recipe.seed,
        schedule=lambda step: warmup_cosine(step, num_steps=plan.num_steps, num_warmup=warmup),
        precision=precision,
        clip_norm=recipe.clip_norm,
        device=CPU,
        parts=plan.parts(recipe.micro_batch),
    )
    batches = loader(Augmented(samples, recipe.seeing(module)), plan, start=0)
    for report in fit(
        recipe.trainable(module, module),
        recipe.optimizer(module),
        batches,
        settings,
        start=0,
        report_at=report_steps(plan, recipe.checkpoints_per_epoch),
    ):
        told = ", ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
        print(f"step {report.step}/{plan.num_steps}: {told}", flush=True)


def compared(
    module: RegionAwareness, untaught: RegionAwareness, photos: Photos, shards: ShardSet, raw: Path, seed: int
) -> list[Line]:
    """A line for the network and for each control, on `photos_of` some people of `shards`."""
    module.eval()
    untaught.eval()
    count = module.config.num_regions
    found = np.asarray(seen(module, photos.parts()).heatmaps.argmax(dim=1).numpy())
    chosen = places_of(len(shards), len(photos.people))
    face_px: int = photos.images.face.shape[2]
    true = true_regions(shards, chosen, raw, face_px, (found.shape[1], found.shape[2]))
    lines = [
        line("regions of the network", found, true, count),
        line("k-means of its trunk", clusters(maps(module, photos), count, seed), true, count),
        line("k-means of a trunk that learned nothing", clusters(maps(untaught, photos), count, seed), true, count),
        line("the place in the face alone", cells(count, true.shape), true, count),
        line("chance", scattered(count, true.shape, seed), true, count),
    ]
    shares = np.bincount(true.ravel(), minlength=NUM_CLASSES) / true.size
    told = ", ".join(f"{Region(c).name.lower()} {shares[c]:.2f}" for c in np.flatnonzero(shares).tolist())
    return [*lines, figure("photos", len(true), "", f"{true.shape[1]} x {true.shape[2]} places: {told}")]


def line(name: str, found: Labels, true: Labels, count: int) -> Line:
    """The mean IoU of a way to find regions, and its pairs."""
    result = agreement(found, true, count)
    pairs = ", ".join(f"{Region(region).name.lower()} {iou:.2f}" for _, region, iou in result.pairs)
    return figure(name, result.mean_iou, "mIoU", pairs)


@torch.no_grad()
def seen(module: RegionAwareness, parts: Iterable[Images]) -> Regions:
    """The regions of many faces."""
    found = [module.regions(images) for images in parts]
    return Regions(*(torch.cat(values) for values in zip(*found, strict=True)))


@torch.no_grad()
def maps(module: RegionAwareness, photos: Photos) -> Array:
    """Features (N, h, w, D) of the trunk, each of mean 0 and deviation 1 over all places."""
    encoder = module.encoder
    parts = [encoder.face(encoder.normalize(images.face)) for images in photos.parts()]
    features = torch.cat(parts).permute(0, 2, 3, 1).double()
    deviation = features.std(dim=(0, 1, 2)).clamp_min(1e-9)
    return np.asarray(((features - features.mean(dim=(0, 1, 2))) / deviation).numpy())


def true_regions(
    shards: ShardSet, chosen: NDArray[np.int64], raw: Path, face_px: int, places: tuple[int, int]
) -> Labels:
    """The class (N, h, w) that covers most of each place of a map over the faces as they are seen.

    Raises SlykError for photos that the rendered set does not have.
    """
    rows = pq.read_table(raw / "annotations.parquet", columns=["photo", "mask"]).to_pylist()
    mask_of = {row["photo"]: row["mask"] for row in rows}
    to_stored = np.vstack([unchanged(1, shards.spec, face_px).warps[0, 0], [0, 0, 1]])
    found = np.empty((len(chosen), *places), np.int64)
    for row, index in enumerate(chosen.tolist()):
        sample = shards[index]
        if sample.photo not in mask_of:
            raise SlykError(f"{raw} has no photo {sample.photo}, from which shards in {shards.folder} were made")
        mask = read_mask(raw / mask_of[sample.photo])
        found[row] = class_map(mask, np.linalg.inv(to_stored) @ sample.face_from_photo, face_px, places)
    return found


def class_map(mask: NDArray[np.uint8], view_from_photo: Array, face_px: int, places: tuple[int, int]) -> Labels:
    """(h, w): the class that covers most of each place; what lies beyond the photo is background."""
    mask = np.where(np.isin(mask, EYE_REGIONS), np.uint8(Region.EYES), mask)
    view = cv2.warpPerspective(mask, view_from_photo, (face_px, face_px), flags=cv2.INTER_NEAREST)
    shares = [
        cv2.resize((view == number).astype(np.float64), places[::-1], interpolation=cv2.INTER_AREA)
        for number in range(NUM_CLASSES)
    ]
    return np.asarray(np.argmax(shares, axis=0))


if __name__ == "__main__":
    stage(main)
