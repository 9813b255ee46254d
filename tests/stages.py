"""A folder to run stages in: small params, a drawn raw set, and the stages themselves in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from slyk.datasets import listing
from tests.drawn import REPOSITORY, SMALL_SPEC, draw_raw_set

RAW, LISTING = "data/raw/synthetic", "data/index/synthetic.files"
ENCODER = {"backbone": "mobilenetv3_small", "weights": None, "width": 32, "heads": 4, "layers": 1}
PRETRAIN = {
    "face_px": 48, "encoder": ENCODER, "projector_hidden": 32, "projector_out": 16, "epochs": 2, "batch_size": 8,
    "warmup_epochs": 0.0, "precision": "fp32", "checkpoints_per_epoch": 1,
    "watch": {"people": 1, "photos": 16, "least_deviation": 0.1},
}  # fmt: skip
GAZE = {
    "hidden": [16], "epochs": 2, "batch_size": 8, "warmup_epochs": 0.0, "precision": "fp32", "checkpoints_per_epoch": 1,
}  # fmt: skip


def small_params(**changes: dict[str, Any]) -> dict[str, Any]:
    """params.yaml with small crops and networks; `changes`: section -> values that replace its own."""
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["normalize"] |= SMALL_SPEC.as_dict()
    params["protocol"]["num_gate_people"] = 1
    params["pretrain"] |= PRETRAIN
    params["finetune"]["gaze"] |= GAZE
    for section, values in changes.items():
        place = params["finetune"]["gaze"] if section == "gaze" else params[section]
        place |= values
    return params


def write_params(root: Path, **changes: dict[str, Any]) -> None:
    (root / "params.yaml").write_text(yaml.safe_dump(small_params(**changes), sort_keys=False))


def draw_listed_set(root: Path, *, num_train: int, num_test: int, num_photos: int) -> None:
    """The raw set below `root` and its listing."""
    draw_raw_set(root / RAW, num_train=num_train, num_test=num_test, num_photos=num_photos)
    listing.write(root / LISTING, listing.scan(root / RAW))


def start(root: Path, module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Starts a stage with SLYK_ROOT in `root`, as `dvc repro` would."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLYK_", "MLFLOW_"))}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env=kept | {"SLYK_ROOT": str(root)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(root: Path, module: str, *arguments: str, status: int = 0, **environment: str) -> str:
    """Runs a stage and returns all that it printed."""
    process = start(root, module, *arguments, **environment)
    said, _ = process.communicate(timeout=500)
    assert process.returncode == status, said
    return said


def processes_of(root: Path) -> dict[int, str]:
    """Number and name of every process that runs for `root`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            if f"SLYK_ROOT={root}".encode() in environment:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.02)


def kill(number: int) -> None:
    """kill -9."""
    os.kill(number, signal.SIGKILL)
