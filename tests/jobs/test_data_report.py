"""The data report of drawn faces, sound and with planted errors; shards verified and shown."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.data_report import contact_sheet, data_report
from pipelines.rejects import write_rejects
from slyk.datasets.record import Record
from slyk.errors import CorruptShardError, DataMissingError, ParamsError, SlykError
from slyk.photos import read_photo
from slyk.shards.read import ShardSet
from slyk.shards.write import Reject
from tests.drawn import REPOSITORY, RawSet, draw_raw_set, write_index, write_shards

SEEN = "The dark of the eyes moves as the labels say"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """96 faces of six people whose eyes follow their labels."""
    return draw_raw_set(tmp_path_factory.mktemp("drawn"), num_train=5, num_test=1, num_photos=16)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path))
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    yield tmp_path


def write(root: Path, raw: RawSet, records: list[Record]) -> None:
    """Index, rejects and shards of these records."""
    write_index(root / "data/index/synthetic.parquet", records, 250)
    cut = Reject("", "photos/p000/020.jpg", "index", "bad_label", "<script>alert(1)</script>")
    write_rejects(root / "data/index/synthetic.rejects.parquet", [cut])
    shards = root / "data/shards/synthetic"
    write_shards(shards, RawSet(raw.root, tuple(records)))
    write_rejects(shards / "rejects.parquet", [])


def mirrored(record: Record) -> Record:
    assert record.gaze is not None
    return replace(record, gaze=record.gaze * np.array([-1.0, 1.0, 1.0]))


def test_a_sound_set(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, list(drawn.records))
    page = data_report("synthetic").read_text()
    told = json.loads((workspace / "reports/data/synthetic/report.json").read_text())
    assert told["warnings"] == [] and SEEN in page
    assert told["consistency"]["yaw"]["correlation"] < -0.6 and told["consistency"]["pitch"]["correlation"] < -0.6
    assert (told["num_samples"], told["num_labelled"], told["num_rejects"]) == (96, 96, 1)
    assert told["splits"] == {"test": 16, "train": 80} and told["rejects"] == {"index bad_label": 1}
    assert "Near-duplicates across splits" in page and "of 16 test photos" in page and "of 96 photos" in page
    near = told["near_duplicates"]
    assert (near["across_splits"]["num_photos"], near["across_groups"]["num_photos"]) == (16, 96)
    assert "Faces and their labels" not in page and "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)  # nothing is fetched from anywhere


def test_a_mirrored_person_and_a_tested_one_with_a_training_photo_are_named(workspace: Path, drawn: RawSet) -> None:
    """Labels of p002 are mirrored; picture and label of p001/003 are there once more under p005, who is tested."""
    source = next(record for record in drawn.records if record.key == "p001/003")
    copy = replace(source, key="p005/copy", group="p005", split="test")
    write(workspace, drawn, [*(mirrored(r) if r.group == "p002" else r for r in drawn.records), copy])
    data_report("synthetic")
    told = json.loads((workspace / "reports/data/synthetic/report.json").read_text())
    assert next(iter(told["consistency"]["yaw"]["groups"])) == "p002"
    near, expected = told["near_duplicates"], "synthetic/p005/p005/copy like synthetic/p001/p001/003 (0 bits)"
    assert expected in near["across_splits"]["pairs"] and expected in near["across_groups"]["pairs"]


@pytest.mark.slow
def test_the_same_twice(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, list(drawn.records)[:32])
    assert data_report("synthetic").read_bytes() == data_report("synthetic").read_bytes()


@pytest.mark.slow
def test_every_fifth_label_mirrored(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, [mirrored(r) if i % 5 == 0 else r for i, r in enumerate(drawn.records)])
    page = data_report("synthetic").read_text()
    told = json.loads((workspace / "reports/data/synthetic/report.json").read_text())
    (warning,) = told["warnings"]
    assert warning.startswith("yaw of") and "mirrored" in warning and SEEN not in page
    assert 0.14 < told["consistency"]["yaw"]["share_mirrored"] < 0.3


def test_without_labels(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, [replace(record, gaze=None) for record in drawn.records[:32]])
    page = data_report("synthetic").read_text()
    assert "Not checked" in page and ">Gaze<" not in page and 'alt="head"' in page
    assert "No test photos to compare." in page and "the first 25" not in page
    write(workspace, drawn, [replace(record, gaze=None, known="guessed") for record in drawn.records[:32]])
    page = data_report("synthetic").read_text()
    assert 'alt="head"' not in page and "all heads are taken to look straight ahead" in page


@pytest.mark.slow
def test_faces_only_when_asked_for_and_elsewhere(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, list(drawn.records)[:32])
    path = data_report("synthetic", faces=True)
    assert path == workspace / "reports/faces/synthetic/report.html"
    assert "Faces and their labels" in path.read_text()


def test_what_is_missing(workspace: Path) -> None:
    with pytest.raises(ParamsError, match=r"unknown data set mine; params\.yaml holds: synthetic"):
        data_report("mine")
    with pytest.raises(DataMissingError, match="run `dvc repro index@synthetic`"):
        data_report("synthetic")


def test_shards_verified_and_shown(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, list(drawn.records)[13:19])
    runner = CliRunner()
    assert "2 shards, 6 samples, every byte as written" in runner.invoke(app, ["shards", "verify", "synthetic"]).output
    shown = runner.invoke(app, ["shards", "show", "synthetic", "--pictures", str(workspace / "sheet.png")])
    assert "train: 6 samples of 2 groups, 6 with gaze, eyes annotated 6" in shown.output
    assert "as_shipped: the set's own" in shown.output and "not possible: protocol.num_gate_people is 6" in shown.output
    assert read_photo(workspace / "sheet.png").std() > 20
    assert isinstance(runner.invoke(app, ["shards", "show", "synthetic", "--pictures", "a.jpg"]).exception, SlykError)


def test_of_a_set_without_samples_nothing_is_shown(tmp_path: Path) -> None:
    write_shards(tmp_path / "shards", RawSet(tmp_path, ()))
    with pytest.raises(DataMissingError, match=r"shards holds no samples to show: its rejects\.parquet says why"):
        contact_sheet(ShardSet.open(tmp_path / "shards"))


def test_every_damaged_shard_and_every_stranger_is_told(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, list(drawn.records)[:48])
    shards = workspace / "data/shards/synthetic"
    data = bytearray((shards / "p000-00000.tar").read_bytes())
    _, offset, _, _ = json.loads((shards / "p000-00000.json").read_text())["members"][0]
    data[offset + 40] ^= 1
    (shards / "p000-00000.tar").write_bytes(data)
    (shards / "p001-00000.tar").unlink()
    (shards / "p009-00000.tar").write_bytes(b"of another set")
    found = CliRunner().invoke(app, ["shards", "verify", "synthetic"]).exception
    assert isinstance(found, CorruptShardError)
    assert "3 findings" in str(found)
    for name in (
        "p000-00000.tar: member p000/000.face.jpg differs",
        "p001-00000.tar is named",
        "p009-00000.tar is not",
    ):
        assert name in str(found)


def test_a_manifest_that_leads_out_is_refused(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, list(drawn.records)[:16])
    from slyk.files import digest

    path = workspace / "data/shards/synthetic/manifest.json"
    body = json.loads(path.read_text())
    body["shards"][0]["name"] = "../../secret"
    body["digest"] = digest({name: value for name, value in body.items() if name != "digest"})
    path.write_text(json.dumps(body))
    found = CliRunner().invoke(app, ["shards", "show", "synthetic"]).exception
    assert isinstance(found, CorruptShardError) and "no plain file name" in str(found)
