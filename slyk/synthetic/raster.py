"""The rasterizer: a grid of vertices -> for each sample of the picture the nearest surface point.

Two implementations give the same result: a loop compiled by numba, and numpy over all triangles at once, for machines
without numba or with SLYK_NO_NUMBA=1.
"""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

try:
    from numba import njit
except ImportError:  # optional: numpy stands in
    njit = None

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Loop = Callable[[Array, Array, Array, Array, Image, Image], None]


class Surface(NamedTuple):
    """nearness (H, W), 0 where nothing is; column, row (H, W): where on the grid the sample lies, in grid steps."""

    nearness: Array
    column: Image
    row: Image


def rasterize(x: Array, y: Array, nearness: Array, height: int, width: int) -> Surface:
    """The nearest front side at each integer point of a picture.

    x, y: (R, C) picture coordinates of the grid's vertices, integer = sample; nearness (R, C) > 0, linear on the
    picture (1 / z of a camera), larger = nearer. Only cells whose corners run clockwise on the picture are drawn.
    """
    size = (height, width)
    surface = Surface(np.zeros(size), np.zeros(size, np.float32), np.zeros(size, np.float32))
    arrays = [np.ascontiguousarray(a, dtype=np.float64) for a in (x, y, nearness)]
    draw = _draw_numpy if njit is None or os.environ.get("SLYK_NO_NUMBA") == "1" else _compiled()
    draw(arrays[0], arrays[1], arrays[2], surface.nearness, surface.column, surface.row)
    return surface


def _draw_loop(x: Array, y: Array, near: Array, best: Array, column: Image, row: Image) -> None:
    height, width = best.shape
    for i in range(x.shape[0] - 1):
        for j in range(x.shape[1] - 1):
            for half in range(2):
                # half 0: corners (0,0) (0,1) (1,0) of the cell; half 1: (1,1) (1,0) (0,1)
                i0, j0 = i + half, j + half
                i1, j1 = i + half, j + 1 - half
                i2, j2 = i + 1 - half, j + half
                x0, y0 = x[i0, j0], y[i0, j0]
                dx1, dy1 = x[i1, j1] - x0, y[i1, j1] - y0
                dx2, dy2 = x[i2, j2] - x0, y[i2, j2] - y0
                area = dx1 * dy2 - dy1 * dx2
                if not area > 0.0:
                    continue
                left = max(0, int(np.ceil(x0 + min(0.0, dx1, dx2))))
                right = min(width - 1, int(np.floor(x0 + max(0.0, dx1, dx2))))
                top = max(0, int(np.ceil(y0 + min(0.0, dy1, dy2))))
                bottom = min(height - 1, int(np.floor(y0 + max(0.0, dy1, dy2))))
                near0, near1, near2 = near[i0, j0], near[i1, j1] - near[i0, j0], near[i2, j2] - near[i0, j0]
                for py in range(top, bottom + 1):
                    for px in range(left, right + 1):
                        a = ((px - x0) * dy2 - (py - y0) * dx2) / area
                        b = (dx1 * (py - y0) - dy1 * (px - x0)) / area
                        if a < 0.0 or b < 0.0 or a + b > 1.0:
                            continue
                        value = near0 + a * near1 + b * near2
                        if value > best[py, px]:
                            best[py, px] = value
                            column[py, px] = j + (1.0 - a if half else a)
                            row[py, px] = i + (1.0 - b if half else b)


_cache: list[Loop] = []


def _compiled() -> Loop:
    if not _cache:
        try:
            _cache.append(njit(cache=True)(_draw_loop))
        except RuntimeError:  # no folder where the compiled code could stay: compile it for this process
            _cache.append(njit(_draw_loop))
    return _cache[0]


def _draw_numpy(x: Array, y: Array, near: Array, best: Array, column: Image, row: Image) -> None:
    height, width = best.shape
    corners = [_corners(a) for a in (x, y, near)]
    (x0, dx1, dx2), (y0, dy1, dy2), (near0, near1, near2) = corners
    area = dx1 * dy2 - dy1 * dx2
    front = np.flatnonzero(area > 0)  # also drops what has no place on the picture (NaN)
    left, right, top, bottom = (np.zeros(len(area), dtype=int) for _ in range(4))
    for low, high, start, one, two, size in ((left, right, x0, dx1, dx2, width), (top, bottom, y0, dy1, dy2, height)):
        start, one, two = start[front], one[front], two[front]
        low[front] = np.ceil(np.clip(start + np.minimum(0, np.minimum(one, two)), 0, size))
        high[front] = np.floor(np.clip(start + np.maximum(0, np.maximum(one, two)), -1, size - 1))
    keep = front[(right[front] >= left[front]) & (bottom[front] >= top[front])]
    span_x, span_y = right - left + 1, bottom - top + 1
    found: list[tuple[NDArray[Any], ...]] = []
    for oy in range(int(span_y[keep].max(initial=0))):
        tall = keep[span_y[keep] > oy]
        for ox in range(int(span_x[tall].max(initial=0))):
            t = tall[span_x[tall] > ox]
            px, py = left[t] + ox, top[t] + oy
            a = ((px - x0[t]) * dy2[t] - (py - y0[t]) * dx2[t]) / area[t]
            b = (dx1[t] * (py - y0[t]) - dy1[t] * (px - x0[t])) / area[t]
            inside = (a >= 0) & (b >= 0) & (a + b <= 1)
            t, a, b = t[inside], a[inside], b[inside]
            found.append((py[inside] * width + px[inside], near0[t] + a * near1[t] + b * near2[t], t, a, b))
    if not found:
        return
    pixel, value, t, a, b = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((t, -value, pixel))
    pixel, first = np.unique(pixel[order], return_index=True)
    chosen = order[first]
    t, a, b = t[chosen], a[chosen], b[chosen]
    half, cells = t % 2 == 1, x.shape[1] - 1
    best.ravel()[pixel] = value[chosen]
    column.ravel()[pixel] = (t // 2) % cells + np.where(half, 1 - a, a)
    row.ravel()[pixel] = (t // 2) // cells + np.where(half, 1 - b, b)


def _corners(grid: Array) -> tuple[Array, Array, Array]:
    """First corner and the steps to the two others of all triangles, in the order of the loop."""
    c00, c01, c10, c11 = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    first = np.stack([c00, c11], axis=-1)
    second = np.stack([c01, c10], axis=-1)
    third = np.stack([c10, c01], axis=-1)
    return first.ravel(), (second - first).ravel(), (third - first).ravel()
