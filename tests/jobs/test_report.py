"""The report: figures from made-up answers, one file without requests, the same bytes twice."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from jobs.evaluate import Evaluated, flat_numbers, summarize, thinned, write
from jobs.report import report_html
from slyk.config import load_params
from slyk.metrics import errors_deg
from slyk.shards.manifest import Manifest

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
MANIFESTS = {"synthetic": Manifest("synthetic", "Apache-2.0", {}, (), "ab" * 32)}
EMPTY = {"img", "meta", "br"}
NEAR: dict[str, Any] = {
    **{"num_photos": 696, "num_like_hash": 40, "num_looked_at": 20, "num_same": 5, "num": 10, "share": 0.014368},
    "pairs": ["synthetic/p040/p040/001 like synthetic/p001/p001/<i>2</i> (1 bits)"],
}


def answers(noise_deg: float, *, num_people: int = 12, num_photos: int = 58, seed: int = 1) -> pd.DataFrame:
    """True gaze in +-30 by +-40 deg, head angles about half of it, predictions off by a person's bias and noise."""
    true_rng, rng = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    count = num_people * num_photos
    gaze = true_rng.uniform([-30, -40], [30, 40], (count, 2))
    head = 0.5 * gaze + true_rng.normal(0, 12, (count, 2))
    people = np.repeat([f"person-{i:04d}" for i in range(num_people)], num_photos)
    bias = np.repeat(rng.normal(0, noise_deg / 3, (num_people, 2)), num_photos, axis=0)
    predicted = gaze + bias + rng.normal(0, noise_deg, (count, 2))
    table = pd.DataFrame({"dataset": "synthetic", "group": people, "person": [f"synthetic/{p}" for p in people]})
    table["key"] = [f"{person}/{i:05d}" for i, person in enumerate(people)]
    table[["pitch", "yaw"]], table[["head_pitch", "head_yaw"]] = np.radians(gaze), np.radians(head)
    table[["pred_pitch", "pred_yaw"]] = np.radians(predicted)
    table["error_deg"] = errors_deg(np.radians(predicted), np.radians(gaze))
    return table


def curve(start: float) -> pd.DataFrame:
    epochs = np.arange(1, 15)
    return pd.DataFrame({"epoch": epochs, "loss": start / epochs, "train_error_deg": 3 * start / np.sqrt(epochs)})


@pytest.fixture(scope="module")
def evaluated() -> Evaluated:
    return Evaluated(answers(4.0), answers(7.0), np.zeros(2), NEAR)


@pytest.fixture(scope="module")
def out(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write(folder, evaluated, summarize(evaluated, MANIFESTS, PARAMS), [curve(6.0), curve(9.0)])
    return folder


def test_figures(out: Path, evaluated: Evaluated) -> None:
    f = json.loads((out / "metrics.json").read_text())
    assert f["mean_error_deg"] == pytest.approx(evaluated.table["error_deg"].mean(), abs=1e-4)
    assert f["ci95_deg"][0] < f["mean_error_deg"] < f["ci95_deg"][1]
    assert f["mean_error_deg"] < f["random_init_deg"] < f["head_as_gaze_deg"] < f["mean_gaze_deg"]
    assert f["model_minus_random_init"]["ci95_deg"][1] < 0
    assert (f["num_people"], f["num_photos"]) == (12, 12 * 58)
    assert f["explained_variance"]["mean"] == pytest.approx(
        (f["explained_variance"]["pitch"] + f["explained_variance"]["yaw"]) / 2, abs=1e-4
    )
    people = f["per_person"]
    assert len(people["errors"]) == 12
    assert people["errors"][people["worst_person"]] == people["worst"] == max(people["errors"].values())
    assert people["errors"][people["best_person"]] == people["best"] == min(people["errors"].values())


def test_baselines_by_hand() -> None:
    """One photo 10 deg up, one 10 deg down, heads straight: both simple answers are off by 10, the model by 1."""
    gaze, zeros = np.radians([[10.0, 0.0], [-10.0, 0.0]]), np.zeros((2, 2))
    table = answers(1.0, num_people=2, num_photos=1)
    table[["pitch", "yaw"]], table[["head_pitch", "head_yaw"]] = gaze, zeros
    table[["pred_pitch", "pred_yaw"]] = gaze + np.radians([[1.0, 0.0], [1.0, 0.0]])
    table["error_deg"] = 1.0
    f = summarize(Evaluated(table, table, np.zeros(2), NEAR), MANIFESTS, PARAMS)
    assert (f["mean_gaze_deg"], f["head_as_gaze_deg"], f["mean_error_deg"]) == (10.0, 10.0, 1.0)
    assert f["explained_variance"]["pitch"] == 0.99  # 1 - 2 * 1^2 / (2 * 10^2)


@pytest.mark.slow
def test_the_same_numbers_give_the_same_bytes(out: Path, evaluated: Evaluated, tmp_path: Path) -> None:
    write(tmp_path, evaluated, summarize(evaluated, MANIFESTS, PARAMS), [curve(6.0), curve(9.0)])
    files = sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
    assert len(files) == 6
    for name in files:
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name


class Page(HTMLParser):
    """Collects sources and checks that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone(out: Path) -> None:
    html, page = (out / "report.html").read_text(), Page()
    page.feed(html)
    assert page.open == []
    assert len(page.sources) == 5
    assert "url(" not in html and "@import" not in html and "http" not in html
    for source in page.sources:
        data = base64.b64decode(source.removeprefix("data:image/png;base64,"), validate=True)
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None and picture.shape[1] == 930 and picture.std() > 5
    figures = json.loads((out / "metrics.json").read_text())
    assert f"{figures['mean_error_deg']:.2f}°" in page.text
    assert f"{figures['ci95_deg'][0]:.2f} to {figures['ci95_deg'][1]:.2f}" in page.text
    worst = pd.read_csv(out / "predictions.csv").sort_values("error_deg")["key"].iloc[-1]
    assert worst in page.text
    assert "as_shipped: the set's own test groups" in page.text
    assert "10 of 696 test photos (1.44%) show the same picture as a photo of people trained on" in page.text
    assert "(alike by hash: 40, 20 of them looked at)" in page.text
    assert NEAR["pairs"][0] in page.text


@pytest.mark.slow
@pytest.mark.parametrize("num_people, num_photos", [(1, 2), (60, 3)])
def test_few_and_many_people_and_names_that_do_not_become_markup(num_people: int, num_photos: int) -> None:
    table = answers(5.0, num_people=num_people, num_photos=num_photos)
    table["key"] = "<script>alert(1)</script>&"
    figures = summarize(Evaluated(table, table, np.zeros(2), NEAR), MANIFESTS, PARAMS)
    assert figures["model_minus_random_init"]["ci95_deg"] == [0.0, 0.0]
    html = report_html(figures, table, table, curve(1.0).head(1), curve(1.0).head(1))
    assert f"<b>{num_people}</b>" in html
    assert "<script" not in html and "&lt;script&gt;" in html


def test_plots_for_dvc(out: Path, evaluated: Evaluated) -> None:
    histogram = pd.read_csv(out / "plots" / "error_histogram.csv")
    assert histogram["num_photos"].sum() == len(evaluated.table)
    assert len(pd.read_csv(out / "plots" / "error_per_person.csv")) == 12
    assert len(pd.read_csv(out / "plots" / "predicted_against_true.csv")) == 400
    assert len(thinned(evaluated.table.head(7))) == 7


def test_numbers_for_mlflow(evaluated: Evaluated) -> None:
    flat = flat_numbers(summarize(evaluated, MANIFESTS, PARAMS))
    assert "num_people" in flat and {
        "mean_error_deg",
        "ci95_deg_low",
        "ci95_deg_high",
        "explained_variance_mean",
        "per_person_worst",
        "near_duplicates_share",
    } <= set(flat)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) and np.isfinite(value) for name, value in flat.items())
