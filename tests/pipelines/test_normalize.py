"""Shards from the index: what a shard depends on; one core or two."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.normalize import Writer, remove_orphans, shard_sizes, spec_for, write_all
from slyk.config import Params
from slyk.datasets import listing
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.errors import DataMissingError, PhotoError
from slyk.photos import Canvas
from slyk.shards import manifest
from slyk.shards.crops import CropSpec, Image
from slyk.shards.eyes import EyeSpec
from slyk.shards.read import ShardSet
from slyk.shards.sample import EYE_MEMBERS, EyeSample
from slyk.tables import write_parquet
from tests.drawn import SMALL_SPEC, RawSet, write_index
from tests.layouts.rendered import Rendered
from tests.stages import LISTING, RAW, draw_listed_set, processes_of, run, wait_for, write_params


@pytest.fixture
def table(raw_set: RawSet, tmp_path: Path) -> pd.DataFrame:
    return write_index(tmp_path / "index.parquet", raw_set.records, 3)


def writer(folder: Path, table: pd.DataFrame, *, out: Path = Path("out"), **changes: Any) -> Writer:
    write_parquet(folder / "index.parquet", table)
    return replace(Writer(folder / "index.parquet", out, nowhere, SMALL_SPEC, 95, "code"), **changes)


def nowhere(name: str, canvas: Canvas) -> Image:
    raise PhotoError("unreadable", f"{name} was asked for")


def digests(folder: Path, table: pd.DataFrame, **changes: Any) -> dict[str, str]:
    planned = writer(folder, table, **changes)
    return {name: planned.plan(name)[0].digest for name in shard_sizes(planned.index)}


def test_a_row_a_shard(tmp_path: Path, table: pd.DataFrame) -> None:
    planned = writer(tmp_path, table)
    sizes = shard_sizes(planned.index)
    assert list(sizes.items())[:2] == [("p000-00000", 3), ("p000-00001", 1)]
    plans = {name: planned.plan(name) for name in sizes}
    assert {name: len(rows) for name, (_, rows) in plans.items()} == sizes
    assert {plan.split for plan, _ in plans.values() if plan.group == "p003"} == {"test"}


def test_nobody_in_the_index(tmp_path: Path, table: pd.DataFrame) -> None:
    assert list(write_all(writer(tmp_path, table[:0], out=tmp_path / "out"), {})) == []
    write_parquet(tmp_path / "empty.parquet", table[:0])
    assert shard_sizes(tmp_path / "empty.parquet") == {}


def test_an_index_that_is_none_of_ours(tmp_path: Path, table: pd.DataFrame) -> None:
    write_parquet(tmp_path / "old.parquet", table.drop(columns="distortion"))
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "old.parquet").read_bytes()[:-9])
    for name, told in ("gone", "not found"), ("old", "written by another slyk"), ("cut", "damaged"):
        with pytest.raises(DataMissingError, match=rf"{told}.*run `dvc repro .*index@{name}"):
            shard_sizes(tmp_path / f"{name}.parquet")


def test_a_set_of_which_no_record_has_a_face_is_one_of_eyes(
    tmp_path: Path, table: pd.DataFrame, raw_set: RawSet, params: Params
) -> None:
    """One record without a face in a set of faces does not change what the others become."""
    settings = params.normalize
    eyes = write_index(tmp_path / "e.parquet", [replace(record, geometry=None) for record in raw_set.records], 3)
    mixed = pd.concat([eyes[:8], table[8:]])
    for name, rows, kind in (("eyes", eyes, EyeSpec), ("faces", table, CropSpec), ("mixed", mixed, CropSpec)):
        write_parquet(tmp_path / f"{name}.parquet", rows)
        assert type(spec_for(tmp_path / f"{name}.parquet", settings)) is kind
    write_parquet(tmp_path / "empty.parquet", table[:0])
    assert isinstance(spec_for(tmp_path / "empty.parquet", settings), CropSpec)
    wider = settings.model_copy(update={"face_px": 224})
    assert spec_for(tmp_path / "eyes.parquet", wider) == EyeSpec(settings.one_eye_px)  # faces concern no eyes


def test_a_shard_depends_on_its_own_rows(tmp_path: Path, table: pd.DataFrame) -> None:
    before = digests(tmp_path, table)
    assert digests(tmp_path, table) == before
    changed = table.copy()
    changed.loc[changed["key"] == "p001/000", "photo_version"] = "1 v2"
    after = digests(tmp_path, changed)
    assert {name for name in before if before[name] != after[name]} == {"p001-00000"}


def test_a_shard_depends_on_the_parameters(tmp_path: Path, table: pd.DataFrame) -> None:
    before = digests(tmp_path, table)
    for other in (
        digests(tmp_path, table, jpeg_quality=90),
        digests(tmp_path, table, spec=replace(SMALL_SPEC, eye_px=62)),
    ):
        assert not set(before.values()) & set(other.values())


def test_what_no_plan_names_is_deleted(shards_copy: Path) -> None:
    (shards_copy / ".p000-00000.tar.abc_1x").write_text("left by a killed writer")
    (shards_copy / "holiday.jpg").write_text("somebody's, in a folder that was named by mistake")
    remove_orphans(shards_copy, {"p000-00000", "p001-00000"})
    assert sorted(path.name for path in shards_copy.iterdir()) == [
        "holiday.jpg", "p000-00000.json", "p000-00000.tar", "p001-00000.json", "p001-00000.tar",
    ]  # fmt: skip


def test_complete_shards_are_left_alone(tmp_path: Path, table: pd.DataFrame, raw_set: RawSet) -> None:
    """Their photos are not even opened."""
    planned = writer(tmp_path, table, out=tmp_path / "out", picture=partial(photo_file, Raw(raw_set.root)))
    first = list(write_all(planned, shard_sizes(planned.index)))
    assert [told["name"] for told in first] == list(shard_sizes(planned.index))
    again = list(write_all(replace(planned, picture=nowhere), shard_sizes(planned.index)))
    assert again == first
    (tmp_path / "out" / "p001-00000.json").unlink()
    told = {one["name"]: one for one in write_all(replace(planned, picture=nowhere), shard_sizes(planned.index))}
    assert [name for name in told if told[name]["rejects"]] == ["p001-00000"]


RENDER = {
    "domain": "near_eye",
    "num_train_people": 1,
    "num_test_people": 1,
    "photos_per_person": 10,
    "eye_supersampling": 1,
}


ARGUMENTS = (
    *("--dataset", "synthetic", "--index", "index.parquet", "--rejects", "rejects.parquet"),
    *("--report", "report", "--out"),
)


@pytest.mark.slow
def test_one_core_and_two_give_the_same_bytes(tmp_path: Path) -> None:
    draw_listed_set(tmp_path, num_train=6, num_test=2, num_photos=30)
    write_params(tmp_path, index={"photos_per_shard": 10})
    out = ("--out", "index.parquet", "--rejects", "rejects.parquet")
    run(tmp_path, "pipelines.index", "--dataset", "synthetic", "--listing", LISTING, *out, SLYK_NUM_CPUS="2")
    said = run(tmp_path, "pipelines.normalize", *ARGUMENTS, "one/synthetic", SLYK_NUM_CPUS="1")
    assert "240 samples in 24 shards, eyes annotated 240" in said
    run(tmp_path, "pipelines.normalize", *ARGUMENTS, "two/synthetic", SLYK_NUM_CPUS="2", SLYK_PLAIN="0")
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "synthetic").iterdir()} for name in ("one", "two")
    )
    assert one == two and len(ShardSet.open(tmp_path / "one/synthetic")) == 240
    wait_for(lambda: not processes_of(tmp_path), "the end of every Ray")


@pytest.mark.slow
def test_rendered_close_ups_from_listing_to_report(tmp_path: Path, rendered: Callable[[str], Rendered]) -> None:
    """A set of one eye through both stages, as `dvc repro` runs them."""
    shutil.copytree(rendered("near_eye").root, tmp_path / RAW)
    listing.write(tmp_path / LISTING, listing.scan(tmp_path / RAW))
    write_params(tmp_path, render={"synthetic": RENDER})
    out = ("--out", "index.parquet", "--rejects", "rejects.parquet")
    said = run(tmp_path, "pipelines.index", "--dataset", "synthetic", "--listing", LISTING, *out)
    assert "20 photos, 20 faces, 0 photos rejected" in said
    said = run(tmp_path, "pipelines.normalize", *ARGUMENTS, "eyes")
    assert "20 samples in 2 shards" in said
    about = manifest.load(tmp_path / "eyes")
    assert about.members == EYE_MEMBERS and about.crops == {"one_eye_px": 192}
    assert len(ShardSet[EyeSample].open(tmp_path / "eyes")) == 20
    assert "shows one eye a photo" in (tmp_path / "report/report.html").read_text()
