"""MLflow at the edge: one run a stage, and no finished training lost because the server was away.

The store is MLFLOW_TRACKING_URI, or SQLite below SLYK_ROOT with artifacts beside it. MLflow is imported on first use.
"""

import contextlib
import importlib.util
import logging
import math
import os
import platform
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from slyk.config import Params
from slyk.config.section import as_flat
from slyk.errors import SlykError
from slyk.files import digest, root
from slyk.shards.manifest import Manifest

EXPERIMENT = "slyk"
MAX_PARAM_LENGTH = 6000  # of MLflow's database
MAX_BATCH = 100
SQLITE = "sqlite:///"


def store_uri() -> str:
    """Where runs and models live; absolute, because workers have their own current folder."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db"
    return f"{SQLITE}{root() / uri.removeprefix(SQLITE)}" if uri.startswith(SQLITE) else uri


def shown(uri: str) -> str:
    """The address without user and password."""
    return _without_password(uri)


def load_mlflow() -> Any:
    """The `mlflow` module on our store: without its chatter and telemetry, and refusing to unpickle anything."""
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # the default waits for minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    with warnings.catch_warnings():  # SQLAlchemy deprecates what MLflow does while it is imported
        warnings.simplefilter("ignore", DeprecationWarning)
        import mlflow

        if store_uri().startswith(SQLITE):
            import mlflow.store.tracking.sqlalchemy_store
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(store_uri())
    mlflow.set_registry_uri(store_uri())
    return mlflow


def connect(*, make: bool = True) -> Any:
    """An `MlflowClient` of a store that answers and holds the experiment. Raises SlykError saying what to do.

    make: a SQLite store that is not there yet; who only reads asks for none.
    """
    uri = store_uri()
    if uri.startswith(SQLITE) and not make and not Path(uri.removeprefix(SQLITE)).exists():
        raise SlykError(
            f"{uri.removeprefix(SQLITE)} not found, so there are no runs and no models: run `dvc repro` first, or set "
            "SLYK_ROOT to the project folder"
        )
    if uri.startswith(SQLITE) and not os.access(Path(uri.removeprefix(SQLITE)).parent, os.W_OK):
        raise SlykError(f"{uri.removeprefix(SQLITE)} cannot be written: set SLYK_ROOT to a folder that you may write")
    mlflow = load_mlflow()
    try:
        if uri.startswith(SQLITE):
            _make_database(mlflow, Path(uri.removeprefix(SQLITE)))
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment_id(client)
    except Exception as error:  # requests, SQLAlchemy and MLflow each have their own
        raise SlykError(
            f"the MLflow store {shown(uri)} does not answer: start it, or unset MLFLOW_TRACKING_URI to use a file here "
            f"({_first_line(error)})"
        ) from None
    return client


def _make_database(mlflow: Any, path: Path) -> None:
    """Makes the file beside its place and links it there whole: MLflow cannot go on from tables half made."""
    if path.exists():
        return
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        mlflow.MlflowClient(tracking_uri=f"{SQLITE}{made}").search_experiments(max_results=1)
        with contextlib.suppress(FileExistsError):  # another stage was faster
            path.hardlink_to(made)
    finally:
        made.unlink(missing_ok=True)


def experiment_id(client: Any) -> str:
    """The experiment `slyk`, made where there is none; beside SQLite its artifacts lie in `mlartifacts`."""
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        folder = (root() / "mlartifacts").as_uri() if store_uri().startswith(SQLITE) else None
        try:
            return str(client.create_experiment(EXPERIMENT, artifact_location=folder))
        except Exception:  # another stage was faster
            found = client.get_experiment_by_name(EXPERIMENT)
            if found is None:
                raise
    return str(found.experiment_id)


@dataclass(frozen=True)
class TrainingLog:
    """Logs epochs into a run by its id; plain strings inside, so it travels to a Ray Train controller."""

    uri: str
    run_id: str

    def log_epoch(self, step: int, metrics: Mapping[str, float]) -> None:
        """Finite values are logged under `step`; the names of others go into the tag `not_finite`."""
        with _survived("metrics"):
            from mlflow.entities import Metric, RunTag

            client = load_mlflow().MlflowClient(tracking_uri=self.uri)
            now = int(time.time() * 1000)
            finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
            lost = sorted(set(metrics) - set(finite))
            tags = [RunTag("not_finite", f"step {step}: {', '.join(lost)}")] if lost else []
            client.log_batch(
                self.run_id, metrics=[Metric(name, value, now, step) for name, value in finite.items()], tags=tags
            )


@dataclass(frozen=True)
class StageRun:
    """The run of one stage. Nothing here raises: a failed write is a warning on stderr."""

    client: Any
    uri: str
    run_id: str

    @property
    def training_log(self) -> TrainingLog:
        return TrainingLog(self.uri, self.run_id)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        self.training_log.log_epoch(step, metrics)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Values too long for MLflow are cut and say so."""
        with _survived("params"):
            from mlflow.entities import Param

            entries = [Param(name, _cut(str(value))) for name, value in params.items()]
            for start in range(0, len(entries), MAX_BATCH):
                self.client.log_batch(self.run_id, params=entries[start : start + MAX_BATCH])

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        with _survived("tags"):
            for name, value in tags.items():
                self.client.set_tag(self.run_id, name, str(value))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        with _survived(path.name):
            self.client.log_artifact(self.run_id, str(path), folder)

    def log_dataset(self, manifest: Manifest, context: str = "shards") -> None:
        """The set as a dataset input and as the tag `manifest.NAME`: what this run has read or written."""
        self.set_tags({f"manifest.{manifest.dataset}": manifest.digest})
        with _survived(f"dataset {manifest.dataset}"):
            from mlflow.data.meta_dataset import MetaDataset
            from mlflow.data.sources import LocalArtifactDatasetSource
            from mlflow.entities import Dataset, DatasetInput, InputTag

            source = LocalArtifactDatasetSource(f"data/shards/{manifest.dataset}")
            meta = MetaDataset(source, name=manifest.dataset, digest=manifest.digest[:32])  # MLflow keeps 36 letters
            entity = Dataset.from_dictionary(meta.to_dict())
            tags = [InputTag("mlflow.data.context", context), InputTag("licence", manifest.licence)]
            self.client.log_inputs(self.run_id, datasets=[DatasetInput(entity, tags)])


@contextmanager
def stage_run(
    stage: str, *, params: Params, sections: Sequence[str] = (), tags: Mapping[str, Any] | None = None
) -> Iterator[StageRun]:
    """One run named after its stage; FAILED when the block raises.

    sections: the dotted sections of params.yaml that the stage uses ("finetune.gaze"); they and the seed are logged.
    The tag `config` is the fingerprint of all params: runs of one configuration share it. Raises SlykError at the
    start, before any work, where the store does not answer.
    """
    client = connect()
    uri = store_uri()
    _end_orphans(client)
    here = {"host": platform.node(), "process": os.getpid()}
    all_tags = {"stage": stage, "config": fingerprint(params), "revision": revision(), **here, **(tags or {})}
    try:
        created = client.create_run(
            experiment_id(client), run_name=stage, tags={name: str(value) for name, value in all_tags.items()}
        )
    except Exception as error:  # as in `connect`; a database that may only be read has answered until here
        raise SlykError(
            f"the MLflow store {shown(uri)} takes no run: is it full, or may it only be read? ({_first_line(error)})"
        ) from None
    run = StageRun(client, uri, created.info.run_id)
    run.log_params(used_params(params, sections))
    stop = _watch_machine(run)
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        stop()
        with _survived(f"status {status}"):
            client.set_terminated(run.run_id, status)


def _end_orphans(client: Any) -> None:
    """Marks runs as killed whose process on this machine is gone: a process ended by force cannot say so itself."""
    with _survived("the end of killed runs"):
        running = f"attributes.status = 'RUNNING' and tags.host = '{platform.node()}'"
        for run in client.search_runs([experiment_id(client)], filter_string=running):
            try:
                os.kill(int(run.data.tags["process"]), 0)
            except ProcessLookupError:
                client.set_terminated(run.info.run_id, "KILLED")
            except PermissionError:  # it is there, and somebody else's
                continue


def fingerprint(params: Params) -> str:
    """16 letters over every value of params.yaml."""
    return digest(params.model_dump(mode="json"))[:16]


def used_params(params: Params, sections: Sequence[str]) -> dict[str, Any]:
    """`{"seed": 1, "finetune.gaze.epochs": 14, ...}` of the named sections."""
    flat: dict[str, Any] = {"seed": params.seed}
    for name in sections:
        section: Any = params
        for part in name.split("."):
            section = getattr(section, part)
        assert isinstance(section, BaseModel), name
        flat |= as_flat(section, f"{name}.")
    return flat


def revision() -> str:
    """The commit of the code, `-dirty` with uncommitted changes; SLYK_REVISION where a cluster has no .git."""
    if "SLYK_REVISION" in os.environ:
        return os.environ["SLYK_REVISION"]
    try:
        head = _git("rev-parse", "HEAD")
        return f"{head}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root(), capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


def _watch_machine(run: StageRun) -> Callable[[], None]:
    """Starts MLflow's system metrics where psutil is installed; returns what ends them."""
    if importlib.util.find_spec("psutil") is None:
        return lambda: None
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run.run_id, tracking_uri=run.uri)
    monitor.start()

    def stop() -> None:
        with _survived("system metrics"):
            monitor.finish()

    return stop


def _cut(value: str) -> str:
    note = f"... (cut, {len(value)} letters)"
    return value if len(value) <= MAX_PARAM_LENGTH else value[: MAX_PARAM_LENGTH - len(note)] + note


@contextmanager
def _survived(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        print(
            f"warning: MLflow at {shown(store_uri())} did not take {what}, going on without: {_first_line(error)}",
            file=sys.stderr,
        )


def _first_line(error: Exception) -> str:
    line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {_without_password(line)}"[:300]


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]+@", "//", text)
