"""The index: what is read where, what is missing, rejects; and the whole stage, with Ray and without."""

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.stage import stage
from pipelines.index import _camera, _nameless, planned, raw_root, read_all, shown
from pipelines.rejects import check_fraction, print_reasons, write_rejects
from slyk.config.data import Dataset
from slyk.datasets import affectnet, listing
from slyk.datasets.index_writer import IndexWriter
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions
from slyk.errors import DataMissingError, SlykError, SplitError
from slyk.shards.write import Reject
from tests.datasets.trees import save_text
from tests.drawn import RawSet, write_index
from tests.stages import LISTING, RAW, draw_listed_set, run, write_params

HEAD = "head_rx,head_ry,head_rz,head_tx,head_ty,head_tz"


def test_a_long_list_is_read_in_parts_and_short_ones_together(tmp_path: Path) -> None:
    raw, (training, validation) = Raw(tmp_path), affectnet.LISTS
    save_text(tmp_path, "a.jpg\n" * 45_000, training)
    save_text(tmp_path, "b.jpg\n", validation)
    assert planned("affectnet", raw, [training, validation]) == [
        [f"{training}#{line}-{6 * (line - 1)}-{6 * min(line + 19_999, 45_000)}"] for line in (1, 20_001, 40_001)
    ] + [[validation]]
    photos = [f"{number}.jpg" for number in range(40)]
    assert planned("folder", raw, photos) == [photos[:16], photos[16:32], photos[32:]]
    assert len(planned("folder", raw, photos * 4000)) == 4000


def test_a_set_that_takes_no_time_needs_no_ray(raw_set: RawSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.index.connect", lambda: pytest.fail("Ray was asked for"))
    photos = [record.photo for record in raw_set.records]
    tables = list(shown(read_all("synthetic", Raw(raw_set.root), [photos[:9], photos[9:]], ReadOptions()), 2))
    assert [name for table in tables for name in table["photo"].to_pylist()] == photos
    assert [table["chunk"].to_pylist() for table in tables] == [[0] * 9, [1] * 7]


def test_progress_is_told(raw_set: RawSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("pipelines.index.PROGRESS_S", -1.0)
    list(
        shown(
            read_all("synthetic", Raw(raw_set.root), [[record.photo] for record in raw_set.records], ReadOptions()), 16
        )
    )
    said = capsys.readouterr().out.split("\n")
    assert re.fullmatch(r"  4/16 parts, 4 photos, \d+/s, \d+ s left", said[3])
    assert said[15].endswith("/s, 0 s left")


def test_a_group_in_two_splits_is_named(raw_set: RawSet, tmp_path: Path) -> None:
    """Somebody's own table, divided row by row, would train on the people whom it tests."""
    records = [replace(raw_set.records[0], split="test"), *raw_set.records[1:]]
    with pytest.raises(SplitError, match=r"1 of 4 groups .* have photos in two splits \(p000 in test and train\)"):
        write_index(tmp_path / "index.parquet", records, 3)


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


def index(root: Path, name: str, status: int = 0) -> str:
    out = ("--out", f"{name}.parquet", "--rejects", f"{name}.rejects.parquet")
    return run(root, "pipelines.index", "--dataset", "synthetic", "--listing", LISTING, *out, status=status)


@pytest.mark.slow
def test_the_stage(tmp_path: Path) -> None:
    draw_listed_set(tmp_path, num_train=3, num_test=1, num_photos=40)
    write_params(tmp_path, index={"max_reject_fraction": 0.1})
    (tmp_path / RAW / "photos/p000/999.jpg").write_bytes(b"")
    with (tmp_path / LISTING).open("a") as file:
        file.write('["photos/p000/999.jpg", 0, "1"]\n')
    assert "161 photos, 160 faces, 1 photos rejected" in index(tmp_path, "one")
    index(tmp_path, "two")
    for suffix in (".parquet", ".rejects.parquet"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert pq.read_table(tmp_path / "one.rejects.parquet")["reason"].to_pylist() == ["no_annotation"]
    write_params(tmp_path, index={"max_reject_fraction": 0.0})
    assert "error: 1 of 161 rejected" in index(tmp_path, "three", status=2)
    assert not (tmp_path / "three.parquet").exists() and (tmp_path / "three.rejects.parquet").is_file()
    assert list(tmp_path.glob(".*.runs")) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
@pytest.mark.parametrize("num_cpus", [1, 2])
def test_ray_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_cpus: int) -> None:
    """On any number of cores what this process reads alone: parts of a long table, of which one row is wrong."""
    monkeypatch.setenv("SLYK_NUM_CPUS", str(num_cpus))
    rows = [f"{i % 7}/{i}.jpg,ann{i % 3},1,1,1,1,{'x' if i == 4321 else 0},0,-1" for i in range(9000)]
    save_text(
        tmp_path / "set",
        "\n".join(["photo,person,fx,fy,cx,cy,gaze_x,gaze_y,gaze_z," + HEAD, *(f"{row},0,0,0,0,0,600" for row in rows)]),
        "data.csv",
    )
    raw, versions = Raw(tmp_path / "set"), {f"{i % 7}/{i}.jpg": "1 v" for i in range(9000)}
    chunks = planned("table", raw, ["data.csv"])
    assert len(chunks) == 5
    for name, patience_s in (("here", np.inf), ("ray", 0.0)):
        with IndexWriter(tmp_path / "runs", versions, str) as writer:
            for table in read_all("table", raw, chunks, ReadOptions(), patience_s=patience_s):
                writer.add(table)
            assert (writer.num_photos, writer.num_faces) == (9000, 8999)
            (reject,) = writer.rejects().to_pylist()
            writer.write(tmp_path / f"{name}.parquet", 250)
        assert reject["detail"].startswith("data.csv, line 4323: gaze_x") and reject["photo"] == "2/4321.jpg"
    assert (tmp_path / "here.parquet").read_bytes() == (tmp_path / "ray.parquet").read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
def test_what_a_task_cannot_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the user's is one message, whoever met it."""

    def main() -> None:
        list(
            read_all(
                "raf_db", Raw(tmp_path), [["basic/EmoLabel/list_patition_label.txt"]], ReadOptions(), patience_s=0.0
            )
        )

    with pytest.raises(SystemExit):
        stage(main)
    told = f"error: {tmp_path}/basic/EmoLabel/list_patition_label.txt: not_found"
    assert any(line.startswith(told) for line in capsys.readouterr().err.split("\n"))  # beside what Ray logs
