"""Who trains, who guards the gate, who is tested."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.datasets.protocols import roles
from slyk.errors import ParamsError
from slyk.shards.manifest import Manifest, ShardEntry


def manifest_of(*groups: tuple[str, str, int], num_shards: int = 1) -> Manifest:
    """(group, split, labelled samples of each shard)."""
    rest: dict[str, Any] = {"eyes": {"annotated": 5}, "size": 1, "sha256": ""}
    shards = [
        ShardEntry(f"{group}-{n:05d}", group, split, 5, num_labelled, **rest)
        for group, split, num_labelled in groups
        for n in range(num_shards)
    ]
    return Manifest("drawn", "unknown", {}, tuple(shards), "d")


@given(st.sets(st.text("abc0", min_size=1), min_size=3, max_size=20), st.integers(0, 2), st.integers(1, 3))
def test_roles_are_disjoint_and_whole(names: set[str], num_gate: int, num_shards: int) -> None:
    test, *train = sorted(names)
    splits = [(test, "test", 5)] + [(name, "train", 5) for name in train]
    if num_gate >= len(train):
        return
    found = roles(manifest_of(*splits, num_shards=num_shards), num_gate_people=num_gate)
    assert found.test == (test,)
    assert len(found.gate) == num_gate
    assert sorted(found.train + found.gate) == train
    assert found == roles(manifest_of(*reversed(splits)), num_gate_people=num_gate)


def test_a_new_person_moves_at_most_one_other() -> None:
    """The gate goes by hashes: adding people to the set does not shuffle it."""
    people = [(f"p{i:03d}", "train", 5) for i in range(30)]
    before, after = (set(roles(manifest_of(*people[:n]), num_gate_people=6).gate) for n in (29, 30))
    assert len(before - after) <= 1


def test_groups_without_labels_train_and_are_never_gate() -> None:
    found = roles(manifest_of(("a", "train", 0), ("b", "train", 0), ("c", "test", 0)), num_gate_people=6)
    assert (found.train, found.gate, found.test) == (("a", "b"), (), ("c",))


def test_a_gate_that_takes_everybody_is_an_error() -> None:
    with pytest.raises(ParamsError, match=r"num_gate_people is 2, but drawn has 2 training people"):
        roles(manifest_of(("a", "train", 5), ("b", "train", 5)), num_gate_people=2)
