"""Statistics of grey areas, of portraits and of renders alike, and when the two agree."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from benchmarks.faces import AREAS, Crop
from benchmarks.table import Line
from slyk.geometry.camera import Array

BANDS = 0.5 * 2.0 ** (-0.6 * np.arange(5, -1, -1))
"""Edges of five bands of the spectrum, 0.6 octaves each, up to half a cycle a pixel; 0.0625 is the lowest frequency
that the lowest area (17 px) can tell from its mean."""
GRADIENTS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, np.inf])
"""Edges of the bins of the gradient's magnitude, grey levels a pixel."""
TOLERANCE = 0.15
_FFT_PX = 64

Statistics = dict[str, Any]
"""Of many photos: each of NAMES with its percentiles 16, 50 and 84 over the photos, and "gradient_histogram": the mean
share of each bin."""
NAMES = ("level", "contrast_sd", "laplacian_sd", *(f"band_{i}" for i in range(len(BANDS) - 1)))


def measure(areas: Sequence[Crop]) -> dict[str, Array]:
    """The statistics of one face: rectangles 16 to 64 px high and wide, grey levels 0-255."""
    pixels = np.concatenate([area.ravel() for area in areas])
    edges = np.concatenate([cv2.Laplacian(area, cv2.CV_32F, ksize=1)[1:-1, 1:-1].ravel() for area in areas])
    return {
        "level": pixels.mean(),
        "contrast_sd": pixels.std(),
        "laplacian_sd": edges.std(),
        **{f"band_{i}": value for i, value in enumerate(spectrum(areas))},
        "gradient_histogram": gradient_histogram(areas),
    }


def spectrum(areas: Sequence[Crop]) -> Array:
    """Amplitudes (5,) in the bands: root mean power over all directions, white noise of SD 1 has 1 in each."""
    power = np.zeros((_FFT_PX, _FFT_PX))
    for area in areas:
        assert max(area.shape) <= _FFT_PX, area.shape
        window = np.outer(np.hanning(area.shape[0] + 2)[1:-1], np.hanning(area.shape[1] + 2)[1:-1])
        level = area - (area * window).sum() / window.sum()
        power += np.abs(np.fft.fft2(level * window, (_FFT_PX, _FFT_PX))) ** 2 / (window**2).sum() / len(areas)
    frequency = np.fft.fftfreq(_FFT_PX)
    band = np.digitize(np.hypot(frequency[:, None], frequency[None]), BANDS) - 1
    return np.array([np.sqrt(power[band == i].mean()) for i in range(len(BANDS) - 1)])


def gradient_histogram(areas: Sequence[Crop]) -> Array:
    """Share (12,) of the pixels in each bin of the gradient's magnitude, by central differences."""
    sizes = []
    for area in areas:
        down, across = np.gradient(area)
        sizes.append(np.hypot(down, across)[1:-1, 1:-1].ravel())
    counts, _ = np.histogram(np.concatenate(sizes), GRADIENTS)
    return np.asarray(counts / counts.sum())


def summarize(crops: Sequence[Crop]) -> dict[str, Statistics]:
    """The statistics of many aligned faces, "skin" and "eyes"."""
    summary: dict[str, Statistics] = {}
    for part, rectangles in AREAS.items():
        faces = [measure([rectangle.cut(crop) for rectangle in rectangles]) for crop in crops]
        summary[part] = {name: _percentiles(np.array([face[name] for face in faces])) for name in NAMES}
        shares = np.mean([face["gradient_histogram"] for face in faces], axis=0)
        summary[part]["gradient_histogram"] = [round(float(share), 5) for share in shares]
    return summary


def _percentiles(values: Array) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 4) for q in (16, 50, 84)}


def agrees(ratio: float) -> bool:
    """Whether a rendered statistic is within 15 % of the real one."""
    return bool(abs(ratio - 1) <= TOLERANCE)


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Total variation: the share that has to move to turn one histogram into the other."""
    return float(np.abs(np.asarray(a) - np.asarray(b)).sum() / 2)


def compare(real: dict[str, Statistics], rendered: dict[str, Statistics]) -> list[Line]:
    """A line per statistic of skin, then of eyes: the ratio of the medians, at last the distance of the histograms.

    The level, a mean of grey levels, is told and not judged: exposure is meant to vary.
    """
    lines = []
    for part in AREAS:
        for name in NAMES:
            a, b = real[part][name]["p50"], rendered[part][name]["p50"]
            ok = None if name == "level" else agrees(b / a)
            target = "-" if name == "level" else "ratio 0.85-1.15"
            lines.append(Line(f"photometry {part} {name}", b / a, target, ok, f"real {a:.2f}, rendered {b:.2f}"))
        value = distance(real[part]["gradient_histogram"], rendered[part]["gradient_histogram"])
        lines.append(Line(f"photometry {part} gradients", value, "distance <= 0.15", value <= TOLERANCE))
    return lines
