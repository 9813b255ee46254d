"""Training through a real Ray Train: pretrain, finetune, kill -9 of a worker, a loss that is not finite."""

import errno
import os
import random
import re
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

from jobs.finetune import FinetuneRecipe
from jobs.pretrain import PretrainRecipe, provenance, training_sources
from jobs.train import _cause, _sweep
from jobs.train_worker import report_steps
from slyk.bundle import describe, load_bundle, save_bundle
from slyk.config import Params
from slyk.config.data import SetProtocol
from slyk.datasets.protocols import Filter
from slyk.errors import DataMissingError
from slyk.models.pmn import PMN
from slyk.shards import manifest, write
from slyk.shards.sample import Sample, encode
from slyk.training.batches import Plan
from tests.drawn import draw_raw_set, write_shards
from tests.stages import kill, processes_of, run, small_params, start, wait_for, write_params

SHARDS = "data/shards"


@pytest.fixture(scope="module")
def small() -> Params:
    return Params.model_validate(small_params())


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, small: Params, shards: Path) -> Path:
    """The bundle of an encoder that was not trained."""
    torch.manual_seed(0)
    sources = training_sources(small, ("synthetic",), shards.parent)
    network = PretrainRecipe.of(small, tuple(sources.values())).encoder()
    folder = tmp_path_factory.mktemp("encoder")
    save_bundle(folder, describe(network) | {"face_px": 48, **provenance(sources)}, network.state_dict())
    return folder


@pytest.fixture(scope="module")
def recipe(small: Params, shards: Path, encoder: Path) -> FinetuneRecipe:
    sources = training_sources(small, ("synthetic",), shards.parent)
    return FinetuneRecipe.of(small, tuple(sources.values()), encoder)


def test_reports_are_even_and_end_each_epoch() -> None:
    plan = Plan(num_samples=100, batch_size=10, epochs=2, seed=0)
    assert report_steps(plan, 1) == {10, 20}
    assert report_steps(plan, 2) == {5, 10, 15, 20}
    assert report_steps(plan, 99) == set(range(1, 21))


def test_only_training_groups_are_read(small: Params, shards: Path) -> None:
    (source,) = training_sources(small, ("synthetic",), shards.parent).values()
    assert len(source.groups) == 2 and "p003" not in source.groups
    assert {sample.group for sample in source.opened()} == set(source.groups)
    assert provenance({"synthetic": source})["groups"] == {"synthetic": list(source.groups)}


def test_the_protocol_chooses_groups_and_photos(small: Params, shards: Path) -> None:
    chosen = {"name": "leave_one_out_evaluation", "fold": 0}
    protocol = small.protocol.model_copy(update={"sets": {"synthetic": SetProtocol.model_validate(chosen)}})
    params = small.model_copy(update={"protocol": protocol})
    (source,) = training_sources(params, ("synthetic",), shards.parent).values()
    assert "p000" not in source.groups and source.keep == Filter("evaluation")
    assert len(source.opened()) == 0
    with pytest.raises(DataMissingError, match="holds no photos with tag evaluation of the 2 training groups"):
        source.verified()
    recipe = PretrainRecipe.of(params, (source,))
    (unfiltered,) = training_sources(small, ("synthetic",), shards.parent).values()
    assert recipe.fingerprint() != PretrainRecipe.of(params, (replace(source, keep=None),)).fingerprint()
    assert unfiltered.keep is None and len(unfiltered.verified()) == 8


def test_finetuning_starts_from_every_pretrained_tensor(recipe: FinetuneRecipe, encoder: Path) -> None:
    network = recipe.module()
    assert isinstance(network, PMN)
    ours, pretrained = network.encoder.state_dict(), load_bundle(encoder).state
    assert set(ours) == set(pretrained)
    for name, tensor in pretrained.items():
        assert torch.equal(ours[name], tensor), name


def test_the_control_differs_by_its_weights_alone(recipe: FinetuneRecipe, encoder: Path) -> None:
    control = recipe.from_random()
    torch.manual_seed(5)
    network = control.module()
    assert isinstance(network, PMN)
    weights = load_bundle(encoder).state
    assert not torch.equal(network.encoder.state_dict()["face_tokens.weight"], weights["face_tokens.weight"])
    assert network.config == recipe.module().config
    assert control.fingerprint() != recipe.fingerprint()
    rates = [{group["base_lr"] for group in r.optimizer(r.module()).param_groups} for r in (recipe, control)]
    settings = recipe.settings
    assert rates == [{settings.encoder_learning_rate, settings.learning_rate}, {settings.learning_rate}]


def test_every_parameter_is_optimized_once(recipe: FinetuneRecipe, small: Params) -> None:
    for some in (recipe, PretrainRecipe.of(small, recipe.sources)):
        module = some.module()
        optimized = [id(p) for group in some.optimizer(module).param_groups for p in group["params"]]
        wanted = [id(p) for p in module.parameters() if p.requires_grad]
        assert sorted(optimized) == sorted(wanted)


def test_recipes_show_one_view_or_two(recipe: FinetuneRecipe, small: Params) -> None:
    assert len(recipe.seeing(recipe.module()).augmentations) == 1
    pretrain = PretrainRecipe.of(small, recipe.sources)
    assert len(pretrain.seeing(pretrain.module()).augmentations) == 2


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of four training people, one of whom guards the gate, and a test person."""
    root = tmp_path_factory.mktemp("training")
    raw = draw_raw_set(root / "raw", num_train=4, num_test=1, num_photos=8)
    write_shards(root / SHARDS / "synthetic", raw)
    write_params(root)
    return root


def pretrain(root: Path, out: str, num_workers: int) -> str:
    arguments = ("--shards", SHARDS, "--out", out, "--report", "reports")
    return run(root, "jobs.pretrain", *arguments, SLYK_NUM_CPUS="1", SLYK_NUM_WORKERS=str(num_workers))


@pytest.mark.slow
def test_pretrain_then_finetune(root: Path) -> None:
    write_params(root)
    said = pretrain(root, "models/pretrain", num_workers=0)
    assert "pretrain: embedding rank" in said
    arguments = ("--task", "gaze", "--shards", SHARDS, "--encoder", "models/pretrain", "--out", "models/gaze")
    said = run(root, "jobs.finetune", *arguments, SLYK_NUM_CPUS="1", SLYK_NUM_WORKERS="0")
    bundle = load_bundle(root / "models/gaze")
    num_encoder = len(load_bundle(root / "models/pretrain").state)
    assert f"{num_encoder} of {num_encoder} encoder tensors came from pretraining" in said
    assert bundle.config["transferred"] == {"num_tensors": num_encoder, "of_encoder": num_encoder}
    assert len(bundle.config["groups"]["synthetic"]) == 3
    assert bundle.config["datasets"]["synthetic"]["manifest"] == manifest.load(root / SHARDS / "synthetic").digest
    history = pd.read_csv(root / "models/gaze/history.csv")
    assert history["step"].tolist() == [3, 6] and history["loss"].notna().all()
    control = load_bundle(root / "models/gaze/random_init")
    assert control.config["pretrained"] is None and control.config["model"] == bundle.config["model"]
    assert list((root / ".slyk/runs").iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")  # of MLflow
def test_kill_9_three_times_of_two_workers_changes_nothing(root: Path) -> None:
    """With dropout, bf16 and sums over workers in the loss; MLflow has one run of it, with each step once."""
    write_params(root, pretrain={"epochs": 12, "objective": "region_awareness", "precision": "bf16"})
    arguments = ("jobs.pretrain", "--shards", SHARDS, "--report", "reports", "--out")
    run(root, *arguments, "models/undisturbed", SLYK_NUM_CPUS="2", SLYK_NUM_WORKERS="2")
    stage = start(root, *arguments, "models/disturbed", SLYK_NUM_CPUS="2", SLYK_NUM_WORKERS="2")
    rng, workers, seen = random.Random(5), set[int](), set[Path]()
    for _ in range(3):
        wait_for(partial(goes_on, root, workers, seen), "new workers and a checkpoint of theirs")
        time.sleep(rng.random() / 2)
        workers, seen = workers_of(root), set(checkpoints_of(root))
        kill(rng.choice(sorted(workers)))
    said, _ = stage.communicate(timeout=500)
    assert stage.returncode == 0, said
    assert len(re.findall(r"worker \d failed, going back to the last checkpoint", said)) >= 3
    assert_same_bundles(root / "models/undisturbed", root / "models/disturbed")
    steps = metric_steps(root, "loss")
    assert len(steps) == 12 and steps == sorted(set(steps))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
def test_kill_9_of_a_worker_and_then_of_all_changes_nothing(root: Path) -> None:
    """The stage goes on after the first, its next start after the second: the MLflow run of that tells of the steps
    before it too; the first is marked as killed. While it was there, nobody else could train the same."""
    write_params(root, pretrain={"epochs": 14})
    pretrain(root, "models/undisturbed", num_workers=0)
    arguments = ("--shards", SHARDS, "--out", "models/disturbed", "--report", "reports")
    stage = start(root, "jobs.pretrain", *arguments, SLYK_NUM_CPUS="1", SLYK_NUM_WORKERS="1")
    wait_for(lambda: any((root / ".slyk/runs").glob("*.alone")), "the run")
    said = run(root, "jobs.pretrain", *arguments, status=2, SLYK_NUM_CPUS="1", SLYK_NUM_WORKERS="0")
    assert "error: another run is writing" in said
    wait_for(lambda: len(checkpoints_of(root)) >= 2, "two checkpoints")
    (worker,), seen = workers_of(root), set(checkpoints_of(root))
    kill(worker)
    wait_for(partial(goes_on, root, {worker}, seen), "a new worker and a checkpoint of its own")
    for number in [stage.pid, *processes_of(root)]:
        with suppress(ProcessLookupError):
            kill(number)
    said, _ = stage.communicate(timeout=60)
    assert "worker 0 failed, going back to the last checkpoint" in said
    said = pretrain(root, "models/disturbed", num_workers=1)
    assert "pretrain: going on from the checkpoints in" in said
    assert_same_bundles(root / "models/undisturbed", root / "models/disturbed")
    steps = metric_steps(root, "loss")
    assert len(steps) == 14 and steps == sorted(set(steps))
    assert [run.info.status for run in runs_of(root)][:3] == ["FINISHED", "FAILED", "KILLED"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
def test_an_interrupted_run_says_how_to_go_on(root: Path) -> None:
    write_params(root, pretrain={"epochs": 200})
    arguments = ("--shards", SHARDS, "--out", "models/interrupted", "--report", "reports")
    stage = start(root, "jobs.pretrain", *arguments, SLYK_NUM_CPUS="1", SLYK_NUM_WORKERS="1")
    wait_for(lambda: len(checkpoints_of(root)) >= 1, "a checkpoint")
    stage.send_signal(signal.SIGINT)
    said, _ = stage.communicate(timeout=200)
    assert stage.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted: what is complete stays; the same command goes on from there"
    assert not (root / "models/interrupted").exists()
    assert runs_of(root)[0].info.status == "KILLED"


def test_runs_that_were_given_up_are_swept(tmp_path: Path) -> None:
    """Those of this stage, after a week, but never the one that starts, and never the lock of one that goes on."""
    for name in ("pretrain-old", "pretrain-new", "pretrain-own", "finetune-gaze-old"):
        (tmp_path / f"{name}.alone").mkdir()
        os.utime(tmp_path / f"{name}.alone", (0, 0))
        (tmp_path / name / "checkpoint_0").mkdir(parents=True)
        if name != "pretrain-new":
            for path in (tmp_path / name / "checkpoint_0", tmp_path / name):
                os.utime(path, (0, 0))
    (tmp_path / "pretrain-old.error").write_text("")
    os.utime(tmp_path / "pretrain-old.error", (0, 0))
    _sweep(tmp_path, "pretrain", "pretrain-own")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}{end}" for name in ("finetune-gaze-old", "pretrain-new", "pretrain-own") for end in ("", ".alone")
    ]


@pytest.mark.slow
def test_a_micro_batch_that_fits_nothing_is_told_at_once(root: Path) -> None:
    write_params(root, pretrain={"micro_batch": 3})
    arguments = ("--shards", SHARDS, "--out", "models/x", "--report", "reports")
    said = run(root, "jobs.pretrain", *arguments, status=2, SLYK_NUM_WORKERS="1")
    assert "error: micro_batch 3 does not divide the 8 samples" in said and "ray" not in said.lower()


def checkpoints_of(root: Path) -> list[Path]:
    return list((root / ".slyk/runs").glob("pretrain-*/checkpoint_*"))


def workers_of(root: Path) -> set[int]:
    return {number for number, name in processes_of(root).items() if re.match("ray::.*TrainWorker", name)}


def goes_on(root: Path, ended: set[int], seen: set[Path]) -> bool:
    """Whether none but new workers are there, and a checkpoint that was not seen."""
    workers = workers_of(root)
    return bool(workers) and not workers & ended and not {*checkpoints_of(root)} <= seen


def assert_same_bundles(one: Path, other: Path) -> None:
    a, b = load_bundle(one), load_bundle(other)
    assert a.config == b.config and set(a.state) == set(b.state)
    for name, tensor in a.state.items():
        assert torch.equal(b.state[name], tensor), name
    assert (one / "history.csv").read_bytes() == (other / "history.csv").read_bytes()


def runs_of(root: Path) -> list[Run]:
    """Newest first."""
    client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(ids, order_by=["attributes.start_time DESC"]))


def metric_steps(root: Path, name: str) -> list[int]:
    """Steps of a metric in the newest run."""
    client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")
    return [metric.step for metric in client.get_metric_history(runs_of(root)[0].info.run_id, name)]


@pytest.mark.slow
def test_a_loss_that_is_not_finite_names_step_and_keys(root: Path) -> None:
    write_params(root, pretrain={"learning_rate": 1e6, "precision": "fp32"})
    arguments = ("--shards", SHARDS, "--out", "models/nan", "--report", "reports")
    said = run(root, "jobs.pretrain", *arguments, status=2, SLYK_NUM_CPUS="1", SLYK_NUM_WORKERS="0")
    assert re.search(r"error: loss is nan at step \d; samples of the batch: p00\d/00\d, ", said), said
    assert not (root / "models/nan").exists()


@pytest.mark.slow
def test_damaged_shards_stop_it_before_anything_starts(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / SHARDS, tmp_path / SHARDS)
    write_params(tmp_path)
    groups = training_sources(Params.model_validate(small_params()), ("synthetic",), tmp_path / SHARDS)
    tar = tmp_path / SHARDS / "synthetic" / f"{groups['synthetic'].groups[0]}-00000.tar"
    tar.write_bytes(tar.read_bytes()[:-20000])
    arguments = ("--shards", SHARDS, "--out", "models/x", "--report", "reports")
    said = run(tmp_path, "jobs.pretrain", *arguments, status=2, SLYK_NUM_WORKERS="0")
    assert f"error: {tar}: member" in said and "dvc checkout" in said


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", ["0", "2"])
def test_a_picture_that_cannot_be_read_ends_it_without_a_retry(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_workers: str
) -> None:
    """Of a shard that is as it was written: only workers meet it, one of them perhaps."""

    def half(sample: Sample, quality: int) -> dict[str, bytes]:
        members = encode(sample, quality)
        name = "face.jpg"
        return members | ({name: members[name][: len(members[name]) // 2]} if sample.key == broken else {})

    raw = draw_raw_set(tmp_path / "raw", num_train=5, num_test=1, num_photos=8)
    params = Params.model_validate(small_params())
    seen = training_sources(params, ("synthetic",), root / SHARDS)["synthetic"].groups
    broken = f"{seen[0]}/003"
    monkeypatch.setattr(write, "encode", half)
    write_shards(tmp_path / SHARDS / "synthetic", raw)
    write_params(tmp_path, pretrain={"watch": {"people": 0}, "batch_size": 4})
    arguments = ("--shards", SHARDS, "--out", "models/x", "--report", "reports")
    said = run(tmp_path, "jobs.pretrain", *arguments, status=2, SLYK_NUM_CPUS="2", SLYK_NUM_WORKERS=num_workers)
    assert f"member {broken}.face.jpg: " in said.splitlines()[-1] and said.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in said and said.count("going back to the last checkpoint") == int(num_workers == "2")


def test_of_a_run_that_was_given_up_the_cause_is_told() -> None:
    """As Ray wraps what its workers met."""
    full = OSError(errno.ENOSPC, "No space left on device")
    wrapped = UserExceptionWithTraceback(full, traceback_str="")
    assert _cause(WorkerGroupError("", {0: ValueError("ours"), 1: wrapped})) is full
    assert _cause(WorkerGroupError("", {0: full})) is full and _cause(ControllerError(full)) is full
    assert _cause(WorkerGroupError("", {0: ValueError("ours")})) is None and _cause(ValueError("ours")) is None
