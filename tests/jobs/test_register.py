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

import cv2
import numpy as np
import pandas as pd
import pytest

import slyk
from jobs import evaluate, register, tracking
from jobs.models import CHALLENGER, MODEL, all_versions, champion_or_challenger, fetch, find_version, resolve_model
from slyk.bundle import WEIGHTS, bundle_digest, load_bundle
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


def test_evaluate_measures_all_test_photos(root: Path, shards: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    build(root, shards, TEST_GAZE)
    run(monkeypatch, "evaluate")
    f = json.loads((root / "reports" / "metrics.json").read_text())
    assert (f["num_people"], f["num_photos"]) == (2, 2 * NUM_PHOTOS)
    # the labels scatter by 0.01 rad about what the model says; training people and the control look straight ahead
    assert f["mean_error_deg"] < 1.5 < 6.5 < f["mean_gaze_deg"] < 9.5
    assert 6.5 < f["random_init_deg"] < 9.5 and 6.5 < f["head_as_gaze_deg"] < 9.5
    assert f["datasets"]["synthetic"]["manifest"] == shards.digest
    predictions = pd.read_csv(root / "reports" / "predictions.csv")
    assert set(predictions["group"]) == {"t0", "t1"}
    np.testing.assert_allclose(predictions[["pred_pitch", "pred_yaw"]], np.tile(TEST_GAZE, (8, 1)), atol=1e-6)
    found = tracking.connect().search_runs([tracking.experiment_id(tracking.connect())])[0]
    assert found.info.run_name == "evaluate@gaze"
    assert found.data.metrics["mean_error_deg"] == f["mean_error_deg"]
    assert found.inputs.dataset_inputs[0].dataset.name == "synthetic"


@pytest.mark.parametrize("which", ["models", "models/random_init"])
def test_evaluate_refuses_people_it_was_trained_on(
    root: Path, shards: Manifest, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    build(root, shards, TEST_GAZE)
    people = roles(shards, num_gate_people=NUM_GATE)
    make_model(root / which, TEST_GAZE, shards, groups=(*people.train, "t1"))
    with pytest.raises(RegistryError, match=r"trained or pretrained on 1 of the 2 people of synthetic .*\(t1\)"):
        run(monkeypatch, "evaluate")
    assert not (root / "reports" / "metrics.json").exists()


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
