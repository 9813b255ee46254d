"""What is drawn around and between the lids of one eye, sample by sample: skin and its folds, eyeball, lashes."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.synthetic import lashes
from slyk.synthetic.ball import draw_ball
from slyk.synthetic.expression import Expression
from slyk.synthetic.eye import Lids, lid_depth, lids_for
from slyk.synthetic.face import bump, smooth
from slyk.synthetic.identity import Identity, Image
from slyk.synthetic.mirror import pull
from slyk.synthetic.periocular import REACH_MM, TEXEL_MM, Periocular, level_of
from slyk.synthetic.regions import Mask
from slyk.synthetic.scene import Scene

Values = NDArray[Any]

_TOUCH_MM = 1.2
"""A sample belongs to the lids where the skin lies this close to their surface."""
_NEAR_MM = 7.0
"""The skin's detail is drawn where the skin lies this close to that surface, which goes on around the lids."""
_SOFT = 1.25
"""Samples over which skin gives way to what lies between the lids."""
_FILTER_PX = 0.31
"""SD of the filter around the eyes, on top of a pixel's mean: thin dark lines beside bright ones alias without."""
_REDDER = np.array([0.15, 1.0, 0.85], dtype=np.float32)


class Part(NamedTuple):
    """The part of the picture around an eye. rows, columns: where; x, y (h, w): the skin's place, the eye's frame, mm,
    far away where there is none; off (h, w): its distance from the lids' surface; u (w,), v (h,): directions of the
    rays (u, v, 1), camera frame; sample_mm: size of a sample."""

    rows: slice
    columns: slice
    x: Array
    y: Array
    off: Array
    u: Array
    v: Array
    sample_mm: float


def draw_eye(
    color: Image, regions: Mask, nearness: Array, camera: Array, scene: Scene, person: Identity, own: Periocular,
    lit: float, index: int,
) -> None:  # fmt: skip
    """Changes `color` (H, W, 3) linear RGB and `regions` (H, W) around one eye.

    nearness (H, W): 1 / z of the skin in 1 / mm, 0 on the background; camera (3, 3): to the picture's samples; lit:
    share of the key light at the eye; index 0: the subject's right eye (image-left).
    """
    part = _part(nearness, camera, scene, index)
    if part is None:
        return
    lids = scene.lids[index]
    box = part.rows, part.columns
    bows = lids.bows(part.x)
    upper, lower = lids.edges(*bows)
    seen = color[box]
    seen *= _skin(part, bows, scene, person, own, lids, lit)
    within = np.minimum(np.minimum(part.y - upper, lower - part.y), lids.half_width_mm - np.abs(part.x))
    inside = np.where(part.off < _TOUCH_MM, within / part.sample_mm, -1.0)
    rows, columns = np.nonzero(inside > -_SOFT / 2)
    if len(rows):
        inside, open_ = inside[rows, columns], inside[rows, columns] > 0
        at = part.x[rows, columns], part.y[rows, columns]
        rays = np.stack([part.u[columns], part.v[rows], np.ones(len(rows))], axis=-1) @ scene.rotation
        shown = draw_ball(at, rays, part.sample_mm, scene, person, own, lit, index)
        share = np.minimum(inside / _SOFT + 0.5, 1.0)[:, None].astype(np.float32)
        seen[rows, columns] += share * (shown.color - seen[rows, columns])
        regions[box][rows[open_], columns[open_]] = shown.regions[open_]
    _draw_lashes(seen, nearness[box], camera, part, scene, person, own, lit, index)
    seen[...] = cv2.GaussianBlur(seen, (0, 0), _FILTER_PX * float(camera[0, 0] / scene.camera[0, 0]))


def _part(nearness: Array, camera: Array, scene: Scene, index: int) -> Part | None:
    center, rotation = scene.eyes[index], scene.rotation
    if center[2] < 15.0:
        return None
    focal = float(camera[0, 0])
    extent = np.abs(rotation[:2, :2]) @ np.array(REACH_MM) + 8.0 * np.abs(rotation[:2, 2])
    reach = extent * focal / max(center[2] - 12.0, 5.0)
    middle = camera[:2, :2].diagonal() * center[:2] / center[2] + camera[:2, 2]
    low, high = np.floor(middle - reach).astype(int), np.ceil(middle + reach).astype(int) + 1
    left, right = (int(np.clip(v, 0, nearness.shape[1])) for v in (low[0], high[0]))
    top, bottom = (int(np.clip(v, 0, nearness.shape[0])) for v in (low[1], high[1]))
    if right - left < 2 or bottom - top < 2:
        return None
    u = (np.arange(left, right) - camera[0, 2]) / focal
    v = (np.arange(top, bottom) - camera[1, 2]) / camera[1, 1]
    near = nearness[top:bottom, left:right]
    z = 1.0 / np.maximum(near, 1e-6)
    origin = center @ rotation
    x, y, deep = (
        z * (u * rotation[0, i] + (v * rotation[1, i] + rotation[2, i])[:, None]) - origin[i] for i in range(3)
    )
    off = np.abs(deep - lid_depth(x * scene.lids[index].side, y))
    wanted = (near > 0) & (np.abs(x) < REACH_MM[0]) & (np.abs(y) < REACH_MM[1]) & (off < _NEAR_MM)
    if not wanted.any():
        return None
    x, y = np.where(wanted, x, 99.0), np.where(wanted, y, 99.0)
    sample_mm = max(float(center[2]) - 11.0, 5.0) / focal
    return Part(slice(top, bottom), slice(left, right), x, y, off, u, v, sample_mm)


def _skin(
    part: Part, bows: tuple[Values, ...], scene: Scene, p: Identity, own: Periocular, lids: Lids, lit: float
) -> Values:
    """Factor (h, w, 3) on the skin's colour: detail, folds, the shadow of the lashes' roots."""
    x, y = (part.x * lids.side).astype(np.float32), part.y.astype(np.float32)
    rest = lids_for(lids.side, np.array([0.0, 0.0, -1.0]), p, Expression(), 0.0)
    line, above, below = (a.astype(np.float32) for a in bows)
    upper, lower = lids.edges(line, above, below)
    down = upper - (line - np.float32(rest.upper_mm) * above)  # how far the upper lid has come down
    over, under = upper - y, y - lower
    slope = pull(scene.light, lit, scene.rotation) * np.array([lids.side, 1.0, 1.0])
    moved = y - np.where(over > 0, down * np.exp(-np.maximum(over, 0) / 13.0), 0.0)
    detail = _detail(own, x, moved, part.sample_mm)
    grey = scene.light.infrared
    relief = detail[..., 2] * np.float32(slope[0]) + detail[..., 3] * np.float32(slope[1])
    value = 1 + (0.6 if grey else 1.0) * detail[..., 0] - relief
    folds, red = _folds(x, over, under, down, part.sample_mm, scene, p, own, float(slope[1]))
    weight: Values = smooth(_NEAR_MM, 3.0, part.off).astype(np.float32)
    for place, reach in zip((x, y), REACH_MM, strict=True):
        weight = weight * smooth(reach, reach - 6.0, np.abs(place))
    factor = (1 + weight * (value * folds - 1))[..., None]
    if grey:
        return np.repeat(np.maximum(factor, 0.02), 3, axis=-1)
    tint = 1 - (weight * np.maximum(detail[..., 1] + red, 0.0))[..., None] * (0.42 * _REDDER)
    return np.asarray(np.maximum(factor, 0.02) * tint, dtype=np.float32)


def _detail(own: Periocular, x: Values, y: Values, sample_mm: float) -> Image:
    level = level_of(len(own.skin), TEXEL_MM, sample_mm)
    scale = TEXEL_MM * 2**level
    columns, rows = ((v + reach) / np.float32(scale) - 0.5 for v, reach in zip((x, y), REACH_MM, strict=True))
    empty = cv2.BORDER_CONSTANT
    return np.asarray(
        cv2.remap(own.skin[level], columns.astype(np.float32), rows.astype(np.float32), cv2.INTER_LINEAR, None, empty)
    )


def _folds(
    x: Values, over: Values, under: Values, down: Values, sample_mm: float, scene: Scene, p: Identity, own: Periocular,
    light_y: float,
) -> tuple[Values, Values]:  # fmt: skip
    """Factor (h, w) of the folds of the lids, and redness (h, w). over, under (h, w): mm above the upper and below the
    lower edge; x: mm towards the temple; light_y: see `mirror.pull`."""

    def bell(value: Values, width: float) -> Values:
        """A hill; no narrower than the samples, and then as much lower."""
        wide = max(width, 0.9 * sample_mm)
        return np.asarray(np.exp(-((value / np.float32(wide)) ** 2)) * np.float32(width / wide))

    width, face = p.fissure_half_width_mm, scene.expression
    within = smooth(width + 1.0, width - 2.0, np.abs(x))
    wide = smooth(width + 5.0, width - 3.0, np.abs(x))
    outside, outside_low = over > -sample_mm, under > -sample_mm  # half of a sample on the edge is skin
    # the crease stays behind when the lid comes down, and its fold opens
    free = (1 - own.hood) * p.crease_mm + own.hood * 1.3
    at = np.maximum(free * (0.62 + 0.38 * (1 - (x / width) ** 2)) + 0.65 * down + 1.2 * face.brow, 0.7)
    begun = within + (1 - within) * smooth(0.0, 2.0, np.abs(over))  # beyond the corners nothing begins at the edge
    fold = begun * wide / (1 + np.maximum(down, 0.0) / 5.0)
    e = over - at
    dark = own.crease * bell(e, 0.5) + 0.24 * bell(e, 1.8) * (e < 0) + 0.14 * bell(e, 1.5) * (e > 0)
    rise = (0.75 * bell(e - 0.9, 1.0) - 0.35 * bell(e - 3.4, 1.8)) * light_y
    gleam = 0.16 * bell(over / at - 0.5, 0.3) * outside * within
    lid = 1 - fold * outside * (dark - rise) + gleam
    root = (0.50 + 0.40 * p.makeup) * bell(over - 0.2, 0.6 + 0.4 * p.makeup) * (0.85 + 0.35 * x / width)
    lid = lid * (1 - np.clip(root, 0, 0.95) * outside * within)
    lid = lid * (1 - 0.35 * p.makeup * np.exp(-((over / 5) ** 2)) * outside * within)
    tense = 1 + 0.8 * face.squint + 0.8 * face.smile
    roll = 0.10 * tense * bell(under - 2.2, 1.2) - (0.11 + 0.10 * p.age) * tense * bell(under - 5.2, 1.0)
    pouch = 0.06 * p.age * bell(under - 9.0, 2.2) - 0.10 * p.age * bell(under - 12.5, 1.3)
    low = 1 + (roll + pouch * smooth(17, 10, np.abs(x))) * outside_low * wide * begun
    low = low * (1 - 0.25 * bell(under - 0.7, 0.5) * outside_low * within * (0.8 + 0.3 * x / width))
    y = np.where(over > 0, -over, under)
    hollow = 0.34 * bump(x, y, (-width - 3.0, -3.5), (5.5, 7.0)) + 0.20 * bump(x, y, (-width + 5, -9.0), (8.0, 4.5))
    hollow = hollow + 0.22 * bump(x, y, (width + 1.5, 0.0), (3.5, 2.5))
    ridge = np.hypot(x + (width - 1.0), 0.8 * y) - 3.6
    hollow = hollow + 0.35 * own.hood * bell(ridge, 0.8) * smooth(-width + 1.5, -width - 1.0, x)
    red = 0.45 * np.exp(-((over / 1.6) ** 2)) * outside + 0.45 * np.exp(-((under / 1.3) ** 2)) * outside_low
    return lid * low * (1 - hollow), red * within


def _draw_lashes(
    seen: Image, nearness: Array, camera: Array, part: Part, scene: Scene, person: Identity, own: Periocular,
    lit: float, index: int,
) -> None:  # fmt: skip
    """Lays both rows over a part of the picture."""
    light, lids = scene.light, scene.lids[index]
    moved = camera.copy()
    moved[:2, 2] -= part.columns.start, part.rows.start
    num_points = int(np.clip(2.5 / part.sample_mm, 5, 14))
    total = np.zeros(nearness.shape, np.float32)
    every = 2 if part.sample_mm > 0.25 else 1  # the samples are too large to tell them apart
    for upper, row in ((False, own.lower[index]), (True, own.upper[index])):
        row = lashes.merged(row, every)
        points = lashes.strands(row, lids, upper, num_points) @ scene.rotation.T + scene.eyes[index]
        ink = lashes.cover(points, row.width, moved, nearness)
        total += ink - total * ink
    dark = np.full(3, 0.03) if light.infrared else 0.25 * person.hair * (1 - 0.7 * person.makeup) + 0.004
    glow = light.level * (0.5 * lit * light.key + light.ambient.mean(axis=0))
    seen += total[..., None] * ((dark * glow).astype(np.float32) - seen)
