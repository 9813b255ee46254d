"""`slyk data report`: what is in a data set and whether its labels fit its pictures, as one page and as JSON."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from jobs import data_plots as plots
from jobs.page import alike, image, page, section, table
from slyk.audit import consistency, near_duplicates, offsets, samples_table, summary, verdicts
from slyk.config import load_params
from slyk.duplicates.compare import pictures_below
from slyk.errors import DataMissingError
from slyk.files import resolve, write_atomic, write_json
from slyk.shards import manifest
from slyk.shards.read import ShardSet, about_shard

NUM_FACES = 24
NUM_GROUPS = 25
HEAD_IS_KNOWN = frozenset({"measured", "normalized"})
"""See `slyk.datasets.record.Known`."""
HEAD_UNKNOWN = "<p>Not shown: without a camera and a head pose all heads are taken to look straight ahead.</p>"
LEGEND = (
    "Each picture is a sample, its key above it. A green arrow says where the label looks, as seen from the camera; of "
    "single eyes orange dots are the lids' contour, blue ones the iris's and red ones the pupil's."
)
NOT_OF_EYES = (
    "<p>The set shows one eye a photo and no face: there is no head pose, no second eye to compare with, and no border "
    "that cuts an eye. Gaze is in the frame of the set, not in that of normalized faces. Dark and gaze are told from "
    "the medians of their group, since in each recording the camera stands otherwise about the eye: an error that all "
    "labels of a group share does not show.</p>"
)


def data_report(name: str, *, faces: bool = False) -> Path:
    """Writes the report of a data set of params.yaml to `reports/data/NAME` and returns the page.

    faces: also a contact sheet of faces with arrows of gaze, personal data, and so in `reports/faces/NAME`.
    Raises ParamsError for a name that params.yaml does not hold, DataMissingError where the set was not normalized yet.
    """
    load_params(resolve("params.yaml")).dataset(name)
    index, rejects = (resolve(f"data/index/{name}.{kind}") for kind in ("parquet", "rejects.parquet"))
    out = resolve("reports/faces" if faces else "reports/data") / name  # DVC keeps the one without faces
    return write_report(name, index, rejects, resolve("data/shards") / name, out, faces=faces)


def write_report(name: str, index: Path, rejects: Path, shards: Path, out: Path, *, faces: bool = False) -> Path:
    """The report of a set from its index, rejects of both stages and shards, to `out/report.{html,json}`."""
    for path in (index, rejects):
        if not path.is_file():
            raise DataMissingError(f"{path} not found: run `dvc repro index@{name}`")
    about = manifest.load(shards)
    samples = samples_table(about_shard(shards, shard) for shard in about.shards)
    rejected = pd.concat([pq.read_table(path).to_pandas() for path in (rejects, shards / "rejects.parquet")])
    figures = summary(samples, rejected, pq.read_table(index).to_pandas())
    checks = consistency(samples)
    figures |= {"dataset": name, "licence": about.licence, "consistency": checks, "warnings": verdicts(checks)}
    figures |= {"shows": "faces" if about.shows_faces else "one eye"}
    figures["near_duplicates"] = near_duplicates(samples, about.dataset, pictures_below(shards.parent))
    write_json(out / "report.json", figures)
    sheet = contact_sheet(ShardSet.open(shards)) if faces else None
    target = out / "report.html"
    write_atomic(target, _html(figures, samples, sheet).encode())
    return target


def contact_sheet(samples: ShardSet[Any]) -> bytes:
    """Faces or eyes of the shards, evenly chosen, with what the label says as an arrow; a PNG.

    Raises DataMissingError where there is none.
    """
    if not len(samples):
        raise DataMissingError(f"{samples.folder} holds no samples to show: its rejects.parquet says why")
    chosen = np.unique(np.linspace(0, len(samples) - 1, NUM_FACES).astype(int))
    draw = plots.faces_with_gaze if samples.manifest.shows_faces else plots.eyes_with_contours
    return draw([samples[int(i)] for i in chosen])


def _html(figures: Mapping[str, Any], samples: pd.DataFrame, sheet: bytes | None) -> str:
    parts = [_headline(figures), _verdict(figures)]
    if sheet is not None:
        what = "Faces" if figures["shows"] == "faces" else "Eyes"
        parts.append(section(f"{what} and their labels", f"<p>{LEGEND}</p>" + image("pictures with labels", sheet)))
    if len(samples):
        labelled = samples[samples["gaze"].notna()]
        if len(labelled):
            parts.append(section("Gaze", image("gaze", plots.angle_map(labelled, "gaze"))))
            if seen := offsets(samples):
                picture = plots.dark_against_label(seen, "mm" if figures["shows"] == "faces" else "widths")
                parts.append(
                    section("Where the eyes are dark, and what the label says", image("dark of eyes", picture))
                )
        if figures["shows"] != "faces":
            parts.append(section("Not applicable", NOT_OF_EYES))
        elif HEAD_IS_KNOWN & set(figures["known"]):
            parts.append(section("Head", image("head", plots.angle_map(samples, "head"))))
        else:
            parts.append(section("Head", HEAD_UNKNOWN))
        parts.append(section("Light and sharpness", image("light", plots.light(samples))))
    parts += [_near_duplicates(figures), _rejects(figures), _counts(figures)]
    return page(f"data report: {figures['dataset']}", parts)


def _headline(f: Mapping[str, Any]) -> str:
    facts = {
        "samples": f["num_samples"],
        "with gaze": f["num_labelled"],
        "groups": len(f["groups"]),
        "rejected": f["num_rejects"],
        "eyes cut by the border": f["num_eyes_cut"] if f["shows"] == "faces" else "-",
        "error of always guessing the mean gaze": "-"
        if f["mean_gaze_error_deg"] is None
        else f"{f['mean_gaze_error_deg']:.1f}°",
    }
    listed = "".join(f'<div><b>{value}</b><span class="soft">{name}</span></div>' for name, value in facts.items())
    return f'<section><div class="facts">{listed}</div><p class="soft">Licence: {escape(f["licence"])}</p></section>'


def _verdict(f: Mapping[str, Any]) -> str:
    if f["warnings"]:
        body = "<ul>" + "".join(f"<li><b>{escape(text)}</b></li>" for text in f["warnings"]) + "</ul>"
    elif f["consistency"]:
        body = "<p>The dark of the eyes moves as the labels say, in pitch and in yaw (correlations are negative).</p>"
    else:
        eyes = "both eyes in the picture" if f["shows"] == "faces" else "an open eye"
        body = f"<p>Not checked: fewer than 30 photos have a gaze label and {eyes}.</p>"
    rows = [
        (
            name,
            f"{value['correlation']:+.2f}",
            f"{value['share_mirrored']:.1%} of {value['num_photos']}" if value["num_photos"] else "-",
            ", ".join(f"{escape(group)} {share:.0%}" for group, share in list(value["groups"].items())[:3]),
        )
        for name, value in f["consistency"].items()
    ]
    names = ("angle", "correlation with the eyes", "fit better mirrored", "most in")
    return section("Do labels and pictures agree?", body + (table(names, rows) if rows else ""))


def _near_duplicates(f: Mapping[str, Any]) -> str:
    found = f["near_duplicates"]
    rows = (
        ("test photos", "a training photo", found["across_splits"]),
        ("photos", "a photo of another group", found["across_groups"]),
    )
    return alike("Near-duplicates across splits", rows)


def _rejects(f: Mapping[str, Any]) -> str:
    if not f["rejects"]:
        return section("Rejects", "<p>None.</p>")
    rows = [(escape(reason), str(count)) for reason, count in f["rejects"].items()]
    name = escape(f["dataset"])
    where = (
        f'<p class="soft">Each with key, photo, reason and detail: those of index in '
        f"<code>data/index/{name}.rejects.parquet</code>, those of normalize in "
        f"<code>data/shards/{name}/rejects.parquet</code>.</p>"
    )
    return section("Rejects", table(("stage and reason", "photos"), rows) + where)


def _counts(f: Mapping[str, Any]) -> str:
    groups = list(f["groups"].items())
    some, parts = f" (the first {NUM_GROUPS} of {len(groups)})", []
    for title, counts in (
        ("split", f["splits"]),
        ("tag", f["tags"]),
        ("eyes are", f["eyes"]),
        ("geometry is", f["known"]),
        ("group" + some * (len(groups) > NUM_GROUPS), dict(groups[:NUM_GROUPS])),
    ):
        if counts:
            parts.append(
                table(
                    (title, "faces" if f["shows"] == "faces" else "eyes"),
                    [(escape(key), str(count)) for key, count in counts.items()],
                )
            )
    return section("Counts", "".join(parts))
