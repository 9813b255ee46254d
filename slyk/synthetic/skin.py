"""The person's skin on the grid: colour, relief and what each place is called, painted once per person."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.face import MOUTH_MM, NOSE_TIP_MM, brow_line, bump, smooth
from slyk.synthetic.fields import SIDE, Fields, Texture, mix, steps_mm
from slyk.synthetic.head import ROWS
from slyk.synthetic.identity import Identity, Image
from slyk.synthetic.regions import Mask, Region

_PORES_MM = 0.13
_GRAIN_MM = 0.23
"""Depth of the skin's relief: cells of about 0.5 and 1.5 mm (our choice, after the statistics of portraits)."""
_MOTTLE = 0.50


class Skin(NamedTuple):
    """color (SIDE, SIDE, 4): linear RGB and gloss 0-1; relief (SIDE, SIDE, 2): slope outwards along the grid's columns
    and rows; regions (SIDE, SIDE). Sampled by grid position through `fields.texture_map`."""

    color: Texture
    relief: Texture
    regions: Mask


def _f32(values: object) -> Image:
    return np.asarray(values, dtype=np.float32)


class _Place(NamedTuple):
    """Where texels lie at rest: x, y, z and the height of their row at the front, mm; side = |x|; front: 1 on the face,
    0 behind."""

    x: Image
    y: Image
    z: Image
    height: Image
    side: Image
    front: Image


def paint(person: Identity, points: Image, noise: Fields) -> Skin:
    """The skin of a person, with lips, brows, stubble, neck and clothes; points (SIDE, SIDE, 3): where texels lie."""
    x, y, z = np.moveaxis(points, -1, 0)
    down = np.interp(np.linspace(0, len(ROWS) - 1, SIDE), np.arange(len(ROWS)), ROWS).astype(np.float32)
    height = np.ascontiguousarray(np.broadcast_to(down[:, None], x.shape))
    at = _Place(x, y, z, height, np.abs(x), smooth(48, 20, z))
    lips, slit = _lip_alpha(person, at)
    color = _lips(_skin_color(person, at, noise), person, at, lips, slit, noise)
    brow = _brow_alpha(person, at, noise)
    color = mix(color, person.hair * 0.55 + 0.04 * person.skin, brow)
    color, stubble = _beard(color, person, at, noise)
    color = _marks(color, person, at, noise)
    gloss = 0.40 + 0.30 * bump(x, y, (0, 18), (14, 45)) * at.front + 0.25 * noise.grain(4.0) + 0.25 * lips
    color, cloth = _clothes(color, person, at, noise)
    relief = _heights(person, at, noise, lips, stubble) * (1 - cloth)
    regions = _regions(at, person, lips, slit, brow, cloth)
    dull = (1 - cloth) * (1 - 0.8 * brow) * (1 - 0.85 * np.clip(stubble, 0, 1))
    picture = np.dstack([color, gloss * dull])
    return Skin(Texture(picture.astype(np.float32)), Texture(_slopes(relief, points)), regions)


def _skin_color(p: Identity, at: _Place, noise: Fields) -> Image:
    mottle = 0.40 * noise.grain(16.0) + 0.42 * noise.grain(5.5) + 0.18 * noise.grain(1.3) - 0.5
    tone = _f32(p.skin) * (1 + mottle[..., None] * _f32(_MOTTLE * np.array([0.8, 1.05, 1.1])))
    cheeks = bump(at.side, at.y, (40, 36), (18, 15)) + 0.8 * bump(at.x, at.y, (0, 42), (12, 10))
    red = (0.25 + 0.6 * p.redness) * (cheeks + 0.4 * bump(at.x, at.y, (0, 104), (16, 9))) * at.front
    red = red * (0.5 + noise.grain(7.0))
    tone = tone * (1 - red[..., None] * _f32([0.02, 0.22, 0.20]))
    pale = 0.12 * bump(at.x, at.y, (0, -48), (40, 18)) * at.front
    tone = tone * (1 + pale[..., None])
    below = np.asarray(at.y - 0.05 * at.side, dtype=np.float32)
    bag = (0.08 + 0.24 * p.age) * bump(at.side, below, (p.pupil_distance_mm / 2, 13), (15, 4.5))
    return np.asarray(tone * (1 - (bag * at.front)[..., None] * _f32([0.8, 1.0, 0.85])))


def _lip_alpha(p: Identity, at: _Place) -> tuple[Image, Image]:
    """How much of a texel is lip, and inside of the mouth."""
    s = at.side / p.mouth_half_width_mm
    room = np.sqrt(np.maximum(1 - s * s, 0.0))
    top = MOUTH_MM - p.lip_fullness * (6.6 * room**1.3 - 1.2 * np.exp(-((at.x / 3.6) ** 2)))
    low = MOUTH_MM + p.lip_fullness * 8.4 * room
    lips = smooth(-0.9, 0.9, at.height - top) * smooth(1.1, -1.1, at.height - low) * smooth(1.0, 0.92, s) * at.front
    slit = np.exp(-(((at.height - MOUTH_MM) / 0.55) ** 2)) * smooth(1.04, 0.9, s) * at.front
    return lips, slit


def _lips(color: Image, p: Identity, at: _Place, lips: Image, slit: Image, noise: Fields) -> Image:
    lines = 1 + 0.22 * (noise.soft(330, 40) - 0.5)
    near = _rows((lips > 0) | (slit > 0))
    lips, slit, lines, side, d = lips[near], slit[near], lines[near], at.side[near], at.height[near] - MOUTH_MM
    tint = np.array([0.86, 0.52, 0.52]) * (1 - 0.35 * p.makeup * np.array([0.1, 1.0, 0.8]))
    painted = mix(color[near], _f32(p.skin * tint) * lines[..., None], 0.85 * lips)
    inside = np.array([0.030, 0.009, 0.009])
    teeth = np.array([0.46, 0.42, 0.36])
    gap = 1 - 0.5 * np.exp(-(((side % 7.2) / 0.5) ** 2))
    upper = smooth(-0.46, -0.40, d) * smooth(-0.16, -0.22, d) * smooth(0.66, 0.5, side / p.mouth_half_width_mm)
    dark = mix(np.broadcast_to(inside, painted.shape), _f32(teeth) * gap[..., None], upper)
    color[near] = mix(painted, dark, np.clip(1.25 * slit, 0, 1) * smooth(1.0, 0.7, np.abs(d)))
    return color


def _rows(where: NDArray[np.bool_]) -> slice:
    """The rows from the first to the last that hold some of it."""
    rows = np.flatnonzero(where.any(axis=1))
    return slice(rows[0], rows[-1] + 1)


def _brow_alpha(p: Identity, at: _Place, noise: Fields) -> Image:
    alpha = np.zeros_like(at.x)
    near = _rows(np.abs(at.y - p.brow_y_mm) < 32.0)  # nothing grows above and below
    side, y = at.side[near], at.y[near]
    t = np.clip((side - 11.0) / 41.0, 0.0, 1.0)
    off = (y - brow_line(side, p)) / (p.brow_thickness_mm * (1 - 0.6 * t))
    strands = 0.35 + 1.1 * noise.grain(0.55)[near]
    ends = smooth(8, 15, side) * smooth(55, 44, side)
    brow = np.exp(-(np.abs(off) ** 3.2)) * ends * strands * 1.25 * p.brow_density
    alpha[near] = np.clip(brow, 0, 0.92) * at.front[near]
    return alpha


def _beard(color: Image, p: Identity, at: _Place, noise: Fields) -> tuple[Image, Image]:
    if p.beard == 0:
        return color, np.zeros_like(at.x)
    chin = smooth(36, 82, at.y + 0.28 * at.side) * smooth(128, 110, at.height) * smooth(86, 52, at.side)
    lip = 1.1 * bump(at.x, at.height, (0, 58.5), (25, 6))
    mouth = np.hypot(at.side / (p.mouth_half_width_mm * 1.05), (at.height - MOUTH_MM - 1.0) / 10.5)
    keep = smooth(0.85, 1.2, mouth + 0.25 * (noise.grain(2.0) - 0.5))
    grown = p.beard * np.clip(chin + lip, 0, 1) * keep * smooth(75, 45, at.z)
    hairs = np.clip(1.1 * grown - 0.9 * noise.grain(0.8) + 0.35 * (noise.grain(6.0) - 0.5), 0, 1)
    alpha = np.clip(0.22 * grown + 1.2 * hairs, 0, 0.85)
    return mix(color, p.hair * 0.75 + 0.08 * p.skin, alpha), np.asarray(grown)


def _marks(color: Image, p: Identity, at: _Place, noise: Fields) -> Image:
    """Nostrils, freckles, moles."""
    tip = NOSE_TIP_MM + p.nose_length_mm
    nostril = bump(at.side, at.height, (6.4 * p.nose_width, tip + 9.2), (3.1, 1.9)) * at.front
    color = color * (1 - 0.9 * np.clip(nostril * 1.25, 0, 1)[..., None])
    moles = smooth(0.965, 0.995, noise.grain(3.5)) * (0.1 + 0.5 * p.age) * smooth(60, 30, at.z)
    if p.freckles > 0:
        spots = smooth(0.80, 0.95, noise.grain(2.2)) * p.freckles * bump(at.x, at.y, (0, 28), (45, 22)) * at.front
        color = color * (1 - spots[..., None] * _f32([0.25, 0.38, 0.45]))
    return np.asarray(color * (1 - moles[..., None] * _f32([0.30, 0.42, 0.45])))


def _heights(p: Identity, at: _Place, noise: Fields, lips: Image, stubble: Image) -> Image:
    """Relief (SIDE, SIDE) in mm over the smooth shape: pores, grain, lines of age, fibres of the lips, stubble."""
    pores = _PORES_MM * (noise.grain(0.6) - 0.5) * 2 * (1 + 0.8 * bump(at.x, at.y, (0, 36), (22, 16)))
    grain = _GRAIN_MM * (noise.grain(1.7) - 0.5) * 2 * (0.7 + 0.6 * p.age)
    wander = 5.0 * (noise.grain(30.0) - 0.5)
    forehead = smooth(-72, -62, at.y) * smooth(-34, -40, at.y) * np.exp(-((at.x / 38) ** 2))
    lines = forehead * np.exp(-((((at.y + wander + 50) % 8.5 - 4.2) / 1.0) ** 2))
    frown = np.exp(-(((at.side - 5.0 + 0.2 * wander) / 1.0) ** 2)) * bump(at.x, at.y, (0, -20), (14, 8))
    fold = np.exp(-(((at.y - 1.15 * (at.side - 26) - 57 + 0.4 * wander) / 1.6) ** 2)) * bump(
        at.side, at.y, (30, 56), (12, 16)
    )
    creases = bump(at.side, at.y, (34, 62), (12, 18)) * np.exp(
        -((((at.side + 0.3 * at.y + wander) % 6.0 - 3) / 0.9) ** 2)
    )
    neck = smooth(112, 126, at.height) * np.exp(-((((at.height + wander) % 13.0 - 6.5) / 1.2) ** 2))
    aged = 0.25 + 0.75 * p.age
    age = aged * (0.50 * lines + 0.55 * frown + 1.0 * fold) + p.age**2 * (0.45 * creases + 0.4 * neck)
    bristle = 0.16 * np.clip(stubble, 0, 1) * (noise.grain(0.7) - 0.5) * 2
    fibre = 0.10 * lips * (noise.soft(300, 30) - 0.5) * 2
    return np.asarray((pores + grain) * (1 - lips) + fibre + bristle - age * at.front)


def _slopes(height: Image, points: Image) -> Image:
    """Slope (SIDE, SIDE, 2) of a relief along columns and rows."""
    step_u, step_v = steps_mm(points)
    rise_u, rise_v = np.diff(height, axis=1, append=height[:, -1:]), np.diff(height, axis=0, append=height[-1:])
    slopes = [rise_u / np.maximum(step_u, 0.1), rise_v / np.maximum(step_v, 0.1)]
    return np.asarray(np.clip(np.dstack(slopes), -0.8, 0.8), dtype=np.float32)


def _clothes(color: Image, p: Identity, at: _Place, noise: Fields) -> tuple[Image, Image]:
    """A round neck, or a shirt's collar below a jacket."""
    neckline = 26 * np.exp(-((at.x / 36) ** 2)) * smooth(60, 20, at.z)
    level = at.height + 0.18 * at.side - neckline
    cloth = smooth(149, 153, level)
    weave = 0.80 + 0.2 * noise.grain(14.0) + 0.2 * noise.grain(2.0)
    outer = _f32(p.cloth) * weave[..., None]
    if p.collar:
        opening = smooth(2.0, -2.0, at.side - 4.0 - 0.32 * (at.height - 150)) * smooth(70, 50, at.z)
        shirt = _f32(p.shirt) * (0.9 + 0.2 * noise.grain(8.0))[..., None]
        fold = np.exp(-(((level - 163 - 0.35 * at.side) / 2.5) ** 2))
        collar = smooth(150, 152, level) * smooth(164 + 4, 164, level - 0.35 * at.side)
        inner = mix(outer, shirt * (1 - 0.35 * fold[..., None]), np.maximum(opening, collar))
        edge = np.exp(-(((at.side - 4.0 - 0.32 * (at.height - 150)) / 2.0) ** 2)) * smooth(160, 170, at.height)
        outer = inner * (1 - 0.5 * edge[..., None])
    return mix(color, outer, cloth), cloth


def _regions(at: _Place, p: Identity, lips: Image, slit: Image, brow: Image, cloth: Image) -> Mask:
    """What each texel is called; later ones win."""
    regions = np.full(at.x.shape, Region.SKIN, dtype=np.uint8)
    tip = NOSE_TIP_MM + p.nose_length_mm
    wide = np.interp(at.y, [-8, 6, tip - 8, tip + 9], [6.0, 7.0, 12.0, 17.0]) * p.nose_width
    regions[(at.height > -8) & (at.height < tip + 10) & (at.side < wide) & (at.front > 0.5)] = Region.NOSE
    neck = (at.height > 116) | ((at.z > 75) & (at.y > 75))
    regions[neck] = Region.NECK
    regions[brow > 0.3] = Region.BROWS
    regions[lips > 0.5] = Region.LIPS
    regions[(slit > 0.55) & (np.abs(at.height - MOUTH_MM) < 0.5)] = Region.MOUTH
    regions[cloth > 0.5] = Region.CLOTHING
    return regions
