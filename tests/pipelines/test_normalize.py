"""Shards from the index: what a shard depends on; one core or two; kill -9 in the middle."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pipelines.normalize import plan, remove_orphans, write_all
from slyk.shards import manifest
from slyk.shards.crops import Image
from slyk.shards.read import ShardSet
from slyk.shards.write import sidecar_path
from slyk.tables import write_parquet
from tests.drawn import SMALL_SPEC, RawSet, write_index
from tests.stages import LISTING, draw_listed_set, kill, processes_of, run, start, wait_for, write_params


@pytest.fixture
def table(raw_set: RawSet, tmp_path: Path) -> pd.DataFrame:
    return write_index(tmp_path / "index.parquet", raw_set.records, 3)


def digests(folder: Path, table: pd.DataFrame, *, spec: object = SMALL_SPEC, quality: int = 95) -> dict[str, str]:
    write_parquet(folder / "index.parquet", table)
    tasks = plan(folder / "index.parquet", spec, quality)  # type: ignore[arg-type]
    return {task["plan"].name: task["plan"].digest for task in tasks}


def test_a_task_a_shard(tmp_path: Path, table: pd.DataFrame) -> None:
    write_parquet(tmp_path / "index.parquet", table)
    tasks = plan(tmp_path / "index.parquet", SMALL_SPEC, 95)
    assert [(task["plan"].name, len(task["rows"])) for task in tasks][:2] == [("p000-00000", 3), ("p000-00001", 1)]
    assert {task["plan"].split for task in tasks if task["plan"].group == "p003"} == {"test"}


def test_a_shard_depends_on_its_own_rows(tmp_path: Path, table: pd.DataFrame) -> None:
    before = digests(tmp_path, table)
    assert digests(tmp_path, table) == before
    changed = table.copy()
    changed.loc[changed["key"] == "p001/000", "photo_version"] = "1 v2"
    after = digests(tmp_path, changed)
    assert {name for name in before if before[name] != after[name]} == {"p001-00000"}


def test_a_shard_depends_on_the_parameters(tmp_path: Path, table: pd.DataFrame) -> None:
    before = digests(tmp_path, table)
    for other in (digests(tmp_path, table, quality=90), digests(tmp_path, table, spec=replace(SMALL_SPEC, eye_px=62))):
        assert not set(before.values()) & set(other.values())


def test_what_no_plan_names_is_deleted(shards_copy: Path) -> None:
    (shards_copy / ".p000-00000.tar.abc").write_text("left by a killed writer")
    remove_orphans(shards_copy, {"p000-00000", "p001-00000"})
    assert sorted(path.name for path in shards_copy.iterdir()) == [
        "p000-00000.json", "p000-00000.tar", "p001-00000.json", "p001-00000.tar",
    ]  # fmt: skip


def test_complete_shards_need_no_cluster(tmp_path: Path, table: pd.DataFrame, shards_copy: Path) -> None:
    """With nothing to do, sidecars are read and Ray is not started."""
    write_parquet(tmp_path / "index.parquet", table)
    tasks = plan(tmp_path / "index.parquet", SMALL_SPEC, 95)[:1]
    sidecar = sidecar_path(shards_copy, "p000-00000")
    tasks[0]["plan"] = replace(tasks[0]["plan"], digest="plan of p000")

    def nowhere(name: str) -> Image:
        raise AssertionError(f"{name} was asked for")

    (told,) = write_all(tasks, shards_copy, nowhere, SMALL_SPEC, 95)
    assert told["name"] == "p000-00000" and sidecar.is_file()


NUM_SHARDS = 24


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An indexed set of 24 shards, ten photos each."""
    root = tmp_path_factory.mktemp("flow")
    draw_listed_set(root, num_train=6, num_test=2, num_photos=30)
    write_params(root, index={"photos_per_shard": 10})
    out = ("--out", "index.parquet", "--rejects", "rejects.parquet")
    run(root, "pipelines.index", "--dataset", "synthetic", "--listing", LISTING, *out, SLYK_NUM_CPUS="2")
    yield root
    wait_for(lambda: not processes_of(root), "the end of every Ray")


ARGUMENTS = (
    *("--dataset", "synthetic", "--index", "index.parquet", "--rejects", "rejects.parquet"),
    *("--report", "report", "--out"),
)


@pytest.fixture(scope="module")
def one(root: Path) -> Path:
    """The shards, written undisturbed on one core."""
    said = run(root, "pipelines.normalize", *ARGUMENTS, "one", SLYK_NUM_CPUS="1")
    assert "240 samples in 24 shards, eyes {'annotated': 240}" in said
    return root / "one"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_one_core_and_two_give_the_same_bytes(root: Path, one: Path) -> None:
    run(root, "pipelines.normalize", *ARGUMENTS, "two", SLYK_NUM_CPUS="2")
    assert contents(one) == contents(root / "two")
    assert len(ShardSet.open(one)) == 240


@pytest.mark.slow
def test_after_kill_9_only_what_is_missing_is_written(root: Path, one: Path) -> None:
    out = root / "killed"
    stage = start(root, "pipelines.normalize", *ARGUMENTS, "killed", SLYK_NUM_CPUS="1")
    wait_for(lambda: len(list(out.glob("*.json"))) >= 3, "three shards")
    kill(stage.pid)
    stage.communicate()
    wait_for(lambda: not processes_of(root), "the end of the killed stage's Ray")
    assert not (out / manifest.NAME).exists()
    before = {path.stem: path.stat().st_mtime_ns for path in out.glob("*.json")}
    assert 3 <= len(before) < NUM_SHARDS
    said = run(root, "pipelines.normalize", *ARGUMENTS, "killed", SLYK_NUM_CPUS="2")
    assert f"{len(before)} of {NUM_SHARDS} shards are complete, writing {NUM_SHARDS - len(before)}" in said
    assert {name: (out / f"{name}.json").stat().st_mtime_ns for name in before} == before
    assert contents(out) == contents(one)
