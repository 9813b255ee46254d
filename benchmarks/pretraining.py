"""What the parts of `benchmarks.pretrain` share: drawn pictures, shards of them, batches, networks."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slyk.datasets.record import Record
from slyk.geometry.camera import camera_matrix
from slyk.geometry.normalize import FaceGeometry
from slyk.models.encoder import Encoder, EncoderConfig, Images
from slyk.objectives.byol import BYOL
from slyk.objectives.objective import ObjectiveConfig
from slyk.shards import manifest
from slyk.shards.crops import CropSpec, Image
from slyk.shards.write import ShardPlan, write_shard
from slyk.training.batches import Batch
from slyk.views.augmentation import Augmentation

PX = 96
HIDDEN, OUT = 1024, 256
PER_SHARD = 250
FIRST, SECOND = (
    Augmentation(
        flip=0.5, rotate=0.5, rotate_deg=30.0, gray=0.2, jitter=0.8, crop=1.0, crop_area=(0.08, 1.0), blur=blur,
        solarize=solarize,
    )
    for blur, solarize in ((1.0, 0.0), (0.1, 0.2))
)  # fmt: skip
"""The two views of BYOL's recipe with lightly's defaults, and turns by up to 30 degrees in half of them."""


def one_thread(*, pin: bool = True) -> None:
    """One thread everywhere and, by `pin`, one core."""
    if pin:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def textures(count: int, px: int, seed: int = 0) -> Image:
    """Pictures (count, px, px, 3): coloured clouds with fine noise, about as large as JPEG as photos of faces."""
    rng = np.random.default_rng(seed)
    pictures = np.empty((count, px, px, 3), np.uint8)
    for picture in pictures:
        clouds = cv2.resize(rng.uniform(20, 235, (8, 8, 3)).astype(np.float32), (px, px), interpolation=cv2.INTER_CUBIC)
        picture[:] = np.clip(clouds + rng.normal(0, 4, (px, px, 1)), 0, 255)
    return pictures


def crop_spec(face_px: int, margin: float) -> CropSpec:
    """Faces of a size, stored with a margin; eyes are of no interest here."""
    return CropSpec(face_px * 30 / 7, 600.0, face_px, margin, 60, 1.6, 1.6)


def write_shards(folder: Path, num_samples: int, spec: CropSpec) -> None:
    """Shards of drawn photos of a face each, by the writer of the library, where there are none yet."""
    if (folder / manifest.NAME).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    px = 2 * spec.face_square_px
    photos = textures(min(num_samples, 32), px)
    camera = camera_matrix(2 * spec.focal_px, (px / 2, px / 2))
    center, eyes = np.array([0.0, 0.0, spec.distance_mm]), np.array([[-31.0, -23.0, 2.5], [31.0, -23.0, 2.5]])
    geometry = FaceGeometry(camera, np.eye(3), center, center + eyes)
    sidecars = []
    for first in range(0, num_samples, PER_SHARD):
        group = f"p{first // PER_SHARD:03d}"
        numbers = range(first, min(first + PER_SHARD, num_samples))
        records = [
            Record(f"{group}/{n:06d}", f"{n}.jpg", group, "train", geometry, np.array([0.0, 0.0, -1.0]), "annotated")
            for n in numbers
        ]
        plan = ShardPlan(f"{group}-00000", group, "train", group)
        sidecars.append(
            write_shard(
                folder, plan, records, spec=spec, jpeg_quality=95,
                picture=lambda name, _: photos[int(name.partition(".")[0]) % len(photos)],
            )
        )  # fmt: skip
    manifest.write(folder, "drawn", "Apache-2.0", spec.as_dict(), sidecars)


def batches(count: int, size: int, px: int = PX) -> list[Batch]:
    """Batches in memory as a loader hands them out, views without eyes."""
    pictures = textures(2 * size, px)
    found = []
    for number in range(count):
        order = np.random.default_rng(number).permutation(2 * size)
        views = tuple(as_images(pictures[half]) for half in (order[:size], order[size:]))
        found.append(Batch(views, torch.eye(2).repeat(size, 1, 1), torch.full((size, 2), torch.nan), keys(size)))
    return found


def as_images(pictures: Image) -> Images:
    """Faces (B, S, S, 3) as a batch hands them out, without eyes."""
    none = torch.empty((len(pictures), 3, 0, 0), dtype=torch.uint8)
    return Images(torch.from_numpy(pictures).permute(0, 3, 1, 2), none, none)


def keys(size: int) -> list[str]:
    return [f"p000/{number:06d}" for number in range(size)]


def byol(backbone: str, *, together: bool) -> BYOL:
    """The objective with heads in-1024-256; the same weights each time."""
    torch.manual_seed(0)
    return BYOL(Encoder(EncoderConfig(backbone, 256, 4, 1)), ObjectiveConfig(HIDDEN, OUT, together=together))


def floats(objective: BYOL, batch: Batch) -> list[Tensor]:
    """The views as a network sees them, made beforehand: what lightly's transform gives."""
    with torch.no_grad():
        return [objective.encoder.normalize(view.face).contiguous() for view in batch.views]


def alternate(ways: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """What each way measures, a pass after the other; the first, in which much is made ready, is not kept."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        for name, way in ways.items():
            value = way()
            if number:
                found[name].append(value)
    return found


def median_ratio(ones: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The median over pairs of passes that followed each other."""
    return float(np.median(ones / others))
