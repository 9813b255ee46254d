"""The file for ETH-XGaze's evaluation: a line a picture, in the order that the evaluation counts in."""

import json
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from jobs.cli import app
from jobs.leaderboard import NAME, submit
from pipelines.rejects import write_rejects
from slyk.bundle import describe, save_bundle
from slyk.datasets import listing, xgaze_224
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, from_row
from slyk.errors import DataMissingError, ParamsError, RegistryError, SlykError
from slyk.geometry.angles import pitchyaw_from_vector
from slyk.inference import GazeEstimator
from slyk.models.encoder import EncoderConfig
from slyk.models.pmn import PMN, PMNConfig
from slyk.shards import manifest
from slyk.shards.read import ShardSet
from slyk.shards.write import Reject, ShardPlan, write_shard
from tests.drawn import REPOSITORY, write_index
from tests.jobs.workspace import SPEC

FILES = {"train/subject0000": 3, "test/subject0001": 3, "test/subject0002": 4, "test_person_specific/subject0003": 2}
ORDER = ["subject0002", "subject0001"]
"""As in the real list, not that of the names."""
NEVER_WRITTEN = "test/subject0002.h5#1"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files, shards and a model whose answers differ from picture to picture."""
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path))
    raw = tmp_path / "data/raw/eth"
    for number, (name, count) in enumerate(FILES.items()):
        write_file(raw / f"{name}.h5", count, number)
    lists = {"train": ["subject0000.h5"], "test": [f"{name}.h5" for name in ORDER], "test_specific": ["subject0003.h5"]}
    (raw / "train_test_split.json").write_text(json.dumps(lists))
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["datasets"]["eth"] = {"reader": "xgaze_224", "root": "data/raw/eth"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    normalized(tmp_path, Raw(raw))
    torch.manual_seed(3)
    network = PMN(PMNConfig(EncoderConfig("mobilenetv3_small", 32, 2, 1), (8,), 0.0))
    seen = {"crops": SPEC.as_dict(), "datasets": {}, "groups": {"eth": ["subject0000"]}}
    save_bundle(
        tmp_path / "model", describe(network) | seen | {"face_px": 32, "pretrained": None}, network.state_dict()
    )
    return tmp_path


def write_file(path: Path, count: int, seed: int) -> None:
    """Pictures, of which each is its own pattern; in one file the second row was never written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    turns = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    if path.stem == "subject0002":
        turns[1] = 0
    with h5py.File(path, "w") as file:
        file["face_patch"] = np.kron(coarse, np.ones((1, 28, 28, 1), np.uint8))
        file["face_head_pose"], file["face_mat_norm"] = rng.normal(0, 0.2, (count, 2)), turns
        if path.parent.name == "train":
            file["face_gaze"] = rng.normal(0, 0.2, (count, 2))


def normalized(root: Path, raw: Raw) -> None:
    """Index, rejects and shards, as the stages leave them."""
    names = [entry.path for entry in listing.scan(raw.root)]
    found = list(xgaze_224.read(raw, xgaze_224.units(names), ReadOptions()))
    rejects = [Reject("", o.photo, "index", o.reason, o.detail) for o in found if not o.records]
    assert [reject.photo for reject in rejects] == [NEVER_WRITTEN]
    table = write_index(root / "index.parquet", [record for outcome in found for record in outcome.records], 250)
    write_rejects(root / "data/index/eth.rejects.parquet", rejects)
    folder, sidecars = root / "data/shards/eth", []
    for name, rows in table.groupby("shard"):
        records = [from_row({str(key): value for key, value in row.items()}) for row in rows.to_dict("records")]
        plan = ShardPlan(str(name), records[0].group, records[0].split, "plan")
        picture = partial(xgaze_224.picture, raw)
        sidecars.append(write_shard(folder, plan, records, picture=picture, spec=SPEC, jpeg_quality=95))
    write_rejects(folder / "rejects.parquet", [])
    manifest.write(folder, "eth", "CC BY-NC-SA 4.0", SPEC.as_dict(), sidecars)


def test_lines_stand_in_the_order_of_the_list(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    submit("eth", workspace / "model", workspace / "out")
    lines = (workspace / "out" / NAME).read_text().splitlines()
    assert len(lines) == 7 and all(len(line.split(",")) == 2 and "e-" in line for line in lines)
    assert "7 lines for 2 people; 1 rejected, answered by the mean" in capsys.readouterr().out
    found = np.array([[float(number) for number in line.split(",")] for line in lines])

    samples = ShardSet(workspace / "data/shards/eth", manifest.load(workspace / "data/shards/eth"))
    estimator = GazeEstimator.load(workspace / "model")
    alone = {sample.photo: estimator.gaze_in_camera([sample])[0] for sample in samples}
    order = [f"test/{name}.h5#{row}" for name in ORDER for row in range(FILES[f"test/{name}"])]
    known = np.array([alone[photo] for photo in order if photo != NEVER_WRITTEN])
    expected = pitchyaw_from_vector(np.insert(known, 1, known.mean(axis=0), axis=0))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(np.diff(expected, axis=0)).max() > 1e-3  # the answers differ, so their order shows


def test_the_published_labels_are_compared(workspace: Path) -> None:
    arguments = ["submit-xgaze", "eth", "--model", "model", "--out", "out"]
    assert CliRunner().invoke(app, arguments).exception is None
    lines = np.loadtxt(workspace / "out" / NAME, delimiter=",")
    reference = workspace / "reference"
    reference.mkdir()
    (reference / "index.txt").write_text("0\r\n5\r\n")
    np.savetxt(
        reference / "within_test_labels.txt", lines[[0, 5]] + np.deg2rad([[3.0, 0.0], [-1.0, 0.0]]), delimiter=","
    )
    said = CliRunner().invoke(app, [*arguments, "--reference", "reference"]).output
    assert "error on the 2 photos that count: 2.0000 deg (SD 1.0000)" in said
    (reference / "index.txt").write_text("0\n7\n")
    found = CliRunner().invoke(app, [*arguments, "--reference", "reference"]).exception
    assert isinstance(found, SlykError) and "2 line numbers up to 7" in str(found) and "7 lines" in str(found)


def test_a_model_that_has_seen_them_is_refused(workspace: Path) -> None:
    config = workspace / "model/config.json"
    config.write_text(config.read_text().replace("subject0000", "subject0001"))
    with pytest.raises(RegistryError, match="trained or pretrained on 1 of the 2 people of eth"):
        submit("eth", workspace / "model", workspace / "out")
    assert not (workspace / "out").exists()


def test_what_is_missing(workspace: Path) -> None:
    with pytest.raises(ParamsError, match=r"synthetic is not read by xgaze_224; sets of params\.yaml that are: eth"):
        submit("synthetic", workspace / "model", workspace / "out")
    write_rejects(workspace / "data/index/eth.rejects.parquet", [])
    with pytest.raises(DataMissingError, match=r"test/subject0002\.h5: rows of its 3 known pictures have gaps"):
        submit("eth", workspace / "model", workspace / "out")
    (workspace / "data/raw/eth/train_test_split.json").unlink()
    with pytest.raises(DataMissingError, match=r"train_test_split\.json lists nobody under test"):
        submit("eth", workspace / "model", workspace / "out")
