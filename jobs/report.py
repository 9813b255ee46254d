"""report.html: one file that opens anywhere, without a request to anywhere, and holds no date and no run."""

import base64
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from jobs import plots
from jobs.scoring import PREDICTED, TRUE

NUM_WORST = 15
ROWS = (
    ("mean_error", "This model", "pretrained, then trained on gaze"),
    ("random_init", "Without pretraining", "same network, data and steps from random weights"),
    ("head_as_gaze", "Head pose as gaze", "the annotated head direction, no network"),
    ("mean_gaze", "Mean gaze", "the training people's mean direction for every photo"),
)
CSS = """
:root { --ink: #26323d; --soft: #66747f; --line: #e3e8ec; --model: #1f6f8b; --other: #b9c6ce; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f8f9; color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 28px 16px 56px; }
h1 { font-size: 1.6rem; margin: 0 0 2px; }
h2 { font-size: 1.12rem; margin: 0 0 10px; }
p { margin: 10px 0 0; }
ul { margin: 0; padding-left: 20px; }
li { margin: 4px 0; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin-top: 16px; }
img { display: block; width: 100%; max-width: 720px; height: auto; margin: 0 auto; }
code { font-size: .88rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .92rem; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 18px; }
.big { font-size: 2.7rem; font-weight: 650; color: var(--model); line-height: 1.1; }
.facts { display: flex; flex-wrap: wrap; gap: 10px 30px; margin-top: 12px; }
.facts b { display: block; font-size: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 12px 7px 0; border-top: 1px solid var(--line); vertical-align: top; }
th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .88rem; }
td.n, th.n { text-align: right; white-space: nowrap; padding: 7px 0 7px 12px; }
.bar { height: 7px; border-radius: 4px; background: var(--other); margin-top: 5px; }
.first td { font-weight: 600; }
.first .soft { font-weight: 400; }
.first .bar { background: var(--model); }
"""


def report_html(
    figures: Mapping[str, Any],
    table: pd.DataFrame,
    control: pd.DataFrame,
    history: pd.DataFrame,
    control_history: pd.DataFrame,
) -> str:
    """The page. figures: metrics.json; table, control: predictions as `jobs.scoring.score` gives them."""
    pictures = (
        ("Errors of all photos", plots.error_histogram(table, control)),
        ("Error over the direction of gaze", plots.error_over_gaze(table)),
        ("Error per person", plots.error_per_person(table)),
        ("Predicted against true", plots.predicted_against_true(table)),
        ("Training", plots.training_curve(history, control_history)),
    )
    parts = [
        _headline(figures),
        _comparison(figures),
        _rules(figures),
        *(_section(title, _image(title, picture)) for title, picture in pictures),
        _datasets(figures),
        _worst(table),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>slyk: gaze report</title><style>{CSS}</style></head>\n'
        f"<body><main>\n<h1>Gaze report</h1>\n" + "\n".join(parts) + "\n</main></body></html>\n"
    )


def _headline(f: Mapping[str, Any]) -> str:
    low, high = f["ci95_deg"]
    person = f["per_person"]
    facts = (
        ("median", f"{f['median_error_deg']:.2f}°"),
        ("best person", f"{person['best']:.2f}°"),
        ("worst person", f"{person['worst']:.2f}°"),
        ("explained variance", f"{f['explained_variance']['mean']:.2f}"),
        ("people", f"{f['num_people']}"),
        ("photos", f"{f['num_photos']}"),
    )
    listed = "".join(f'<div><b>{value}</b><span class="soft">{name}</span></div>' for name, value in facts)
    return (
        f'<section><div class="head"><span class="big">{f["mean_error_deg"]:.2f}°</span>'
        f"<span>mean angular error on people never seen in training<br>"
        f'<span class="soft">95 % interval over people {low:.2f}° to {high:.2f}°</span></span></div>'
        f'<div class="facts">{listed}</div></section>'
    )


def _comparison(f: Mapping[str, Any]) -> str:
    longest = max(f[f"{name}_deg"] for name, _, _ in ROWS)
    rows = ""
    for name, title, what in ROWS:
        value = f[f"{name}_deg"]
        low, high = f["ci95_deg"] if name == "mean_error" else f[f"{name}_ci95_deg"]
        rows += (
            f'<tr class="{"first" if name == "mean_error" else ""}"><td>{title}<div class="soft">{what}</div>'
            f'<div class="bar" style="width:{100 * value / longest:.1f}%"></div></td>'
            f'<td class="n">{value:.2f}</td><td class="n">{low:.2f} to {high:.2f}</td></tr>'
        )
    gain = f["model_minus_random_init"]
    low, high = gain["ci95_deg"]
    verdict = "lower" if high < 0 else "higher" if low > 0 else "neither lower nor higher, as far as these people tell"
    note = (
        f'<p class="soft">Model minus control on the same photos: {gain["mean_deg"]:+.2f}° '
        f"[{low:+.2f}, {high:+.2f}]: the error with pretraining is {verdict}.</p>"
    )
    head = '<tr><th></th><th class="n">error (deg)</th><th class="n">95 % interval</th></tr>'
    return _section("Against simple answers", f'<div class="wide"><table>{head}{rows}</table></div>{note}')


def _rules(f: Mapping[str, Any]) -> str:
    rules = (
        "<b>Who</b>: the test people of each data set, as the set ships them. None of them took part in pretraining, "
        "training or promotion; the bundle's list of people was checked against them before anything was measured.",
        "<b>Which photos</b>: every labelled photo of these people in the shards. Nothing was filtered afterwards.",
        "<b>Which model</b>: the weights after the last epoch. No epoch and no parameter was chosen by these photos "
        "here; whoever tunes by this page should keep other people for the final figure.",
        "<b>Error</b>: the angle between true and predicted gaze in the normalized camera, averaged over photos.",
        "<b>Interval</b>: 2.5 and 97.5 % of the mean over redrawn people (bootstrap), each with all their photos.",
        f"<b>Explained variance</b>: 1 - SSE / SST; pitch {f['explained_variance']['pitch']:.3f}, "
        f"yaw {f['explained_variance']['yaw']:.3f}.",
    )
    return _section("How these numbers came about", "<ul>" + "".join(f"<li>{rule}</li>" for rule in rules) + "</ul>")


def _datasets(f: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{d["num_people"]}</td><td class="n">{d["num_photos"]}</td>'
        f'<td class="n">{d["mean_error_deg"]:.2f}</td><td class="n">{escape(d["licence"])}</td>'
        f'<td class="n"><code>{d["manifest"][:12]}</code></td></tr>'
        for name, d in f["datasets"].items()
    )
    names = ("people", "photos", "error (deg)", "licence", "manifest")
    head = "<tr><th>set</th>" + "".join(f'<th class="n">{name}</th>' for name in names) + "</tr>"
    return _section("Data sets", f'<div class="wide"><table>{head}{rows}</table></div>')


def _worst(table: pd.DataFrame) -> str:
    worst = table.sort_values(["error_deg", "key"], ascending=[False, True]).head(NUM_WORST)
    several, rows = table["dataset"].nunique() > 1, ""
    for _, row in worst.iterrows():
        true, predicted = (np.degrees([row[name] for name in names]) for names in (TRUE, PREDICTED))
        rows += (
            f"<tr><td><code>{escape(row['dataset'] + ': ' if several else '')}{escape(row['key'])}</code></td>"
            f'<td class="n">{row["error_deg"]:.1f}</td><td class="n">{true[0]:+.0f}, {true[1]:+.0f}</td>'
            f'<td class="n">{predicted[0]:+.0f}, {predicted[1]:+.0f}</td></tr>'
        )
    names = ("error (deg)", "true pitch, yaw", "predicted")
    head = "<tr><th>photo</th>" + "".join(f'<th class="n">{name}</th>' for name in names) + "</tr>"
    return _section(f"The {len(worst)} worst photos", f'<div class="wide"><table>{head}{rows}</table></div>')


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _image(title: str, png: bytes) -> str:
    return f'<img alt="{escape(title)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
