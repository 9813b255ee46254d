"""Smooth random fields and the way from the head's grid to textures."""

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.head import COLUMNS, ROWS
from slyk.synthetic.identity import Array, Image, Random

SIDE = 448
"""Side of a texture; it spans the whole grid."""
TEXEL_MM = 0.46
"""Distance of its points in the middle of the face."""


class Fields:
    """Random fields (SIDE, SIDE) between 0 and 1. points (SIDE, SIDE, 3): where texels lie, mm."""

    def __init__(self, rng: Random, points: Image) -> None:
        self.rng = rng
        across, down = steps_mm(points)
        self.across_mm = np.cumsum(across, axis=1)
        self.across_mm -= self.across_mm[:, SIDE // 2, None]
        self.down_mm = np.cumsum(down, axis=0)

    def grain(self, cell_mm: float) -> Image:
        """Cells of one size on the skin wherever it is; the pattern repeats after 256 cells."""
        tile = self.rng.uniform(size=(256, 256)).astype(np.float32)
        u, v = self.across_mm * np.float32(1 / cell_mm), self.down_mm * np.float32(1 / cell_mm)
        return np.asarray(cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))

    def soft(self, cells: int, down: int | None = None) -> Image:
        """`cells` across the texture and `down` along its height, blended."""
        small = self.rng.uniform(size=(down or cells, cells)).astype(np.float32)
        return np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))

    def strands(self, cells: int, down: int, wander: float) -> Image:
        """Lines that run down the texture and wander to the sides by about `wander` of its width."""
        lines = self.soft(cells, down)
        bend = (self.soft(14, 9) + 0.5 * self.soft(40, 20) - 0.75) * np.float32(wander * SIDE)
        u, v = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
        return np.asarray(cv2.remap(lines, u + bend, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


def steps_mm(points: Image) -> tuple[Image, Image]:
    """Distances (SIDE, SIDE) of texels from the next to the right and the next below."""
    found = []
    for axis in (1, 0):
        x, y, z = (np.diff(points[..., i], axis=axis) for i in range(3))
        length = np.sqrt(x * x + y * y + z * z)
        found.append(np.concatenate([length, np.take(length, [-1], axis)], axis=axis))
    return found[0], found[1]


def on_texture(grid: Array) -> Image:
    """A grid (R, C) or (R, C, 3) at the texture's points."""
    columns, rows = (np.linspace(0, count - 1, SIDE, dtype=np.float32) for count in (grid.shape[1], grid.shape[0]))
    u, v = (np.ascontiguousarray(np.broadcast_to(m, (SIDE, SIDE))) for m in (columns, rows[:, None]))
    return np.asarray(cv2.remap(grid.astype(np.float32), u, v, cv2.INTER_LINEAR))


class Texture:
    """A picture of the grid (SIDE, SIDE, K), kept in the sizes that photos asked for."""

    def __init__(self, finest: Image) -> None:
        self.finest = finest
        self.sizes: dict[int, Image] = {}

    def fit(self, sample_mm: float) -> Image:
        """For a photo whose samples are so far apart on the face: averaged where it is finer."""
        side = max(32 * int(SIDE * TEXEL_MM / sample_mm / 32 + 0.5), 32)
        if side > 0.8 * SIDE:
            return self.finest
        if side not in self.sizes:
            self.sizes[side] = np.asarray(cv2.resize(self.finest, (side, side), interpolation=cv2.INTER_AREA))
        return self.sizes[side]


def texture_map(column: Image, row: Image, side: int = SIDE) -> tuple[Image, Image]:
    """Where grid positions lie on a texture of some side."""
    return column * np.float32((side - 1) / (COLUMNS - 1)), row * np.float32((side - 1) / (len(ROWS) - 1))


def sample(picture: Image, column: Image, row: Image) -> Image:
    """A picture (H, W, K) between its points, at N places: (N, K)."""
    if not len(column):
        return np.zeros((0, picture.shape[-1]), np.float32)
    count, across = len(column), 1024  # OpenCV takes maps of up to 32,767 a side
    maps = [np.resize(values, (-(-count // across), across)) for values in (column, row)]
    found = cv2.remap(picture, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(-1, picture.shape[-1])[:count])


def mix(color: Image, other: NDArray[np.floating], alpha: Image) -> Image:
    """`other` over `color` (..., 3) with alpha (...)."""
    return np.asarray(color + (np.asarray(other, dtype=np.float32) - color) * alpha[..., None])
