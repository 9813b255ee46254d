"""params.yaml chooses who takes part: on a rendered set in Gaze360's layout, from its own files to the samples read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from jobs.roles import learned_from, roles_of, sets_tested, told
from slyk.config import Params
from slyk.config.data import SetProtocol
from slyk.datasets import gaze360, listing
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, from_row
from slyk.shards import manifest
from slyk.shards.read import ShardSet
from slyk.shards.write import ShardPlan, write_shard
from tests.drawn import SMALL_SPEC, write_index
from tests.layouts.rendered import Export

Chosen = Callable[..., Params]


@pytest.fixture(scope="module")
def folder(exported: Export, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of one training recording, a validation and a test recording; not to be changed."""
    raw = Raw(exported("gaze360").out)
    found = list(gaze360.read(raw, gaze360.units([entry.path for entry in listing.scan(raw.root)]), ReadOptions()))
    out, sidecars = tmp_path_factory.mktemp("shards") / "gaze360", []
    table = write_index(out.parent / "index.parquet", [record for outcome in found for record in outcome.records], 250)
    for name, rows in table.groupby("shard"):
        records = [from_row({str(key): value for key, value in row.items()}) for row in rows.to_dict("records")]
        plan, picture = ShardPlan(str(name), records[0].group, records[0].split, ""), partial(gaze360.picture, raw)
        sidecars.append(write_shard(out, plan, records, picture=picture, spec=SMALL_SPEC, jpeg_quality=90))
    manifest.write(out, "gaze360", gaze360.LICENCE, SMALL_SPEC.as_dict(), sidecars)
    return out


@pytest.fixture
def chosen(params: Params) -> Chosen:
    """Params that train on Gaze360, or only test on it, under a protocol."""

    def make(name: str, *, trained: bool = True, **options: int) -> Params:
        protocol = SetProtocol.model_validate({"name": name, **options})
        gaze = params.finetune.gaze.model_copy(update={"datasets": ("gaze360",) if trained else ("synthetic",)})
        return params.model_copy(
            update={
                "protocol": params.protocol.model_copy(update={"sets": {"gaze360": protocol}}),
                "finetune": params.finetune.model_copy(update={"gaze": gaze}),
                "evaluate": params.evaluate.model_copy(update={"datasets": ("gaze360",)}),
            }
        )

    return make


@pytest.mark.parametrize("name", ["all", "front_180", "front_20_band", "front_20_cone", "face_detected"])
def test_gaze360_from_its_files(folder: Path, chosen: Chosen, name: str) -> None:
    about = manifest.load(folder)
    everybody = ShardSet(folder, about)
    validation = {sample.group for sample in everybody if "validation" in sample.tags}
    people = roles_of(chosen(name), about)
    assert people.gate == tuple(sorted(validation)) and len(people.train) == len(people.test) == 1

    def counted(groups: tuple[str, ...], tag: str) -> list[str]:
        return [s.key for s in everybody if s.group in groups and (tag in s.tags or name == "all" or not tag)]

    test = ShardSet(folder, about, people.test, people.measured)
    assert [sample.key for sample in test] == counted(people.test, name)
    train = ShardSet(folder, about, people.train, people.learned)
    assert [sample.key for sample in train] == counted(people.train, name if name == "face_detected" else "")


def test_a_set_that_nobody_learns_from(folder: Path, chosen: Chosen) -> None:
    about = manifest.load(folder)
    params = chosen("leave_one_out_evaluation", trained=False, fold=0)
    assert learned_from(params) == {"synthetic"} and sets_tested(params) == ("gaze360",)
    people = roles_of(params, about)
    assert (people.train, people.gate) == ((), ()) and people.test == tuple(about.groups(labelled=True))
    said = "leave_one_out_evaluation, only tested: all labelled groups, photos with tag evaluation"
    assert told(params, "gaze360") == said
    params = chosen("front_180", trained=False)
    assert roles_of(params, about).test == tuple(about.groups("test"))
    said = "front_180, only tested: the set's own test groups, photos with tag front_180"
    assert told(params, "gaze360") == said


def test_protocols_in_words(chosen: Chosen) -> None:
    assert told(chosen("folds", fold=1, num_folds=5), "gaze360").startswith("folds, fold 1 of 5: each num_folds-th")
    assert told(chosen("leave_one_out", fold=0), "gaze360").startswith("leave_one_out, fold 0: one labelled group")
    assert told(chosen("all"), "synthetic").startswith("as_shipped: the set's own test groups")
