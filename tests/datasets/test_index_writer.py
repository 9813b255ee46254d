"""The index: its order, keys, shards and row groups, the same bytes however outcomes come; what is not listed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slyk.datasets import index_table, index_writer
from slyk.datasets.index_table import INDEX, rows_of, tables_of
from slyk.datasets.index_writer import IndexWriter
from slyk.datasets.record import Outcome, Record, from_row, to_row
from tests.drawn import RawSet, shards_of, write_index

PLAIN = Record("k", "p.jpg", "g", "train", None, None, "assumed")


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows make a run, a batch, a table and a row group."""
    monkeypatch.setattr(index_writer, "RUN_BYTES", 600)
    monkeypatch.setattr(index_writer, "BATCH_ROWS", 2)
    monkeypatch.setattr(index_writer, "GROUP_ROWS", 5)
    monkeypatch.setattr(index_table, "TABLE_ROWS", 3)


def write(
    path: Path, chunks: Sequence[Sequence[Outcome]], *, order: Sequence[int] | None = None, photos_per_shard: int = 3
) -> list[dict[str, object]]:
    versions = {record.photo: "1 v" for chunk in chunks for outcome in chunk for record in outcome.records}
    with IndexWriter(path.with_suffix(".runs"), versions, str) as index:
        for number in range(len(chunks)) if order is None else order:
            for table in tables_of(number, chunks[number]):
                index.add(table)
        index.write(path, photos_per_shard)
    assert not path.with_suffix(".runs").exists()
    rows: list[dict[str, object]] = pq.read_table(path).to_pylist()
    return rows


def test_a_shard_holds_one_group_and_at_most_so_many(raw_set: RawSet, tmp_path: Path) -> None:
    table = write_index(tmp_path / "i.parquet", raw_set.records[::-1], 3)
    assert table["key"].tolist() == sorted(record.key for record in raw_set.records)
    assert table.groupby("shard")["group"].nunique().max() == 1
    assert table.groupby("shard").size().to_dict() == {
        f"p{person:03d}-{part:05d}": size for person in range(4) for part, size in ((0, 3), (1, 1))
    }


def test_rows_come_back_to_the_last_bit(raw_set: RawSet, tmp_path: Path) -> None:
    blind = replace(raw_set.records[1], gaze=None, geometry=None, tags=("a", "b"), labels={"x": [1.5, None]})
    records = [raw_set.records[0], blind]
    write(tmp_path / "i.parquet", [[Outcome(record.photo, (record,)) for record in records]])
    assert pq.read_schema(tmp_path / "i.parquet") == INDEX
    for row, record in zip(rows_of(tmp_path / "i.parquet", "p000-00000"), records, strict=True):
        assert {name: row[name] for name in to_row(record)} == to_row(record) == to_row(from_row(row))


def test_another_photo_of_the_same_name_is_another_row(raw_set: RawSet, tmp_path: Path) -> None:
    before = write_index(tmp_path / "a.parquet", raw_set.records, 3)
    after = write_index(tmp_path / "b.parquet", raw_set.records, 3, {raw_set.records[0].photo: "1 v2"})
    assert (before["photo_version"] != after["photo_version"]).sum() == 1


def test_without_faces_the_index_keeps_its_columns(tmp_path: Path) -> None:
    assert write(tmp_path / "a.parquet", []) == write(tmp_path / "b.parquet", [[Outcome("a.jpg", reason="no")]]) == []
    assert pq.read_schema(tmp_path / "a.parquet") == pq.read_schema(tmp_path / "b.parquet") == INDEX
    assert shards_of(tmp_path / "a.parquet") == []


def test_photos_of_which_no_outcome_tells_are_named(tmp_path: Path) -> None:
    listed = dict.fromkeys(("a.jpg", "b.PNG", "c.jpg", "labels.csv"), "1 v")
    with IndexWriter(tmp_path / "runs", listed, str) as index:
        assert index.unnamed() == ["a.jpg", "b.PNG", "c.jpg"]
        for table in tables_of(
            0, [Outcome("b.PNG", (replace(PLAIN, photo="b.PNG"),)), Outcome("c.jpg", reason="no_face")]
        ):
            index.add(table)
        assert index.unnamed() == ["a.jpg"]


def test_equal_keys_are_numbered_in_the_order_of_reading(tmp_path: Path) -> None:
    """Also those that are equal to a key that got its number, and those of another group."""
    keys = [("b", "k"), ("a", "k"), ("b", "k-2"), ("a", "k"), ("a", "l"), ("b", "k")]
    records = [replace(PLAIN, group=group, key=key, photo=f"{i}.jpg") for i, (group, key) in enumerate(keys)]
    rows = write(tmp_path / "i.parquet", [[Outcome(r.photo, (r,))] for r in records], order=[5, 3, 1, 0, 2, 4])
    found = {row["photo"]: row["key"] for row in rows}
    assert found == {"0.jpg": "k", "1.jpg": "k-2", "2.jpg": "k-2-2", "3.jpg": "k-3", "4.jpg": "l", "5.jpg": "k-4"}
    assert [row["photo"] for row in rows] == ["1.jpg", "3.jpg", "4.jpg", "0.jpg", "5.jpg", "2.jpg"]


@settings(max_examples=12)
@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=9), max_size=6), st.randoms())
def test_the_same_bytes_however_outcomes_come(
    tmp_path_factory: pytest.TempPathFactory, work: list[list[tuple[str, int]]], chance: object
) -> None:
    """Chunks in any order, in large tables and runs or in small ones; each row once, sorted, shards whole."""
    root = tmp_path_factory.mktemp("index")
    chunks = [
        [
            Outcome(p, (replace(PLAIN, group=g, key=f"k{k}", photo=p),))
            for i, (g, k) in enumerate(chunk)
            if (p := f"{n}-{i}")
        ]
        for n, chunk in enumerate(work)
    ]
    rows = write(root / "large.parquet", chunks)
    order = list(range(len(chunks)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        write(root / "small.parquet", chunks, order=order)
        patch.setattr(index_writer, "RUN_BYTES", 2**26)
        write(root / "mixed.parquet", chunks)
    assert (root / "small.parquet").read_bytes() == (root / "mixed.parquet").read_bytes()
    assert pq.read_table(root / "small.parquet").equals(pq.read_table(root / "large.parquet"))
    assert sorted(str(row["photo"]) for row in rows) == sorted(o.photo for chunk in chunks for o in chunk)
    assert len({row["key"] for row in rows}) == len(rows)
    assert [row["group"] for row in rows] == sorted(str(row["group"]) for row in rows)
    shards = shards_of(root / "small.parquet")
    assert [row for _, part in shards for row in part] == rows and len({name for name, _ in shards}) == len(shards)
    assert all(len({row["group"] for row in part}) == 1 and len(part) <= 3 for _, part in shards)
    for name, part in shards[:2]:
        assert rows_of(root / "small.parquet", name) == part


def test_row_groups_end_where_shards_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    records = [replace(PLAIN, group="abc"[i % 3], key=f"{i:02d}", photo=f"{i}.jpg") for i in range(24)]
    write(tmp_path / "i.parquet", [[Outcome(r.photo, (r,)) for r in records]])
    with pq.ParquetFile(tmp_path / "i.parquet") as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        shards = [set(file.read_row_group(i)["shard"].to_pylist()) for i in range(file.num_row_groups)]
    assert sizes == [6, 5, 5, 6, 2] and len(set.union(*shards)) == sum(map(len, shards)) == 9


def test_what_is_not_listed_is_told_once_a_photo(tmp_path: Path) -> None:
    """A record of a container is there where its file is."""
    names = ["set #1.h5#7", "set #1.h5#8", "gone.h5#0"]
    read = [Outcome("bad.jpg", reason="no_face", detail="why")]
    read += [Outcome(name, (replace(PLAIN, photo=name), replace(PLAIN, photo=name))) for name in names]
    with IndexWriter(tmp_path / "runs", {"set #1.h5": "9 v"}, lambda name: name.rpartition("#")[0]) as index:
        for table in tables_of(0, read):
            index.add(table)
        assert (index.num_photos, index.num_faces) == (4, 4)
        assert index.rejects().to_pylist() == [
            {"photo": "bad.jpg", "reason": "no_face", "detail": "why"},
            {"photo": "gone.h5#0", "reason": "photo_missing", "detail": "gone.h5 is labelled, but not there"},
        ]
        index.write(tmp_path / "i.parquet", 250)
    assert pq.read_table(tmp_path / "i.parquet")["photo_version"].to_pylist() == ["9 v"] * 4


def test_what_a_killed_stage_left_is_gone(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/00007.arrow").write_text("half")
    with pytest.raises(RuntimeError, match="stop"), IndexWriter(tmp_path / "runs", {}, str):
        assert list((tmp_path / "runs").iterdir()) == []
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_tables_hold_whole_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_table, "TABLE_ROWS", 2)
    outcomes = [Outcome("a", (PLAIN,) * 3), Outcome("b", reason="no"), Outcome("c", (PLAIN,)), Outcome("d", (PLAIN,))]
    tables = list(tables_of(5, outcomes))
    assert [table["place"].to_pylist() for table in tables] == [[0, 0, 0], [1, 2], [3]]
    assert [len(table) for table in tables_of(0, [])] == [0]
    assert np.unique(np.concatenate([table["chunk"].to_numpy() for table in tables])).tolist() == [5]
