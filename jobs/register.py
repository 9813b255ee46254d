"""Stage `register`: a trained bundle and its report -> a version of `slyk-gaze` with the alias `challenger`.

The same weights never become two versions: where the digest is known, the alias moves and the figures are renewed.
"""

import argparse
import json
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

import slyk
from jobs import tracking
from jobs.models import CHALLENGER, MODEL, all_versions
from jobs.stage import stage
from slyk.bundle import CONFIG, WEIGHTS, Bundle, bundle_digest, load_bundle
from slyk.config import load_params
from slyk.files import resolve, write_json

CODE = Path(__file__).with_name("pyfunc.py")
REQUIRED = (
    *("torch", "torchvision", "timm", "numpy", "pandas", "pyarrow", "scipy"),
    *("opencv-python-headless", "simplejpeg", "safetensors", "pydantic", "pyyaml", "typing_extensions"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder written by finetune")
    parser.add_argument("--reports", required=True, help="folder written by evaluate")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    model, reports, out = resolve(args.model), resolve(args.reports), resolve(args.out)
    bundle, digest = load_bundle(model), bundle_digest(model)
    with tracking.stage_run("register", params=params) as run:
        known = [v for v in all_versions(run.client) if v.tags.get("bundle_digest") == digest]
        number = str(known[-1].version) if known else log_model(model, bundle, run)
        tags = version_tags(bundle, digest, json.loads((reports / "metrics.json").read_bytes()))
        for name, value in (tags | {"config": tracking.fingerprint(params), "revision": tracking.revision()}).items():
            run.client.set_model_version_tag(MODEL, number, name, value)
        run.client.set_registered_model_alias(MODEL, CHALLENGER, number)
        run.set_tags({"model_version": number, "bundle_digest": digest})
        write_json(out, {"model": MODEL, "version": int(number), "bundle_digest": digest})
    known_before = " (known before: the alias moved, no new version)" if known else ""
    print(f"register: {MODEL} version {number} is the {CHALLENGER}{known_before}; next: slyk promote")


def log_model(folder: Path, bundle: Bundle, run: tracking.StageRun) -> str:
    """Logs the bundle as a pyfunc from code, with slyk beside it and its requirements, and registers a version."""
    mlflow = tracking.load_mlflow()
    example = input_example(bundle)
    answer = pd.DataFrame({"pitch": [0.0], "yaw": [0.0]})
    with warnings.catch_warnings(), mlflow.start_run(run_id=run.run_id):
        warnings.simplefilter("ignore")  # MLflow's own, about types of other frameworks and the coming pandas
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(CODE),
            artifacts={"config": str(folder / CONFIG), "weights": str(folder / WEIGHTS)},
            code_paths=[str(Path(slyk.__file__).parent)],
            pip_requirements=requirements(),
            signature=mlflow.models.infer_signature(example, answer),
            input_example=example,
            registered_model_name=MODEL,
            await_registration_for=60,
        )
    return str(logged.registered_model_version)


def input_example(bundle: Bundle) -> pd.DataFrame:
    """One grey face, as JPEG bytes of the right sizes."""
    spec = bundle.spec
    sizes = {"face": spec.face_square_px, "right": spec.eye_square_px, "left": spec.eye_square_px}
    squares = {name: cv2.imencode(".jpg", np.full((px, px, 3), 128, np.uint8))[1] for name, px in sizes.items()}
    return pd.DataFrame({name: [bytes(square)] for name, square in squares.items()})


def requirements() -> list[str]:
    """What the logged code imports, at the versions of this environment; a local label such as +cpu is left off."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in REQUIRED]


def version_tags(bundle: Bundle, digest: str, figures: dict[str, Any]) -> dict[str, str]:
    """What a reader of the registry wants to know of a version."""
    low, high = figures["ci95_deg"]
    datasets = bundle.config["datasets"]
    return {
        "bundle_digest": digest,
        "mean_error_deg": f"{figures['mean_error_deg']:.4f}",
        "ci95_deg": f"{low:.4f} to {high:.4f}",
        "num_people": str(figures["num_people"]),
        "num_photos": str(figures["num_photos"]),
        "licence": ", ".join(sorted({d["licence"] for d in datasets.values()})),
        **{f"manifest.{name}": d["manifest"] for name, d in datasets.items()},
        **{f"protocol.{name}": d["protocol"] for name, d in figures["datasets"].items()},
    }


if __name__ == "__main__":
    stage(main)
