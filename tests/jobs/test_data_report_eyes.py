"""The data report of a set that shows one eye a photo: what it says, what it leaves out, and what it finds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli import app
from jobs.data_report import data_report
from pipelines.rejects import write_rejects
from slyk.datasets.record import Record
from slyk.photos import read_photo
from tests.drawn import REPOSITORY, RawSet, write_index, write_shards
from tests.eyes import EYE_SPEC, draw_eye_set


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    return draw_eye_set(tmp_path_factory.mktemp("drawn"), num_groups=4, num_photos=15)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path))
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["datasets"]["eyes"] = {"reader": "teyed", "root": "data/raw/eyes"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return tmp_path


def write(root: Path, raw: RawSet, records: list[Record]) -> None:
    """Index, rejects and shards of these records."""
    (root / "data/index").mkdir(parents=True)
    write_index(root / "data/index/eyes.parquet", records, 250)
    write_rejects(root / "data/index/eyes.rejects.parquet", [])
    write_shards(root / "data/shards/eyes", RawSet(raw.root, tuple(records)), EYE_SPEC, dataset="eyes")
    write_rejects(root / "data/shards/eyes/rejects.parquet", [])


def told(root: Path) -> dict[str, Any]:
    return dict(json.loads((root / "reports/data/eyes/report.json").read_text()))


def test_a_sound_set(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, list(drawn.records))
    page = data_report("eyes").read_text()
    found = told(workspace)
    assert found["warnings"] == [] and found["shows"] == "one eye" and found["num_labelled"] == 60
    assert all(value["correlation"] < -0.9 for value in found["consistency"].values())
    for shown in (
        ">Gaze<",
        "Where the eyes are dark",
        "Not applicable",
        "there is no head pose",
        ">Light and sharpness<",
    ):
        assert shown in page
    assert ">Head<" not in page and set(found["angles_deg"]) == {"gaze"}


@pytest.mark.slow
def test_a_mirrored_recording_is_named(workspace: Path, drawn: RawSet) -> None:
    turned = np.array([-1.0, 1.0, 1.0])
    records = [replace(r, gaze=r.gaze * turned) if r.group == "e2" else r for r in drawn.records]
    write(workspace, drawn, records)
    assert "yaw of" in data_report("eyes").read_text()
    assert next(iter(told(workspace)["consistency"]["yaw"]["groups"])) == "e2"


def test_without_labels(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, [replace(record, gaze=None) for record in drawn.records])
    page = data_report("eyes").read_text()
    assert "fewer than 30 photos have a gaze label and an open eye" in page and ">Gaze<" not in page


def test_shards_verified_and_shown_with_their_contours(workspace: Path, drawn: RawSet) -> None:
    write(workspace, drawn, list(drawn.records)[:7])
    runner = CliRunner()
    assert "1 shards, 7 samples, every byte as written" in runner.invoke(app, ["shards", "verify", "eyes"]).output
    sheet = workspace / "sheet.png"
    shown = runner.invoke(app, ["shards", "show", "eyes", "--pictures", str(sheet)])
    assert "train: 7 samples of 1 groups, 7 with gaze" in shown.output and "one_eye_px 96" in shown.output
    assert read_photo(sheet).std() > 20
