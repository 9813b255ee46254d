"""Glasses: two rims, a bridge and temples as 3D lines in the head frame, drawn where nothing stands before them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array, project
from slyk.synthetic.identity import Identity, Image
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.scene import Scene

_PLANE_MM = -25.0
"""Depth of the rims before the eyeballs' centres: 12 mm before the cornea, clear of the nose."""
_SUB = 16


def draw_glasses(color: Image, regions: Mask, depth: Array, scene: Scene, person: Identity, camera: Array) -> None:
    """Changes `color` (H, W, 3) linear RGB and `regions` (H, W); depth (H, W): z of the head in mm, inf on the
    background; camera (3, 3): to the picture's samples."""
    lines = [_rim(person, -1.0), _rim(person, 1.0), _bridge(person), _temple(person, -1.0), _temple(person, 1.0)]
    thickness = person.glasses_thick * float(camera[0, 0] / scene.eyes[:, 2].mean())
    mask: Mask = np.zeros(color.shape[:2], np.uint8)
    lens = mask.copy()
    for i, line in enumerate(lines):
        points = line @ scene.rotation.T + scene.translation
        pixels = project(camera, points)
        if i < 2:
            cv2.fillPoly(lens, [_fixed(pixels)], 255, cv2.LINE_AA, 4)
        for a, b, z in zip(pixels[:-1], pixels[1:], points[:-1, 2], strict=True):
            if z < _depth_at(depth, (a + b) / 2) + 1.5:
                width = max(1, round(thickness * (1.0 if i < 3 else 1.3)))
                cv2.line(mask, _corner(a), _corner(b), 255, width, cv2.LINE_AA, 4)
    left, top, width, height = cv2.boundingRect(cv2.max(mask, lens))
    box = (slice(top, top + height), slice(left, left + width))
    alpha, glass = (m[box][..., None] / np.float32(255) for m in (mask, lens))
    shown = color[box] * (1 - np.float32(0.06) * glass) + glass * (0.018 * scene.light.level * scene.light.key)
    shine = person.glasses * (0.35 + scene.light.level * 0.6 * scene.light.key)
    color[box] = shown + alpha * (shine - shown)
    regions[mask > 127] = Region.GLASSES


def _rim(p: Identity, side: float) -> Array:
    """A superellipse between box and circle; outwards it bends back a little, as the face does."""
    t = np.linspace(0, 2 * np.pi, 49)
    power = 0.55 + 0.45 * p.glasses_round
    a, b = 24.5 * p.glasses_size, (17.0 + 5.0 * p.glasses_round) * p.glasses_size
    x = side * (p.pupil_distance_mm / 2 + 2.5) + a * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power
    y = 4.0 + b * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power
    return np.stack([x, y, _PLANE_MM + 0.004 * x**2], axis=-1)


def _bridge(p: Identity) -> Array:
    x = np.linspace(-1, 1, 9) * (p.pupil_distance_mm / 2 + 2.5 - 24.0 * p.glasses_size)
    return np.stack([x, -1.0 - 2.5 * (1 - (x / x[-1]) ** 2), np.full_like(x, _PLANE_MM - 1.0)], axis=-1)


def _temple(p: Identity, side: float) -> Array:
    t = np.linspace(0, 1, 25) ** 2
    start = p.pupil_distance_mm / 2 + 2.0 + 24.5 * p.glasses_size
    x = start + (78.0 * p.width - start) * np.sqrt(t)  # the hinge leads outwards, then the temple runs back
    z = _PLANE_MM + 0.004 * start**2 + t * 92
    return np.stack([side * x, -4.0 + 4 * t, z], axis=-1)


def _fixed(pixels: Array) -> NDArray[np.int32]:
    return np.rint(pixels * _SUB).astype(np.int32)


def _corner(pixel: Array) -> tuple[int, int]:
    x, y = np.rint(pixel * _SUB).astype(int)
    return int(x), int(y)


def _depth_at(depth: Array, pixel: Array) -> float:
    j, i = (int(v) for v in np.rint(pixel))
    inside = 0 <= i < depth.shape[0] and 0 <= j < depth.shape[1]
    return float(depth[i, j]) if inside else np.inf
