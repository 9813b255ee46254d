"""What covers the head on its own grid, further out: hair, headscarf, hat, face mask."""

from typing import NamedTuple

import cv2
import numpy as np

from slyk.synthetic.face import MOUTH_MM, NOSE_TIP_MM, smooth
from slyk.synthetic.fields import SIDE, Fields, Texture, on_texture
from slyk.synthetic.head import ROWS, Head, normals
from slyk.synthetic.identity import Array, Identity, Image, Random, linear
from slyk.synthetic.regions import Region


class Layer(NamedTuple):
    """A surface at a share of the shell's height; it is there where the density is over low to high; shade: factor on
    its colour, since what lies deeper gets less light."""

    share: float
    low: float
    high: float
    shade: float


class Shell(NamedTuple):
    """offset (R, C, 3): from the skin to the outer surface, mm, NaN where there is none; texture (SIDE, SIDE, 4):
    linear RGB and density 0-1; hollow: its inner side can be seen, as that of long hair or a scarf."""

    region: Region
    offset: Array
    texture: Texture
    gloss: float
    layers: tuple[Layer, ...]
    hollow: bool = False


_STRANDS = (Layer(0.55, 0.08, 0.32, 0.60), Layer(0.88, 0.30, 0.58, 0.88), Layer(1.0, 0.50, 0.86, 1.05))
_HEAD_MM = 95.0
"""No head is so wide; what is wider are shoulders, and the arc of the hair line shall not rise over them."""
_CLOTH = (Layer(1.0, 0.35, 0.65, 1.0),)


def hair(p: Identity, head: Head, fields: Fields) -> Shell:
    """The hair of a person: three surfaces, the outer ones with gaps between the strands."""
    rng = fields.rng
    x, y, z = np.moveaxis(head.rest, -1, 0)
    top = _hair_line(p, x, rng)
    cover = _hair_cover(p, x, y, z, top)
    lumps = cv2.resize(rng.normal(size=(12, 14)), (x.shape[1], x.shape[0]), interpolation=cv2.INTER_CUBIC)
    height = _hair_height(p, x, y, z, top) * np.clip(1 + (0.35 if p.hair_style == "curls" else 0.14) * lumps, 0.4, 1.8)
    soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), 2.5), dtype=np.float64)
    height = height * smooth(0.05, 0.9, soft) + 0.8
    offset = height[..., None] * normals(_blurred(head.rest, 3.0))
    offset[..., 0] += _curtain(p, x, y)
    offset[cover < 0.02] = np.nan
    hollow = p.hair_style in ("bob", "long")
    return Shell(Region.HAIR, offset, Texture(_hair_texture(p, cover, fields)), 0.5, _STRANDS, hollow)


def _hair_line(p: Identity, x: Array, rng: Random) -> Array:
    """Height of the lower edge of the hair over the forehead at x, with the fringe, if any."""
    x = np.clip(x, -_HEAD_MM, _HEAD_MM)
    top = p.hair_line_mm + p.hair_round * x**2 + p.hair_slant * x + p.fringe * 34.0 * smooth(60, 20, np.abs(x))
    uneven = np.interp(x, np.linspace(-80, 80, 17), rng.normal(0.0, 2.2, 17))
    return np.asarray(top - p.hair_recede_mm * np.exp(-(((np.abs(x) - 38) / 15) ** 2)) + uneven)


def _hair_cover(p: Identity, x: Array, y: Array, z: Array, top: Array) -> Array:
    """Where hair grows, 0-1; top (R, C): its lower edge over the forehead."""
    cap = smooth(7, -9, y - top) * (p.hair_style != "bald")
    long = float(p.hair_style in ("bob", "long"))
    # how far back the hair begins: temple, sideburn, before and behind the ear, nape
    begin = np.interp(y, [-90, -62, -44, -24, 0, 14, 26, 40, 120], [-20, 4, 14, 34, 44, 52, 80, 92, 92])
    begin = begin - long * np.interp(y, [-30, 10, 40, 90], [0, 14, 44, 48])
    end = np.interp(z, [40, 55, 72, 95, 120], [22, 24, 6, 40, 46])
    end = end + (p.hair_length_mm - 30.0) * long * smooth(-5, 10, y) if long else end
    sides = smooth(-4, 6, z - begin) * smooth(5, -5, y - end)
    if p.hair_style == "bald":
        sides = sides * smooth(-58, -40, y - 0.18 * (z - 90))
    return np.asarray(np.maximum(cap, sides))


def _hair_height(p: Identity, x: Array, y: Array, z: Array, top: Array) -> Array:
    """Height of the outer surface over the skull, mm."""
    side = {"bald": 1.0, "buzz": 1.0, "short": 0.42, "tied": 0.8, "curls": 0.9, "bob": 1.0, "long": 0.95}[p.hair_style]
    height = p.hair_thick_mm * (side + (1 - side) * smooth(-40, -95, y))
    if p.hair_style in ("short", "bob", "long", "tied"):
        part = np.exp(-(((x - p.hair_parting_mm) / 5.0) ** 2)) * smooth(60, 20, z) * smooth(-55, -75, y)
        height = height * (1 - 0.55 * part) * (1 + 0.25 * np.tanh((x - p.hair_parting_mm) * -p.hair_slant * 0.5))
    if p.fringe == 0:  # combed back: flat where it grows out of the forehead
        height = height * (0.2 + 0.8 * np.maximum(smooth(0, 30, top - y), smooth(20, 60, z)))
    return np.asarray(height)


def _curtain(p: Identity, x: Array, y: Array) -> Array:
    """How far (R, C) to the sides long hair hangs round jaw and neck instead of lying on them, mm."""
    if p.hair_style not in ("bob", "long"):
        return np.zeros_like(x)
    half = np.abs(x).max(axis=1, keepdims=True)
    return np.asarray(x * np.maximum(77.0 * p.width / half - 1, 0.0) * smooth(15, 60, y))


def _hair_texture(p: Identity, cover: Array, fields: Fields) -> Image:
    if p.hair_style == "curls":
        strand = 0.45 * fields.grain(5.0) + 0.35 * fields.grain(2.2) + 0.2 * fields.soft(40)
    else:
        wander = 0.004 + 0.02 * p.hair_curl
        strand = 0.5 * fields.strands(300, 8, wander) + 0.3 * fields.strands(120, 10, wander) + 0.2 * fields.soft(40)
    strand = np.clip(0.5 + 1.9 * (strand - 0.5), 0, 1)
    body = 0.65 + 0.7 * fields.soft(18, 10)
    color = p.hair * (0.35 + 1.25 * strand * body)[..., None]
    grown = on_texture(cover)
    fine = fields.strands(460, 14, 0.01)
    density = smooth(0.02, 1.0, grown + 0.45 * (fine - 0.55) * (1 - grown)) * (0.40 + 0.60 * strand)
    if p.hair_style in ("bald", "buzz"):
        density = density * 0.75
    return np.asarray(np.dstack([color, density]), dtype=np.float32)


def headscarf(p: Identity, head: Head, rng: Random) -> Shell:
    """Cloth over all but the oval of the face, down to the shoulders, in folds."""
    x, y, z = np.moveaxis(head.rest, -1, 0)
    oval = np.sqrt((x / (60.0 * p.width)) ** 2 + ((y - 22.0) / (78.0 * p.length)) ** 2)
    face = smooth(1.06, 0.98, oval) * smooth(75, 55, z)
    cover = (1 - face) * smooth(250, 238, y + 0.1 * np.abs(x))
    folds = cv2.resize(rng.normal(size=(7, 17)), (x.shape[1], x.shape[0]), interpolation=cv2.INTER_CUBIC)
    drop = np.interp(y, [-130, 60, 100, 150, 240], [7.0, 8.0, 16.0, 20.0, 6.0])
    offset = (drop + 1.8 * folds)[..., None] * normals(_blurred(head.rest, 5.0))
    offset[cover < 0.02] = np.nan
    return Shell(Region.HEADWEAR, offset, Texture(_cloth(p.scarf, head, cover, rng, 0.20)), 0.06, _CLOTH, True)


def under_hat(shell: Shell, head: Head) -> Shell:
    """The hair that a hat leaves free."""
    y, z = head.rest[..., 1], head.rest[..., 2]
    offset = shell.offset.copy()
    offset[y < _hat_edge(z) - 8.0] = np.nan
    return shell._replace(offset=offset)


def _hat_edge(z: Array) -> Array:
    """Height of a hat's lower edge by depth."""
    return np.asarray(-42.0 + 0.28 * (z + 20.0))


def hat(p: Identity, head: Head, rng: Random) -> Shell:
    """A knitted hat."""
    y, z = head.rest[..., 1], head.rest[..., 2]
    edge = _hat_edge(z)
    cover = smooth(2.5, -2.5, y - edge)
    roll = np.exp(-(((y - edge + 14.0) / 13.0) ** 4))
    offset = (2.5 + 3.0 * roll + (4.0 + 0.4 * p.hair_thick_mm) * smooth(0, -30, y - edge))[..., None] * normals(
        _blurred(head.rest, 4.0)
    )
    offset[cover < 0.02] = np.nan
    cloth = _cloth(p.scarf, head, cover, rng, 0.12)
    rib = 1 + 0.22 * np.sin(np.linspace(0, 150 * np.pi, SIDE, dtype=np.float32))
    cloth[..., :3] *= rib[None, :, None]
    return Shell(Region.HEADWEAR, offset, Texture(cloth), 0.03, _CLOTH, True)


def face_mask(p: Identity, head: Head, rng: Random) -> Shell:
    """A medical mask, taut from the nose's bridge to below the chin."""
    x, y, z = np.moveaxis(head.rest, -1, 0)
    side = np.abs(x)
    top = np.interp(side, [0, 12, 30, 60, 75], [12.0, 19.0, 24.0, 28.0, 27.0])
    low = np.interp(side, [0, 30, 55, 75], [112.0, 106.0, 84.0, 40.0])
    height = np.broadcast_to(ROWS[:, None], x.shape)
    cover = smooth(-1.5, 1.5, height - top) * smooth(1.5, -1.5, height - low) * smooth(66, 60, z)
    taut = _blurred(head.rest, 4.0)
    taut[..., 2] = np.minimum(taut[..., 2], head.rest[..., 2]) - 2.5
    tent = 5.0 * np.exp(-(((y - NOSE_TIP_MM - 14) / 24.0) ** 2) - (side / 20.0) ** 2)
    taut[..., 2] -= tent
    offset = taut - head.rest
    offset[cover < 0.02] = np.nan
    color = linear(np.array([[0.66, 0.80, 0.86], [0.9, 0.91, 0.92], [0.16, 0.17, 0.19]])[int(rng.integers(0, 3))])
    cloth = _cloth(color, head, cover, rng, 0.05)
    rows = np.interp(np.linspace(0, len(ROWS) - 1, SIDE), np.arange(len(ROWS)), ROWS)
    pleats = sum(np.exp(-(((rows - MOUTH_MM - d) / 1.4) ** 2)) for d in (-14.0, 0.0, 14.0))
    cloth[..., :3] *= (1 - 0.22 * np.asarray(pleats, dtype=np.float32))[:, None, None]
    return Shell(Region.FACE_MASK, offset, Texture(cloth), 0.04, _CLOTH)


def _cloth(color: Array, head: Head, cover: Array, rng: Random, contrast: float) -> Image:
    fields = Fields(rng, on_texture(head.rest))
    weave = 1 + contrast * (2 * fields.grain(22.0) - 1) + 0.10 * (2 * fields.grain(1.2) - 1)
    density = on_texture(cover)
    return np.asarray(np.dstack([color * weave[..., None], density]), dtype=np.float32)


def _blurred(points: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(points, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
