"""Tables of the experiment on objectives, from the results of its runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slyk.errors import DataMissingError
from slyk.geometry.camera import Array

Result = dict[str, Any]
NUM_DRAWS = 10_000
COMPARED = (
    ("mbyol", "random init"),
    ("mbyol, conditioned", "random init"),
    ("mbyol, no turns", "random init"),
    ("byol", "random init: face map"),
    ("region_awareness", "random init: face map"),
    ("masked", "random init: face map"),
    ("mbyol, conditioned", "mbyol"),
    ("mbyol, conditioned", "mbyol, shuffled condition"),
    ("mbyol", "mbyol, no turns"),
    ("mbyol", "byol"),
    ("region_awareness", "byol"),
)
"""What is compared person by person. byol, region_awareness, masked see the face alone, and so does their control."""


def tables(folder: Path) -> str:
    """Markdown: probes, turned faces, differences, regions; means over seeds, intervals over people, the seeds' values.

    Raises DataMissingError where there is no result, or one is damaged.
    """
    results = [_read(path) for path in sorted(folder.glob("*.json"))]
    if not results:
        raise DataMissingError(f"{folder} holds no results: run `python -m benchmarks.objectives` from the project")
    rows = [
        (way, kind, [r for r in results if r["way"] == way and kind in r["features"]]) for way, kind in kinds(results)
    ]
    rows.sort(key=lambda row: _mean(row[2], row[1], "gaze_probe_deg"))
    return "\n".join([*_probes(rows), "", *_turned(rows), "", *_differences(rows), *_regions(results)])


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
        low, high = interval(people_deg(found, kind).mean(axis=0))
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


def _differences(rows: list[tuple[str, str, list[Result]]]) -> list[str]:
    lines = ["| trained by | less | gaze (deg) | seeds |", "| --- | --- | --- | --- |"]
    by_name = {_name(way, kind): ({r["seed"]: r for r in found}, kind) for way, kind, found in rows}
    for names in COMPARED:
        (ours, kind), (theirs, other_kind) = (by_name.get(name, ({}, "")) for name in names)
        seeds = sorted(ours.keys() & theirs.keys())
        if not seeds:
            continue
        less = people_deg([ours[s] for s in seeds], kind) - people_deg([theirs[s] for s in seeds], other_kind)
        low, high = interval(less.mean(axis=0))
        told = ", ".join(f"{value:+.2f}" for value in less.mean(axis=1))
        lines.append(f"| {names[0]} | {names[1]} | {less.mean():+.2f} [{low:+.2f}, {high:+.2f}] | {told} |")
    return lines


def _regions(results: list[Result]) -> list[str]:
    found = [r["regions"] for r in results if "regions" in r]
    if not found:
        return []
    lines = ["", "| places of the face as regions | mean IoU | seeds |", "| --- | --- | --- |"]
    for name in sorted(found[0], key=lambda name: -np.mean([r[name] for r in found])):
        values = [r[name] for r in found]
        lines.append(f"| {name} | {np.mean(values):.3f} | {', '.join(f'{value:.3f}' for value in values)} |")
    return lines


def people_deg(found: Sequence[Result], kind: str) -> Array:
    """Mean errors (results, people), people in the order of their names."""
    return np.array([[deg for _, deg in sorted(r["features"][kind]["people_deg"].items())] for r in found])


def interval(people: Array) -> tuple[float, float]:
    """The 95 % interval of the mean of people (P,), drawn with replacement."""
    drawn = np.random.default_rng(0).integers(0, len(people), (NUM_DRAWS, len(people)))
    low, high = np.quantile(people[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _mean(found: Sequence[Result], kind: str, name: str) -> float:
    return float(np.mean([r["features"][kind][name] for r in found]))


def _name(way: str, kind: str) -> str:
    return way if kind == "embedding" else f"{way}: {kind}"
