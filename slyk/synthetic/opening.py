"""Skin of the lids and the eye between them, drawn into the picture sample by sample."""

import numpy as np

from slyk.geometry.camera import Array
from slyk.synthetic import eye
from slyk.synthetic.head import smooth
from slyk.synthetic.identity import Identity, Image
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.scene import Scene
from slyk.synthetic.shade import diffuse

_TOUCH_MM = 1.2
"""A sample belongs to the lids where the skin lies this close to their surface."""
_WHITE = np.array([0.66, 0.62, 0.58])
_BLACK = 0.004
_FLESH = np.array([0.52, 0.22, 0.19])


def draw_eye(color: Image, parts: Mask, points: Array, scene: Scene, person: Identity, lit: float, index: int) -> None:
    """Changes `color` (H, W, 3) linear RGB and `parts` (H, W) around one eye.

    points (H, W, 3): what each sample of skin shows, camera frame, NaN on the background; lit: share of the key light
    at the eye; index 0: the subject's right eye (image-left).
    """
    lids = scene.lids[index]
    local = (points - scene.eyes[index]) @ scene.rotation
    x, y, z = np.moveaxis(local, -1, 0)
    with np.errstate(invalid="ignore"):
        near = (np.abs(x) < 19) & (np.abs(y) < 16) & (np.abs(z - eye.lid_depth(np.hypot(x, y))) < _TOUCH_MM)
    rows, cols = np.nonzero(near)
    if not len(rows):
        return
    x, y = x[rows, cols], y[rows, cols]
    upper, lower = lids.curves(x)
    open_ = (y > upper) & (y < lower)
    skin = color[rows, cols] * _lid_skin(x, y, upper, lower, person, lids)[:, None]
    color[rows, cols] = skin + _wet_rim(y, lower, x, lids)[:, None] * color[rows, cols]
    rows, cols = rows[open_], cols[open_]
    if not len(rows):
        return
    seen = points[rows, cols]
    directions = (seen / np.linalg.norm(seen, axis=-1, keepdims=True)) @ scene.rotation
    origin = -scene.eyes[index] @ scene.rotation
    axis = scene.optical[index] @ scene.rotation
    sight = eye.look(origin, directions, axis, person.iris_radius_mm, scene.pupil_mm)
    parts[rows, cols] = sight.part
    color[rows, cols] = _eye_color(sight, origin, directions, axis, x[open_], y[open_], scene, person, lit, index)


def _lid_skin(x: Array, y: Array, upper: Array, lower: Array, p: Identity, lids: eye.Lids) -> Array:
    """Factor (N,) on the skin around the opening: lash lines, the crease above, lid's turn into shadow."""
    width = lids.half_width_mm
    within = smooth(width + 1.5, width - 1.5, np.abs(x))
    over, under = upper - y, y - lower  # outside of the opening both sides are positive on their own side
    outer = 0.75 + 0.35 * x * lids.side / width
    lash = np.exp(-((np.maximum(over, 0) / (0.75 + 0.5 * p.makeup)) ** 2)) * (over > 0) * within * outer
    lash_low = 0.35 * np.exp(-((np.maximum(under, 0) / 0.6) ** 2)) * (under > 0) * within
    crease_at = p.crease_mm * (0.75 + 0.25 * (1 - (x / width) ** 2))
    crease = 0.38 * np.exp(-(((over - crease_at) / 0.55) ** 2)) * smooth(width + 4, width - 2, np.abs(x))
    fold = 0.10 * np.exp(-(((under - 3.6) / 0.8) ** 2)) * within
    shadow = 0.30 * p.makeup * np.exp(-((np.maximum(over, 0) / 5) ** 2)) * (over > 0) * within
    return np.asarray((1 - (0.80 + 0.15 * p.makeup) * lash) * (1 - lash_low) * (1 - crease) * (1 - fold) * (1 - shadow))


def _wet_rim(y: Array, lower: Array, x: Array, lids: eye.Lids) -> Array:
    under = y - lower
    return np.asarray(
        0.20 * np.exp(-(((under - 0.35) / 0.3) ** 2)) * (under > 0) * (np.abs(x) < lids.half_width_mm - 1)
    )


def _eye_color(
    sight: eye.Sight, origin: Array, directions: Array, axis: Array, x: Array, y: Array, scene: Scene, p: Identity,
    lit: float, index: int,
) -> Array:  # fmt: skip
    lids, light = scene.lids[index], scene.light
    upper, lower = lids.curves(x)
    is_iris = (sight.part == Region.IRIS) | (sight.part == Region.PUPIL)
    normal = np.where(is_iris[:, None], 0.6 * sight.normal + 0.4 * axis, sight.normal)
    normal = np.where((sight.part == Region.EYES)[:, None], -directions, normal) @ scene.rotation.T
    shade = (0.42 + 0.58 * smooth(0.0, 2.6, y - upper)) * (0.80 + 0.20 * smooth(0.0, 1.2, lower - y))
    arriving = diffuse(normal, light, np.full(len(x), lit), np.full(len(x), 0.75)) * shade[:, None]
    corner = smooth(0.62, 1.0, np.abs(x) / lids.half_width_mm)
    white = _WHITE + (_FLESH - _WHITE) * (0.10 + 0.12 * p.redness + 0.55 * corner)[:, None]
    surface = np.where((sight.part == Region.EYES)[:, None], _FLESH, white)
    edge = smooth(0.94, 1.06, sight.rho)[:, None]
    iris = _iris_color(sight, p, index)
    rim = smooth(scene.pupil_mm - 0.25, scene.pupil_mm + 0.25, sight.rho * p.iris_radius_mm)
    inside = iris * rim[:, None] + _BLACK * (1 - rim[:, None])
    facing = (directions @ axis < 0)[:, None]
    base = np.where(facing, inside * (1 - edge) + surface * edge, surface)
    return np.asarray(base * arriving + _glint(sight, origin, directions, axis, scene, lit))


def _iris_color(sight: eye.Sight, p: Identity, index: int) -> Array:
    """Fibres, a lighter ring around the pupil, a dark limbal ring; the fibres of the left eye are mirrored."""
    turn = sight.turn if index == 0 else np.pi - sight.turn
    fibre = 0.5 + 0.28 * np.sin(37 * turn + 3 * np.sin(5 * turn)) + 0.22 * np.sin(61 * turn + 2 * np.sin(7 * turn + 1))
    ring = 1.0 + 0.45 * smooth(0.75, 0.35, sight.rho)
    limbus = 1 - 0.72 * smooth(0.76, 0.98, sight.rho)
    return np.asarray(p.iris * (ring * limbus * (0.72 + 0.6 * fibre))[:, None] * 1.25)


def _glint(sight: eye.Sight, origin: Array, directions: Array, axis: Array, scene: Scene, lit: float) -> Array:
    """Mirror image of the key light on the cornea, and of the sky or ceiling."""
    light = scene.light
    normal, hit = eye.cornea_normal(origin, directions, axis)
    on_cornea = hit & (sight.rho < 1.08) & (sight.part != Region.EYES)
    normal = np.where(on_cornea[:, None], normal, sight.normal)
    mirrored = (directions - 2 * np.sum(directions * normal, axis=-1, keepdims=True) * normal) @ scene.rotation.T
    key = smooth(0.955, 0.985, mirrored @ light.direction) * np.where(on_cornea, 1.0, 0.35) * lit
    sky = 0.06 * smooth(-0.1, 0.9, -mirrored[:, 1]) * light.ambient[3].mean()
    return np.asarray(light.level * (key[:, None] * light.key * 1.1 + sky[:, None]))
