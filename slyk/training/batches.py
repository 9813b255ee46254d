"""Batches as a function of (seed, epoch, step): exact to resume, the same for any number of loader workers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from slyk.errors import ParamsError
from slyk.models.encoder import Images
from slyk.shards.crops import CropSpec
from slyk.shards.read import Pictures, ShardSet
from slyk.shards.sample import Sample
from slyk.views import fused_cv, fused_torch
from slyk.views.augmentation import Augmentation, Draws, draw, numbers
from slyk.views.single import View

NO_CHANCE = torch.empty(0)


class Batch(NamedTuple):
    """views: one Images a view; turn (B, 2, 2): of O(2), carries the first view into the last; gaze (B, 2) radians of
    the first view, NaN without a label; keys of the samples; chance (B, places): see Seeing."""

    views: tuple[Images, ...]
    turn: Tensor
    gaze: Tensor
    keys: list[str]
    chance: Tensor = NO_CHANCE

    def part(self, which: slice) -> "Batch":
        """Some of its samples."""
        views = tuple(Images(*(images[which] for images in view)) for view in self.views)
        return Batch(views, self.turn[which], self.gaze[which], self.keys[which], self.chance[which])


class Samples(Sequence[tuple[Sample, CropSpec]]):
    """Several sets of shards as one sequence."""

    def __init__(self, sets: Sequence[ShardSet]) -> None:
        self.sets = list(sets)
        self._ends = np.cumsum([len(s) for s in self.sets])

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> tuple[Sample, CropSpec]:  # type: ignore[override]
        which, own = self.place(index)
        return self.sets[which][own], self.sets[which].spec

    def place(self, index: int) -> tuple[int, int]:
        """Which set holds a sample, and where."""
        which = int(np.searchsorted(self._ends, index, side="right"))
        return which, index - (0 if which == 0 else int(self._ends[which - 1]))


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

    def parts(self, most: int | None) -> int:
        """Into how many even parts a worker takes a step's samples, none above `most`.

        Raises ParamsError where batch_size is no multiple of that, or a worker has but one sample.
        """
        share = self.batch_size // self.num_ranks
        if share < 2:
            raise ParamsError(
                f"batch_size {self.batch_size} leaves one sample to each of {self.num_ranks} workers, and batch norm "
                "needs two: raise it, or take fewer workers"
            )
        if most is None or share <= most:
            return 1
        if share % most:
            raise ParamsError(
                f"micro_batch {most} does not divide the {share} samples that a worker takes a step: choose a divisor"
            )
        return share // most

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


@dataclass(frozen=True)
class Seeing:
    """How samples are seen: a view for each augmentation, a function of (seed, epoch, sample, view) alone.

    eyes: whether eyes are cut; on_device: views are left to `Unseen.seen`, by the engine for GPUs; places: how many
    uniform numbers come with each sample besides, for what an objective hides of it (Objective.num_places).
    """

    face_px: int
    augmentations: tuple[Augmentation, ...]
    seed: int
    eyes: bool = True
    on_device: bool = False
    places: int = 0


class Stored(NamedTuple):
    """rows of a batch whose squares are of one size; draws: one a view."""

    rows: NDArray[np.int64]
    pictures: fused_torch.Stored
    draws: tuple[Draws, ...]


class Unseen(NamedTuple):
    """A batch whose views are still to be made, of squares on any device."""

    stored: tuple[Stored, ...]
    seeing: Seeing
    turn: Tensor
    gaze: Tensor
    keys: list[str]
    chance: Tensor = NO_CHANCE

    def seen(self, device: torch.device) -> Batch:
        """Moves the squares to a device and makes the views there."""
        views: list[list[Images]] = []
        for part in self.stored:
            there = fused_torch.Stored(*(t.to(device, non_blocking=True) for t in part.pictures))
            views.append([fused_torch.apply(there, d, self.seeing.face_px, eyes=self.seeing.eyes) for d in part.draws])
        back = torch.from_numpy(np.argsort(np.concatenate([part.rows for part in self.stored]))).to(device)
        whole = tuple(
            Images(*(torch.cat(parts)[back] for parts in zip(*per_view, strict=True)))
            for per_view in zip(*views, strict=True)
        )
        turn, gaze, chance = (t.to(device, non_blocking=True) for t in (self.turn, self.gaze, self.chance))
        return Batch(whole, turn, gaze, self.keys, chance)


class Augmented(Dataset[Batch | Unseen]):
    """A list of (epoch, sample) -> their batch."""

    def __init__(self, samples: Samples, seeing: Seeing) -> None:
        self.samples, self.seeing = samples, seeing

    def __getitem__(self, places: list[tuple[int, int]]) -> Batch | Unseen:
        parts = list(self._parts(places))
        gaze, turn = np.full((len(places), 2), np.nan), np.empty((len(places), 2, 2))
        for which, own, rows, draws in parts:
            gaze[rows] = draws[0].of_gaze(self.samples.sets[which].gaze[own])
            turn[rows] = draws[-1].turn @ draws[0].turn.transpose(0, 2, 1)
        keys = [self.samples.sets[which].key(own) for which, own in map(self.samples.place, (i for _, i in places))]
        chance = numbers(self.seeing.seed, places, len(self.seeing.augmentations), self.seeing.places)
        turns, gazes, chances = (torch.from_numpy(part.astype(np.float32)) for part in (turn, gaze, chance))
        about = (turns, gazes, keys, chances)
        if self.seeing.on_device:
            return Unseen(tuple(self._stored(*part) for part in parts), self.seeing, *about)
        return Batch(self._views(parts, len(places)), *about)

    def _parts(self, places: list[tuple[int, int]]) -> Iterator["_Part"]:
        """The samples of each set in turn, and what becomes of them."""
        found = np.array([self.samples.place(index) for _, index in places])
        for which in np.unique(found[:, 0]).tolist():
            rows = np.flatnonzero(found[:, 0] == which)
            spec, chosen = self.samples.sets[which].spec, [places[row] for row in rows]
            draws = tuple(
                draw(augmentation, numbers(self.seeing.seed, chosen, number), spec, self.seeing.face_px)
                for number, augmentation in enumerate(self.seeing.augmentations)
            )
            yield _Part(which, found[rows, 1], rows, draws)

    def _pictures(self, which: int, own: NDArray[np.int64]) -> Pictures:
        return self.samples.sets[which].pictures(own.tolist(), eyes=self.seeing.eyes)

    def _stored(self, which: int, own: NDArray[np.int64], rows: NDArray[np.int64], draws: tuple[Draws, ...]) -> Stored:
        face, *eyes = map(torch.from_numpy, self._pictures(which, own))
        if not self.seeing.eyes:  # memory that nobody wrote need not travel, and a slice would take it along
            eyes = [eye.new_empty(len(eye), 0, 0, 3) for eye in eyes]
        return Stored(rows, fused_torch.Stored(face, *eyes), draws)

    def _views(self, parts: list["_Part"], count: int) -> tuple[Images, ...]:
        whole = [fused_cv.empty(count, self.seeing.face_px, self.seeing.eyes) for _ in self.seeing.augmentations]
        for which, own, rows, draws in parts:
            stored = self._pictures(which, own)
            for out, drawn in zip(whole, draws, strict=True):
                if len(rows) == count:
                    fused_cv.apply(stored, drawn, out)
                    continue
                some = fused_cv.apply(stored, drawn, fused_cv.empty(len(rows), self.seeing.face_px, self.seeing.eyes))
                for target, made in zip(out, some, strict=True):
                    target[rows] = made
        return tuple(as_images(seen) for seen in whole)


class _Part(NamedTuple):
    """Samples of one set: which set, where in it, where in the batch, draws of each view."""

    which: int
    own: NDArray[np.int64]
    rows: NDArray[np.int64]
    draws: tuple[Draws, ...]


def loader(dataset: Augmented, plan: Plan, *, start: int, num_workers: int = 0) -> DataLoader[Batch | Unseen]:
    """A torch loader over the plan from step `start` on."""
    places = _Places(plan, start)
    pinned = dataset.seeing.on_device and torch.cuda.is_available()
    # an item is a whole batch already; torch's own collation would make tensors of the draws of an Unseen
    return DataLoader(
        dataset, sampler=places, batch_size=None, num_workers=num_workers, collate_fn=_as_it_is, pin_memory=pinned
    )


def _as_it_is(batch: Any) -> Any:
    return batch


@dataclass(frozen=True)
class _Places:
    """The batches of a plan from a step on, made when they are asked for: of many epochs they would fill the memory."""

    plan: Plan
    start: int

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return self.plan.batches(self.start)

    def __len__(self) -> int:
        return self.plan.num_steps - self.start


def as_images(seen: fused_cv.Seen) -> Images:
    """Pictures (B, 3, h, w) in channels-last memory, without a copy."""
    return Images(*(torch.from_numpy(part).permute(0, 3, 1, 2) for part in seen))


def stack(views: Sequence[View]) -> Images:
    """Images of a list of views."""
    return as_images(fused_cv.Seen(*(np.stack([getattr(v, name) for v in views]) for name in fused_cv.Seen._fields)))
