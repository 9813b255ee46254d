"""The pictures of the data report, as PNG bytes that depend on the numbers alone. Degrees and millimetres."""

from collections.abc import Sequence

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jobs.plots import CELL_DEG, MODEL, STYLE, drawn, png
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.shards.sample import Sample


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


def dark_against_label(samples: pd.DataFrame) -> bytes:
    """The dark of the eyes, mean of both, against yaw and pitch: clouds must fall from left to right."""
    dark = (np.stack(samples["right_mm"].to_list()) + np.stack(samples["left_mm"].to_list())) / 2
    gaze = np.degrees(np.stack(samples["gaze"].to_list()))
    size = float(np.clip(200 / np.sqrt(len(gaze)), 1.5, 6))
    with drawn(6.2, 3.2, columns=2) as (figure, panels):
        for axes, name, column, axis in zip(panels, ("yaw", "pitch"), (1, 0), (0, 1), strict=True):
            axes.plot(dark[:, axis], gaze[:, column], ".", color=MODEL, markersize=size, alpha=0.5, markeredgewidth=0)
            where = "right of" if axis == 0 else "below"
            axes.set(xlabel=f"dark, mm {where} the eye's middle", ylabel=f"label: {name} (deg)")
        return png(figure)


def light(samples: pd.DataFrame) -> bytes:
    """Brightness and sharpness of faces."""
    titles = {"luminance": "mean grey (0-255)", "contrast": "SD of grey", "sharpness": "SD of the Laplacian"}
    with drawn(6.2, 2.6, columns=3) as (figure, panels):
        for axes, (name, title) in zip(panels, titles.items(), strict=True):
            axes.hist(samples[name], 30, color=MODEL, alpha=0.8)
            axes.set(xlabel=title, ylabel="photos" if name == "luminance" else None)
        return png(figure)


def faces_with_gaze(samples: Sequence[Sample]) -> bytes:
    """A contact sheet: each face of the shards with its label as an arrow, its eyes below, its key."""
    columns = 6
    rows = -(-len(samples) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure((1.5 * columns, 2.35 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, sample in zip(panels, samples, strict=False):
            side = sample.face.shape[0]
            pair = np.hstack([sample.right, sample.left])
            eyes = cv2.resize(pair, (side, side // 2), interpolation=cv2.INTER_AREA)
            axes.imshow(np.vstack([sample.face, eyes])[..., ::-1])
            if sample.gaze is not None:
                vector = vector_from_pitchyaw(sample.gaze)
                axes.annotate(
                    "",
                    (side / 2 * (1 + vector[0]), side / 2 * (1 + vector[1])),
                    (side / 2, side / 2),
                    arrowprops={"arrowstyle": "-|>", "color": "#50eb78", "linewidth": 2.2},
                )
            axes.set_title(sample.key[-18:], fontsize=6, pad=2)
        return png(figure)
