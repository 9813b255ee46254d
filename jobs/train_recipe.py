"""What a stage trains and how: the interface between the stages and `jobs.train`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from slyk.datasets.protocols import Filter
from slyk.errors import DataMissingError
from slyk.shards import manifest
from slyk.shards.read import ShardSet
from slyk.training.batches import Seeing
from slyk.training.loop import Trainable

Watcher = Callable[[Any], dict[str, float]]
"""What tells more of a module that learns."""


@dataclass(frozen=True)
class Source:
    """Where samples come from: a folder of shards, the groups to read, and which of their photos (None: all)."""

    folder: Path
    groups: tuple[str, ...]
    keep: Filter | None = None

    def verified(self) -> ShardSet:
        """Raises DataMissingError where no photo is left, CorruptShardError."""
        shards = ShardSet.open(self.folder, self.groups, self.keep)
        if not len(shards):
            kept = "" if self.keep is None else f"{self.keep} "
            raise DataMissingError(
                f"{self.folder} holds no {kept or 'photos '}of the {len(self.groups)} training groups: choose another "
                f"protocol for {self.folder.name} in params.yaml (docs/protocols.md)"
            )
        return shards

    def opened(self) -> ShardSet:
        """Without checking every byte again; the driver did."""
        return ShardSet(self.folder, manifest.load(self.folder), self.groups, self.keep)

    def chosen(self) -> dict[str, Any]:
        """What is read, as plain values, for a fingerprint."""
        return {"groups": self.groups, "keep": None if self.keep is None else asdict(self.keep)}


class Recipe(Protocol):
    """What a stage trains and how; plain data and methods, sent whole to the workers.

    watched: photos that nothing is learned from; watcher: what tells more of the module at each report, if anything.
    """

    @property
    def stage(self) -> str: ...

    @property
    def sources(self) -> tuple[Source, ...]: ...

    @property
    def watched(self) -> tuple[Source, ...]: ...

    @property
    def seed(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def epochs(self) -> int: ...

    @property
    def warmup_epochs(self) -> float: ...

    @property
    def checkpoints_per_epoch(self) -> int: ...

    @property
    def precision(self) -> str: ...

    @property
    def clip_norm(self) -> float | None: ...

    @property
    def micro_batch(self) -> int | None: ...

    @property
    def compile(self) -> bool: ...

    def fingerprint(self) -> dict[str, Any]: ...

    def module(self) -> nn.Module: ...

    def optimizer(self, module: nn.Module) -> Optimizer: ...

    def trainable(self, module: nn.Module, wrapped: nn.Module) -> Trainable: ...

    def seeing(self, module: nn.Module) -> Seeing: ...

    def watcher(self, module: nn.Module, device: torch.device, precision: str) -> Watcher | None: ...
