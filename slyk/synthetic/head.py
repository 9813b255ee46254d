"""The head: a grid of angle x height around a vertical axis. Millimetres, head frame, origin between the eyeballs.

A row of the grid is half an ellipse to the front and half to the back; features are added towards the front as
functions of where a point lies at rest. Near the eyes the skin is laid exactly over `eye.lid_depth`, so that the
opening of the lids can be solved for each pixel. Expressions move vertices; lids move in `eye` alone. Hair and what
is worn lie on the same grid, further out (`shells`); ears are grids of their own (`ears`).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from slyk.synthetic.expression import Expression
from slyk.synthetic.eye import lid_depth
from slyk.synthetic.face import MOUTH_MM, NOSE_TIP_MM, Values, brow_line, bump, features, moves, smooth
from slyk.synthetic.identity import Array, Identity

COLUMNS = 145
_DOME_FROM_MM = -28.0
_DOME_MM = 85.0

_DOME = _DOME_FROM_MM - _DOME_MM * np.sin(np.deg2rad(np.linspace(90, 3, 34)))
ROWS = np.concatenate(
    [
        _DOME,
        np.arange(-31.0, 58.0, 1.35),
        np.arange(58.0, 69.0, 1.0),
        [69.5, 70.0, 70.5],
        np.arange(71.0, 84.0, 1.0),
        np.arange(84.0, 124.0, 2.0),
        np.arange(124.0, 180.0, 3.5),
        np.linspace(180.0, 300.0, 14),
        [340.0, 400.0, 470.0, 540.0],
    ]
)
"""Height of each row at the front, mm."""

_A = np.linspace(-1.0, 1.0, COLUMNS)
ANGLES = np.pi * (0.46 * _A + 0.54 * _A**3)
"""Angle of each column: 0 at the front, positive image-right, +-pi at the back."""


@dataclass(frozen=True)
class Head:
    """rest (R, C, 3): bare skin; moves: name of an `Expression`'s part -> way (R, C, 3) of each vertex for strength 1;
    eyes (2, 3): eyeball centres, the subject's right (image-left) first; anchors (56, 2): grid row and column of the
    landmarks 0-35 and 48-67; ambient (R, C): open sky seen, 0-1."""

    rest: Array
    moves: dict[str, Array]
    eyes: Array
    anchors: Array
    ambient: Array


def build(person: Identity, noise: np.random.Generator) -> Head:
    """The person's head at rest with everything that photos of it share."""
    half = person.pupil_distance_mm / 2
    eyes = np.array([[-half, 0.0, 0.0], [half, 0.0, 0.0]])
    skin = _meet_lids(_skin(person, noise), eyes)
    rest = drape(skin, eyes)
    hollow = sum(k * np.sum((_blur(rest, s) - rest) * normals(rest), axis=-1) for k, s in ((0.30, 4.0), (0.75, 1.4)))
    x, y = np.abs(rest[..., 0]), rest[..., 1]
    hollow = hollow * (1 - 0.85 * bump(x, y, (half, 0), (26, 20)))  # lids are lit by what they face
    ambient = np.exp(-np.maximum(hollow, 0.0)) * (1 - 0.5 * smooth(100, 122, y) * (ROWS < 200)[:, None])
    return Head(rest, moves(skin, person), eyes, _anchors(skin, person), ambient)


def pose(head: Head, expression: Expression) -> Array:
    """Vertices (R, C, 3) of an expression, head frame."""
    moved = head.rest.copy()
    for name, way in head.moves.items():
        strength = getattr(expression, name)
        if name == "smile":
            strength = strength * _share(moved[..., :1], expression.one_sided)
        if np.any(strength):
            moved += strength * way
    return drape(moved, head.eyes)


def _share(x: Array, one_sided: float) -> Array:
    """How much of a smile each side shows; image-right is the subject's left."""
    right, left = 1.0 - max(one_sided, 0.0), 1.0 + min(one_sided, 0.0)
    return np.asarray(right + (left - right) * smooth(-9.0, 9.0, x))


def normals(points: Values) -> Values:
    """Outward unit normals (R, C, 3) of a grid whose first and last column are the same places."""
    across = np.empty_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    across[:, 0] = across[:, -1] = points[:, 1] - points[:, -2]
    down = np.empty_like(points)
    down[1:-1] = points[2:] - points[:-2]
    down[0], down[-1] = points[1] - points[0], points[-1] - points[-2]
    a, b, c = (down[..., i] * across[..., j] - down[..., j] * across[..., i] for i, j in ((1, 2), (2, 0), (0, 1)))
    length = np.maximum(np.sqrt(a * a + b * b + c * c), 1e-9)
    n: Values = np.stack([a / length, b / length, c / length], axis=-1)
    return n


def drape(points: Array, eyes: Array) -> Array:
    """Lays the skin around each eye onto the surface that carries the lids."""
    result = points.copy()
    rows = slice(int(np.searchsorted(ROWS, -30)), int(np.searchsorted(ROWS, 30)))
    part = result[rows]
    for center in eyes:
        x, y = part[..., 0] - center[0], part[..., 1] - center[1]
        reach = np.sqrt((x / 15.5) ** 2 + (y / 10.0) ** 2)
        weight = smooth(2.0, 0.95, reach) * (part[..., 2] < 45)
        part[..., 2] += weight * (center[2] + lid_depth(x * np.sign(center[0]), y) - part[..., 2])
    return result


def on_grid(points: Array, anchors: Array) -> Array:
    """Points (N, 3) of the surface at grid positions (N, 2) as row, column."""
    i, j = np.floor(anchors).astype(int).T
    a, b = (anchors - np.floor(anchors)).T[..., None]
    top = points[i, j] * (1 - b) + points[i, j + 1] * b
    return np.asarray(top * (1 - a) + (points[i + 1, j] * (1 - b) + points[i + 1, j + 1] * b) * a)


def _meet_lids(skin: Array, eyes: Array) -> Array:
    """Moves the skin around each eye so that it comes to the lids' surface without a step: its distance from it, mean
    over the lower and outer half of a ring, is spread over the socket."""
    result = skin.copy()
    for center in eyes:
        x, y = skin[..., 0] - center[0], skin[..., 1] - center[1]
        reach = np.sqrt((x / 15.5) ** 2 + (y / 10.0) ** 2)
        ring = np.exp(-(((reach - 1.35) / 0.2) ** 2)) * (skin[..., 2] < 45) * (x * np.sign(center[0]) > -6) * (y > -4)
        off = float(np.sum(ring * (lid_depth(x * np.sign(center[0]), y) - skin[..., 2])) / np.sum(ring))
        result[..., 2] += off * bump(x, y, (2.0 * np.sign(center[0]), 2.0), (25.0, 17.0)) * (skin[..., 2] < 45)
    return result


def _knots(*pairs: tuple[float, float]) -> Array:
    heights, values = zip(*pairs, strict=True)
    return np.asarray(PchipInterpolator(heights, values, extrapolate=True)(np.clip(ROWS, heights[0], heights[-1])))


def _skin(person: Identity, noise: np.random.Generator) -> Array:
    """Bare head without ears."""
    dome = np.sqrt(np.clip(1 - ((np.minimum(ROWS, _DOME_FROM_MM) - _DOME_FROM_MM) / (_DOME_MM + 0.02)) ** 2, 0.0, 1.0))
    jaw = person.jaw
    half = _knots(
        (-114, 76), (-28, 75.5), (0, 73), (25, 71), (45, 70), (62, 68.5 * jaw**0.2), (80, 64.5 * jaw**0.6),
        (96, 57.5 * jaw), (108, 52 * jaw), (116, 49.5), (126, 51), (150, 54), (172, 66), (205, 130),
        (240, 190), (300, 220), (540, 215),
    )  # fmt: skip
    front = _knots(
        (-114, -20), (-28, -20), (-18, -18.5), (0, -13), (25, -16), (48, -18), (62, -20), (70, -20), (82, -18.5),
        (92, -19.5), (103, -19.5), (110, -16), (116, -2), (122, 22), (130, 38), (165, 40), (205, 18),
        (300, -20), (540, -30),
    )  # fmt: skip
    back = _knots(
        (-114, 168), (-28, 168), (0, 166), (40, 146), (80, 122), (110, 112), (160, 118), (200, 128), (300, 140),
        (540, 140),
    )  # fmt: skip
    middle = _knots((-114, 68), (0, 66), (60, 62), (100, 56), (130, 76), (300, 70), (540, 70))
    half = half * dome * person.width
    reach = np.stack([front - middle, back - middle], axis=-1) * dome[:, None]
    cos, sin = np.cos(ANGLES), np.sin(ANGLES)
    x = half[:, None] * sin
    depth = np.where(cos > 0, np.abs(cos) ** 0.84 * reach[:, :1], np.abs(cos) * reach[:, 1:])
    z = middle[:, None] + depth
    lift = _knots((0, 0), (55, 14), (108, 31), (126, 28), (170, 10), (210, 0))[:, None] * smooth(
        0.35, 1.6, np.abs(ANGLES)
    )
    y = ROWS[:, None] - lift
    y = np.where(y > 20, 20 + (y - 20) * person.length, y)
    y = np.where(y < -15, -15 + (y + 15) * person.length, y)
    height = np.broadcast_to(ROWS[:, None], x.shape)
    stand = smooth(0.12, 0.5, cos) * (height < 126) * features(x, height, person)
    wobble = cv2.resize(noise.normal(size=(9, 9)), (COLUMNS, len(ROWS)), interpolation=cv2.INTER_CUBIC)
    wobble = (wobble + wobble[:, ::-1]) / 2 * 0.9 * smooth(0.0, 0.5, cos)
    return np.stack([x, y, z - stand + wobble * (ROWS < 112)[:, None]], axis=-1)


def _anchors(skin: Array, p: Identity) -> Array:
    """Grid row and column of the landmarks 0-35 and 48-67 in the 68-point order."""
    mouth, tip = p.mouth_half_width_mm, NOSE_TIP_MM + p.nose_length_mm
    jaw_row = np.interp(np.abs(np.arange(-8, 9)), [0, 2, 4, 6, 8], [109, 108, 99, 76, 30])
    jaw_angle = np.interp(
        np.arange(-8, 9),
        [-8, -6, -4, -2, 0, 2, 4, 6, 8],
        np.array([-88, -82, -62, -27, 0, 27, 62, 82, 88]) * np.pi / 180,
    )
    points = [(float(_row(r)), float(_column(a))) for r, a in zip(jaw_row, jaw_angle, strict=True)]

    def at(x: float, row: float) -> None:
        i = float(_row(row))
        across = skin[round(i), 24:-24, 0]
        points.append((i, 24 + float(np.interp(x, across, np.arange(len(across))))))

    brows = [-49.0, -40.0, -31.0, -22.0, -13.0, 13.0, 22.0, 31.0, 40.0, 49.0]
    for x in brows:
        at(x, float(_rest_row(np.array(brow_line(np.array(abs(x)), p)), p)))
    for row in np.linspace(-4, tip - 1, 4):
        at(0.0, float(row))
    for x in (-12.0, -6.0, 0.0, 6.0, 12.0):
        at(x * p.nose_width, tip + 8 - 0.25 * abs(x))
    full = p.lip_fullness
    top, low = MOUTH_MM - 7.0 * full, MOUTH_MM + 9.0 * full
    for x, row in ((-1, 70), (-0.62, top + 2.2), (-0.2, top), (0, top + 0.8), (0.2, top), (0.62, top + 2.2), (1, 70)):
        at(x * mouth, row)
    for x, row in ((0.62, low - 3), (0.25, low - 0.3), (0, low), (-0.25, low - 0.3), (-0.62, low - 3)):
        at(x * mouth, row)
    for x, row in ((-0.9, 70), (-0.4, 69.5), (0, 69.5), (0.4, 69.5), (0.9, 70), (0.4, 70.5), (0, 70.5), (-0.4, 70.5)):
        at(x * mouth, row)
    return np.array(points)


def _rest_row(y: Array, p: Identity) -> Array:
    return np.where(y < -15, -15 + (y + 15) / p.length, y)


def _row(height: float) -> Array:
    return np.asarray(np.interp(height, ROWS, np.arange(len(ROWS))))


def _column(angle: float) -> Array:
    return np.asarray(np.interp(angle, ANGLES, np.arange(COLUMNS)))


def _blur(points: Array, sigma: float) -> Array:
    return np.asarray(cv2.GaussianBlur(points, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
