"""Who takes part in what: a choice of groups made when reading, so that every protocol shares the shards.

A protocol divides the groups (people, recordings, videos) of a data set among training, gate and test, and says which
of their photos count. params.yaml names one for each set; docs/protocols.md says where each comes from.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from slyk.datasets.expressions import CLASSES
from slyk.errors import ParamsError, SplitError

VALIDATION = "validation"
"""The tag of photos that the set gives out for validation; their split is `train`."""
OWN_TEST = (3, 16)
"""Share of the training people that `own_split` tests: 15 of ETH-XGaze's 80."""


class Grouped(Protocol):
    """What a protocol needs of a `slyk.shards.manifest.Manifest`, which stands above this package."""

    @property
    def dataset(self) -> str: ...

    def groups(self, split: str | None = None, *, labelled: bool = False) -> list[str]: ...

    def tagged(self, tag: str) -> dict[str, float]: ...


@dataclass(frozen=True)
class Filter:
    """Takes photos with this tag and one of these expressions, where given, and with none of the tags of `without`.

    Called with a sample's row of a sidecar.
    """

    tag: str = ""
    expressions: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __call__(self, row: Mapping[str, Any]) -> bool:
        tags = set(row["tags"])
        if (self.tag and self.tag not in tags) or tags.intersection(self.without):
            return False
        return not self.expressions or row["expression"] in self.expressions

    def __str__(self) -> str:
        parts = [f"with tag {self.tag}"] if self.tag else []
        parts += [f"with {', '.join(self.expressions)}"] if self.expressions else []
        parts += [f"without tag {tag}" for tag in self.without]
        return "photos " + " and ".join(parts)


@dataclass(frozen=True)
class Roles:
    """Disjoint groups of one data set. train: pretraining and training; gate: promotion only; test: the report only.

    learned: which photos of the training groups take part, None for all; measured: likewise of gate and test.
    """

    train: tuple[str, ...]
    gate: tuple[str, ...]
    test: tuple[str, ...]
    learned: Filter | None = None
    measured: Filter | None = None


class Choice(NamedTuple):
    """What params.yaml says of a protocol. fold counts from 0; None where it is not given."""

    num_gate_people: int
    fold: int | None = None
    num_folds: int | None = None


class Division(NamedTuple):
    """learning: groups that train or guard the gate; test; gate: None where people of `learning` are chosen for it."""

    learning: Iterable[str]
    test: Iterable[str]
    gate: Iterable[str] | None = None


def as_shipped(manifest: Grouped, choice: Choice) -> Division:
    """Test groups as the set ships them, the rest learns. A validation part of the set trains too."""
    return Division(manifest.groups("train"), manifest.groups("test"))


def official(manifest: Grouped, choice: Choice) -> Division:
    """As shipped, but the set's validation groups guard the gate, where it has some. Raises SplitError where a group
    is validated on in part only."""
    train, shares = set(manifest.groups("train")), manifest.tagged(VALIDATION)
    mixed = [group for group, share in shares.items() if share < 1]
    if mixed:
        raise SplitError(
            f"{manifest.dataset}: {_some(mixed)} belongs to the validation part with some of its photos only, so that "
            "its people would train and validate: mend the tags of the set, or choose as_shipped"
        )
    validation = train & set(shares)
    return Division(train - validation, manifest.groups("test"), validation or None)


def leave_one_out(manifest: Grouped, choice: Choice) -> Division:
    """Fold i tests the i-th of the labelled groups in the order of their names."""
    labelled = manifest.groups(labelled=True)
    return _tested(manifest, [labelled[_fold(manifest, choice.fold, len(labelled))]])


def folds(manifest: Grouped, choice: Choice) -> Division:
    """Fold i of num_folds tests each num_folds-th of the labelled groups in the order of their hashes."""
    labelled = sorted(manifest.groups(labelled=True), key=_stable)
    count = choice.num_folds
    if count is None or not 2 <= count <= len(labelled):
        raise ParamsError(
            f"protocol folds of {manifest.dataset}: num_folds is {count}, but it must lie between 2 and the number of "
            f"its labelled groups, {len(labelled)}: give it under protocol.sets.{manifest.dataset} in params.yaml"
        )
    return _tested(manifest, labelled[_fold(manifest, choice.fold, count) :: count])


def own_split(manifest: Grouped, choice: Choice) -> Division:
    """Tests 3 of 16 labelled training groups, the first by their hashes; groups that the set ships for test rest."""
    labelled = sorted(manifest.groups("train", labelled=True), key=_stable)
    if len(labelled) < 2:
        raise ParamsError(f"protocol own_split: {manifest.dataset} has {len(labelled)} labelled training groups, not 2")
    test = labelled[: max(1, len(labelled) * OWN_TEST[0] // OWN_TEST[1])]
    return Division(set(manifest.groups("train")) - set(test), test)


class Entry(NamedTuple):
    """A named protocol. about: for reports; learned, measured: see Roles; options: what it needs of fold, num_folds."""

    about: str
    divide: Callable[[Grouped, Choice], Division]
    learned: Filter | None = None
    measured: Filter | None = None
    options: frozenset[str] = frozenset()


_FOLD, _FOLDS = frozenset({"fold"}), frozenset({"fold", "num_folds"})
_EVALUATION, _FACES = Filter("evaluation"), Filter("face_detected")
_SEVEN, _EIGHT = Filter(expressions=CLASSES[:7]), Filter(expressions=CLASSES)

PROTOCOLS: dict[str, Entry] = {
    "as_shipped": Entry("the set's own test groups; its validation part trains", as_shipped),
    "official": Entry("the set's own test groups; its validation groups guard the gate", official),
    "leave_one_out": Entry("one labelled group tests, the fold-th by name", leave_one_out, options=_FOLD),
    "leave_one_out_evaluation": Entry(
        "MPIIFaceGaze: one person tests; only photos of the evaluation subset train and test",
        *(leave_one_out, _EVALUATION, _EVALUATION, _FOLD),
    ),
    "folds": Entry("each num_folds-th labelled group tests, in the order of hashes", folds, options=_FOLDS),
    "own_split": Entry("3 of 16 labelled training groups test; what is shipped for test rests", own_split),
    "all": Entry("Gaze360, its own setting: all test photos", official),
    "front_180": Entry("Gaze360, its own setting: |yaw| <= 90 degrees", official, None, Filter("front_180")),
    "front_20_band": Entry("Gaze360, its own setting: |yaw| <= 20 degrees", official, None, Filter("front_20_band")),
    "front_20_cone": Entry(
        "Gaze360, its own setting: at most 20 degrees between gaze and the direction to the camera",
        *(official, None, Filter("front_20_cone")),
    ),
    "face_detected": Entry(
        "Gaze360, the setting of GazeHub: only photos with a detected face train and test", official, _FACES, _FACES
    ),
    "affectnet_7": Entry("AffectNet, 7 classes: photos of contempt neither train nor test", official, _SEVEN, _SEVEN),
    "affectnet_8": Entry("AffectNet, 8 classes", official, _EIGHT, _EIGHT),
}


def roles(
    manifest: Grouped,
    *,
    num_gate_people: int,
    name: str = "as_shipped",
    fold: int | None = None,
    num_folds: int | None = None,
    without: tuple[str, ...] = (),
) -> Roles:
    """The roles of a set under the protocol `name`, whatever the order of its shards.

    without: photos with one of these tags take part in nothing.

    Where the protocol names no gate, `num_gate_people` labelled groups that would train are it, by their hashes. Groups
    without labels train, those shipped for test take part in nothing unless the protocol tests what is shipped.

    Raises SplitError where a group is shipped for training and for test, ParamsError where no one would be left and for
    options that the protocol does not have, or tags that no photo has.
    """
    check_one_split(manifest)
    entry = _entry(name)
    given = {"fold": fold, "num_folds": num_folds}
    for option in sorted(given):
        if (given[option] is not None) != (option in entry.options):
            told = "needs" if option in entry.options else "has no"
            raise ParamsError(f"protocol {name} {told} {option}: mend protocol.sets.{manifest.dataset} in params.yaml")
    division = entry.divide(manifest, Choice(num_gate_people, fold, num_folds))
    learning, test = set(division.learning), set(division.test)
    gate = _gate(manifest, learning, num_gate_people) if division.gate is None else set(division.gate)
    train = learning - gate
    assert not (train & test or gate & test), f"{name} gives groups of {manifest.dataset} two roles"
    ordered = [tuple(sorted(part)) for part in (train, gate, test)]
    learned, measured = (_but(found, manifest, without) for found in (entry.learned, entry.measured))
    return Roles(ordered[0], ordered[1], ordered[2], learned, measured)


def only_tested(manifest: Grouped, *, name: str = "as_shipped", without: tuple[str, ...] = ()) -> Roles:
    """A set that no model learns from: all its labelled groups, but the set's own test groups under `official` and what
    builds on it, whose figures stand for these; with the photos that its protocol measures."""
    check_one_split(manifest)
    entry = _entry(name)
    test = manifest.groups("test") if entry.divide is official else manifest.groups(labelled=True)
    return Roles((), (), tuple(test), None, _but(entry.measured, manifest, without))


def _but(found: Filter | None, manifest: Grouped, without: tuple[str, ...]) -> Filter | None:
    """The filter that leaves out photos with one of the tags too. Raises ParamsError for a tag that no photo has."""
    for tag in without:
        if not manifest.tagged(tag):
            raise ParamsError(
                f"protocol.sets.{manifest.dataset}.without: no photo has the tag {tag}; docs/datasets.md has those "
                "of each set"
            )
    return replace(found or Filter(), without=without) if without else found


def set_apart(groups: Iterable[str], count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Groups without `count` of them, and these, the first by their hashes; sorted, whatever the order they come in."""
    ordered = sorted(groups, key=_stable)
    return tuple(sorted(ordered[count:])), tuple(sorted(ordered[:count]))


def check_one_split(manifest: Grouped) -> None:
    """Raises SplitError where a group is shipped for training and for test."""
    both = sorted(set(manifest.groups("train")) & set(manifest.groups("test")))
    if both:
        raise SplitError(
            f"{manifest.dataset}: {_some(both)} has photos of the training split and of the test split, so that one "
            "person would be trained on and tested on: give each person or recording one split"
        )


def _entry(name: str) -> Entry:
    if name not in PROTOCOLS:
        raise ParamsError(f"unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def _tested(manifest: Grouped, test: Iterable[str]) -> Division:
    """Everybody else who has labels learns, and so do training groups without."""
    return Division({*manifest.groups(labelled=True), *manifest.groups("train")} - set(test), test)


def _fold(manifest: Grouped, fold: int | None, count: int) -> int:
    if fold is None or not 0 <= fold < count:
        raise ParamsError(f"{manifest.dataset} has {count} folds, counted from 0: there is no fold {fold}")
    return fold


def _gate(manifest: Grouped, learning: set[str], num_gate_people: int) -> set[str]:
    labelled = sorted(learning & set(manifest.groups(labelled=True)), key=_stable)
    if labelled and len(labelled) <= num_gate_people:
        found = (
            f"protocol.num_gate_people is {num_gate_people}, but {manifest.dataset} has {len(labelled)} training people"
        )
        raise ParamsError(f"{found}: lower it in params.yaml, or add people")
    return set(labelled[:num_gate_people])


def _some(groups: list[str]) -> str:
    more = f" and {len(groups) - 1} more" if len(groups) > 1 else ""
    return f"group {groups[0]}{more}"


def _stable(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()
