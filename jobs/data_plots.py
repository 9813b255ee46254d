"""The pictures of the data report, as PNG bytes that depend on the numbers alone. Degrees and millimetres."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jobs.plots import CELL_DEG, MODEL, STYLE, drawn, png
from slyk.audit import Offsets
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.shards.sample import EyeSample, Sample


def angle_map(samples: pd.DataFrame, name: str) -> bytes:
    """How many photos lie in which direction; name: `gaze` or `head`, (2,) radians a row."""
    pitch, yaw = np.degrees(np.stack(samples[name].to_list())).T
    side = CELL_DEG if max(np.ptp(pitch), np.ptp(yaw)) > 60 else CELL_DEG / 4
    edges = [np.arange(np.floor(v.min() / side), np.floor(v.max() / side) + 2) * side for v in (yaw, pitch)]
    with drawn(6.2, 4.2) as (figure, [axes]):
        axes.grid(False)
        counts, columns, rows = np.histogram2d(yaw, pitch, (edges[0], edges[1]))
        mesh = axes.pcolormesh(columns, rows, np.where(counts > 0, counts, np.nan).T, cmap="YlGnBu", vmin=0)
        figure.colorbar(mesh, ax=axes, label="photos").outline.set_visible(False)
        axes.invert_xaxis()  # as in the photo: who looks image-left stands on the left
        axes.set(xlabel=f"{name} yaw (deg, positive: image-left)", ylabel=f"{name} pitch (deg, positive: up)")
        return png(figure)


def dark_against_label(seen: Offsets, unit: str) -> bytes:
    """The dark of the eyes against yaw and pitch: clouds must fall from left to right."""
    size = float(np.clip(200 / np.sqrt(len(seen.gaze)), 1.5, 6))
    with drawn(6.2, 3.2, columns=2) as (figure, panels):
        for axes, name, column, axis in zip(panels, ("yaw", "pitch"), (1, 0), (0, 1), strict=True):
            x, y = seen.dark[:, axis], seen.gaze[:, column]
            axes.plot(x, y, ".", color=MODEL, markersize=size, alpha=0.5, markeredgewidth=0)
            where = "right of" if axis == 0 else "below"
            axes.set(xlabel=f"dark, {unit} {where} the middle", ylabel=f"label: {name} (deg)")
        return png(figure)


def light(samples: pd.DataFrame) -> bytes:
    """Brightness and sharpness of the pictures."""
    titles = {"luminance": "mean grey (0-255)", "contrast": "SD of grey", "sharpness": "SD of the Laplacian"}
    with drawn(6.2, 2.6, columns=3) as (figure, panels):
        for axes, (name, title) in zip(panels, titles.items(), strict=True):
            axes.hist(samples[name], 30, color=MODEL, alpha=0.8)
            axes.set(xlabel=title, ylabel="photos" if name == "luminance" else None)
        return png(figure)


def faces_with_gaze(samples: Sequence[Sample]) -> bytes:
    """A contact sheet: each face of the shards with its label as an arrow, its eyes below, its key."""
    return _sheet(samples, _draw_face, 2.35)


def eyes_with_contours(samples: Sequence[EyeSample]) -> bytes:
    """A contact sheet: each eye with its label as an arrow from the pupil, and its contours."""
    return _sheet(samples, _draw_eye, 1.3)


def _sheet(samples: Sequence[Any], draw: Callable[[Any, Any], None], height: float) -> bytes:
    columns = 6
    rows = -(-len(samples) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure((1.5 * columns, height * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, sample in zip(panels, samples, strict=False):
            draw(axes, sample)
            axes.set_title(sample.key[-18:], fontsize=8, pad=2)
        return png(figure)


def _draw_face(axes: Any, sample: Sample) -> None:
    side = sample.face.shape[0]
    pair = np.hstack([sample.right, sample.left])
    eyes = cv2.resize(pair, (side, side // 2), interpolation=cv2.INTER_AREA)
    axes.imshow(np.vstack([sample.face, eyes])[..., ::-1])
    _draw_arrow(axes, sample.gaze, np.full(2, side / 2), side / 2)


def _draw_eye(axes: Any, sample: EyeSample) -> None:
    height, width = sample.eye.shape[:2]
    axes.imshow(sample.eye[..., ::-1])
    start = np.array([width, height]) / 2
    for part, colour in (("lid", "#e0a030"), ("iris", "#30a0e0"), ("pupil", "#e05050")):
        if sample.labels.get(f"{part}_px") is not None and sample.labels.get(f"{part}_valid") is not False:
            photo_px = np.array([sample.labels[f"{part}_px"]], dtype=np.float64)
            points = cv2.perspectiveTransform(photo_px, sample.eye_from_photo)[0]
            axes.plot(*points.T, ".", color=colour, markersize=2)
            start = points.mean(axis=0)
    _draw_arrow(axes, sample.gaze, start, width / 3)


def _draw_arrow(axes: Any, gaze: Array | None, start: Array, length: float) -> None:
    """Where the label looks; length: of an arrow across the picture, px."""
    if gaze is not None:
        end = start + length * vector_from_pitchyaw(gaze)[:2]
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "#50eb78", "linewidth": 2.2})
