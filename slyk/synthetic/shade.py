"""Light on the head, once per vertex, in the camera frame: key light with shadow, ambient from six sides, sheen."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.head import normals
from slyk.synthetic.identity import Array, Image
from slyk.synthetic.raster import rasterize
from slyk.synthetic.scene import Light

_WRAP = np.array([0.22, 0.12, 0.09], dtype=np.float32)
"""Light creeps around: the red furthest, as through skin."""
_SHADOW_PX = 176
_SHADOW_MM = 360.0


def diffuse(
    facing: NDArray[np.floating], light: Light, lit: NDArray[np.floating], ambient: NDArray[np.floating] | float
) -> Image:
    """Linear RGB (..., 3) that arrives at surfaces of unit normals (..., 3), camera frame; lit, ambient (...): share of
    the key light and of the surroundings that they see."""
    x, y, z = np.moveaxis(facing.astype(np.float32), -1, 0)
    cos = _along(facing, light.direction)
    sides = [np.square(np.maximum(part, 0)) for part in (x, -x, y, -y, z, -z)]
    share, open_ = np.asarray(lit, dtype=np.float32), np.asarray(ambient, dtype=np.float32)
    color = np.empty((*cos.shape, 3), np.float32)
    for i, wrap in enumerate(_WRAP):
        key = np.maximum((cos + wrap) * np.float32(light.level * light.key[i] / (1 + wrap)), 0) * share
        around = sum(np.float32(light.level * light.ambient[k, i]) * side for k, side in enumerate(sides))
        color[..., i] = key + around * open_
    return color


def sheen(points: NDArray[np.floating], facing: NDArray[np.floating], light: Light, lit: NDArray[np.floating]) -> Image:
    """Highlights (...) of a broad and a narrow lobe for gloss 1."""
    half = -points.astype(np.float32)
    half *= 1 / np.maximum(_length(half), np.float32(1e-6))
    half += light.direction.astype(np.float32)
    x, y, z = np.moveaxis(facing.astype(np.float32), -1, 0)
    cos = np.maximum(x * half[..., 0] + y * half[..., 1] + z * half[..., 2], 0) / _length(half)[..., 0]
    twelfth = np.square(np.square(cos) * cos)
    twelfth *= twelfth
    lobes = np.float32(0.15) * twelfth + np.float32(0.28) * np.square(np.square(twelfth))
    return np.asarray(np.float32(light.level * light.key.mean()) * np.asarray(lit, dtype=np.float32) * lobes)


def in_infrared(color: Image) -> Image:
    """Grey (..., 1) that near infrared shows of linear RGB: skins of all tones come near to each other, hair stays dark
    (our choice, after published spectra of skin)."""
    return np.asarray(np.float32(0.60) * color[..., :1] ** np.float32(0.35))


def _along(vectors: NDArray[np.floating], direction: Array) -> Image:
    """Dot products (...) of vectors (..., 3) with a direction (3,), without BLAS: the same bits on each processor."""
    x, y, z = np.moveaxis(vectors.astype(np.float32), -1, 0)
    a, b, c = (np.float32(v) for v in direction)
    return np.asarray(x * a + y * b + z * c)


def _length(vectors: Image) -> Image:
    x, y, z = (vectors[..., i : i + 1] for i in range(3))
    return np.asarray(np.sqrt(x * x + y * y + z * z))


class Lighting(NamedTuple):
    """Light on a grid. received (R, C, 4): linear RGB and sheen; slant (R, C, 2): how much of the key light a slope
    of 1 along columns and rows adds; key (3,): its colour."""

    received: Image
    slant: Image
    key: Image


def light_up(points: Array, light: Light, lit: Array, ambient: Array) -> Lighting:
    """The light on a grid (R, C, 3), camera frame; lit, ambient (R, C): share of key light and of sky that it gets."""
    fine = np.asarray(points, dtype=np.float32)
    facing = normals(fine)
    received = np.dstack([diffuse(facing, light, lit, ambient), sheen(fine, facing, light, lit)])
    slant = [-_along(along, light.direction) * lit * light.level for along in _tangents(fine)]
    key = np.asarray(light.key / (1 + _WRAP), dtype=np.float32)
    return Lighting(received.astype(np.float32), np.dstack(slant).astype(np.float32), key)


def _tangents(points: Image) -> tuple[Image, Image]:
    """Unit vectors (R, C, 3) along columns and rows."""
    across: Image = np.empty_like(points)
    down: Image = np.empty_like(points)
    across[:, :-1], across[:, -1] = points[:, 1:] - points[:, :-1], points[:, -1] - points[:, -2]
    down[:-1], down[-1] = points[1:] - points[:-1], points[-1] - points[-2]
    least = np.float32(1e-6)
    return np.asarray(across / np.maximum(_length(across), least)), np.asarray(down / np.maximum(_length(down), least))


def shadow(grids: Sequence[Array], light: Light) -> Array:
    """Share (R, C) of the key light that reaches each vertex of the first grid (R, C, 3): a depth picture of all grids
    from the light, softly compared. Vertices that are not there are NaN."""
    right = np.cross([0.0, 1.0, 0.0], -light.direction)
    right /= np.linalg.norm(right)
    down = np.cross(-light.direction, right)
    points = grids[0]
    middle = points[: points.shape[0] * 3 // 4].reshape(-1, 3).mean(axis=0)
    scale = _SHADOW_PX / _SHADOW_MM
    axes = np.stack([right * scale, down * scale, light.direction], axis=-1)
    depth = np.zeros((_SHADOW_PX, _SHADOW_PX))
    for grid in reversed(grids):
        x, y, near = np.moveaxis((grid - middle) @ axes, -1, 0)
        x, y, near = x + _SHADOW_PX / 2, y + _SHADOW_PX / 2, near + 1000.0
        depth = np.maximum(depth, rasterize(x, y, near, _SHADOW_PX, _SHADOW_PX).nearness)
    soft = np.zeros_like(x)
    for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
        i = np.clip(np.rint(y + dy), 0, _SHADOW_PX - 1).astype(int)
        j = np.clip(np.rint(x + dx), 0, _SHADOW_PX - 1).astype(int)
        soft += np.clip((near - depth[i, j] + 9.0) / 4.0, 0.0, 1.0) / 5
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), 0.9))
