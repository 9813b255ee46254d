"""The person's colours on the grid: skin, lips, brows, stubble, hair and clothes, painted once per person."""

import cv2
import numpy as np

from slyk.synthetic.head import COLUMNS, MOUTH_MM, ROWS, Head, brow_line, bump, smooth
from slyk.synthetic.identity import Array, Identity, Image, Random

SIDE = 512
"""Side of the texture; it spans the whole grid."""


def paint(person: Identity, head: Head, rng: Random) -> Image:
    """Texture (SIDE, SIDE, 4) float32: linear RGB and gloss 0-1; sampled by grid position through `texture_map`."""
    rest = _on_texture(head.rest)
    x, y, z = np.moveaxis(rest, -1, 0)
    row = np.broadcast_to(np.linspace(0, len(ROWS) - 1, SIDE)[:, None], x.shape)
    height = np.interp(row, np.arange(len(ROWS)), ROWS)
    front = smooth(45, 20, z)
    noise = _Noise(rng)
    color = _skin_color(person, x, y, front, noise)
    gloss = 0.35 + 0.25 * bump(x, y, (0, 20), (14, 45)) * front + 0.15 * noise.soft(40)
    color = _lips(color, person, x, height, front)
    color = _face_hair(color, person, x, y, height, front, noise)
    color = _marks(color, person, x, y, height, front, noise)
    color, gloss = _head_hair(color, gloss, person, head, z, noise)
    neckline = 26 * np.exp(-((x / 36) ** 2)) * smooth(60, 20, z)
    cloth = smooth(150, 153, height + 0.18 * np.abs(x) - neckline)
    color = _mix(color, person.cloth * (0.85 + 0.3 * noise.soft(90)[..., None]), cloth)
    return np.asarray(np.dstack([color, gloss * (1 - cloth)]), dtype=np.float32)


def texture_map(column: Image, row: Image) -> tuple[Image, Image]:
    """Texture coordinates of grid positions."""
    return column * ((SIDE - 1) / (COLUMNS - 1)), row * ((SIDE - 1) / (len(ROWS) - 1))


class _Noise:
    """Smooth random fields between 0 and 1, the size of the texture."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def soft(self, cells: int, down: int | None = None) -> Array:
        small = self.rng.uniform(size=(down or cells, cells)).astype(np.float32)
        return np.asarray(cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.float64)


def _on_texture(grid: Array) -> Array:
    u, v = np.meshgrid(np.linspace(0, grid.shape[1] - 1, SIDE), np.linspace(0, grid.shape[0] - 1, SIDE))
    return np.asarray(
        cv2.remap(grid.astype(np.float32), u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR),
        dtype=np.float64,
    )


def _mix(color: Array, other: Array, alpha: Array) -> Array:
    return np.asarray(color + (other - color) * alpha[..., None])


def _skin_color(p: Identity, x: Array, y: Array, front: Array, noise: _Noise) -> Array:
    side = np.abs(x)
    mottle = 0.5 * noise.soft(24) + 0.3 * noise.soft(80) + 0.2 * noise.soft(256) - 0.5
    tone = p.skin * (1 + 0.30 * mottle[..., None])
    red = (0.25 + 0.5 * p.redness) * (bump(side, y, (40, 38), (18, 15)) + 0.8 * bump(x, y, (0, 44), (13, 10))) * front
    red = red * (0.7 + 0.6 * noise.soft(30)) + 0.25 * smooth(78, 84, side) * smooth(60, 40, y)
    tone = tone * (1 - red[..., None] * np.array([0.02, 0.22, 0.20]))
    pale = 0.10 * bump(x, y, (0, -48), (40, 18)) * front
    tone = tone * (1 + pale[..., None])
    bag = (0.10 + 0.22 * p.age) * bump(side, y - 0.05 * side, (p.pupil_distance_mm / 2, 13), (15, 4.5)) * front
    return np.asarray(tone * (1 - bag[..., None] * np.array([0.8, 1.0, 0.85])))


def _lips(color: Array, p: Identity, x: Array, height: Array, front: Array) -> Array:
    s = np.abs(x) / p.mouth_half_width_mm
    room = np.sqrt(np.maximum(1 - s * s, 0.0))
    top = MOUTH_MM - p.lip_fullness * (7.0 * room**1.3 - 1.0 * np.exp(-((x / 4.0) ** 2)))
    low = MOUTH_MM + p.lip_fullness * 9.0 * room
    alpha = smooth(-0.9, 0.7, height - top) * smooth(0.9, -0.9, height - low) * smooth(1.0, 0.93, s) * front
    tint = np.array([0.86, 0.50, 0.52]) * (1 - 0.35 * p.makeup * np.array([0.1, 1.0, 0.8]))
    color = _mix(color, p.skin * tint, 0.85 * alpha)
    slit = np.exp(-(((height - MOUTH_MM) / 0.55) ** 2)) * smooth(1.04, 0.9, s) * front
    inside = np.array([0.030, 0.009, 0.009])
    teeth = np.array([0.42, 0.38, 0.32])
    upper = smooth(-0.46, -0.40, height - MOUTH_MM) * smooth(-0.16, -0.22, height - MOUTH_MM) * smooth(0.62, 0.5, s)
    dark = _mix(np.broadcast_to(inside, color.shape), teeth * np.ones_like(color), upper)
    return _mix(color, dark, np.clip(1.25 * slit, 0, 1) * smooth(1.0, 0.7, np.abs(height - MOUTH_MM)))


def _face_hair(color: Array, p: Identity, x: Array, y: Array, height: Array, front: Array, noise: _Noise) -> Array:
    side = np.abs(x)
    t = np.clip((side - 11.0) / 41.0, 0.0, 1.0)
    thick = p.brow_thickness_mm * (1 - 0.55 * t)
    off = (y - brow_line(side, p)) / thick
    strands = 0.55 + 0.75 * noise.soft(220, 120)
    ends = smooth(9, 13, side) * smooth(54, 46, side)
    brow = np.exp(-(off**4)) * ends * strands * 1.35 * p.brow_density * front
    color = _mix(color, p.hair * 0.6 + 0.05 * p.skin, np.clip(brow, 0, 0.95))
    chin = smooth(40, 85, y + 0.25 * side) * smooth(126, 108, height) * smooth(83, 50, side)
    lip = bump(x, height, (0, 57), (28, 5))
    keep = 1 - smooth(1.1, 0.9, np.abs(x) / p.mouth_half_width_mm) * smooth(60, 63, height) * smooth(84, 81, height)
    stubble = p.beard * np.clip(chin + lip, 0, 1) * keep * (0.35 + 0.65 * noise.soft(256))
    return _mix(color, p.hair * 0.7 + 0.15 * p.skin, np.clip(0.75 * stubble, 0, 0.85) * front)


def _marks(color: Array, p: Identity, x: Array, y: Array, height: Array, front: Array, noise: _Noise) -> Array:
    """Nostrils, freckles, lines of age."""
    side, tip = np.abs(x), 42 + p.nose_length_mm
    nostril = bump(side, height, (6.2 * p.nose_width, tip + 8.2), (3.0, 1.7)) * front
    color = color * (1 - 0.85 * np.clip(nostril * 1.2, 0, 1)[..., None])
    spots = smooth(0.80, 0.95, noise.soft(200)) * p.freckles * bump(x, y, (0, 28), (45, 22)) * front
    color = color * (1 - spots[..., None] * np.array([0.25, 0.38, 0.45]))
    fold = bump(side, y - 1.15 * (side - 26), (28, 58), (13, 2.0))
    forehead = smooth(-70, -60, y) * smooth(-36, -42, y) * np.exp(-((x / 34) ** 2))
    lines = forehead * np.exp(-((((y + 48) % 9.0 - 4.5) / 0.9) ** 2))
    return np.asarray(color * (1 - 0.30 * p.age * ((fold + 0.6 * lines) * front)[..., None]))


def _head_hair(color: Array, gloss: Array, p: Identity, head: Head, z: Array, noise: _Noise) -> tuple[Array, Array]:
    cover = _on_texture(np.dstack([head.hair] * 3))[..., 0]
    strands = 0.6 * noise.soft(256, 10) + 0.4 * noise.soft(128, 6)
    alpha = smooth(0.22, 0.80, cover + 0.55 * (strands - 0.5))
    shade = p.hair * (0.45 + 1.0 * strands[..., None]) * (0.6 + 0.4 * smooth(0.4, 1.0, cover))[..., None]
    return _mix(color, shade, alpha), gloss * (1 - alpha) + 0.5 * strands * alpha
