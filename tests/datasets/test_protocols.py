"""Who trains, who guards the gate, who is tested; under every protocol nobody twice."""

from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slyk.config.data import ProtocolName
from slyk.datasets.expressions import CLASSES
from slyk.datasets.protocols import PROTOCOLS, Filter, Roles, only_tested, roles
from slyk.errors import ParamsError, SplitError
from slyk.shards.manifest import Manifest, ShardEntry
from tests.drawn import REPOSITORY


class Group(NamedTuple):
    """A person or recording: num_labelled and num_validation of its 5 samples, in so many shards."""

    name: str
    split: str
    num_labelled: int = 5
    num_validation: int = 0
    num_shards: int = 1


def manifest_of(*groups: Group) -> Manifest:
    rest: dict[str, Any] = {"eyes": {"annotated": 5}, "size": 1, "sha256": "", "seal": ""}
    shards = [
        ShardEntry(
            f"{g.name}-{n:05d}", g.name, g.split, 5, g.num_labelled, tags={"validation": g.num_validation}, **rest
        )
        for g in groups
        for n in range(g.num_shards)
    ]
    return Manifest("drawn", "unknown", {}, tuple(shards), "d")


@st.composite
def sets_of_groups(draw: st.DrawFn) -> list[Group]:
    """Sets as readers give them: a group has one split, and validates whole or not at all."""
    names = draw(st.lists(st.text("abc0", min_size=1), min_size=2, max_size=24, unique=True))
    found = []
    for name in names:
        split = draw(st.sampled_from(["train", "train", "test"]))
        validation = 5 if split == "train" and draw(st.integers(0, 5)) == 0 else 0
        found.append(Group(name, split, draw(st.sampled_from([5, 5, 0])), validation, draw(st.integers(1, 3))))
    return found


def options(name: str, num_labelled: int, fold: int) -> dict[str, Any]:
    """What the protocol needs, fold within its range."""
    wanted = PROTOCOLS[name].options
    num_folds = min(5, max(2, num_labelled)) if "num_folds" in wanted else num_labelled
    found = {"fold": fold % max(1, num_folds)} if "fold" in wanted else {}
    return found | ({"num_folds": num_folds} if "num_folds" in wanted else {})


def divided(groups: list[Group], name: str, num_gate: int, fold: int) -> Roles:
    """Sets that are too small for the protocol are no example."""
    labelled = [group for group in groups if group.num_labelled]
    try:
        return roles(manifest_of(*groups), num_gate_people=num_gate, name=name, **options(name, len(labelled), fold))
    except ParamsError:
        assume(False)
        raise


@given(sets_of_groups(), st.sampled_from(sorted(PROTOCOLS)), st.integers(0, 3), st.integers(0, 30), st.randoms())
def test_nobody_has_two_roles(groups: list[Group], name: str, num_gate: int, fold: int, random: Any) -> None:
    found = divided(groups, name, num_gate, fold)
    everybody = [*found.train, *found.gate, *found.test]
    assert len(set(everybody)) == len(everybody)
    assert set(everybody) <= {group.name for group in groups}
    labelled = {group.name for group in groups if group.num_labelled}
    unlabelled = {group.name for group in groups if group.split == "train" and not group.num_labelled}
    assert labelled - set(everybody) <= {g.name for g in groups if g.split == "test"}  # of own_split alone
    assert unlabelled <= {*found.train, *found.gate}
    shuffled = random.sample(groups, len(groups))
    assert divided(shuffled, name, num_gate, fold) == found


@given(sets_of_groups(), st.sampled_from(["leave_one_out", "leave_one_out_evaluation", "folds"]), st.integers(0, 2))
def test_folds_test_every_labelled_group_once(groups: list[Group], name: str, num_gate: int) -> None:
    labelled = sorted(group.name for group in groups if group.num_labelled)
    count = options(name, len(labelled), 0).get("num_folds", len(labelled))
    found = [divided(groups, name, num_gate, fold) for fold in range(count)]
    assert sorted(group for fold in found for group in fold.test) == labelled
    kept_back = {group.name for group in groups if group.split == "test" and not group.num_labelled}
    for fold in found:
        assert not kept_back & {*fold.train, *fold.gate, *fold.test}
        assert set(labelled) <= {*fold.train, *fold.gate, *fold.test}
        assert len(fold.gate) == num_gate


@given(sets_of_groups(), st.integers(0, 3))
def test_shipped_test_groups_are_the_test(groups: list[Group], num_gate: int) -> None:
    shipped = tuple(sorted(group.name for group in groups if group.split == "test"))
    validation = tuple(sorted(group.name for group in groups if group.num_validation))
    for name in ("as_shipped", "official", "front_180", "affectnet_7"):
        found = divided(groups, name, num_gate, 0)
        assert found.test == shipped
        if name != "as_shipped" and validation:
            assert found.gate == validation
        assert sorted([*found.train, *found.gate]) == sorted(g.name for g in groups if g.split == "train")


@given(st.sets(st.text("abc0", min_size=1), min_size=3, max_size=20), st.integers(0, 2))
def test_own_split_leaves_shipped_test_groups_alone(names: set[str], num_gate: int) -> None:
    kept_back, *train = sorted(names)
    found = divided([Group(kept_back, "test", 0), *(Group(n, "train") for n in train)], "own_split", num_gate, 0)
    assert kept_back not in {*found.train, *found.gate, *found.test}
    assert len(found.test) == max(1, len(train) * 3 // 16)
    assert sorted([*found.train, *found.gate, *found.test]) == train


def test_own_split_of_eth_xgaze() -> None:
    people = [Group(f"subject{i:04d}", "train") for i in range(80)]
    found = roles(manifest_of(*people), num_gate_people=6, name="own_split")
    assert (len(found.test), len(found.gate), len(found.train)) == (15, 6, 59)
    as_shipped = roles(manifest_of(*people), num_gate_people=6)
    assert not as_shipped.test and set(as_shipped.gate) <= set(found.test)  # who has answered for it may not train


def test_the_rendered_set_is_divided_as_ever() -> None:
    """The committed model was trained and measured on these people."""
    people = [Group(f"p{i:03d}", "train" if i < 40 else "test") for i in range(52)]
    found = roles(manifest_of(*people), num_gate_people=6)
    assert found.gate == ("p000", "p011", "p031", "p034", "p037", "p039")
    assert found.test == tuple(f"p{i:03d}" for i in range(40, 52))
    assert found.train == tuple(f"p{i:03d}" for i in range(40) if f"p{i:03d}" not in found.gate)
    assert found.learned is None and found.measured is None


def test_mpiifacegaze_leaves_one_person_out() -> None:
    people = [Group(f"p{i:02d}", "train") for i in range(15)]
    found = roles(manifest_of(*people), num_gate_people=1, name="leave_one_out_evaluation", fold=3)
    assert found.test == ("p03",) and len(found.train) == 13 and found.gate[0] != "p03"
    assert found.learned == found.measured == Filter("evaluation")


def test_a_new_person_moves_at_most_one_other() -> None:
    """The gate goes by hashes: adding people to the set does not shuffle it."""
    people = [Group(f"p{i:03d}", "train") for i in range(30)]
    before, after = (set(roles(manifest_of(*people[:n]), num_gate_people=6).gate) for n in (29, 30))
    assert len(before - after) <= 1


def test_groups_without_labels_train_and_are_never_gate() -> None:
    groups = (Group("a", "train", 0), Group("b", "train", 0), Group("c", "test", 0))
    found = roles(manifest_of(*groups), num_gate_people=6)
    assert (found.train, found.gate, found.test) == (("a", "b"), (), ("c",))


def test_a_set_that_is_only_tested() -> None:
    groups = (Group("a", "train"), Group("b", "train", 0), Group("c", "test"))
    found = only_tested(manifest_of(*groups), name="leave_one_out_evaluation")
    assert found == Roles((), (), ("a", "c"), None, Filter("evaluation"))
    found = only_tested(manifest_of(*groups), name="front_20_cone")
    assert found == Roles((), (), ("c",), None, Filter("front_20_cone"))


def test_filters() -> None:
    rows: list[dict[str, Any]] = [
        {"tags": ["front_180", "face_detected"], "expression": None},
        {"tags": [], "expression": "contempt"},
        {"tags": ["front_180"], "expression": "neutral"},
    ]
    assert [Filter("front_180")(row) for row in rows] == [True, False, True]
    assert [Filter(expressions=CLASSES[:7])(row) for row in rows] == [False, False, True]
    assert [Filter("front_180", ("neutral",))(row) for row in rows] == [False, False, True]
    seven, eight = (PROTOCOLS[name].learned for name in ("affectnet_7", "affectnet_8"))
    assert seven and eight and set(eight.expressions) - set(seven.expressions) == {"contempt"}
    assert str(Filter("a", ("b", "c"))) == "photos with tag a and with b, c"
    assert [Filter(without=("face_detected", "blurred"))(row) for row in rows] == [False, True, True]
    assert [Filter("front_180", without=("face_detected",))(row) for row in rows] == [False, False, True]
    assert str(Filter("a", without=("b", "c"))) == "photos with tag a and without tag b and without tag c"


def test_photos_with_a_tag_may_take_part_in_nothing() -> None:
    found = manifest_of(Group("a", "train", num_validation=2), Group("b", "train"), Group("c", "test"))
    out = ("validation",)
    chosen = roles(found, num_gate_people=1, without=out)
    assert chosen.learned == chosen.measured == Filter(without=out)
    chosen = roles(found, num_gate_people=0, name="leave_one_out_evaluation", fold=0, without=out)
    assert chosen.learned == chosen.measured == Filter("evaluation", without=out)
    assert only_tested(found, without=out).measured == Filter(without=out)
    with pytest.raises(ParamsError, match=r"protocol.sets.drawn.without: no photo has the tag off_scren"):
        roles(found, num_gate_people=1, without=("off_scren",))


def test_gaze360_settings_differ_by_their_filters() -> None:
    names = ("all", "front_180", "front_20_band", "front_20_cone", "face_detected")
    groups = [Group(f"rec_{i:03d}", "train", num_validation=5 * (i > 7)) for i in range(10)]
    groups.append(Group("rec_010", "test"))
    found = {name: roles(manifest_of(*groups), num_gate_people=6, name=name) for name in names}
    assert all(f.gate == ("rec_008", "rec_009") and f.test == ("rec_010",) for f in found.values())
    measured = [None if f.measured is None else f.measured.tag for f in found.values()]
    assert measured == [None, *names[1:]]
    assert [name for name, f in found.items() if f.learned is not None] == ["face_detected"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"name": "leave_one_out"}, "leave_one_out needs fold: mend protocol.sets.drawn"),
        ({"name": "leave_one_out", "fold": 4}, "drawn has 4 folds, counted from 0: there is no fold 4"),
        ({"name": "leave_one_out", "fold": 0, "num_folds": 3}, "leave_one_out has no num_folds"),
        ({"name": "folds", "fold": 0}, "folds needs num_folds"),
        ({"name": "folds", "fold": 0, "num_folds": 5}, "num_folds is 5, but it must lie between 2 and .* 4"),
        ({"name": "folds", "fold": 3, "num_folds": 3}, "there is no fold 3"),
        ({"name": "official", "fold": 1}, "official has no fold"),
        ({"name": "leave_two_out"}, "unknown protocol 'leave_two_out'; known: as_shipped, official"),
        ({"num_gate_people": 4}, "num_gate_people is 4, but drawn has 4 training people"),
        ({"name": "leave_one_out", "fold": 0, "num_gate_people": 3}, "num_gate_people is 3, but drawn has 3"),
    ],
)
def test_what_cannot_be_divided(wanted: dict[str, Any], told: str) -> None:
    people = [Group(f"p{i}", "train") for i in range(4)]
    with pytest.raises(ParamsError, match=told):
        roles(manifest_of(*people), **{"num_gate_people": 1, **wanted})


def test_a_group_in_two_splits_is_named() -> None:
    mixed = manifest_of(Group("a", "train"), Group("b", "train"), Group("b", "test"), Group("c", "test"))
    for name in ("as_shipped", "official", "own_split"):
        with pytest.raises(SplitError, match="drawn: group b has photos of the training split and of the test split"):
            roles(mixed, num_gate_people=1, name=name)
    with pytest.raises(SplitError, match="group b"):
        only_tested(mixed)


def test_a_group_that_validates_in_part_is_named() -> None:
    mixed = manifest_of(Group("a", "train"), Group("b", "train", num_validation=2), Group("c", "test"))
    with pytest.raises(SplitError, match="group b belongs to the validation part with some of its photos only"):
        roles(mixed, num_gate_people=0, name="official")
    assert roles(mixed, num_gate_people=0).train == ("a", "b")


def test_every_protocol_can_be_chosen_and_is_documented() -> None:
    assert set(get_args(ProtocolName)) == set(PROTOCOLS)
    text = (REPOSITORY / "docs/protocols.md").read_text()
    assert [name for name in PROTOCOLS if f"| `{name}` |" not in text] == []
