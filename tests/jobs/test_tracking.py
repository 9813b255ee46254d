"""Runs in a real MLflow on SQLite: what they hold, how they end, and what happens when the store goes away."""

import math
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jobs import tracking
from slyk.config import Params, load_params
from slyk.errors import SlykError
from slyk.shards.manifest import Manifest

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
MANIFEST = Manifest("synthetic", "Apache-2.0", {}, (), "ab" * 32)


def with_learning_rate(value: float) -> Params:
    gaze = PARAMS.finetune.gaze.model_copy(update={"learning_rate": value})
    return PARAMS.model_copy(update={"finetune": PARAMS.finetune.model_copy(update={"gaze": gaze})})


def stored(run: tracking.StageRun) -> Any:
    return run.client.get_run(run.run_id)


def test_a_store_in_no_folder_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none' / 'mlflow.db'}")
    with pytest.raises(SlykError, match="cannot be written: set SLYK_ROOT"):
        tracking.connect()


@pytest.mark.slow
def test_a_store_whose_making_was_killed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    maker = subprocess.Popen([sys.executable, "-c", "from jobs import tracking; tracking.connect()"])
    made = tmp_path / f".mlflow.db.{maker.pid}"  # its journal, beside it, comes and goes
    while maker.poll() is None and not (made.is_file() and made.stat().st_size):
        time.sleep(0.02)
    maker.kill()
    assert maker.wait() == -signal.SIGKILL and not (tmp_path / "mlflow.db").exists()
    assert tracking.connect().get_experiment_by_name("slyk") is not None


def test_a_stage_is_one_run(root: Path) -> None:
    (root / "report.html").write_text("a report")
    with tracking.stage_run("finetune@gaze", params=PARAMS, sections=("finetune.gaze",), tags={"fold": 3}) as run:
        run.log_metrics({"loss": 2.0}, step=1)
        run.log_metrics({"loss": 1.0}, step=2)
        run.log_dataset(MANIFEST)
        run.log_artifact(root / "report.html", "reports")
    found = stored(run)
    assert (found.info.run_name, found.info.status) == ("finetune@gaze", "FINISHED")
    assert found.data.metrics["loss"] == 1.0
    turn = PARAMS.finetune.gaze.views.rotate_deg
    assert found.data.params["finetune.gaze.views.rotate_deg"] == str(turn) and found.data.params["seed"] == "1"
    assert not any(name.startswith("pretrain") for name in found.data.params)
    tags = found.data.tags
    assert (tags["stage"], tags["fold"], tags["manifest.synthetic"]) == ("finetune@gaze", "3", MANIFEST.digest)
    assert tags["config"] == tracking.fingerprint(PARAMS)
    dataset = found.inputs.dataset_inputs[0].dataset
    assert dataset.name == "synthetic" and MANIFEST.digest.startswith(dataset.digest)
    assert (root / "mlartifacts" / run.run_id / "artifacts" / "reports" / "report.html").read_text() == "a report"
    assert len(run.client.search_runs([found.info.experiment_id])) == 1


@pytest.mark.parametrize("error, status", [(ValueError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_a_failed_stage_is_a_failed_run(root: Path, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), tracking.stage_run("index@x", params=PARAMS) as run:
        raise error
    assert stored(run).info.status == status


def test_runs_of_one_configuration_share_a_fingerprint() -> None:
    assert tracking.fingerprint(PARAMS) == tracking.fingerprint(with_learning_rate(0.001))
    assert tracking.fingerprint(PARAMS) != tracking.fingerprint(with_learning_rate(0.002))


def test_what_is_not_finite_is_named_not_logged(root: Path) -> None:
    with tracking.stage_run("pretrain", params=PARAMS) as run:
        run.log_metrics({"loss": math.nan, "norm": math.inf, "rank": 9.0}, step=4)
    assert stored(run).data.metrics == {"rank": 9.0}
    assert stored(run).data.tags["not_finite"] == "step 4: loss, norm"


def test_long_params_are_cut_and_many_are_taken(root: Path) -> None:
    with tracking.stage_run("pretrain", params=PARAMS) as run:
        run.log_params({f"p{i}": "x" * 10_000 if i == 7 else i for i in range(230)})
    found = stored(run).data.params
    assert len(found) == 231 and found["p229"] == "229"
    assert len(found["p7"]) == 6000 and found["p7"].endswith("(cut, 10000 letters)")


def test_epochs_from_another_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller process knows the address and the id, and stands elsewhere."""
    elsewhere = root / "elsewhere"
    elsewhere.mkdir()
    with tracking.stage_run("pretrain", params=PARAMS) as run:
        log = run.training_log
        monkeypatch.chdir(elsewhere)
        monkeypatch.setenv("SLYK_ROOT", str(elsewhere))
        for step, loss in ((10, 2.0), (20, 1.0)):
            log.log_epoch(step, {"loss": loss})
    history = run.client.get_metric_history(run.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(10, 2.0), (20, 1.0)]
    assert list(elsewhere.iterdir()) == []


def test_a_lost_store_does_not_lose_the_training(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tracking.stage_run("pretrain", params=PARAMS) as run:
        with sqlite3.connect(root / "mlflow.db") as database:
            for table in ("metrics", "tags", "latest_metrics"):
                database.execute(f"ALTER TABLE {table} RENAME TO gone_{table}")
        database.close()
        run.log_metrics({"loss": 1.0})
        run.set_tags({"a": "b"})
        run.log_artifact(root / "absent.html")
        (root / "weights").write_text("trained")
    assert (root / "weights").read_text() == "trained"
    warnings = capsys.readouterr().err.splitlines()
    for lost in ("metrics", "tags", "absent.html"):
        assert any(f"did not take {lost}, going on without" in line for line in warnings), warnings


def test_a_store_that_does_not_answer_stops_the_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        pytest.raises(SlykError, match=r"http://127.0.0.1:9 does not answer: start it") as error,
        tracking.stage_run("pretrain", params=PARAMS),
    ):
        raise AssertionError("work must not begin")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db"])
def test_the_address_is_absolute(root: Path, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert tracking.store_uri() == f"sqlite:///{root}/mlflow.db"


def test_revision(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking.revision() == "unknown"
    (root / "code.py").write_text("a = 1\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "code.py"], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    clean = tracking.revision()
    assert len(clean) == 40
    (root / "code.py").write_text("a = 2\n")
    assert tracking.revision() == f"{clean}-dirty"
    monkeypatch.setenv("SLYK_REVISION", "of the cluster")
    assert tracking.revision() == "of the cluster"


def test_a_store_that_takes_no_run_stops_the_stage_before_its_work(root: Path) -> None:
    """A database that may only be read answers whoever asks. Root writes any file, so this one refuses by a trigger."""
    tracking.connect()
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute("create trigger full before insert on runs begin select raise(abort, 'disk is full'); end")
        database.commit()
    with (
        pytest.raises(SlykError, match=r"the MLflow store .*mlflow\.db takes no run: .* only be read"),
        tracking.stage_run("pretrain", params=PARAMS),
    ):
        pytest.fail("nothing may be done")
