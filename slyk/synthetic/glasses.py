"""Glasses and sunglasses in the head frame: rims, bridge, pads and temples as lines, lenses that mirror what is around.

They are drawn where nothing stands before them. Clear lenses leave classes and depth as they are; the frame and opaque
lenses write both.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array, project
from slyk.synthetic.face import smooth
from slyk.synthetic.identity import Identity, Image
from slyk.synthetic.mirror import fresnel, radiance, reflect
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.scene import Scene

Values = NDArray[Any]

_PLANE_MM = -25.0
"""Depth of the rims before the eyeballs' centres: 12 mm before the cornea, clear of the nose."""
_BEND_MM = 120.0
"""Radius of the lenses' front."""
_SUB = 16
_SLACK_MM = 1.5
_DARK = 0.035
"""Share of light that opaque lenses let through, twice."""


class _Line(NamedTuple):
    """points (N, 3), camera frame; wide: thickness over that of the rim."""

    points: Array
    wide: float


def draw_glasses(color: Image, regions: Mask, depth: Array, scene: Scene, person: Identity, camera: Array) -> None:
    """Changes `color` (H, W, 3) linear RGB, `regions` (H, W) and `depth` (H, W): z in mm of what is solid, inf on the
    background; camera (3, 3): to the picture's samples."""
    rims = [_rim(person, side) for side in (-1.0, 1.0)]
    shapes = [*((rim, 1.0) for rim in rims), (_bridge(person), 1.0)]
    shapes += [(_temple(person, side), 1.3) for side in (-1.0, 1.0)]
    if person.glasses_thick < 1.1:
        shapes += [(_pad(person, side), 0.8) for side in (-1.0, 1.0)]
    lines = [_Line(points @ scene.rotation.T + scene.translation, wide) for points, wide in shapes]
    if any(np.any(line.points[:, 2] < 10.0) for line in lines[:3]):
        return  # the camera sits within them
    scale = float(camera[0, 0] / scene.eyes[:, 2].mean())
    _cast(color, depth, lines, scene, person, camera, scale)
    window = _window(scene)
    solid = depth.copy()
    for line in lines[:2]:
        _lens(color, regions, depth, line.points, window, scene, camera)
    _frame(color, regions, depth, solid, lines, scene, person, camera, scale)


def _cast(
    color: Image, depth: Array, lines: list[_Line], scene: Scene, p: Identity, camera: Array, scale: float
) -> None:
    """Shadow of the frame, and of opaque lenses, where the way away from the key light meets the skin."""
    light = scene.light
    if light.direction[2] > -0.2:
        return
    shade: Mask = np.zeros(depth.shape, np.uint8)
    for i, line in enumerate(lines[:5]):
        points = line.points[:12] if i > 2 else line.points
        at = points.copy()
        for _ in range(5):
            beyond = _depth_at(depth, project(camera, at)) - at[:, 2]
            way = np.clip(np.where(np.isfinite(beyond), beyond, 0.0) / -light.direction[2], -20.0, 40.0)
            at = at - 0.8 * way[:, None] * light.direction
        pixels = project(camera, at)
        lies = np.abs(_depth_at(depth, pixels) - at[:, 2]) < 3.0
        if scene.wear.sunglasses and i < 2:
            cv2.fillPoly(shade, [_fixed(pixels)], 255, cv2.LINE_AA, 4)
        width = max(1, round(1.3 * p.glasses_thick * line.wide * scale))
        for a, b in _segments(pixels, lies[:-1] & lies[1:]):
            cv2.line(shade, a, b, 255, width, cv2.LINE_AA, 4)
    box = _box(shade)
    if box is None:
        return
    soft = cv2.GaussianBlur(shade[box], (0, 0), max(0.9 * scale, 0.5)).astype(np.float32) / 255
    key, ambient = float(light.key.mean()), float(light.ambient.mean())
    color[box] *= 1 - (0.5 * key / (key + 1.5 * ambient)) * (soft * np.isfinite(depth[box]))[..., None]


class _Window(NamedTuple):
    """A bright window of the room that lenses mirror, as they do now and then. direction (3,): mirrored, camera frame;
    half width and height in radians; color (3,)."""

    direction: Array
    half: Array
    color: Array


def _window(scene: Scene) -> _Window | None:
    """One photo in seven has one; its image lies beside the middle of the lenses, so that it never hides both eyes."""
    rng = np.random.Generator(np.random.Philox(key=np.array([scene.backdrop.seed, 77], dtype=np.uint64)))
    if scene.light.infrared or rng.uniform() > 0.15:
        return None
    turn, away = rng.uniform(0, 2 * np.pi), rng.uniform(14.0, 20.0)
    offset = away * np.array([np.cos(turn), 0.8 * np.sin(turn)])
    middle = scene.eyes.mean(axis=0)
    view = middle / np.linalg.norm(middle)
    normal = scene.rotation @ np.array([offset[0] / _BEND_MM, offset[1] / _BEND_MM, -1.0])
    direction = reflect(view[None], (normal / np.linalg.norm(normal))[None])[0]
    tint = np.array([[1.0, 1.0, 1.0], [0.85, 0.95, 1.1], [0.75, 1.05, 0.9]])[rng.integers(0, 3)]
    strength = rng.uniform(0.08, 0.35) * scene.light.level * (0.4 + float(scene.light.ambient.mean()))
    return _Window(direction, rng.uniform([0.06, 0.08], [0.16, 0.22]), strength * tint)


def _lens(
    color: Image, regions: Mask, depth: Array, rim: Array, window: _Window | None, scene: Scene, camera: Array
) -> None:
    """One lens: a little darker than air, or opaque, with what it mirrors."""
    mask: Mask = np.zeros(depth.shape, np.uint8)
    cv2.fillPoly(mask, [_fixed(project(camera, rim))], 255, cv2.LINE_AA, 4)
    box = _box(mask)
    if box is None:
        return
    middle = rim.mean(axis=0)
    facing = np.linalg.svd(rim - middle)[2][2]  # the plane that fits the rim best
    u = (np.arange(box[1].start, box[1].stop) - camera[0, 2]) / camera[0, 0]
    v = (np.arange(box[0].start, box[0].stop) - camera[1, 2]) / camera[1, 1]
    rays = np.dstack([*np.meshgrid(u, v), np.ones((len(v), len(u)))])
    with np.errstate(divide="ignore"):
        z = (middle @ facing) / (rays @ facing)
    shown = (mask[box] > 0) & (z > 0) & (z < depth[box] + _SLACK_MM)
    if not shown.any():
        return
    rays, z = rays[shown], z[shown]
    share = mask[box][shown].astype(np.float32)[:, None] / 255
    points = rays * z[:, None]
    normals = points - (middle + _BEND_MM * scene.rotation[:, 2])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    view = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    mirrored = reflect(view, normals)
    sunglasses = scene.wear.sunglasses
    cos = -np.einsum("ij,ij->i", view, normals)
    light = fresnel(cos, 0.12 if sunglasses else 0.025)[:, None] * radiance(points, mirrored, scene, 0.4, 0.02)
    light = light * (0.4 + 1.3 * smooth(0.2, -0.4, mirrored[:, 1]))[:, None]  # bright above the horizon, dark below
    if window is not None:
        light = light + _pane(mirrored, window)[:, None] * window.color
    seen = color[box][shown]
    height = np.einsum("ij,j->i", points - middle, scene.rotation[:, 1])
    through = (_DARK * (1.2 + 0.05 * np.clip(height, -18, 18)) if sunglasses else np.full(len(z), 0.95))[:, None]
    through = through * (1 - fresnel(cos, 0.0))[:, None]
    color[box][shown] = seen + share * ((seen * through + light) - seen)
    if sunglasses:
        rows, columns = np.nonzero(shown)
        solid = share[:, 0] > 0.5
        regions[box][rows[solid], columns[solid]] = Region.GLASSES
        depth[box][rows[solid], columns[solid]] = np.minimum(depth[box][rows[solid], columns[solid]], z[solid])


def _pane(mirrored: Values, window: _Window) -> Values:
    """The window (N,), 0-1, with a bar across."""
    off = mirrored - window.direction
    right = np.cross([0.0, 1.0, 0.0], window.direction)
    right /= np.linalg.norm(right)
    across, down = np.abs(off @ right), off @ np.cross(window.direction, right)
    pane = smooth(window.half[0] + 0.02, window.half[0] - 0.01, across)
    pane = pane * smooth(window.half[1] + 0.02, window.half[1] - 0.01, np.abs(down))
    return np.asarray(pane * (1 - 0.6 * smooth(0.016, 0.006, across)))


def _frame(
    color: Image, regions: Mask, depth: Array, solid: Array, lines: list[_Line], scene: Scene, p: Identity,
    camera: Array, scale: float,
) -> None:  # fmt: skip
    """Lines as round bars: their own colour, a gleam along the upper side. solid (H, W): depth without the glasses."""
    finer = max(1, round(4 * scene.camera[0, 0] / camera[0, 0]))  # bars come in whole widths: draw at 4 x 4 a pixel
    mask: Mask = np.zeros((depth.shape[0] * finer, depth.shape[1] * finer), np.uint8)
    gleam = mask.copy()
    for line in lines:
        pixels = project(camera, line.points)
        thick = p.glasses_thick * line.wide * scale * finer
        width, full = max(1, round(thick)), round(255 * min(thick, 1.0))
        z = (line.points[:-1, 2] + line.points[1:, 2]) / 2
        free = z < _depth_at(solid, (pixels[:-1] + pixels[1:]) / 2) + _SLACK_MM
        up = np.array([0.0, -0.25 * thick])
        fine = (pixels + 0.5) * finer - 0.5
        for a, b in _segments(fine, free):
            cv2.line(mask, a, b, full, width, cv2.LINE_AA, 4)
        for a, b in _segments(fine + up, free):
            cv2.line(gleam, a, b, full, max(1, width // 3), cv2.LINE_AA, 4)
        for (a, b), near in zip(_segments(pixels, free), z[free].tolist(), strict=True):
            cv2.line(depth, a, b, near, max(1, round(width / finer)), cv2.LINE_8, 4)
    if finer > 1:
        size = depth.shape[::-1]
        mask, gleam = (np.asarray(cv2.resize(m, size, interpolation=cv2.INTER_AREA), np.uint8) for m in (mask, gleam))
    box = _box(mask)
    if box is None:
        return
    light = scene.light
    alpha, bright = (m[box][..., None].astype(np.float32) / 255 for m in (mask, gleam))
    glow = light.level * (0.6 * light.key + light.ambient.mean(axis=0))
    metal = float(smooth(0.02, 0.12, np.array(p.glasses.mean())))
    shine = p.glasses * glow + bright * (0.05 + 0.22 * metal) * glow
    color[box] += alpha * (shine.astype(np.float32) - color[box])
    regions[mask > 127] = Region.GLASSES


def _rim(p: Identity, side: float) -> Array:
    """A superellipse between box and circle; outwards it bends back a little, as the face does."""
    t = np.linspace(0, 2 * np.pi, 65)
    power = 0.55 + 0.45 * p.glasses_round
    a, b = 24.5 * p.glasses_size, (17.0 + 5.0 * p.glasses_round) * p.glasses_size
    x = side * (p.pupil_distance_mm / 2 + 2.5) + a * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power
    y = 4.0 + b * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power
    return np.stack([x, y, _PLANE_MM + 0.004 * x**2], axis=-1)


def _bridge(p: Identity) -> Array:
    x = np.linspace(-1, 1, 9) * (p.pupil_distance_mm / 2 + 2.5 - 24.0 * p.glasses_size)
    return np.stack([x, -1.0 - 2.5 * (1 - (x / x[-1]) ** 2), np.full_like(x, _PLANE_MM - 1.0)], axis=-1)


def _pad(p: Identity, side: float) -> Array:
    """A thin arm from the rim to the side of the nose."""
    t = np.linspace(0, 1, 6)
    start = p.pupil_distance_mm / 2 + 2.5 - 23.5 * p.glasses_size
    return np.stack([side * (start - 1.0 * t), 3.0 + 5.0 * t, _PLANE_MM + 7.0 * np.sin(np.pi / 2 * t)], axis=-1)


def _temple(p: Identity, side: float) -> Array:
    t = np.linspace(0, 1, 25) ** 2
    start = p.pupil_distance_mm / 2 + 2.0 + 24.5 * p.glasses_size
    x = start + (78.0 * p.width - start) * np.sqrt(t)  # the hinge leads outwards, then the temple runs back
    z = _PLANE_MM + 0.004 * start**2 + t * 92
    return np.stack([side * x, -4.0 + 4 * t, z], axis=-1)


def _box(mask: Mask) -> tuple[slice, slice] | None:
    left, top, width, height = cv2.boundingRect(mask)
    return (slice(top, top + height), slice(left, left + width)) if width and height else None


def _fixed(pixels: Array) -> NDArray[np.int32]:
    return np.rint(np.clip(pixels, -2000, 30000) * _SUB).astype(np.int32)


def _segments(pixels: Array, wanted: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    """Ends of the wanted pieces (N - 1,) of a line (N, 2), for OpenCV."""
    fixed = _fixed(pixels)
    return list(zip(fixed[:-1][wanted].tolist(), fixed[1:][wanted].tolist(), strict=True))


def _depth_at(depth: Array, pixels: Array) -> Array:
    """Depth (N,) at pixels (N, 2), inf outside."""
    j, i = np.rint(np.clip(pixels, -1, 60000)).astype(int).T
    inside = (i >= 0) & (j >= 0) & (i < depth.shape[0]) & (j < depth.shape[1])
    found = depth[np.clip(i, 0, depth.shape[0] - 1), np.clip(j, 0, depth.shape[1] - 1)]
    return np.where(inside, found, np.inf)
