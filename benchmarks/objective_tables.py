"""Tables of the experiment on objectives, from the results of its runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slyk.errors import DataMissingError

Result = dict[str, Any]
NUM_DRAWS = 10_000


def tables(folder: Path) -> str:
    """Markdown: probes, then turned faces. A mean over seeds, its interval over people and the seeds' own values.

    Raises DataMissingError where there is no result, or one is damaged.
    """
    results = [_read(path) for path in sorted(folder.glob("*.json"))]
    if not results:
        raise DataMissingError(f"{folder} holds no results: run `python -m benchmarks.objectives` from the project")
    rows = [
        (way, kind, [r for r in results if r["way"] == way and kind in r["features"]]) for way, kind in kinds(results)
    ]
    rows.sort(key=lambda row: _mean(row[2], row[1], "gaze_probe_deg"))
    return "\n".join([*_probes(rows), "", *_turned(rows)])


def _read(path: Path) -> Result:
    try:
        found: Result = json.loads(path.read_bytes())
        if {"way", "seed", "features"} <= set(found):
            return found
    except (ValueError, TypeError):
        pass
    raise DataMissingError(f"{path} holds no result: delete it and run `python -m benchmarks.objectives` again")


def kinds(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Every way and kind of features that there are results of."""
    return sorted({(r["way"], kind) for r in results for kind in r["features"]})


def _probes(rows: list[tuple[str, str, list[Result]]]) -> list[str]:
    lines = [
        "| trained by | steps, images | gaze (deg), people never seen | seeds | head (deg) | expression (share) "
        "| nearest photo's gaze (deg) | same person |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way, kind, found in rows:
        low, high = over_people(found, kind)
        seeds = ", ".join(f"{r['features'][kind]['gaze_probe_deg']:.2f}" for r in found)
        mean = {name: _mean(found, kind, name) for name in (
            "gaze_probe_deg", "head_probe_deg", "expression_probe", "neighbour_gaze_deg", "neighbour_same_person"
        )}  # fmt: skip
        effort = f"{found[0]['steps']}, {found[0]['images']:,}" if "steps" in found[0] else "-"
        lines.append(
            f"| {_name(way, kind)} | {effort} | {mean['gaze_probe_deg']:.2f} [{low:.2f}, {high:.2f}] | {seeds} "
            f"| {mean['head_probe_deg']:.2f} | {mean['expression_probe']:.2f} | {mean['neighbour_gaze_deg']:.1f} "
            f"| {mean['neighbour_same_person']:.2f} |"
        )
    some, kind = rows[0][2][0]["features"][rows[0][1]], rows[0][1]
    lines.append(
        f"| the mean of the training people | - | {some['gaze_mean_deg']:.2f} | | {some['head_mean_deg']:.2f} "
        f"| {some['expression_chance']:.2f} | {some['random_gaze_deg']:.1f} | {some['random_same_person']:.2f} |"
    )
    return lines


def _turned(rows: list[tuple[str, str, list[Result]]]) -> list[str]:
    lines = [
        "| trained by | upright (deg) | turned, to the turned label (deg) | turned, to its own answer turned (deg) "
        "| to its own answer, not turned (deg) |",
        "| --- | --- | --- | --- | --- |",
    ]

    def mean(found: list[Result], kind: str, name: str) -> float:
        return float(np.mean([r["features"][kind]["turned"][name] for r in found]))

    names = ("upright_error_deg", "error_deg", "equivariance_error_deg", "not_turned_deg")
    for way, kind, found in rows:
        lines.append(f"| {_name(way, kind)} | " + " | ".join(f"{mean(found, kind, name):.2f}" for name in names) + " |")
    way, kind, found = rows[0]
    constant = [mean(found, kind, f"constant_{name}") for name in ("error_deg", "equivariance_error_deg")]
    lines.append(f"| a constant | - | {constant[0]:.2f} | {constant[1]:.2f} | 0.00 |")
    return lines


def over_people(found: Sequence[Result], kind: str) -> tuple[float, float]:
    """The 95 % interval of the mean over seeds and people, people drawn with replacement."""
    means = np.mean([list(_sorted(r["features"][kind]["people_deg"]).values()) for r in found], axis=0)
    drawn = np.random.default_rng(0).integers(0, len(means), (NUM_DRAWS, len(means)))
    low, high = np.quantile(means[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _sorted(values: dict[str, float]) -> dict[str, float]:
    return dict(sorted(values.items()))


def _mean(found: Sequence[Result], kind: str, name: str) -> float:
    return float(np.mean([r["features"][kind][name] for r in found]))


def _name(way: str, kind: str) -> str:
    return way if kind == "embedding" else f"{way}: {kind}"
