"""report.html: one file that opens anywhere, without a request to anywhere, and holds no date and no run."""

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from jobs import plots
from jobs.columns import PREDICTED, TRUE
from jobs.page import alike, image, page, section

NUM_WORST = 15
ROWS = (
    ("mean_error", "This model", "pretrained, then trained on gaze"),
    ("random_init", "Without pretraining", "same network, data and steps from random weights"),
    ("head_as_gaze", "Head pose as gaze", "the annotated head direction, no network"),
    ("mean_gaze", "Mean gaze", "the training people's mean direction for every photo"),
)


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
        *(section(title, image(title, picture)) for title, picture in pictures),
        _datasets(figures),
        alike("Near-duplicates", [("test photos", "a photo of people trained on", figures["near_duplicates"])]),
        _worst(table),
    ]
    return page("gaze report", parts)


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
        f"[{low:+.2f}, {high:+.2f}]: the error with pretraining is {verdict} (one seed each).</p>"
    )
    head = '<tr><th></th><th class="n">error (deg)</th><th class="n">95 % interval</th></tr>'
    return section("Against simple answers", f'<div class="wide"><table>{head}{rows}</table></div>{note}')


def _rules(f: Mapping[str, Any]) -> str:
    rules = (
        "<b>Who</b>: the test people of each data set by its protocol, named below. None of them took part in "
        "pretraining, training or promotion; the bundle's list of people was checked against them before anything was "
        "measured.",
        "<b>Which photos</b>: every labelled photo of these people that the protocol measures. Nothing was filtered "
        "afterwards.",
        "<b>Which model</b>: the weights after the last epoch. No epoch and no parameter was chosen by these photos "
        "here; whoever tunes by this page should keep other people for the final figure.",
        "<b>Error</b>: the angle between true and predicted gaze in the normalized camera, averaged over photos.",
        "<b>Interval</b>: 2.5 and 97.5 % of the mean over redrawn people (bootstrap), each with all their photos.",
        f"<b>Explained variance</b>: 1 - SSE / SST; pitch {f['explained_variance']['pitch']:.3f}, "
        f"yaw {f['explained_variance']['yaw']:.3f}.",
    )
    return section("How these numbers came about", "<ul>" + "".join(f"<li>{rule}</li>" for rule in rules) + "</ul>")


def _datasets(f: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}<div class="soft">{escape(d["protocol"])}</div></td>'
        f'<td class="n">{d["num_people"]}</td><td class="n">{d["num_photos"]}</td>'
        f'<td class="n">{d["mean_error_deg"]:.2f}</td><td class="n">{escape(d["licence"])}</td>'
        f'<td class="n"><code>{d["manifest"][:12]}</code></td></tr>'
        for name, d in f["datasets"].items()
    )
    names = ("people", "photos", "error (deg)", "licence", "manifest")
    head = "<tr><th>set</th>" + "".join(f'<th class="n">{name}</th>' for name in names) + "</tr>"
    return section("Data sets", f'<div class="wide"><table>{head}{rows}</table></div>')


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
    return section(f"The {len(worst)} worst photos", f'<div class="wide"><table>{head}{rows}</table></div>')
