"""What is a person's own around the eyes, built once: the skin's fine detail, fibres of the iris, vessels, lashes.

The skin's detail lies in the eye's own millimetres, x positive towards the temple: one picture serves both eyes.
Pictures are pyramids: level n averages 2^n x 2^n texels of level 0, and a sample takes the level of its own size.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.face import bump, smooth
from slyk.synthetic.identity import Array, Identity, Image, Random

Values = NDArray[Any]

TEXEL_MM = 0.1
REACH_MM = (22.0, 16.8)
"""The detail spans x and y from -REACH_MM to REACH_MM."""
IRIS_TEXEL_MM = 0.08
VESSELS_RHO = 2.2
"""The vessels reach from the iris's edge, rho = 1, to here."""
_LEVELS = 4
_TURNS, _RINGS = 512, 64


class Lashes(NamedTuple):
    """Strands of one row, all (N,): at: place along the lid's edge, -1 at the nose to 1 at the temple; length, width in
    mm; lean: towards the temple, and curl, both as shares of the length."""

    at: Array
    length: Array
    width: Array
    lean: Array
    curl: Array


class Periocular(NamedTuple):
    """skin: levels (h, w, 4) of albedo (relative), redness, slopes of the relief along x and y; iris: levels (r, t, 2)
    of brightness and of the inner colour's share, by distance from the pupil's edge and angle; vessels (r, t) 0-1;
    upper, lower: lashes of the right and the left eye; caruncle_mm: its width; hood: 0 a free lid to 1 a fold that
    hides the crease, with a ridge around the inner corner; outer, inner (3,): the iris's colour at its edge and around
    the pupil; sparkle (64,): where the tear film shines along the lower lid; crease: depth of the upper lid's crease,
    0-1."""

    skin: tuple[Image, ...]
    iris: tuple[Image, ...]
    vessels: Image
    upper: tuple[Lashes, Lashes]
    lower: tuple[Lashes, Lashes]
    caruncle_mm: float
    hood: float
    outer: Array
    inner: Array
    sparkle: Array
    crease: float


def build(person: Identity, rng: Random) -> Periocular:
    """The person's eyes."""
    outer = 0.55 * person.iris + 0.45 * person.iris.mean() + 0.004
    warm = np.array([1.3, 1.0, 0.7]) * outer + 0.012 * np.array([1.0, 0.65, 0.3])
    return Periocular(
        skin=_pyramid(_skin(person, rng)),
        iris=_pyramid(_iris(rng), wrap=True),
        vessels=_vessels(person, rng),
        upper=(_lashes(person, rng, True), _lashes(person, rng, True)),
        lower=(_lashes(person, rng, False), _lashes(person, rng, False)),
        caruncle_mm=float(rng.uniform(2.6, 3.9)),
        hood=float(rng.uniform(0.4, 1.0)) if rng.uniform() < 0.22 else 0.0,
        outer=outer,
        inner=outer + (warm - outer) * rng.uniform(0.2, 0.9),
        sparkle=smooth(0.35, 0.9, rng.uniform(size=64)),
        crease=float(rng.uniform(0.12, 0.36)),
    )


def level_of(levels: int, texel_mm: float, sample_mm: float) -> int:
    """The level whose texels are nearest to a sample in size."""
    return int(np.clip(np.rint(np.log2(max(sample_mm / texel_mm, 1e-6))), 0, levels - 1))


def _pyramid(base: Values, *, wrap: bool = False) -> tuple[Image, ...]:
    """Level 0 and those above; with `wrap`, the first column stands once more behind the last."""
    levels = [base.astype(np.float32)]
    while len(levels) < _LEVELS:
        height, width = levels[-1].shape[:2]
        levels.append(np.asarray(cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)))
    return tuple(np.ascontiguousarray(np.concatenate([a, a[:, :1]], axis=1)) if wrap else a for a in levels)


def _soft(rng: Random, shape: tuple[int, int], sigma_x: float, sigma_y: float) -> Values:
    """Noise of SD 1, smooth over SDs in texels; drawn coarsely where it is that smooth."""
    coarse_x, coarse_y = max(int(sigma_x / 1.5), 1), max(int(sigma_y / 1.5), 1)
    white = rng.standard_normal((shape[0] // coarse_y + 2, shape[1] // coarse_x + 2), dtype=np.float32)
    blurred = cv2.GaussianBlur(white, (0, 0), sigmaX=sigma_x / coarse_x, sigmaY=sigma_y / coarse_y)
    blurred = cv2.resize(blurred, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(blurred / blurred.std())


def _skin(p: Identity, rng: Random) -> Values:
    """Level 0 of the skin's detail."""
    height, width = (round(2 * reach / TEXEL_MM) for reach in REACH_MM[::-1])
    x = np.linspace(-REACH_MM[0], REACH_MM[0], width, dtype=np.float32)[None, :]
    y = np.linspace(-REACH_MM[1], REACH_MM[1], height, dtype=np.float32)[:, None]
    bow = np.maximum(1 - (x / (p.fissure_half_width_mm + 5)) ** 2, 0.0)
    above, below = -(y + 4.5 * bow), y - 5.5 * bow
    lid = smooth(-1.0, 1.0, above) * smooth(9.0, 5.0, above) * smooth(19, 14, np.abs(x))
    bag = smooth(-1.0, 1.0, below) * smooth(10.0, 6.0, below) * smooth(19, 14, np.abs(x))
    shape = (height, width)
    pores = _soft(rng, shape, 1.1, 1.1) - 0.7 * _soft(rng, shape, 2.5, 2.5)
    # fine lines follow the lids: noise drawn along straight lines, then bent
    bent = np.broadcast_to(y + np.where(y < 0, 4.5, -4.0) * bow, shape) / TEXEL_MM + height / 2
    across = np.broadcast_to(np.arange(width, dtype=np.float32), shape)
    maps = across, bent.astype(np.float32), cv2.INTER_LINEAR
    fine, deep = (
        cv2.remap(_soft(rng, shape, long, thin), *maps, borderMode=cv2.BORDER_REFLECT_101)
        for long, thin in ((14.0, 1.2), (40.0, 2.6))
    )
    relief = 0.010 * pores + (0.010 + 0.010 * p.age) * fine * (0.4 + lid + bag)
    relief = relief + (0.008 + 0.050 * p.age) * (deep - 0.2 * deep**2) * (0.8 * lid + bag)
    relief = relief + _feet(p, x, y, rng) - 0.10 * (0.3 + p.age) * np.exp(-(((below - 6.5) / 0.7) ** 2)) * bag
    hollow = relief - cv2.GaussianBlur(relief, (0, 0), 6.0)
    mottle = 0.55 * _soft(rng, shape, 18, 18) + 0.45 * _soft(rng, shape, 5, 5)
    albedo = 0.030 * mottle + 1.6 * hollow + 0.012 * pores
    red = 0.05 * _soft(rng, shape, 25, 12) + (0.16 + 0.14 * p.redness) * (0.8 * lid + 0.5 * bag * smooth(7, 0, below))
    red = red + 0.25 * bump(x, y, (-p.fissure_half_width_mm - 1, 1.5), (4.5, 5.0))
    fade = smooth(1.0, 0.72, np.sqrt((x / REACH_MM[0]) ** 4 + (y / REACH_MM[1]) ** 4))
    down, right = np.gradient(relief, TEXEL_MM)
    return np.dstack([albedo * fade, red * fade, np.clip(right, -1, 1) * fade, np.clip(down, -1, 1) * fade])


def _feet(p: Identity, x: Values, y: Values, rng: Random) -> Values:
    """Relief of the lines that fan out from the outer corner."""
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    outer = slice(int(np.searchsorted(x[0], p.fissure_half_width_mm - 2.0)), None)
    dx, dy = x[:, outer] - p.fissure_half_width_mm + 2.0, y - 0.5
    radius, turn = np.hypot(dx, dy), np.arctan2(dy, np.maximum(dx, 0.1))
    for angle in np.linspace(-0.75, 0.85, 6) + rng.normal(0.0, 0.10, 6):
        start, bend = rng.uniform(3.0, 6.0), rng.normal(0.0, 0.02)
        off = (turn - angle - bend * (radius - 6)) * radius
        total[:, outer] -= rng.uniform(0.3, 1.0) * np.exp(-((off / 0.45) ** 2)) * smooth(start, start + 3, radius)
    total[:, outer] *= 0.22 * max(p.age - 0.15, 0.0) * smooth(0.0, 3.0, dx)
    return total


def _iris(rng: Random) -> Values:
    """Level 0 of the iris, rings x turns x 2: fibres that run outwards, a frill around the pupil, pits, furrows."""
    turns, rings = np.meshgrid(np.arange(_TURNS), np.linspace(0, 1, _RINGS))

    def noise(cells_turn: int, cells_ring: int) -> Values:
        small = rng.standard_normal((cells_ring, cells_turn)).astype(np.float32)
        small = np.concatenate([small, small[:, :1]], axis=1)  # the circle closes
        return np.asarray(cv2.resize(small, (_TURNS + _TURNS // cells_turn, _RINGS), interpolation=3)[:, :_TURNS])

    drift = (5.0 * noise(16, 3) + turns).astype(np.float32) % _TURNS
    straight = 0.55 * noise(128, 3) + 0.45 * noise(256, 4)
    fibres = cv2.remap(straight, drift, (rings * (_RINGS - 1)).astype(np.float32), cv2.INTER_LINEAR)
    frill = 0.34 + 0.05 * noise(32, 1)
    edge = np.exp(-(((rings - frill) / 0.06) ** 2))
    pits = smooth(1.0, 1.9, noise(28, 6)) * smooth(0.2, 0.4, rings) * smooth(0.95, 0.7, rings)
    furrows = np.exp(-(((rings - 0.72 - 0.05 * noise(12, 1)) / 0.03) ** 2))
    value = 1.0 + 0.30 * fibres + 0.30 * edge - 0.45 * pits - 0.16 * furrows - 0.25 * smooth(0.10, 0.0, rings)
    inner = smooth(0.10, -0.08, rings - frill - 0.06 * noise(64, 2))
    return np.dstack([np.clip(value, 0.15, 2.0), inner])


def _vessels(p: Identity, rng: Random) -> Image:
    """Fine vessels of the white, thicker away from the iris; the circle closes."""
    picture = np.zeros((_RINGS, _TURNS + 1), np.uint8)
    for _ in range(14 + round(16 * p.redness)):
        length = int(rng.integers(10, 40))
        turn = np.cumsum(rng.normal(0.0, 3.2, length)) + rng.uniform(0, _TURNS)
        ring = _RINGS - np.cumsum(rng.uniform(0.4, 1.9, length))
        strength = int(rng.uniform(60, 200))
        for shift in (-_TURNS, 0, _TURNS):
            line = np.stack([turn + shift, ring], axis=-1)
            cv2.polylines(picture, [np.rint(line * 16).astype(np.int32)], False, strength, 1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), 0.8) * 1.4, dtype=np.float32)


def _lashes(p: Identity, rng: Random, upper: bool) -> Lashes:
    """A row of lashes, in tufts; longest towards the temple."""
    number = round((150 if upper else 70) * (0.75 + 0.5 * rng.uniform() + 0.25 * p.makeup) * (1 - 0.3 * p.age))
    at = np.sort(rng.uniform(-0.86, 0.97, number)) if upper else np.sort(rng.uniform(-0.70, 0.93, number))
    tuft = np.round((at + 1) * (22 if upper else 16))
    long = (7.0 if upper else 3.6) + (2.2 if upper else 1.0) * p.makeup
    length = long * (0.80 + 0.25 * np.cos(1.3 * (at - 0.35))) * rng.uniform(0.65, 1.15, number)
    width = (0.085 if upper else 0.055) * (1 + 0.5 * p.makeup) * rng.uniform(0.8, 1.2, number)
    together = ((tuft / (22 if upper else 16) - 1) - at) * 1.6
    lean = 0.42 * at + together + rng.normal(0.0, 0.07, number)
    curl = (0.62 if upper else 0.45) * rng.uniform(0.75, 1.25) * rng.uniform(0.85, 1.15, number)
    return Lashes(at, length, width, lean, curl)
