"""The `slyk` command as a user types it: help that is quick, messages without tracebacks, exit statuses."""

import errno
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest

from jobs import cli, scan, tables, tracking
from slyk.config import load_params
from slyk.datasets import listing
from tests.jobs.workspace import GATE_GAZE, add_version, make_model, make_shards, write_params

HEAVY = ("mlflow", "ray", "torch", "dvc", "pandas", "cv2", "matplotlib", "pyarrow")
COMMANDS = ("data", "promote", "rollback", "compare", "predict", "ui", "results", "recipe")


def slyk(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Runs the command in this process; returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["slyk", *arguments])
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_help_is_quick_and_names_every_command() -> None:
    code = f"import sys; import jobs.cli; print([m for m in {HEAVY} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "jobs.cli", "--help"], capture_output=True, text=True, check=True)
    assert time.monotonic() - start < 5
    assert all(f" {name} " in done.stdout for name in COMMANDS)


def test_scan(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "params.yaml").read_text()
    mine = "  mine: {reader: folder, root: data/raw/mine}"
    (root / "params.yaml").write_text(text.replace("datasets: #", f"datasets:\n{mine} #", 1))
    assert slyk(monkeypatch, "data", "scan", "mine") == 2
    told = capsys.readouterr().err
    assert f"error: {root}/data/raw/mine not found" in told and "docs/datasets.md" in told and "Traceback" not in told
    (root / "data" / "raw" / "mine" / "a").mkdir(parents=True)
    (root / "data" / "raw" / "mine" / "a" / "1.jpg").write_bytes(b"123")
    assert slyk(monkeypatch, "data", "scan") == 0
    out = capsys.readouterr().out
    assert "mine: 1 files listed" in out and "synthetic: rendered and listed by `dvc repro`" in out
    assert "next: dvc repro normalize@mine" in out
    entry = listing.read(root / "data" / "index" / "mine.files")[0]
    assert (entry.path, entry.size) == ("a/1.jpg", 3)
    assert slyk(monkeypatch, "data", "scan", "yours") == 2
    assert "unknown data set yours; params.yaml holds: mine, synthetic" in capsys.readouterr().err
    (root / "data" / "raw" / "mine" / "a" / "1.jpg").unlink()
    assert slyk(monkeypatch, "data", "scan", "mine") == 2
    assert "data/raw/mine holds no files: put mine there and scan again" in capsys.readouterr().err
    assert listing.read(root / "data" / "index" / "mine.files") == [entry]
    (root / "params.yaml").write_text((root / "params.yaml").read_text().replace("reader: folder", "reader: foldr"))
    assert slyk(monkeypatch, "data", "scan", "mine") == 2
    assert "unknown reader 'foldr'; known: synthetic, folder" in capsys.readouterr().err


def test_without_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path))
    for arguments in (["data", "scan"], ["promote"], ["rollback"]):
        assert slyk(monkeypatch, *arguments) == 2
        told = capsys.readouterr().err
        assert "params.yaml not found: run from the project folder or set SLYK_ROOT" in told
        assert told.count("\n") == 1 and "Traceback" not in told


def test_full_disks_are_one_line(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "a.tar")
    monkeypatch.setattr(scan, "scan_datasets", Mock(side_effect=[error, FileNotFoundError(errno.ENOENT, "our fault")]))
    assert slyk(monkeypatch, "data", "scan") == 2
    assert capsys.readouterr().err == "error: a.tar: No space left on device; mend it and run again\n"
    with pytest.raises(FileNotFoundError):
        slyk(monkeypatch, "data", "scan")


def test_results(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert slyk(monkeypatch, "results") == 2
    assert "reports/gaze/metrics.json not found: run `dvc repro` first" in capsys.readouterr().err
    figures: dict[str, object] = {"random_init_deg": 8.0, "head_as_gaze_deg": 19.0, "mean_gaze_deg": 27.0}
    figures |= {f"{prefix}ci95_deg": [1.5, 2.5] for _, prefix in tables.ROWS}
    figures |= {"mean_error_deg": 5.127, "num_people": 12, "num_photos": 696}
    figures |= {"per_person": {"best": 4.1, "worst": 6.2}, "explained_variance": {"mean": 0.95}}
    (root / "reports" / "gaze").mkdir(parents=True)
    (root / "reports" / "gaze" / "metrics.json").write_text(json.dumps(figures))
    assert slyk(monkeypatch, "results", "--next") == 0
    out = capsys.readouterr().out
    assert "5.13" in out and "27.00" in out and "1.50 to 2.50" in out and "696 photos of 12 unseen people" in out
    assert "slyk predict" in out and "its report is not here: `dvc repro` makes it" in out
    (root / "reports" / "gaze" / "report.html").write_text("")
    assert slyk(monkeypatch, "results") == 0
    assert f"report: {root}/reports/gaze/report.html" in capsys.readouterr().out


@pytest.mark.slow
def test_promote_compare_rollback(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = make_shards(root)
    write_params(root)
    assert slyk(monkeypatch, "promote") == 1
    assert "slyk-gaze has no challenger" in capsys.readouterr().err
    client = tracking.connect()
    tags = {"mean_error_deg": "1.2345", "ci95_deg": "1.0000 to 2.0000"}
    for number, answer in enumerate((GATE_GAZE, (0.1, 0.2)), start=1):
        model = make_model(root / "models" / "finetune" / "gaze", answer, shards)
        add_version(client, model, root / f"logged-{number}", **tags)
        assert slyk(monkeypatch, "promote") == number - 1  # the second is worse
        told = capsys.readouterr()
        assert "12 photos of 3 people" in told.out and "Traceback" not in told.err
    assert "the challenger does not become champion: its error may exceed that of champion, version 1" in told.err
    assert slyk(monkeypatch, "promote", "--first") == 0
    assert "version 1 is champion already" in capsys.readouterr().out
    assert slyk(monkeypatch, "compare") == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if "1.23 (1.00 to 2.00)" in line]
    assert len(rows) == 2 and "challenger" in rows[0] and "champion" in rows[1]
    assert tracking.fingerprint(load_params(root / "params.yaml"))[:8] in out and "promote" in out
    assert slyk(monkeypatch, "rollback") == 2
    assert "version 1 is the first champion: there is none before it" in capsys.readouterr().err


def test_compare_with_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert slyk(monkeypatch, "compare") == 0
    assert "No registered version yet: run dvc repro" in capsys.readouterr().out


def test_compare_names_objectives(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(root)
    params = load_params(root / "params.yaml")
    with tracking.stage_run("pretrain", params=params) as run:
        run.set_tags({"objective": "byol conditioned"})
        run.log_metrics({"start_gaze_probe_deg": 24.018, "gaze_probe_deg": 21.504})
    with tracking.stage_run("index@synthetic", params=params):
        pass
    assert slyk(monkeypatch, "compare") == 0
    assert "byol conditioned 24.02 → 21.50" in capsys.readouterr().out


@pytest.mark.parametrize("command", [("compare",), ("predict", "photo.jpg")])
def test_who_only_reads_makes_no_store(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert slyk(monkeypatch, *command) == 2
    assert f"{tmp_path}/mlflow.db not found, so there are no runs and no models" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_predict_takes_the_challenger_and_says_so(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(root / "grey.png"), np.full((80, 80, 3), 128, np.uint8))
    command = ["predict", str(root / "grey.png"), "--out", str(root / "out")]
    assert slyk(monkeypatch, *command) == 2
    assert "has no version yet: run `dvc repro`, or name a folder with --model" in capsys.readouterr().err
    model = make_model(root / "models", (0.1, 0.1), make_shards(root))
    add_version(tracking.connect(), model, root / "logged")
    assert slyk(monkeypatch, *command) == 0
    out = capsys.readouterr().out
    assert "model: slyk-gaze@challenger, for want of a champion" in out and "1 photo, 0 faces" in out
    assert (root / "out" / "predictions.csv").is_file()
    assert slyk(monkeypatch, *command, "--model", str(root / "elsewhere")) == 2
    assert "elsewhere holds no model" in capsys.readouterr().err


@pytest.mark.slow
def test_predict_from_a_folder_needs_no_mlflow(root: Path) -> None:
    model = make_model(root / "models", (0.1, 0.1), make_shards(root))
    cv2.imwrite(str(root / "grey.png"), np.full((80, 80, 3), 128, np.uint8))
    code = (
        "import sys\nfrom jobs import cli\n"
        "try:\n    cli.main()\nfinally:\n    print([m for m in ('mlflow', 'ray', 'dvc') if m in sys.modules])"
    )
    arguments = ["predict", "grey.png", "--out", "out", "--model", str(model)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_ui_of_a_server_is_at_the_server(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example.org")
    assert slyk(monkeypatch, "ui") == 0
    assert capsys.readouterr().out == "runs and models are shown by the server: https://mlflow.example.org\n"


@pytest.mark.slow
def test_ui_comes_up_with_one_worker(root: Path) -> None:
    """Several workers would be ended before they are ready where a machine is busy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jobs.cli", "ui", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            until = time.monotonic() + 240
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert server.poll() is None and time.monotonic() < until
                time.sleep(1)
            assert answers(f"http://127.0.0.1:{port}/")
            (worker,) = children(server.pid)
            assert children(worker) == []
        finally:
            server.terminate()
            said = server.communicate(timeout=60)[0]
    assert f"http://127.0.0.1:{port}/#/experiments" in said and "Traceback" not in said
    assert (root / "mlflow.db").is_file()


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def answers(url: str) -> bool:
    """Whether a server says OK to this."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return bool(response.status == 200)
    except OSError:
        return False
