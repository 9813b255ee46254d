"""A workspace small enough for tests: shards of 9 people, and models that give one answer to everything.

Both are made once a run by the writers of the library and copied from then on, since making them takes a while.
"""

import atexit
import shutil
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from jobs.models import CHALLENGER, MODEL
from slyk.bundle import CONFIG, WEIGHTS, bundle_digest, describe, save_bundle
from slyk.datasets import pictures
from slyk.datasets.protocols import roles
from slyk.datasets.raw import Raw
from slyk.datasets.record import Record
from slyk.files import write_json
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import camera_matrix
from slyk.geometry.normalize import FaceGeometry
from slyk.models.encoder import EncoderConfig
from slyk.models.pmn import PMN, PMNConfig
from slyk.shards import manifest
from slyk.shards.crops import CropSpec
from slyk.shards.write import ShardPlan, write_shard

SPEC = CropSpec(focal_px=140.0, distance_mm=600.0, face_px=32, face_margin=1.4, eye_px=60, eye_margin=1.6, eye_zoom=5.0)
NUM_TRAIN, NUM_TEST, NUM_GATE, NUM_PHOTOS = 7, 2, 3, 4
GATE_GAZE, TRAIN_GAZE, TEST_GAZE = (0.3, 0.2), (0.0, 0.0), (0.1, 0.1)
TAGS = ("evaluation", "front_180", "front_20_band", "front_20_cone")
"""A person's first photo has the first, the second the first two, and so on."""
HISTORY = "step,epoch,loss,train_error_deg\n10,1.0,4.0,9.0\n20,2.0,2.0,6.0\n"


def make_shards(root: Path, name: str = "synthetic") -> manifest.Manifest:
    """Writes `root/data/shards/NAME`: gate, training and test people each look their own way, a little scattered."""
    folder = root / "data" / "shards" / name
    shutil.copytree(_shards(name), folder, dirs_exist_ok=True)
    return manifest.load(folder)


@cache
def _kept() -> Path:
    """A folder of this run."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


@cache
def _shards(name: str) -> Path:
    root = _kept()
    folder, photo = root / "shards" / name, root / "photo.png"
    cv2.imwrite(str(photo), np.random.default_rng(1).integers(0, 255, (160, 160, 3)).astype(np.uint8))
    people = [(f"p{i}", "train") for i in range(NUM_TRAIN)] + [(f"t{i}", "test") for i in range(NUM_TEST)]
    for last in (False, True):  # who is at the gate depends on the names alone: known after the first writing
        gate = roles(manifest.load(folder), num_gate_people=NUM_GATE).gate if last else ()
        sidecars = []
        for number, (person, split) in enumerate(people):
            gaze = TEST_GAZE if split == "test" else GATE_GAZE if person in gate else TRAIN_GAZE
            plan = ShardPlan(f"{person}-00000", person, split, "plan")
            records = _records(person, split, gaze, seed=number)
            sidecars.append(
                write_shard(
                    folder, plan, records, picture=partial(pictures.photo_file, Raw(root)), spec=SPEC, jpeg_quality=90
                )
            )
        manifest.write(folder, name, "Apache-2.0", SPEC.as_dict(), sidecars)
    return folder


def make_model(
    folder: Path, answer: tuple[float, float], shards: manifest.Manifest, *, groups: tuple[str, ...] | None = None
) -> Path:
    """Writes a bundle whose every prediction is `answer` (pitch, yaw), said to be trained on the training people."""
    seen = roles(shards, num_gate_people=NUM_GATE).train if groups is None else groups
    provenance = {
        "crops": SPEC.as_dict(),
        "datasets": {shards.dataset: {"manifest": shards.digest, "licence": shards.licence}},
        "groups": {shards.dataset: list(seen)},
    }
    config = describe(_network()) | provenance | {"task": "gaze", "face_px": 32, "pretrained": provenance}
    shutil.copytree(_bundle(answer), folder, dirs_exist_ok=True)
    write_json(folder / CONFIG, config)
    (folder / "history.csv").write_text(HISTORY)
    return folder


def write_params(root: Path, *, num_gate_people: int = NUM_GATE) -> None:
    """The project's params.yaml with a gate of the size that these shards allow."""
    text = (Path(__file__).parents[2] / "params.yaml").read_text()
    assert "num_gate_people: 6" in text
    (root / "params.yaml").write_text(text.replace("num_gate_people: 6", f"num_gate_people: {num_gate_people}"))


def add_version(client: Any, bundle: Path, folder: Path, **tags: str) -> str:
    """Registers a copy of a bundle, laid out as `register` does but without MLflow's model around it (seconds)."""
    (folder / "artifacts").mkdir(parents=True)
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(bundle / name, folder / "artifacts" / name)
    if not client.search_registered_models(f"name = '{MODEL}'"):
        client.create_registered_model(MODEL)
    tags = {"bundle_digest": bundle_digest(bundle), **tags}
    version = client.create_model_version(MODEL, source=folder.as_uri(), tags=tags).version
    client.set_registered_model_alias(MODEL, CHALLENGER, version)
    return str(version)


@cache
def _network() -> PMN:
    torch.manual_seed(1)
    return PMN(PMNConfig(EncoderConfig("mobilenetv3_small", 32, 2, 1), (8,), 0.0))


@cache
def _bundle(answer: tuple[float, float]) -> Path:
    network, folder = _network(), _kept() / f"bundle {answer}"
    last = [module for module in network.head.modules() if isinstance(module, torch.nn.Linear)][-1]
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor(answer)
    save_bundle(folder, {}, network.state_dict())
    return folder


def _records(person: str, split: str, gaze: tuple[float, float], seed: int) -> list[Record]:
    geometry = FaceGeometry(
        camera=camera_matrix(160.0, (80.0, 80.0)),
        head_rotation=np.eye(3),
        face_center_mm=np.array([0.0, 0.0, 600.0]),
        eyes_mm=np.array([[-32.0, -30.0, 580.0], [32.0, -30.0, 580.0]]),
    )
    angles = np.array(gaze) + np.random.default_rng(seed).normal(0, 0.01, (NUM_PHOTOS, 2))
    vectors = vector_from_pitchyaw(angles)
    return [
        Record(f"{person}/{i}", "photo.png", person, split, geometry, vectors[i], "annotated", tags=TAGS[: i + 1])
        for i in range(NUM_PHOTOS)
    ]
