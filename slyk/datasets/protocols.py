"""Who takes part in what: a choice of groups made when reading, so that every protocol shares the shards."""

import hashlib
from dataclasses import dataclass
from typing import Protocol

from slyk.errors import ParamsError


class Grouped(Protocol):
    """What a protocol needs of a `slyk.shards.manifest.Manifest`, which stands above this package."""

    @property
    def dataset(self) -> str: ...

    def groups(self, split: str | None = None, *, labelled: bool = False) -> list[str]: ...


@dataclass(frozen=True)
class Roles:
    """Disjoint groups of one data set. train: pretraining and training; gate: promotion only; test: the report only."""

    train: tuple[str, ...]
    gate: tuple[str, ...]
    test: tuple[str, ...]


def roles(manifest: Grouped, *, num_gate_people: int) -> Roles:
    """Test groups as shipped; the gate takes `num_gate_people` labelled groups of the training split by their hash.

    Sets without labels give all their training groups to pretraining. Raises ParamsError where no one would be left.
    """
    test = manifest.groups("test")
    labelled = sorted(manifest.groups("train", labelled=True), key=_stable)
    unlabelled = set(manifest.groups("train")) - set(labelled)
    if labelled and len(labelled) <= num_gate_people:
        found = (
            f"protocol.num_gate_people is {num_gate_people}, but {manifest.dataset} has {len(labelled)} training people"
        )
        raise ParamsError(f"{found}: lower it in params.yaml, or add people")
    gate, train = labelled[:num_gate_people], labelled[num_gate_people:]
    return Roles(tuple(sorted([*train, *unlabelled])), tuple(sorted(gate)), tuple(test))


def _stable(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()
