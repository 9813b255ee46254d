"""The stage itself: a real Ray, the same bytes for one core and two, nothing rendered twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from jobs.stage import stage
from pipelines.render import main, remove_others
from slyk.datasets import listing, synthetic
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions
from slyk.files import sha256
from slyk.synthetic.regions import Region

REPOSITORY = Path(__file__).parents[2]
SMALL = {
    "domain": "wide", "num_train_people": 1, "num_test_people": 1, "photos_per_person": 3, "photo_px": 80,
    "eye_supersampling": 1,
}  # fmt: skip


def prepare(root: Path, **others: dict[str, Any]) -> None:
    """Params that render `synthetic` and other small sets: name -> what differs."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["render"] = {name: SMALL | changed for name, changed in {"synthetic": {}, **others}.items()}
    (root / "params.yaml").write_text(yaml.safe_dump(params))


def run(root: Path, num_cpus: int = 1, name: str = "synthetic", status: int = 0) -> str:
    environment = dict(os.environ, SLYK_ROOT=str(root), SLYK_NUM_CPUS=str(num_cpus))
    environment.pop("MLFLOW_TRACKING_URI", None)
    paths = ("--name", name, "--out", f"data/raw/{name}", "--listing", f"data/index/{name}.files")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.render", *paths],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def digests(root: Path) -> dict[str, str]:
    files = [*(root / "data").rglob("*"), *(root / ".slyk").rglob("*.parquet")]
    return {path.relative_to(root).as_posix(): sha256(path) for path in sorted(files) if path.is_file()}


@pytest.fixture(scope="module")
def rendered_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one core rendered the set."""
    root = tmp_path_factory.mktemp("rendered")
    prepare(root)
    assert "2 people rendered" in run(root)
    return root


@pytest.fixture
def finished(tmp_path: Path, rendered_once: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(rendered_once, tmp_path / "finished"))


@pytest.mark.slow
def test_the_cluster_leaves_no_trace_in_the_bytes(tmp_path: Path, rendered_once: Path) -> None:
    prepare(tmp_path)
    run(tmp_path, num_cpus=2)
    assert digests(tmp_path) == digests(rendered_once)
    names = set(digests(tmp_path))
    assert {
        "data/raw/synthetic/annotations.parquet",
        "data/raw/synthetic/README.md",
        "data/index/synthetic.files",
    } < names
    assert sum(name.endswith(".jpg") for name in names) == sum(name.endswith(".png") for name in names) == 6


@pytest.mark.slow
def test_a_second_run_renders_only_what_is_missing(finished: Path) -> None:
    before, raw = digests(finished), finished / "data/raw/synthetic"
    (raw / "photos/p001/001.jpg").write_bytes(b"broken")
    (raw / "photos/p009").mkdir()
    (raw / "photos/p009/000.jpg").write_bytes(b"of other parameters")
    (raw / "masks/p001/009.png").write_bytes(b"likewise")
    (raw / "photos/p001/.000.jpg.ab_cd123").write_bytes(b"of a killed run")
    assert "1 people rendered" in run(finished)
    assert digests(finished) == before and not (raw / "photos/p009").exists()
    (labels,) = (finished / ".slyk/render").rglob("p000.parquet")
    labels.write_bytes(labels.read_bytes()[:-100])
    (raw / "masks/p001/002.png").unlink()
    assert "2 people rendered" in run(finished) and digests(finished) == before
    assert "0 people rendered" in run(finished)

    entries = listing.read(finished / "data/index/synthetic.files")
    assert {e.path: e.version for e in entries} == {
        path.removeprefix("data/raw/synthetic/"): value[:16]
        for path, value in before.items()
        if path.startswith("data/raw/synthetic/") and not path.endswith((".md", ".png"))
    }
    photos = synthetic.units([e.path for e in entries])
    records = [outcome.records[0] for outcome in synthetic.read(Raw(raw), photos, ReadOptions())]
    assert [(r.key, r.split) for r in records][::3] == [("p000/000", "train"), ("p001/000", "test")]
    assert pq.read_schema(raw / "annotations.parquet").field("gaze").metadata[b"description"]


@pytest.mark.slow
def test_sets_of_several_domains_lie_side_by_side(finished: Path) -> None:
    prepare(finished, eyes={"domain": "near_eye", "photo_px": 64}, rig={"domain": "studio", "photos_per_person": 19})
    before = digests(finished)
    run(finished, name="eyes")
    run(finished, name="rig")
    assert before.items() <= digests(finished).items()
    rows = pq.read_table(finished / "data/raw/eyes/annotations.parquet").to_pylist()
    assert {row["domain"] for row in rows} == {"near_eye"} and rows[0]["size_px"] == [64.0, 48.0]
    for row in rows:
        photo, mask = (cv2.imread(str(finished / "data/raw/eyes" / row[f]), -1) for f in ("photo", "mask"))
        assert photo is not None and photo.shape == (48, 64, 3)
        assert mask is not None and mask.shape == (48, 64) and set(np.unique(mask)) <= {int(r) for r in Region}
    rig = pq.read_table(finished / "data/raw/rig/annotations.parquet").to_pylist()
    assert [(row["frame"], row["camera_id"]) for row in rig[:19]] == [*((0, i) for i in range(18)), (1, 0)]


@pytest.mark.slow
def test_errors_inside_workers_are_one_line(tmp_path: Path) -> None:
    prepare(tmp_path)
    place = tmp_path / "data/raw/synthetic/photos"
    place.mkdir(parents=True)
    (place / "p000").mkdir()
    (place / "p001").write_text("a file, no folder")
    told = run(tmp_path, status=2)
    assert f"error: {place}/p001: File exists; mend it and run again" in told and "Traceback" not in told


def refused(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str) -> str:
    """What the stage says, in this process, before it starts anything."""
    monkeypatch.setenv("SLYK_ROOT", str(root))
    monkeypatch.setattr(sys, "argv", ["render", "--name", name, "--out", f"data/raw/{name}", "--listing", "files"])
    with pytest.raises(SystemExit) as ended:
        stage(main)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_files_of_others_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("mine")
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/synthetic").symlink_to(theirs)
    told = refused(tmp_path, monkeypatch, capsys, "synthetic")
    assert "files that are not of a rendered set (thesis.txt): move them elsewhere" in told and "Traceback" not in told
    assert [path.name for path in theirs.iterdir()] == ["thesis.txt"]


def test_only_what_render_names_is_removed(tmp_path: Path) -> None:
    theirs = [tmp_path / name for name in ("out/thesis.txt", "out/photos/p000/notes.txt", "else/000.jpg")]
    stale = [tmp_path / "out" / name for name in ("photos/p009/012.jpg", "masks/p000/.003.png.x1y2z3_4")]
    kept = tmp_path / "out/photos/p000/000.jpg"
    for path in (*theirs, *stale, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"something")
    (tmp_path / "out/photos/p004").symlink_to(tmp_path / "else")
    remove_others(tmp_path / "out", {"photos/p000/000.jpg"})
    assert all(path.is_file() for path in (*theirs, kept)) and (tmp_path / "out/photos/p004").is_symlink()
    assert not any(path.parent.exists() for path in stale)


def test_a_set_that_params_do_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path)
    told = refused(tmp_path, monkeypatch, capsys, "celeb")
    assert "render holds no 'celeb'; params.yaml holds there: synthetic" in told
