"""Batches as a function of (seed, epoch, step): exact to resume, the same for any number of loader workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from slyk.errors import ParamsError
from slyk.models.encoder import Images
from slyk.shards.crops import CropSpec
from slyk.shards.read import ShardSet
from slyk.shards.sample import Sample
from slyk.views import Augmentation, View, view


class Batch(NamedTuple):
    """views: one Images a view; gaze (B, 2) radians of the first view, NaN without a label; keys of the samples."""

    views: tuple[Images, ...]
    gaze: Tensor
    keys: list[str]


class Samples(Sequence[tuple[Sample, CropSpec]]):
    """Several sets of shards as one sequence."""

    def __init__(self, sets: Sequence[ShardSet]) -> None:
        self.sets = list(sets)
        self._ends = np.cumsum([len(s) for s in self.sets])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> tuple[Sample, CropSpec]:  # type: ignore[override]
        which = int(np.searchsorted(self._ends, index, side="right"))
        start = 0 if which == 0 else int(self._ends[which - 1])
        return self.sets[which][index - start], self.sets[which].spec


@dataclass(frozen=True)
class Plan:
    """Which samples each step takes. batch_size counts all ranks; the rest of an epoch that fills no batch is left out.

    Raises ParamsError when the batch cannot be shared evenly or the data fills no batch.
    """

    num_samples: int
    batch_size: int
    epochs: int
    seed: int
    rank: int = 0
    num_ranks: int = 1

    def __post_init__(self) -> None:
        if self.batch_size % self.num_ranks:
            raise ParamsError(f"batch_size {self.batch_size} cannot be shared evenly by {self.num_ranks} workers")
        if self.steps_per_epoch == 0:
            raise ParamsError(
                f"{self.num_samples} training samples fill no batch of {self.batch_size}: lower batch_size"
            )

    @property
    def steps_per_epoch(self) -> int:
        return self.num_samples // self.batch_size

    @property
    def num_steps(self) -> int:
        return self.steps_per_epoch * self.epochs

    def batches(self, start: int) -> Iterator[list[tuple[int, int]]]:
        """(epoch, sample) pairs of this rank, a list a step, from step `start` on."""
        for epoch in range(start // self.steps_per_epoch, self.epochs):
            order = np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(self.num_samples)
            first = start - epoch * self.steps_per_epoch if epoch == start // self.steps_per_epoch else 0
            for step in range(first, self.steps_per_epoch):
                batch = order[step * self.batch_size : (step + 1) * self.batch_size]
                yield [(epoch, int(i)) for i in batch[self.rank :: self.num_ranks]]


class Augmented(Dataset[tuple[list[View], str]]):
    """(epoch, sample) -> views, each a function of (seed, epoch, sample, view) alone."""

    def __init__(
        self, samples: Samples, *, face_px: int, augmentation: Augmentation, num_views: int, seed: int
    ) -> None:
        self.samples, self.face_px, self.augmentation = samples, face_px, augmentation
        self.num_views, self.seed = num_views, seed

    def __getitem__(self, place: tuple[int, int]) -> tuple[list[View], str]:
        epoch, index = place
        sample, spec = self.samples[index]
        views = []
        for number in range(self.num_views):
            rng = np.random.Generator(np.random.Philox(key=[self.seed, (epoch << 40) | (index << 4) | number]))
            views.append(view(sample, spec, self.face_px, self.augmentation, rng))
        return views, sample.key


def loader(dataset: Augmented, plan: Plan, *, start: int, num_workers: int = 0) -> DataLoader[Batch]:
    """A torch loader over the plan from step `start` on."""
    places = list(plan.batches(start))
    # torch types a loader by its items, but `collate` makes batches of them
    return DataLoader(dataset, batch_sampler=places, collate_fn=collate, num_workers=num_workers)  # type: ignore[arg-type]


def collate(items: Sequence[tuple[Sequence[View], str]]) -> Batch:
    """Stacks views; pictures become (B, 3, h, w) in channels-last memory without a copy."""
    num_views = len(items[0][0])
    views = tuple(stack([views[i] for views, _ in items]) for i in range(num_views))
    gaze = np.array([[np.nan, np.nan] if v[0].gaze is None else v[0].gaze for v, _ in items], dtype=np.float32)
    return Batch(views, torch.from_numpy(gaze), [key for _, key in items])


def stack(views: Sequence[View]) -> Images:
    """Images of a list of views."""

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(v, name) for v in views])).permute(0, 3, 1, 2)

    return Images(tensor("face"), tensor("right"), tensor("left"))
