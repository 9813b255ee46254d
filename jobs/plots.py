"""The pictures of the report, as PNG bytes that depend on the numbers alone. Degrees throughout."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jobs.columns import PREDICTED, TRUE
from slyk.geometry.angles import Array

MODEL, CONTROL, INK, GRID = "#1f6f8b", "#d98032", "#26323d", "#e3e8ec"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
CELL_DEG = 10.0
MIN_PHOTOS_PER_CELL = 3
MAX_PEOPLE = 40
MAX_CELLS_WITH_NUMBERS = 120


def error_histogram(table: pd.DataFrame, control: pd.DataFrame) -> bytes:
    """Photos per degree of error: the model filled, the control as an outline."""
    errors, others = table["error_deg"].to_numpy(), control["error_deg"].to_numpy()
    edges = np.linspace(0, max(errors.max(), np.quantile(others, 0.99)), 41).tolist()
    with drawn(6.2, 3.7) as (figure, [axes]):
        axes.hist(others, edges, histtype="step", color=CONTROL, linewidth=1.6, label="without pretraining")
        axes.hist(errors, edges, color=MODEL, alpha=0.75, label="model")
        axes.axvline(errors.mean(), color=INK, linewidth=1.2)
        axes.annotate(f" mean {errors.mean():.1f}°", (errors.mean(), axes.get_ylim()[1] * 0.96), va="top")
        axes.set(xlabel="angular error (deg)", ylabel="photos", xlim=(0, edges[-1]))
        axes.legend(loc="center right")
        return png(figure)


def error_over_gaze(table: pd.DataFrame) -> bytes:
    """Mean error in cells of true yaw and pitch; cells of fewer than 3 photos stay blank."""
    pitch, yaw = np.degrees(table[TRUE].to_numpy()).T
    columns, rows = _edges(yaw), _edges(pitch)
    counts, _, _ = np.histogram2d(pitch, yaw, (rows, columns))
    sums, _, _ = np.histogram2d(pitch, yaw, (rows, columns), weights=table["error_deg"])
    means = np.full(counts.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts >= MIN_PHOTOS_PER_CELL)
    with drawn(6.2, 4.2) as (figure, [axes]):
        axes.grid(False)
        mesh = axes.pcolormesh(columns, rows, means, cmap="YlGnBu", vmin=0, edgecolor="white", linewidth=1)
        if means.size <= MAX_CELLS_WITH_NUMBERS:
            _write_numbers(axes, columns, rows, means)
        figure.colorbar(mesh, ax=axes, label="mean error (deg)").outline.set_visible(False)
        axes.invert_xaxis()  # as in the photo: who looks image-left stands on the left
        axes.set(xlabel="true yaw (deg, positive: image-left)", ylabel="true pitch (deg, positive: up)")
        return png(figure)


def error_per_person(table: pd.DataFrame) -> bytes:
    """A bar a person, worst on top, with 95 % of the mean over their photos; the worst 40 where there are more."""
    groups = table.groupby("person")["error_deg"]
    people = pd.DataFrame({"mean": groups.mean(), "half": 1.96 * groups.std().fillna(0) / np.sqrt(groups.count())})
    people = people.sort_values("mean").tail(MAX_PEOPLE)
    names = [_short(str(person), table) for person in people.index]
    with drawn(6.2, 1.1 + 0.27 * len(people)) as (figure, [axes]):
        axes.grid(False, axis="y")
        axes.barh(names, people["mean"], 0.65, color=MODEL, alpha=0.85)
        axes.errorbar(people["mean"], names, xerr=people["half"], fmt="none", ecolor=INK, elinewidth=1.1, capsize=2)
        axes.axvline(table["error_deg"].mean(), color=INK, linewidth=1, linestyle=":")
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="mean angular error (deg); dotted: all photos", ylim=(-0.6, len(people) - 0.4))
        return png(figure)


def predicted_against_true(table: pd.DataFrame) -> bytes:
    """Pitch and yaw, a dot a photo; on the line the answer is exact."""
    with drawn(6.2, 3.1, columns=2) as (figure, panels):
        for axes, true, predicted in zip(panels, TRUE, PREDICTED, strict=True):
            x, y = np.degrees(table[true]), np.degrees(table[predicted])
            limit = 1.05 * max(np.abs(x).max(), np.abs(y).max(), 1)
            axes.plot([-limit, limit], [-limit, limit], color=INK, linewidth=0.9)
            axes.plot(x, y, ".", color=MODEL, markersize=4, alpha=0.45, markeredgewidth=0)
            axes.set(xlabel=f"true {true} (deg)", ylabel=f"predicted {true} (deg)", aspect="equal")
            axes.set(xlim=(-limit, limit), ylim=(-limit, limit))
        return png(figure)


def training_curve(history: pd.DataFrame, control: pd.DataFrame) -> bytes:
    """Loss and error on training photos (augmented) over epochs, for the model and the control."""
    with drawn(6.2, 3.3, columns=2) as (figure, panels):
        for axes, name in zip(panels, ("loss", "train_error_deg"), strict=True):
            marker = "o" if len(history) < 3 else None
            axes.plot(control["epoch"], control[name], color=CONTROL, marker=marker, label="without pretraining")
            axes.plot(history["epoch"], history[name], color=MODEL, marker=marker, label="model")
            axes.set(xlabel="epoch", ylabel=name.replace("_deg", " (deg)").replace("_", " "), ylim=(0, None))
        panels[0].legend(loc="upper right", fontsize=9)
        return png(figure)


def png(figure: Figure) -> bytes:
    """The same bytes for the same picture: no version and no date inside."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


@contextmanager
def drawn(width: float, height: float, columns: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    """An empty figure of so many inches in the house style, and its panels."""
    with mpl.rc_context(STYLE):
        figure = Figure((width, height), layout="constrained")
        yield figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _write_numbers(axes: Axes, columns: Array, rows: Array, means: Array) -> None:
    bright = 0.6 * np.max(means, where=np.isfinite(means), initial=0)
    for (row, column), value in np.ndenumerate(means):
        if np.isfinite(value):
            x, y = float(columns[column]) + CELL_DEG / 2, float(rows[row]) + CELL_DEG / 2
            color = "w" if value > bright else INK
            axes.text(x, y, f"{value:.1f}", ha="center", va="center", fontsize=9, color=color)


def _edges(angles_deg: Array) -> Array:
    low, high = np.floor(angles_deg.min() / CELL_DEG), np.floor(angles_deg.max() / CELL_DEG) + 1
    return np.asarray(np.arange(low, high + 1) * CELL_DEG)


def _short(person: str, table: pd.DataFrame) -> str:
    return person.partition("/")[2] if table["dataset"].nunique() == 1 else person
