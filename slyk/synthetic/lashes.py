"""Eyelashes: curved strands in space that stand on the edges of the lids and move with them."""

import numpy as np

from slyk.geometry.camera import Array
from slyk.synthetic.eye import Lids, lid_depth
from slyk.synthetic.identity import Image
from slyk.synthetic.periocular import Lashes

_STEP = 0.7
"""Samples between neighbouring points of a strand."""
_HIDDEN_MM = 1.0
"""A strand is hidden where something stands nearer than this before it."""


def merged(lashes: Lashes, every: int) -> Lashes:
    """A row of each `every`th strand, as much wider."""
    return Lashes(*(values[::every] for values in lashes))._replace(width=lashes.width[::every] * every)


def strands(lashes: Lashes, lids: Lids, upper: bool, num_points: int) -> Array:
    """Points (N, num_points, 3) of a row, the eye's frame, from root to tip."""
    x = lashes.at * lids.half_width_mm * lids.side
    edge = lids.curves(x)[0 if upper else 1] + (0.0 if upper else 0.5)
    root = np.stack([x, edge, lid_depth(x * lids.side, edge)], axis=-1)
    out = root / np.sqrt(np.einsum("ij,ij->i", root, root))[:, None]
    away = np.stack([np.zeros_like(x), out[:, 2], -out[:, 1]], axis=-1)  # along the lid, up for its front
    away *= (1.0 if upper else -1.0) / np.hypot(out[:, 1], out[:, 2])[:, None]
    t = np.linspace(0.0, 1.0, num_points)[None, :, None]
    curl, lean = (lashes.length * v for v in (lashes.curl, lashes.lean * lids.side))
    reach = lashes.length[:, None, None]
    forward = (0.95 * t - 0.35 * t * t) * reach
    rise = (1.15 * t * t - 0.15 * t if upper else 0.55 * t + 0.45 * t * t) * curl[:, None, None]
    aside = (0.5 * t + 0.5 * t * t) * lean[:, None, None] * np.array([1.0, 0.0, 0.0])
    return np.asarray(root[:, None] + forward * out[:, None] + rise * away[:, None] + aside)


def cover(points: Array, widths: Array, camera: Array, nearness: Array) -> Image:
    """How much (h, w) of each sample strands cover. points (N, K, 3): camera frame; widths (N,) in mm at the root;
    camera (3, 3): to the samples; nearness (h, w): 1 / z of what is there.

    Each strand is laid down as ink, its width in samples times its length, shared by the four samples around: thinner
    than a sample it is faint, and no pattern of dots arises.
    """
    height, width = nearness.shape
    pixels = points[..., :2] / points[..., 2:] * camera[[0, 1], [0, 1]] + camera[:2, 2]
    steps = np.diff(pixels, axis=1)
    length = np.sqrt(np.einsum("nki,nki->nk", steps, steps))
    fine = max(int(np.ceil(length.max(initial=0.0) / _STEP)), 1)
    t = (np.arange(fine) + 0.5) / fine
    at = pixels[:, :-1, None] + steps[:, :, None] * t[:, None]
    z = points[:, :-1, None, 2] + np.diff(points[..., 2], axis=1)[..., None] * t
    taper = 1.0 - 0.85 * (np.arange(length.shape[1])[:, None] + t) / length.shape[1]
    broad = widths[:, None, None] * camera[0, 0] / z * taper
    ink = broad * (length / fine)[..., None]
    total = np.zeros(height * width)
    lanes = max(round(float(broad.max(initial=0.0))), 1)
    side = np.stack([-steps[..., 1], steps[..., 0]], axis=-1) / np.maximum(length, 1e-9)[..., None]
    for lane in (np.arange(lanes) + 0.5) / lanes - 0.5:
        _splat(total, at + (lane * broad)[..., None] * side[:, :, None], ink / lanes, z, nearness)
    return np.asarray(1 - np.exp(-1.2 * total.reshape(height, width)), dtype=np.float32)


def _splat(total: Array, at: Array, ink: Array, z: Array, nearness: Array) -> None:
    height, width = nearness.shape
    x, y, ink, z = at[..., 0].ravel(), at[..., 1].ravel(), ink.ravel(), z.ravel()
    inside = (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
    x, y, ink, z = x[inside], y[inside], ink[inside], z[inside]
    j, i = x.astype(np.intp), y.astype(np.intp)
    shown = ink * (nearness[i, j] * (z - _HIDDEN_MM) < 1)
    a, b = x - j, y - i
    first = i * width + j
    for shift, share in ((0, (1 - a) * (1 - b)), (1, a * (1 - b)), (width, (1 - a) * b), (width + 1, a * b)):
        total += np.bincount(first + shift, weights=shown * share, minlength=height * width)
