"""Stage `evaluate@gaze`: a trained model and the photos of people it has never seen -> figures, plots, a report."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jobs import tracking
from jobs.columns import HEAD, PREDICTED, TRUE
from jobs.report import report_html
from jobs.roles import roles_of, sets_tested, told
from jobs.scoring import gaze_of, score, trained_on
from jobs.stage import stage
from slyk import metrics
from slyk.bundle import Bundle, load_bundle
from slyk.config import Params, load_params
from slyk.duplicates.compare import compare, pictures_below
from slyk.duplicates.search import hashed, photos
from slyk.errors import RegistryError
from slyk.files import resolve, write_atomic, write_json
from slyk.geometry.angles import Array
from slyk.metrics import Interval
from slyk.shards import manifest
from slyk.shards.manifest import Manifest
from slyk.shards.read import ShardSet
from slyk.tasks import TASKS

RANDOM_INIT = "random_init"
HISTOGRAM_STEP_DEG = 1.0
NUM_POINTS = 400  # of the scatter plots


@dataclass(frozen=True)
class Evaluated:
    """The answers of the model, and those of the same network without pretraining, on the same test photos.

    mean_gaze (2,): pitch and yaw in radians of the training people; near_duplicates: test photos against those that the
    model has learned from, see `slyk.duplicates.compare`.
    """

    table: pd.DataFrame
    control: pd.DataFrame
    mean_gaze: Array
    near_duplicates: dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True, choices=sorted(TASKS))
    parser.add_argument("--models", required=True, help="folder written by finetune")
    parser.add_argument("--shards", required=True, help="folder of the sets' shards")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    models, shards, out = resolve(args.models), resolve(args.shards), resolve(args.out)
    manifests = {name: manifest.load(shards / name).faces() for name in sets_tested(params)}
    with tracking.stage_run(f"evaluate@{args.task}", params=params, sections=("protocol", "evaluate")) as run:
        for found in manifests.values():
            run.log_dataset(found, context="test people")
        evaluated = evaluate(models, shards, manifests, params)
        figures = summarize(evaluated, manifests, params)
        write(
            out, evaluated, figures, [pd.read_csv(folder / "history.csv") for folder in (models, models / RANDOM_INIT)]
        )
        run.log_metrics(flat_numbers(figures))
        run.log_artifact(out / "metrics.json")
        run.log_artifact(out / "report.html")
    low, high = figures["ci95_deg"]
    print(f"evaluate: {figures['mean_error_deg']:.2f} deg [{low:.2f}, {high:.2f}] on {figures['num_people']} people")


def evaluate(models: Path, shards: Path, manifests: Mapping[str, Manifest], params: Params) -> Evaluated:
    """Scores model and control on every labelled photo that the protocols measure of the test people of all sets.

    Raises RegistryError where a model has seen any of these people.
    """
    bundles = [load_bundle(models), load_bundle(models / RANDOM_INIT)]
    tables: list[list[pd.DataFrame]] = [[], []]
    for name, found in manifests.items():
        people = roles_of(params, found)
        for bundle in bundles:
            check_unseen(bundle, name, people.test)
        test = ShardSet.open(shards / name, people.test, people.measured)
        for parts, bundle in zip(tables, bundles, strict=True):
            parts.append(score(bundle, test, batch_size=params.evaluate.batch_size))
    model, control = (pd.concat(parts, ignore_index=True) for parts in tables)
    assert model["key"].tolist() == control["key"].tolist()
    gaze = [training_gaze(shards / name, params) for name in params.finetune.gaze.datasets]
    mean_gaze = metrics.mean_direction(np.concatenate(gaze))
    return Evaluated(model, control, mean_gaze, near_duplicates(bundles[0], shards, model))


def check_unseen(bundle: Bundle, dataset: str, groups: tuple[str, ...]) -> None:
    """Raises RegistryError where training or pretraining has seen one of the groups: the figure would be no figure."""
    met = sorted(trained_on(bundle).get(dataset, set()) & set(groups))
    if met:
        raise RegistryError(
            f"the model was trained or pretrained on {len(met)} of the {len(groups)} people of {dataset} it would be "
            f"measured on ({', '.join(met[:3])}): train it again with `dvc repro`"
        )


def near_duplicates(bundle: Bundle, shards: Path, table: pd.DataFrame) -> dict[str, Any]:
    """Photos of the table that show the same picture as one of the people whom the model has learned from."""
    seen = trained_on(bundle)
    rows = [row for name in seen for row in hashed(shards / name, manifest.load(shards / name), seen[name])]
    scored = set(zip(table["dataset"], table["key"], strict=True))
    for name, part in table.groupby("dataset"):
        folder = shards / str(name)
        found = hashed(folder, manifest.load(folder), set(part["group"]))
        rows += [(photo, phash) for photo, phash in found if (photo.dataset, photo.key) in scored]
    everything = photos(rows)
    test = np.array([(photo.dataset, photo.key) in scored for photo in everything.names], dtype=bool)
    return compare(everything.among(test), everything.among(~test), pictures_below(shards))


def training_gaze(folder: Path, params: Params) -> Array:
    """Labels (N, 2) of the training people, read from shards."""
    people = roles_of(params, manifest.load(folder))
    return gaze_of(ShardSet.open(folder, people.train, people.learned))


def summarize(evaluated: Evaluated, manifests: Mapping[str, Manifest], params: Params) -> dict[str, Any]:
    """The content of metrics.json: degrees, rounded to 4 digits."""
    table = evaluated.table
    settings = {"num_samples": params.evaluate.bootstrap_samples, "seed": params.seed}
    true = table[TRUE].to_numpy()
    errors = {
        "model": table["error_deg"].to_numpy(),
        "random_init": evaluated.control["error_deg"].to_numpy(),
        "mean_gaze": metrics.errors_deg(np.broadcast_to(evaluated.mean_gaze, true.shape), true),
        "head_as_gaze": metrics.errors_deg(table[HEAD].to_numpy(), true),
    }
    means = {name: metrics.bootstrap_mean(values, table["person"], **settings) for name, values in errors.items()}
    gain = metrics.paired_bootstrap(errors["model"], errors["random_init"], table["person"], **settings)
    pitch, yaw = metrics.explained_variance(table[PREDICTED].to_numpy(), true)
    figures: dict[str, Any] = {
        "mean_error_deg": means["model"].mean,
        "median_error_deg": float(np.median(errors["model"])),
        "ci95_deg": _range(means["model"]),
        "num_people": table["person"].nunique(),
        "num_photos": len(table),
        "explained_variance": {"pitch": pitch, "yaw": yaw, "mean": (pitch + yaw) / 2},
        "per_person": per_person(table),
        "model_minus_random_init": {"mean_deg": gain.mean, "ci95_deg": _range(gain)},
        "datasets": {
            name: {"protocol": told(params, name), **_dataset(table, found)} for name, found in manifests.items()
        },
        "near_duplicates": evaluated.near_duplicates,
    }
    for name in ("random_init", "mean_gaze", "head_as_gaze"):
        figures |= {f"{name}_deg": means[name].mean, f"{name}_ci95_deg": _range(means[name])}
    rounded: dict[str, Any] = _rounded(figures)
    return rounded


def per_person(table: pd.DataFrame) -> dict[str, Any]:
    """Mean error of each person in degrees, the best and the worst of them, and the deviation between people."""
    means = metrics.person_means(table["error_deg"].to_numpy(), table["person"])
    best, worst = min(means, key=lambda p: means[p]), max(means, key=lambda p: means[p])
    return {
        "best": means[best],
        "best_person": best,
        "worst": means[worst],
        "worst_person": worst,
        "deviation": float(np.std(list(means.values()))),
        "errors": means,
    }


def write(out: Path, evaluated: Evaluated, figures: dict[str, Any], histories: Sequence[pd.DataFrame]) -> None:
    """metrics.json, predictions.csv, plots for `dvc plots`, report.html: equal bytes for equal models and shards."""
    table = evaluated.table
    write_json(out / "metrics.json", figures)
    _write_csv(out / "predictions.csv", table)
    people = pd.DataFrame(sorted(figures["per_person"]["errors"].items()), columns=["person", "error_deg"])
    _write_csv(out / "plots" / "error_per_person.csv", people)
    edges = np.arange(0.0, table["error_deg"].max() + 2 * HISTOGRAM_STEP_DEG, HISTOGRAM_STEP_DEG)
    counts, _ = np.histogram(table["error_deg"], edges)
    histogram = pd.DataFrame({"error_deg": edges[:-1], "num_photos": counts})
    _write_csv(out / "plots" / "error_histogram.csv", histogram)
    _write_csv(out / "plots" / "predicted_against_true.csv", thinned(table)[[*TRUE, *PREDICTED]].apply(np.degrees))
    write_atomic(out / "report.html", report_html(figures, table, evaluated.control, *histories).encode())


def thinned(table: pd.DataFrame) -> pd.DataFrame:
    """At most NUM_POINTS rows, evenly spread."""
    rows = np.unique(np.linspace(0, len(table) - 1, min(NUM_POINTS, len(table))).round().astype(int))
    return table.iloc[rows]


def flat_numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    """The single numbers of metrics.json, as MLflow takes them; intervals become _low and _high."""
    flat: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, list):
            flat |= {f"{name}_low": value[0], f"{name}_high": value[1]}
        elif isinstance(value, Mapping) and name in ("explained_variance", "per_person", "near_duplicates"):
            flat |= {f"{name}_{key}": number for key, number in value.items() if isinstance(number, float)}
        elif isinstance(value, int | float):
            flat[name] = value
    return flat


def _dataset(table: pd.DataFrame, found: Manifest) -> dict[str, Any]:
    part = table[table["dataset"] == found.dataset]
    return {
        "manifest": found.digest,
        "licence": found.licence,
        "mean_error_deg": float(part["error_deg"].mean()),
        "num_people": part["person"].nunique(),
        "num_photos": len(part),
    }


def _range(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_atomic(path, table.to_csv(index=False, float_format="%.6f", lineterminator="\n").encode())


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(float(value), 4) if isinstance(value, float) else value


if __name__ == "__main__":
    stage(main)
