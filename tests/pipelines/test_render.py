"""The stage itself: a real Ray, the same bytes for one core and two, nothing rendered twice."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from slyk.datasets import listing, synthetic
from slyk.datasets.record import ReadOptions
from slyk.files import sha256

REPOSITORY = Path(__file__).parents[2]
SMALL = {"num_train_people": 1, "num_test_people": 1, "photos_per_person": 3, "photo_px": 80, "eye_supersampling": 1}


def prepare(root: Path, **render: Any) -> None:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["render"] |= SMALL | render
    (root / "params.yaml").write_text(yaml.safe_dump(params))


def run(root: Path, num_cpus: int = 1) -> str:
    environment = dict(os.environ, SLYK_ROOT=str(root), SLYK_NUM_CPUS=str(num_cpus))
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.render"], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def digests(root: Path) -> dict[str, str]:
    files = [*(root / "data").rglob("*"), *(root / ".slyk").rglob("*.parquet")]
    return {path.relative_to(root).as_posix(): sha256(path) for path in sorted(files) if path.is_file()}


@pytest.mark.slow
def test_the_cluster_leaves_no_trace_in_the_bytes(tmp_path: Path) -> None:
    results = []
    for num_cpus in (1, 2):
        root = tmp_path / f"cpus{num_cpus}"
        root.mkdir()
        prepare(root)
        run(root, num_cpus)
        results.append(digests(root))
    assert results[0] == results[1]
    names = set(results[0])
    assert {
        "data/raw/synthetic/annotations.parquet",
        "data/raw/synthetic/README.md",
        "data/index/synthetic.files",
    } < names
    assert sum(name.endswith(".jpg") for name in names) == 6


@pytest.mark.slow
def test_a_second_run_renders_only_what_is_missing(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert "2 people rendered" in run(tmp_path)
    before, raw = digests(tmp_path), tmp_path / "data/raw/synthetic"
    (raw / "photos/p001/001.jpg").write_bytes(b"broken")
    (raw / "photos/p009").mkdir()
    (raw / "photos/p009/000.jpg").write_bytes(b"of other parameters")
    assert "1 people rendered" in run(tmp_path)
    assert digests(tmp_path) == before and not (raw / "photos/p009").exists()
    assert "0 people rendered" in run(tmp_path)

    entries = listing.read(tmp_path / "data/index/synthetic.files")
    assert {e.path: e.version for e in entries} == {
        path.removeprefix("data/raw/synthetic/"): value[:16]
        for path, value in before.items()
        if path.startswith("data/raw/synthetic/") and not path.endswith(".md")
    }
    photos = synthetic.photos([e.path for e in entries])
    records = [outcome.records[0] for outcome in synthetic.read(raw, photos, ReadOptions())]
    assert [(r.key, r.split) for r in records][::3] == [("p000/000", "train"), ("p001/000", "test")]
    assert pq.read_schema(raw / "annotations.parquet").field("gaze").metadata[b"description"]
