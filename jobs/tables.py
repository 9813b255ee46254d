"""What the `slyk` command prints: results, the gate, versions and configurations side by side."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from slyk.errors import DataMissingError

if TYPE_CHECKING:
    from jobs.promote import Gate

NUM_CONFIGURATIONS = 10
ROWS = (
    ("this model", ""),
    ("without pretraining", "random_init_"),
    ("head pose as gaze", "head_as_gaze_"),
    ("mean gaze", "mean_gaze_"),
)


def print_results(metrics: Path, console: Console | None = None) -> None:
    """The figures of metrics.json. Raises DataMissingError where nothing was evaluated yet."""
    if not metrics.is_file():
        raise DataMissingError(f"{metrics} not found: run `dvc repro` first")
    f = json.loads(metrics.read_bytes())
    table = Table(title=f"Angular error on {f['num_photos']} photos of {f['num_people']} unseen people")
    table.add_column("")
    table.add_column("error (deg)", justify="right")
    table.add_column("95 % interval", justify="right")
    for title, prefix in ROWS:
        low, high = f[f"{prefix}ci95_deg"]
        error = f[f"{prefix}deg"] if prefix else f["mean_error_deg"]
        table.add_row(title, f"{error:.2f}", f"{low:.2f} to {high:.2f}", style="" if prefix else "bold")
    console = console or Console()
    console.print(table)
    person, explained = f["per_person"], f["explained_variance"]
    page = metrics.with_name("report.html")
    where = (
        f"report: {page}" if page.is_file() else f"read from {metrics}; its report is not here: `dvc repro` makes it"
    )
    console.print(
        f"best person {person['best']:.2f}, worst {person['worst']:.2f} deg; "
        f"explained variance {explained['mean']:.2f}; {where}",
        soft_wrap=True,
        highlight=False,
    )


def print_gate(gate: "Gate", console: Console | None = None) -> None:
    """Challenger and rival on the gate people."""
    table = Table(title=f"Gate: {gate.num_photos} photos of {gate.num_people} people, neither trained nor reported on")
    for column in ("", "challenger", gate.rival, "difference (95 %)"):
        table.add_column(column, justify="left" if not column else "right")
    mean, low, high = gate.extra_deg
    between = f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
    table.add_row("error (deg)", f"{gate.challenger_deg:.2f}", f"{gate.rival_deg:.2f}", between)
    worst = gate.challenger_worst_deg - gate.rival_worst_deg
    table.add_row(
        "worst person (deg)", f"{gate.challenger_worst_deg:.2f}", f"{gate.rival_worst_deg:.2f}", f"{worst:+.2f}"
    )
    (console or Console()).print(table)


def print_comparison(console: Console | None = None) -> None:
    """The registered versions, newest first, and the last runs of each configuration of params.yaml."""
    from jobs import tracking
    from jobs.models import MODEL, all_versions

    client = tracking.connect(make=False)
    console = console or Console()
    versions = [client.get_model_version(MODEL, v.version) for v in all_versions(client)]
    console.print(versions_table(versions[::-1]))
    runs = client.search_runs(
        [tracking.experiment_id(client)], order_by=["attributes.start_time DESC"], max_results=1000
    )
    console.print(configurations_table(list(runs)))


def versions_table(versions: Sequence[Any]) -> Table:
    table = Table(title="Registered versions" if versions else "No registered version yet: run dvc repro")
    for column in ("", "alias", "error (deg)", "config", "promoted", "digest"):
        table.add_column(column, justify="left" if column else "right")
    for version in versions:
        tags = version.tags
        promoted = f"{tags['promoted_at'][:10]} {tags['promoted_by']}" if "promoted_at" in tags else ""
        table.add_row(
            str(version.version),
            ", ".join(sorted(version.aliases)),
            _degrees(tags.get("mean_error_deg"), *tags.get("ci95_deg", "").split(" to ")),
            tags.get("config", "")[:8],
            promoted,
            tags.get("bundle_digest", "")[:8],
        )
    return table


def configurations_table(runs: Sequence[Any]) -> Table:
    """runs: newest first. One row a configuration: its last evaluation and how its runs ended."""
    table = Table(title="Runs by configuration of params.yaml, newest first")
    for column in ("config", "pretraining, probe (deg)", "last run", "runs", "failed", "error (deg)", "revision"):
        table.add_column(column, justify="right" if column in ("runs", "failed") else "left")
    groups: dict[str, list[Any]] = {}
    for run in runs:
        groups.setdefault(run.data.tags.get("config", ""), []).append(run)
    for config, members in list(groups.items())[:NUM_CONFIGURATIONS]:
        evaluated: dict[str, float] = next((r.data.metrics for r in members if "mean_error_deg" in r.data.metrics), {})
        table.add_row(
            config[:8],
            _pretraining(members),
            f"{datetime.fromtimestamp(members[0].info.start_time / 1000):%m-%d %H:%M} {members[0].info.run_name}",
            str(len(members)),
            str(sum(run.info.status == "FAILED" for run in members)),
            _degrees(*(evaluated.get(name) for name in ("mean_error_deg", "ci95_deg_low", "ci95_deg_high"))),
            _revision(members[0]),
        )
    return table


def _pretraining(runs: Sequence[Any]) -> str:
    """`mbyol 24.02 → 22.31`: the objective, and the error of a probe of its frozen features, before the first step and
    after the last, where this configuration ran it."""
    objective = next((run.data.tags["objective"] for run in runs if "objective" in run.data.tags), "")
    probed = next((r.data.metrics for r in runs if "start_gaze_probe_deg" in r.data.metrics), None)
    if probed is None:
        return objective
    return f"{objective} {probed['start_gaze_probe_deg']:.2f} → {probed['gaze_probe_deg']:.2f}"


def _revision(run: Any) -> str:
    revision = str(run.data.tags.get("revision", ""))
    return revision[:8] + ("+" if revision.endswith("-dirty") else "")


def _degrees(*values: Any) -> str:
    """`5.13 (4.93 to 5.34)` of mean, low and high; empty where one is missing."""
    if None in values or "" in values or len(values) != 3:
        return ""
    mean, low, high = (float(value) for value in values)
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"
