"""Evaluate and register as the flow runs them; the registered model answers in a process that knows only MLflow."""

import ast
import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

import slyk
from jobs import evaluate, register, tracking
from jobs.models import CHALLENGER, MODEL, all_versions, champion_or_challenger, fetch, find_version, resolve_model
from jobs.roles import roles_of
from slyk.bundle import WEIGHTS, bundle_digest, load_bundle
from slyk.config import Params, load_params
from slyk.datasets.protocols import roles
from slyk.errors import DataMissingError, RegistryError
from slyk.shards.manifest import Manifest
from tests.jobs.workspace import NUM_GATE, NUM_PHOTOS, TEST_GAZE, add_version, make_model, make_shards, write_params

LOAD = """
import sys, base64, json
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/slyk-gaze@challenger")
import slyk
faces = pd.DataFrame([{k: base64.b64decode(v) for k, v in row.items()} for row in json.loads(sys.stdin.read())])
answer = model.predict(faces)
print(json.dumps({"code": slyk.__file__, "answer": answer.to_dict("list")}))
"""


@pytest.fixture
def shards(root: Path) -> Manifest:
    write_params(root)
    return make_shards(root)


def build(root: Path, shards: Manifest, answer: tuple[float, float]) -> str:
    """What finetune leaves behind; returns the digest."""
    model = make_model(root / "models", answer, shards)
    make_model(root / "models" / "random_init", (0.0, 0.0), shards)
    return bundle_digest(model)


def run(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    arguments = {
        "evaluate": ["--task", "gaze", "--models", "models", "--shards", "data/shards", "--out", "reports"],
        "register": ["--model", "models", "--reports", "reports", "--out", "reports/registered.json"],
    }
    monkeypatch.setattr(sys, "argv", [stage, *arguments[stage]])
    {"evaluate": evaluate.main, "register": register.main}[stage]()


@pytest.mark.slow
def test_evaluate_measures_all_test_photos(root: Path, shards: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    build(root, shards, TEST_GAZE)
    run(monkeypatch, "evaluate")
    f = json.loads((root / "reports" / "metrics.json").read_text())
    assert (f["num_people"], f["num_photos"]) == (2, 2 * NUM_PHOTOS)
    # the labels scatter by 0.01 rad about what the model says; training people and the control look straight ahead
    assert f["mean_error_deg"] < 1.5 < 6.5 < f["mean_gaze_deg"] < 9.5
    assert 6.5 < f["random_init_deg"] < 9.5 and 6.5 < f["head_as_gaze_deg"] < 9.5
    assert f["datasets"]["synthetic"]["manifest"] == shards.digest
    assert f["datasets"]["synthetic"]["protocol"].startswith("as_shipped: the set's own test groups")
    assert f["near_duplicates"]["num"] == f["near_duplicates"]["num_photos"] == 2 * NUM_PHOTOS  # one photo is all
    predictions = pd.read_csv(root / "reports" / "predictions.csv")
    assert set(predictions["group"]) == {"t0", "t1"}
    np.testing.assert_allclose(predictions[["pred_pitch", "pred_yaw"]], np.tile(TEST_GAZE, (8, 1)), atol=1e-6)
    found = tracking.connect().search_runs([tracking.experiment_id(tracking.connect())])[0]
    assert found.info.run_name == "evaluate@gaze"
    assert found.data.metrics["mean_error_deg"] == f["mean_error_deg"]
    assert found.inputs.dataset_inputs[0].dataset.name == "synthetic"


@pytest.mark.parametrize("which", ["models", pytest.param("models/random_init", marks=pytest.mark.slow)])
def test_evaluate_refuses_people_it_was_trained_on(
    root: Path, shards: Manifest, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    build(root, shards, TEST_GAZE)
    people = roles(shards, num_gate_people=NUM_GATE)
    make_model(root / which, TEST_GAZE, shards, groups=(*people.train, "t1"))
    with pytest.raises(RegistryError, match=r"trained or pretrained on 1 of the 2 people of synthetic .*\(t1\)"):
        run(monkeypatch, "evaluate")
    assert not (root / "reports" / "metrics.json").exists()


def choose(root: Path, **protocol: object) -> Params:
    """Sets the protocol of the set."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["protocol"]["sets"] = {"synthetic": protocol}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    return load_params(root / "params.yaml")


def measured(root: Path, shards: Manifest) -> tuple[dict[str, Any], pd.DataFrame]:
    """The figures of the models in `root`, and what they say of each photo: `evaluate` without its page."""
    params, manifests = load_params(root / "params.yaml"), {"synthetic": shards}
    evaluated = evaluate.evaluate(root / "models", root / "data/shards", manifests, params)
    return evaluate.summarize(evaluated, manifests, params), evaluated.table


def test_the_photos_that_the_protocol_measures(root: Path, shards: Manifest) -> None:
    build(root, shards, TEST_GAZE)
    choose(root, name="front_20_band")
    f, table = measured(root, shards)
    assert (f["num_people"], f["num_photos"], f["near_duplicates"]["num_photos"]) == (2, 4, 4)
    assert set(table["key"]) == {"t0/2", "t0/3", "t1/2", "t1/3"}
    assert f["datasets"]["synthetic"]["protocol"] == "front_20_band: Gaze360, its own setting: |yaw| <= 20 degrees"
    choose(root, name="face_detected")
    with pytest.raises(DataMissingError, match="holds no photo with a gaze label of the chosen people"):
        measured(root, shards)


def test_one_person_left_out(root: Path, shards: Manifest) -> None:
    """Each fold has its own pretraining: the encoder of fold 3 has seen the person whom fold 4 tests."""
    third, fourth = (
        roles_of(choose(root, name="leave_one_out", fold=fold, num_gate_people=1), shards) for fold in (3, 4)
    )
    assert (third.test, fourth.test) == (("p3",), ("p4",)) and "p4" in third.train
    for folder in ("models", "models/random_init"):
        make_model(root / folder, (0.0, 0.0), shards, groups=fourth.train)
    f, _ = measured(root, shards)
    assert set(f["per_person"]["errors"]) == {"synthetic/p4"}
    assert f["datasets"]["synthetic"]["protocol"].startswith("leave_one_out, fold 4: one labelled group tests")

    config = json.loads((root / "models/config.json").read_text())
    config["pretrained"]["groups"] = {"synthetic": list(third.train)}
    (root / "models/config.json").write_text(json.dumps(config))
    with pytest.raises(RegistryError, match=r"trained or pretrained on 1 of the 1 people of synthetic .*\(p4\)"):
        measured(root, shards)


@pytest.mark.slow
def test_a_set_that_is_only_tested_on(root: Path, shards: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on one set, tested on everybody of another."""
    build(root, shards, TEST_GAZE)
    make_shards(root, "other")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["datasets"]["other"] = {"reader": "folder", "root": "elsewhere"}
    params["evaluate"]["datasets"] = ["other"]
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    run(monkeypatch, "evaluate")
    f = json.loads((root / "reports" / "metrics.json").read_text())
    assert list(f["datasets"]) == ["other"] and (f["num_people"], f["num_photos"]) == (9, 9 * NUM_PHOTOS)
    assert f["datasets"]["other"]["protocol"] == "as_shipped, only tested: all labelled groups"
    assert f["near_duplicates"]["num"] == 9 * NUM_PHOTOS  # one photo is all, in both sets
    assert any(pair.split(" like ")[1].startswith("synthetic/") for pair in f["near_duplicates"]["pairs"])

    params["pretrain"]["datasets"] = ["synthetic", "other"]  # who has shown pictures is tested on what is left
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    run(monkeypatch, "evaluate")
    f = json.loads((root / "reports" / "metrics.json").read_text())
    assert set(f["per_person"]["errors"]) == {"other/t0", "other/t1"}


def test_evaluate_refuses_shards_that_were_cut_differently(
    root: Path, shards: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(root, shards, TEST_GAZE)
    config = root / "models" / "config.json"
    config.write_text(config.read_text().replace('"eye_zoom": 5.0', '"eye_zoom": 4.0'))
    with pytest.raises(RegistryError, match=r"cut differently than the model was trained on \(eye_zoom 4.0 -> 5.0\)"):
        run(monkeypatch, "evaluate")


@pytest.mark.slow
def test_params_a_b_a_end_with_a(root: Path, shards: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    digests, versions = [], []
    for answer in ((0.1, 0.1), (0.2, 0.2), (0.1, 0.1)):
        digests.append(build(root, shards, answer))
        run(monkeypatch, "evaluate")
        run(monkeypatch, "register")
        versions.append(json.loads((root / "reports" / "registered.json").read_text()))
    client = tracking.connect()
    assert [v["version"] for v in versions] == [1, 2, 1] and versions[0] == versions[2]
    assert [v["bundle_digest"] for v in versions] == digests
    challenger = find_version(client, CHALLENGER)
    assert challenger is not None and challenger.version == 1 and len(all_versions(client)) == 2
    metrics = json.loads((root / "reports" / "metrics.json").read_text())
    tags = client.get_model_version(MODEL, "1").tags
    assert float(tags["mean_error_deg"]) == metrics["mean_error_deg"]
    assert (tags["licence"], tags["manifest.synthetic"]) == ("Apache-2.0", shards.digest)
    assert tags["protocol.synthetic"] == metrics["datasets"]["synthetic"]["protocol"]
    shutil.rmtree(root / "models")
    folder, alias = champion_or_challenger()
    assert alias == CHALLENGER and bundle_digest(folder) == digests[0]
    _answers_elsewhere(root)


def _answers_elsewhere(root: Path) -> None:
    """Loads the challenger in another process and folder, without unpickling, with the code that was logged."""
    spec = load_bundle(resolve_model(f"models:/{MODEL}@{CHALLENGER}")).spec
    sizes = {"face": spec.face_square_px, "right": spec.eye_square_px, "left": spec.eye_square_px}
    noise = np.random.default_rng(1)
    row = {}
    for name, px in sizes.items():
        square = cv2.imencode(".jpg", noise.integers(0, 255, (px, px, 3)).astype(np.uint8))[1]
        row[name] = base64.b64encode(bytes(square)).decode()
    environment = {"PATH": "/usr/bin:/bin", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "HOME": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, tracking.store_uri()],
        input=json.dumps([row] * 3),
        cwd=root / "data",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert str(root / "mlartifacts") in result["code"]
    np.testing.assert_allclose(result["answer"]["pitch"], [0.1] * 3, atol=1e-6)
    assert not list((root / "mlartifacts").rglob("*.pkl"))


def test_requirements_are_those_of_this_environment() -> None:
    listed = dict(line.split("==") for line in register.requirements())
    assert listed["numpy"] == np.__version__ and listed["opencv-python-headless"].startswith("4.")
    assert not any("+" in version for version in listed.values())


def test_requirements_name_what_the_logged_code_imports() -> None:
    """Follows the import statements from the model's file through slyk; what is left must be a requirement."""
    todo, seen, packages = [register.CODE], set[Path](), set[str]()
    while todo:
        path = todo.pop()
        for name in _imports(path):
            if name.startswith("slyk"):
                todo += [file for file in _files(name) if file not in seen]
                seen.update(_files(name))
            elif name.partition(".")[0] not in sys.stdlib_module_names:
                packages.add(name.partition(".")[0])
    assert "torch" in packages and len(seen) > 20
    distributions = metadata.packages_distributions()
    unnamed = {p for p in packages - {"mlflow"} if not set(distributions[p]) & set(register.REQUIRED)}
    assert unnamed == set()


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(module: str) -> list[Path]:
    """The file of a slyk module and those of the packages above it."""
    parts, base, found = module.split("."), Path(slyk.__file__).parent.parent, []
    for end in range(1, len(parts) + 1):
        place = base.joinpath(*parts[:end])
        found += [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
    return found


def test_a_damaged_store_is_noticed(root: Path, shards: Manifest) -> None:
    client = tracking.connect()
    add_version(client, make_model(root / "models", (0.1, 0.1), shards), root / "logged")
    version = find_version(client, CHALLENGER)
    weights = root / "logged" / "artifacts" / WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"abcd")
    with pytest.raises(RegistryError, match="version 1 differ from what was registered"):
        fetch(version)
    weights.write_bytes(whole)
    folder = fetch(version)
    shutil.rmtree(root / "logged")
    assert fetch(version) == folder  # kept on this machine
    (folder / WEIGHTS).write_bytes(b"")
    with pytest.raises(RegistryError, match="version 1 cannot be read"):
        fetch(version)


def test_names_of_models(root: Path, shards: Manifest) -> None:
    model = make_model(root / "models", (0.1, 0.1), shards)
    assert resolve_model("models") == model
    with pytest.raises(RegistryError, match="slyk-gaze has no version yet: run `dvc repro`"):
        champion_or_challenger()
    with pytest.raises(RegistryError, match="no version yet"):
        resolve_model("models:/slyk-gaze@champion")
    add_version(tracking.connect(), model, root / "logged")
    assert bundle_digest(resolve_model("models:/slyk-gaze/1")) == bundle_digest(model)
    with pytest.raises(RegistryError, match="there are versions 1 to 1 and the aliases challenger"):
        resolve_model("models:/slyk-gaze@champion")
    with pytest.raises(RegistryError, match="expected models:/slyk-gaze@champion or models:/slyk-gaze/1"):
        resolve_model("models:/slyk-gaze")
    with pytest.raises(DataMissingError, match="holds no model"):
        load_bundle(resolve_model("nowhere"))
