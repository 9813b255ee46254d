"""The gate on real shards, real weights and a real registry: who passes, who does not, and the way back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import promote as gate
from jobs import tracking
from jobs.models import CHALLENGER, MODEL, find_version
from jobs.promote import Gate, PromotionRefusedError, objections, rollback
from slyk.config import Params, load_params
from slyk.config.data import Protocol, SetProtocol
from slyk.datasets.protocols import roles
from slyk.errors import ParamsError, RegistryError
from slyk.metrics import Interval
from tests.jobs.workspace import GATE_GAZE, NUM_GATE, NUM_PHOTOS, add_version, make_model, make_shards, write_params

EXACT, CLOSE, FAR = GATE_GAZE, (0.302, 0.2), (0.15, 0.2)  # answers 0, 0.1 and 8.6 deg off the gate people's gaze
GOOD = Gate("champion, version 1", 6, 60, 5.0, 5.1, Interval(-0.1, -0.3, 0.1), 7.0, 7.0)
PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")


class Workspace:
    """Builds and promotes as a user would, one model after the other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.shards = make_shards(root)
        write_params(root)
        self.params: Params = load_params(root / "params.yaml")
        self.client: Any = tracking.connect()
        self.measured: list[Gate] = []

    def build(self, answer: tuple[float, float], groups: tuple[str, ...] | None = None) -> str:
        model = make_model(self.root / "models", answer, self.shards, groups=groups)
        return add_version(self.client, model, self.root / f"logged-{answer}")

    def promote(self, *, force_first: bool = False) -> str:
        folders = {"models": self.root / "models", "shards": self.root / "data" / "shards"}
        return gate.promote(self.params, **folders, force_first=force_first, show=self.measured.append)

    def champion(self) -> str | None:
        return gate.current_champion()

    def tags(self, version: str) -> dict[str, str]:
        return dict(self.client.get_model_version(MODEL, version).tags)


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root)


@pytest.mark.slow
def test_first_then_refused_then_promoted_then_back(workspace: Workspace) -> None:
    assert workspace.champion() is None
    first = workspace.build(CLOSE)
    assert workspace.promote() == first == workspace.champion()
    measured = workspace.measured[-1]
    assert (measured.num_people, measured.num_photos, measured.rival) == (
        NUM_GATE,
        NUM_GATE * NUM_PHOTOS,
        "the mean gaze",
    )
    assert measured.challenger_deg < 2 < 18 < measured.rival_deg
    assert workspace.tags(first)["promoted_first"] == "True"

    worse = workspace.build(FAR)
    with pytest.raises(PromotionRefusedError, match="its error may exceed that of champion, version 1 by 8") as refused:
        workspace.promote()
    assert "worst gate person loses" in str(refused.value)
    challenger = find_version(workspace.client, CHALLENGER)
    assert workspace.champion() == first and challenger is not None and challenger.version == int(worse)

    better = workspace.build(EXACT)
    assert workspace.promote() == better == workspace.champion()
    tags = workspace.tags(better)
    assert tags["previous_champion"] == first and tags["promoted_by"] == gate.user()
    assert "against champion, version 1" in tags["promoted_reason"] and tags["promoted_at"].endswith("+00:00")
    with pytest.raises(PromotionRefusedError, match=f"nothing new: version {better} is champion and challenger"):
        workspace.promote()

    assert rollback(workspace.params) == (better, first)
    assert workspace.champion() == first and "restored_by" in workspace.tags(first)
    with pytest.raises(RegistryError, match=f"version {first} is the first champion"):
        rollback(workspace.params)


def test_a_first_model_must_beat_the_mean_gaze(workspace: Workspace) -> None:
    workspace.build((-0.2, 0.0))
    with pytest.raises(PromotionRefusedError, match="may exceed that of the mean gaze"):
        workspace.promote()
    assert workspace.champion() is None
    with pytest.raises(RegistryError, match="has no champion: nothing to roll back"):
        rollback(workspace.params)


@pytest.mark.slow
def test_force_first_asks_no_champion(workspace: Workspace) -> None:
    first = workspace.build(EXACT)
    workspace.promote()
    worse = workspace.build(FAR)
    assert workspace.promote(force_first=True) == worse == workspace.champion()
    assert workspace.measured[-1].rival == "the mean gaze"
    assert rollback(workspace.params) == (worse, first)


def test_what_is_promoted_must_be_what_was_built_here(workspace: Workspace) -> None:
    workspace.build(EXACT)
    make_model(workspace.root / "models", CLOSE, workspace.shards)
    with pytest.raises(PromotionRefusedError, match=r"the challenger \(version 1, .* is not the model in .*models"):
        workspace.promote()


def test_a_model_trained_on_gate_people_is_not_measured(workspace: Workspace) -> None:
    people = roles(workspace.shards, num_gate_people=NUM_GATE)
    workspace.build(EXACT, groups=(*people.train, people.gate[0]))
    with pytest.raises(RegistryError, match=f"trained or pretrained on 1 of the 3 people .*{people.gate[0]}"):
        workspace.promote()
    assert workspace.champion() is None


def test_a_set_without_a_gate_promotes_nothing(workspace: Workspace) -> None:
    workspace.build(EXACT)
    protocol = Protocol(num_gate_people=NUM_GATE, sets={"synthetic": SetProtocol(name="as_shipped", num_gate_people=0)})
    workspace.params = workspace.params.model_copy(update={"protocol": protocol})
    with pytest.raises(ParamsError, match=r"no set of finetune\.gaze has gate people \(synthetic\)"):
        workspace.promote()


@pytest.mark.slow
def test_the_gate_is_filtered_as_the_test_is(workspace: Workspace) -> None:
    workspace.build(EXACT)
    protocol = Protocol(num_gate_people=NUM_GATE, default="front_20_band")
    workspace.params = workspace.params.model_copy(update={"protocol": protocol})
    workspace.promote()
    assert (workspace.measured[-1].num_people, workspace.measured[-1].num_photos) == (NUM_GATE, 2 * NUM_GATE)


def test_without_a_challenger(root: Path) -> None:
    with pytest.raises(PromotionRefusedError, match="slyk-gaze has no challenger: run `dvc repro` first"):
        gate.check_candidate(None, None, root)


@pytest.mark.parametrize(
    "measured, against",
    [
        (GOOD, []),
        (replace(GOOD, extra_deg=Interval(0.2, 0.1, 0.3)), []),  # the margin itself still passes
        (replace(GOOD, extra_deg=Interval(0.2, 0.1, 0.31)), ["may exceed that of champion, version 1 by 0.31 deg"]),
        (replace(GOOD, challenger_worst_deg=9.0), []),
        (replace(GOOD, challenger_worst_deg=9.1), ["its worst gate person loses 2.10 deg (allowed 2.00)"]),
        (replace(GOOD, challenger_worst_deg=9.1, extra_deg=Interval(1, 1, 1)), ["may exceed", "worst gate person"]),
    ],
)
def test_margins(measured: Gate, against: list[str]) -> None:
    found = objections(measured, PARAMS, first=False)
    assert len(found) == len(against) and all(part in reason for part, reason in zip(against, found, strict=True))


def test_a_first_model_has_no_margin() -> None:
    even = replace(GOOD, extra_deg=Interval(0.0, -0.1, 0.1))
    assert objections(even, PARAMS, first=False) == []
    assert len(objections(even, PARAMS, first=True)) == 1
    assert objections(replace(GOOD, extra_deg=Interval(-1, -2, -0.1)), PARAMS, first=True) == []


def test_user_without_a_passwd_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987_654)
    assert gate.user() == "uid 987654"
    monkeypatch.setenv("LOGNAME", "somebody")
    assert gate.user() == "somebody"
