"""Light on the head, once per vertex, in the camera frame: key light with shadow, ambient from six sides, sheen."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from slyk.synthetic.head import normals
from slyk.synthetic.identity import Array, Image
from slyk.synthetic.raster import rasterize
from slyk.synthetic.scene import Light

_WRAP = np.array([0.34, 0.20, 0.15])
"""Light creeps around: the red furthest, as through skin."""
_SHADOW_PX = 176
_SHADOW_MM = 360.0


def diffuse(facing_to: Array, light: Light, shadow: Array, ambient: Array) -> Array:
    """Linear RGB (..., 3) arriving at surfaces of unit normals facing_to (..., 3); shadow, ambient (...): share of light seen."""
    facing = (facing_to @ light.direction)[..., None]
    key = np.maximum((facing + _WRAP) / (1 + _WRAP), 0.0) * shadow[..., None] * light.key
    sides = np.maximum(np.concatenate([facing_to, -facing_to], axis=-1), 0.0) ** 2
    order = light.ambient[[0, 2, 4, 1, 3, 5]]
    return np.asarray(light.level * (key + (sides @ order) * ambient[..., None]))


def sheen(points: Array, facing_to: Array, light: Light, shadow: Array) -> Array:
    """Highlights (...) of a broad and a narrow lobe for gloss 1."""
    view = -points / np.linalg.norm(points, axis=-1, keepdims=True)
    half = view + light.direction
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    cos = np.maximum(np.sum(facing_to * half, axis=-1), 0.0)
    return np.asarray(light.level * shadow * light.key.mean() * (0.10 * cos**12 + 0.16 * cos**48))


class Lighting(NamedTuple):
    """Light on a grid. received (R, C, 4): linear RGB and sheen; slant (R, C, 2): how much of the key light a slope of 1
    along columns and rows adds; key (3,): its colour."""

    received: Image
    slant: Image
    key: Image


def light_up(points: Array, light: Light, lit: Array, ambient: Array) -> Lighting:
    """The light on a grid (R, C, 3), camera frame; lit, ambient (R, C): share of key light and of sky that it gets."""
    facing = normals(points)
    received = np.dstack([diffuse(facing, light, lit, ambient), sheen(points, facing, light, lit)])
    slant = [-(along @ light.direction) * lit * light.level for along in _tangents(points)]
    key = np.asarray(light.key / (1 + _WRAP), dtype=np.float32)
    return Lighting(received.astype(np.float32), np.dstack(slant).astype(np.float32), key)


def _tangents(points: Array) -> tuple[Array, Array]:
    """Unit vectors (R, C, 3) along columns and rows."""
    steps = (np.gradient(points, axis=axis) for axis in (1, 0))
    across, down = (step / np.maximum(np.linalg.norm(step, axis=-1, keepdims=True), 1e-9) for step in steps)
    return across, down


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
