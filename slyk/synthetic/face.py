"""The face on the head's grid: what stands out from the bare shape, and how expressions move it. Head frame, mm."""

from typing import TypeVar

import numpy as np
from scipy.interpolate import PchipInterpolator

from slyk.synthetic.identity import Array, Identity, Image

MOUTH_MM = 70.0
"""Height of the line between the lips."""
NOSE_TIP_MM = 40.0


Values = TypeVar("Values", Array, Image)


def smooth(low: float, high: float, value: Values) -> Values:
    """0 below low, 1 above high, smooth between (also downwards where low > high)."""
    t = np.clip((value - low) * (1.0 / (high - low)), 0.0, 1.0)
    result: Values = t * t * (3 - 2 * t)
    return result


def bump(x: Values, y: Values, at: tuple[float, float], size: tuple[float, float]) -> Values:
    """A Gaussian hill of height 1."""
    result: Values = np.exp(-(((x - at[0]) * (1.0 / size[0])) ** 2) - ((y - at[1]) * (1.0 / size[1])) ** 2)
    return result


def features(x: Array, y: Array, p: Identity) -> Array:
    """How far (R, C) the skin stands out to the front at x, y of the bare head. Symmetric, so one side is written."""
    side = np.abs(x)
    eye = p.pupil_distance_mm / 2
    brow = (2.0 + p.brow_ridge_mm) * bump(side, y, (26, -18), (24, 8)) + 1.2 * bump(x, y, (0, -20), (15, 9))
    socket = -p.socket_mm * bump(side, y, (eye, 1), (18, 12)) - 2.5 * bump(side, y, (17, 3), (6.5, 10))
    cheek = (2.5 + p.cheek_mm) * bump(side, y, (42, 30), (18, 17)) + 2.0 * bump(side, y, (32, 50), (14, 16))
    hollow = -2.0 * bump(side, y, (50, 66), (13, 17))
    fold = -1.6 * bump(side, y - 0.95 * (side - 24), (26, 57), (12, 4.0))
    chin = (2.0 + p.chin_mm) * bump(x, y, (0, 103), (16, 9)) - 3.2 * bump(x, y, (0, 87), (19, 5))
    return np.asarray(_nose(side, y, p) + brow + socket + cheek + hollow + fold + chin + _mouth(x, side, y, p))


def _nose(side: Array, y: Array, p: Identity) -> Array:
    tip = NOSE_TIP_MM + p.nose_length_mm
    profile = PchipInterpolator(
        [-16, -6, 8, tip - 12, tip - 2, tip + 4, tip + 9, tip + 13], [0, 3.2, 8.5, 16.0, 20.0, 16.5, 5.0, 0.0]
    )
    height = np.where((y > -16) & (y < tip + 13), profile(np.clip(y, -16, tip + 13)), 0.0) * p.nose_height
    wide = np.interp(y, [-14, 2, tip - 12, tip, tip + 10], [11.5, 8.2, 9.2, 10.5, 11.0]) * p.nose_width
    ridge = height * (0.80 * np.exp(-((side / wide) ** 2.0)) + 0.20 * np.exp(-((side / (1.9 * wide)) ** 2.0)))
    ball = 1.8 * bump(side, y, (0, tip), (7.0 * p.nose_width, 6.0))
    wing = 7.5 * bump(side, y, (13.0 * p.nose_width, tip + 3.5), (5.0, 5.5))
    groove = -1.6 * bump(side, y, (15.5 * p.nose_width, tip - 3.5), (4.0, 5.0))
    nostril = -5.5 * bump(side, y, (6.4 * p.nose_width, tip + 9.0), (3.2, 2.6))
    return np.asarray(ridge + ball + wing + groove + nostril)


def _mouth(x: Array, side: Array, y: Array, p: Identity) -> Array:
    full, mouth = p.lip_fullness, p.mouth_half_width_mm
    muzzle = 3.2 * bump(x, y, (0, 70), (24, 15))
    across = smooth(mouth, mouth * 0.3, side)
    upper = 3.0 * full * across * np.exp(-(((y - 66.2) / 3.4) ** 2)) - 1.3 * bump(x, y, (0, 58), (3.0, 5.0))
    lower = 3.8 * full * smooth(mouth * 0.95, mouth * 0.15, side) * np.exp(-(((y - 74.8) / 4.4) ** 2))
    line = -2.4 * smooth(mouth + 3, mouth - 4, side) * np.exp(-(((y - MOUTH_MM) / 1.2) ** 2))
    corner = -2.2 * bump(side, y, (mouth + 2, MOUTH_MM), (4.5, 5))
    return np.asarray(muzzle + upper + lower + line + corner)


def moves(rest: Array, p: Identity) -> dict[str, Array]:
    """The way (R, C, 3) of each vertex for strength 1 of the parts of an expression that move skin."""
    x, y, z = np.moveaxis(rest, -1, 0)
    line = 20 + (MOUTH_MM - 20) * p.length
    return {
        "smile": _smile(x, y, z, line, p),
        "mouth_open": _open(x, y, z, line, p),
        "brow": _brow(x, y, z, (28.0, 26.0)),
        "frown": _frown(x, y, z, line, p),
        "inner_brow": _brow(x, y, z, (12.0, 12.0)),
        "wrinkle": _wrinkle(x, y, z, line),
    }


def _smile(x: Array, y: Array, z: Array, line: float, p: Identity) -> Array:
    front = smooth(58, 25, z) * smooth(120, 100, y)
    side, sign = np.abs(x), np.sign(x)
    at = bump(side, y, (p.mouth_half_width_mm, line), (15, 12)) * front
    cheek = bump(side, y, (38, 38), (15, 14)) * front
    return np.stack([6.0 * sign * at * smooth(0, 12, side), -5.0 * at - 2.5 * cheek, 2.2 * at - 3.4 * cheek], axis=-1)


def _frown(x: Array, y: Array, z: Array, line: float, p: Identity) -> Array:
    front = smooth(58, 25, z) * smooth(120, 100, y)
    at = bump(np.abs(x), y, (p.mouth_half_width_mm, line + 1), (10, 10)) * front
    middle = bump(x, y, (0, line + 8), (14, 8)) * front
    return np.stack([-1.0 * np.sign(x) * at, 5.0 * at - 2.0 * middle, 0.5 * at - 1.5 * middle], axis=-1)


def _wrinkle(x: Array, y: Array, z: Array, line: float) -> Array:
    front = smooth(58, 25, z)
    side = np.abs(x)
    wing = bump(side, y, (14, 44), (9, 9)) * front
    lip = bump(side, y, (8, line - 5), (16, 6)) * smooth(line - 0.3, line - 2.0, y) * front
    cheek = bump(side, y, (28, 30), (12, 12)) * front
    lift = 3.2 * wing + 3.5 * lip + 1.8 * cheek
    return np.stack([0 * x, -lift, -1.8 * cheek - 0.8 * wing], axis=-1)


def _open(x: Array, y: Array, z: Array, line: float, p: Identity) -> Array:
    """The jaw turns down: below the line of the mouth everything, at the corners nothing, above a little up."""
    corner = smooth(p.mouth_half_width_mm + 1, p.mouth_half_width_mm * 0.15, np.abs(x))
    away = smooth(0, 26, y - line)
    below = smooth(-0.45, 0.45, y - line) * (corner + (1 - corner) * away)
    jaw = below * smooth(75, 20, z) * smooth(150, 112, y)
    up = smooth(-9, -0.5, y - line) * (1 - smooth(-0.45, 0.45, y - line)) * corner
    inside = np.exp(-(((y - line) / 0.6) ** 2)) * corner
    return np.stack([0 * x, 13.0 * jaw - 2.0 * up * smooth(55, 25, z), 3.0 * jaw + 7.0 * inside], axis=-1)


def _brow(x: Array, y: Array, z: Array, at: tuple[float, float]) -> Array:
    rise = bump(np.abs(x), y, (at[0], -24), (at[1], 12)) * smooth(45, 15, z)
    return np.stack([0 * x, -5.0 * rise, 0.6 * rise], axis=-1)


def brow_line(side: Values, p: Identity) -> Values:
    """Height at rest of the brow's middle at a distance `side` from the middle of the face."""
    t = np.clip((side - 11.0) / 40.0, 0.0, 1.0)
    line: Values = p.brow_y_mm + 2.0 - (p.brow_arch_mm + 2.0) * np.sin(np.pi * t**0.8 * 0.85) + 2.0 * t**3
    return line
