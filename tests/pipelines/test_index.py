"""The index: keys, planned shards, what is missing; and the whole stage on two numbers of cores."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipelines.index import _camera, _nameless, plan_shards, raw_root, unique_keys
from pipelines.rejects import check_fraction, print_reasons, write_rejects
from slyk.config import Dataset
from slyk.datasets import listing
from slyk.datasets.record import Outcome
from slyk.errors import DataMissingError, SlykError, SplitError
from slyk.shards.write import Reject
from tests.drawn import RawSet
from tests.stages import LISTING, RAW, draw_listed_set, run, write_params


@pytest.fixture
def outcomes(raw_set: RawSet) -> list[Outcome]:
    return [Outcome(record.photo, (record,)) for record in raw_set.records]


def versions_of(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.photo: "1 v1" for outcome in outcomes}


def test_a_shard_holds_one_group_and_at_most_so_many(outcomes: list[Outcome]) -> None:
    table = plan_shards(outcomes, versions_of(outcomes), 3)
    assert table.groupby("shard")["group"].nunique().max() == 1
    assert table.groupby("shard").size().to_dict() == {
        f"p{person:03d}-{part:05d}": size for person in range(4) for part, size in ((0, 3), (1, 1))
    }


def test_the_plan_does_not_depend_on_the_order_of_reading(outcomes: list[Outcome]) -> None:
    versions = versions_of(outcomes)
    pd.testing.assert_frame_equal(plan_shards(outcomes, versions, 3), plan_shards(outcomes[::-1], versions, 3))


def test_another_photo_of_the_same_name_is_another_row(outcomes: list[Outcome]) -> None:
    versions = versions_of(outcomes)
    before = plan_shards(outcomes, versions, 3)
    after = plan_shards(outcomes, versions | {outcomes[0].photo: "1 v2"}, 3)
    assert (before != after).any(axis=1).sum() == 1


def test_a_group_in_two_splits_is_named(outcomes: list[Outcome]) -> None:
    """Somebody's own table, divided row by row, would train on the people whom it tests."""
    (record,) = outcomes[0].records
    outcomes[0] = replace(outcomes[0], records=(replace(record, split="test"),))
    with pytest.raises(SplitError, match=r"1 of 4 groups .* have photos in two splits \(p000 in test and train\)"):
        plan_shards(outcomes, versions_of(outcomes), 3)


def test_without_faces_there_is_an_empty_plan() -> None:
    assert plan_shards([Outcome("a.jpg", reason="no_face")], {"a.jpg": "1 v"}, 3).empty


def test_equal_keys_are_numbered(raw_set: RawSet) -> None:
    record = raw_set.records[0]
    twice = [Outcome("a.jpg", (record, record)), Outcome("b.jpg", (replace(record, photo="b.jpg"),))]
    keys = [r.key for outcome in unique_keys(twice) for r in outcome.records]
    assert keys == ["p000/000", "p000/000-2", "p000/000-3"]


def test_names_that_no_table_can_hold_are_rejects(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    photos = [entry.path for entry in listing.scan(tmp_path)]
    (outcome,) = _nameless([*photos, "caf\u00e9.jpg"])
    write_rejects(tmp_path / "r.parquet", [Reject("", outcome.photo, "index", outcome.reason, outcome.detail)])
    row = pq.read_table(tmp_path / "r.parquet").to_pylist()[0]
    assert (row["photo"], row["reason"]) == (r"caf\udce9.jpg", "name_not_utf8")


def test_a_camera_of_params() -> None:
    assert _camera(Dataset(reader="folder", root="r")) is None
    camera = _camera(Dataset(reader="folder", root="r", camera=(900.0, 910.0, 320.0, 240.0)))
    np.testing.assert_array_equal(camera, [[900, 0, 320], [0, 910, 240], [0, 0, 1]])


def test_a_missing_set_says_where_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path))
    with pytest.raises(DataMissingError, match=r"data/raw/mine not found: .* slyk data scan mine && dvc repro"):
        raw_root("mine", Dataset(reader="folder", root="data/raw/mine"))


def test_rejects_are_sorted_and_keep_their_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rejects = [Reject("", "b.jpg", "index", "no_face", ""), Reject("", "a.jpg", "index", "no_face", "")]
    write_rejects(tmp_path / "r.parquet", rejects)
    assert pq.read_table(tmp_path / "r.parquet")["photo"].to_pylist() == ["a.jpg", "b.jpg"]
    write_rejects(tmp_path / "none.parquet", [])
    assert pq.read_schema(tmp_path / "none.parquet") == pq.read_schema(tmp_path / "r.parquet")
    print_reasons(rejects)
    assert capsys.readouterr().out == "  2 x no_face, first: b.jpg\n"


def test_too_many_rejects_fail(tmp_path: Path) -> None:
    check_fraction(5, 10, 0.5, tmp_path)
    check_fraction(0, 0, 0.0, tmp_path)
    with pytest.raises(SlykError, match=r"6 of 10 rejected, more than max_reject_fraction = 0.5: see"):
        check_fraction(6, 10, 0.5, tmp_path)


def index(root: Path, name: str, num_cpus: int, status: int = 0) -> str:
    out = ("--out", f"{name}.parquet", "--rejects", f"{name}.rejects.parquet")
    arguments = ("--dataset", "synthetic", "--listing", LISTING, *out)
    return run(root, "pipelines.index", *arguments, status=status, SLYK_NUM_CPUS=str(num_cpus))


@pytest.mark.slow
def test_the_stage_gives_the_same_bytes_on_one_core_and_on_two(tmp_path: Path) -> None:
    draw_listed_set(tmp_path, num_train=3, num_test=1, num_photos=40)  # three tasks of 64 photos
    write_params(tmp_path, index={"max_reject_fraction": 0.1})
    (tmp_path / RAW / "photos/p000/999.jpg").write_bytes(b"")
    with (tmp_path / LISTING).open("a") as file:
        file.write('["photos/p000/999.jpg", 0, "1"]\n')
    assert "161 photos, 160 faces, 1 photos rejected" in index(tmp_path, "one", 1)
    index(tmp_path, "two", 2)
    for suffix in (".parquet", ".rejects.parquet"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert pq.read_table(tmp_path / "one.rejects.parquet")["reason"].to_pylist() == ["no_annotation"]
    write_params(tmp_path, index={"max_reject_fraction": 0.0})
    assert "error: 1 of 161 rejected" in index(tmp_path, "three", 2, status=2)
    assert not (tmp_path / "three.parquet").exists() and (tmp_path / "three.rejects.parquet").is_file()
