"""Light on the head, once per vertex, in the camera frame: key light with shadow, ambient from six sides, sheen."""

import cv2
import numpy as np

from slyk.synthetic.identity import Array
from slyk.synthetic.raster import rasterize
from slyk.synthetic.scene import Light

_WRAP = np.array([0.34, 0.20, 0.15])
"""Light creeps around: the red furthest, as through skin."""
_SHADOW_PX = 176
_SHADOW_MM = 360.0


def diffuse(normals: Array, light: Light, shadow: Array, ambient: Array) -> Array:
    """Linear RGB (..., 3) arriving at surfaces of unit normals (..., 3); shadow, ambient (...): share of light seen."""
    facing = (normals @ light.direction)[..., None]
    key = np.maximum((facing + _WRAP) / (1 + _WRAP), 0.0) * shadow[..., None] * light.key
    sides = np.maximum(np.concatenate([normals, -normals], axis=-1), 0.0) ** 2
    order = light.ambient[[0, 2, 4, 1, 3, 5]]
    return np.asarray(light.level * (key + (sides @ order) * ambient[..., None]))


def sheen(points: Array, normals: Array, light: Light, shadow: Array) -> Array:
    """Highlights (...) of a broad and a narrow lobe for gloss 1."""
    view = -points / np.linalg.norm(points, axis=-1, keepdims=True)
    half = view + light.direction
    half /= np.linalg.norm(half, axis=-1, keepdims=True)
    cos = np.maximum(np.sum(normals * half, axis=-1), 0.0)
    return np.asarray(light.level * shadow * light.key.mean() * (0.10 * cos**12 + 0.16 * cos**48))


def shadow(points: Array, light: Light) -> Array:
    """Share (R, C) of the key light that reaches each vertex: a depth picture from the light, softly compared."""
    right = np.cross([0.0, 1.0, 0.0], -light.direction)
    right /= np.linalg.norm(right)
    down = np.cross(-light.direction, right)
    middle = points[: points.shape[0] * 3 // 4].reshape(-1, 3).mean(axis=0)
    local = points - middle
    scale = _SHADOW_PX / _SHADOW_MM
    x = local @ right * scale + _SHADOW_PX / 2
    y = local @ down * scale + _SHADOW_PX / 2
    near = local @ light.direction + 1000.0
    depth = rasterize(x, y, near, _SHADOW_PX, _SHADOW_PX).nearness
    soft = np.zeros_like(x)
    for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
        i = np.clip(np.rint(y + dy), 0, _SHADOW_PX - 1).astype(int)
        j = np.clip(np.rint(x + dx), 0, _SHADOW_PX - 1).astype(int)
        soft += np.clip((near - depth[i, j] + 9.0) / 4.0, 0.0, 1.0) / 5
    return np.asarray(cv2.GaussianBlur(soft, (0, 0), 0.9))
