"""Batches as a function of (seed, epoch, step): exact to resume, the same for any number of loader workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
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
    """Which samples each step takes: one stream of epochs, each a shuffle of all samples, cut into batches.

    batch_size counts all ranks, of which each takes every num_ranks-th sample. A batch may begin in one epoch and end
    in the next, so that every sample comes once an epoch; only what fills no batch after the last epoch is left out.
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
        if self.num_samples < self.batch_size:
            raise ParamsError(
                f"{self.num_samples} training samples fill no batch of {self.batch_size}: lower batch_size"
            )

    @property
    def steps_per_epoch(self) -> float:
        return self.num_samples / self.batch_size

    @property
    def num_steps(self) -> int:
        return self.num_samples * self.epochs // self.batch_size

    def steps_at(self, epochs: float) -> int:
        """Steps after which so many epochs have passed."""
        return min(self.num_steps, round(epochs * self.steps_per_epoch))

    def batches(self, start: int) -> Iterator[list[tuple[int, int]]]:
        """(epoch, sample) pairs of this rank, a list a step, from step `start` on."""
        order = {}
        for step in range(start, self.num_steps):
            batch = []
            for place in range(step * self.batch_size + self.rank, (step + 1) * self.batch_size, self.num_ranks):
                epoch, index = divmod(place, self.num_samples)
                if epoch not in order:
                    order = {epoch: self._order(epoch)}
                batch.append((epoch, int(order[epoch][index])))
            yield batch

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(self.num_samples)


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
    # torch types a loader by its items, but `collate` makes batches of them
    return DataLoader(dataset, batch_sampler=_Places(plan, start), collate_fn=collate, num_workers=num_workers)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Places:
    """The batches of a plan from a step on, made when they are asked for: of many epochs they would fill the memory."""

    plan: Plan
    start: int

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self.plan.batches(self.start)

    def __len__(self) -> int:
        return self.plan.num_steps - self.start


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
