"""The head: a grid of angle x height around a vertical axis. Millimetres, head frame, origin between the eyeballs.

A row of the grid is half an ellipse to the front and half to the back; features are added towards the front as
functions of where a point lies at rest. Near the eyes the skin is laid exactly over `eye.lid_depth`, so that the
opening of the lids can be solved for each pixel. Expressions move vertices; lids move in `eye` alone.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from slyk.synthetic.expression import Expression
from slyk.synthetic.eye import lid_depth
from slyk.synthetic.identity import Array, Identity

COLUMNS = 129
MOUTH_MM = 70.0
"""Height of the line between the lips."""

_DOME = -45.0 - 73.0 * np.sin(np.deg2rad(np.linspace(88, 3, 20)))
ROWS = np.concatenate(
    [
        _DOME,
        np.arange(-44.0, -26.0, 2.5),
        np.arange(-26.0, 58.0, 1.35),
        np.arange(58.0, 69.0, 1.0),
        [69.5, 70.0, 70.5],
        np.arange(71.0, 84.0, 1.0),
        np.arange(84.0, 124.0, 2.0),
        np.linspace(124.0, 300.0, 26),
    ]
)
"""Height of each row at the front, mm."""

_A = np.linspace(-1.0, 1.0, COLUMNS)
ANGLES = np.pi * (0.34 * _A + 0.66 * _A**3)
"""Angle of each column: 0 at the front, positive image-right, +-pi at the back."""


@dataclass(frozen=True)
class Head:
    """rest (R, C, 3) and the way of each vertex for a full smile, open mouth, raised brow (3, R, C, 3); hair (R, C) 0-1
    where the hair stands; eyes (2, 3): eyeball centres, the subject's right (image-left) first; anchors (36, 2):
    grid row and column of the landmarks 0-35, mouth (20, 2): of 48-67; ambient (R, C): open sky seen, 0-1."""

    rest: Array
    moves: Array
    hair: Array
    eyes: Array
    anchors: Array
    ambient: Array


def smooth(low: float, high: float, value: Array) -> Array:
    """0 below low, 1 above high, smooth between (also downwards where low > high)."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))


def bump(x: Array, y: Array, at: tuple[float, float], size: tuple[float, float]) -> Array:
    """A Gaussian hill of height 1."""
    return np.asarray(np.exp(-(((x - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2))


def build(person: Identity, noise: np.random.Generator) -> Head:
    """The person's head at rest with everything that photos of it share."""
    half = person.pupil_distance_mm / 2
    eyes = np.array([[-half, 0.0, 0.0], [half, 0.0, 0.0]])
    skin = _skin(person, eyes, noise)
    moves = np.stack([_smile(skin, person), _open(skin, person), _brow(skin)])
    anchors = _anchors(skin, person)
    thickness, hair = _hair(skin, person)
    rest = skin + thickness[..., None] * _normals(_blur(skin, 2.0))
    rest = drape(rest, eyes)
    hollow = np.sum((_blur(rest, 3.5) - rest) * normals(rest), axis=-1)
    x, y = np.abs(rest[..., 0]), rest[..., 1]
    hollow = hollow * (1 - 0.6 * bump(x, y, (half, 0), (22, 16)))  # lids are lit by what they face
    ambient = np.exp(-0.15 * np.maximum(hollow, 0.0)) * (1 - 0.5 * smooth(100, 122, y) * (ROWS < 200)[:, None])
    return Head(rest, moves, hair, eyes, anchors, ambient)


def pose(head: Head, expression: Expression) -> Array:
    """Vertices (R, C, 3) of an expression, head frame."""
    smile, opening, brow = head.moves
    moved = head.rest + expression.smile * smile + expression.mouth_open * opening + expression.brow * brow
    return drape(moved, head.eyes)


def normals(points: Array) -> Array:
    """Outward unit normals (R, C, 3) of a grid; the seam at the back is closed."""
    return _normals(points)


def drape(points: Array, eyes: Array) -> Array:
    """Lays the skin around each eye onto the surface that carries the lids."""
    result = points.copy()
    rows = slice(int(np.searchsorted(ROWS, -30)), int(np.searchsorted(ROWS, 30)))
    part = result[rows]
    for center in eyes:
        x, y = part[..., 0] - center[0], part[..., 1] - center[1]
        reach = np.sqrt((x / 15.5) ** 2 + (y / 10.0) ** 2)
        weight = smooth(1.9, 1.0, reach) * (part[..., 2] < 45)
        part[..., 2] += weight * (center[2] + lid_depth(np.hypot(x, y)) - part[..., 2])
    return result


def on_grid(points: Array, anchors: Array) -> Array:
    """Points (N, 3) of the surface at grid positions (N, 2) as row, column."""
    i, j = np.floor(anchors).astype(int).T
    a, b = (anchors - np.floor(anchors)).T[..., None]
    top = points[i, j] * (1 - b) + points[i, j + 1] * b
    return np.asarray(top * (1 - a) + (points[i + 1, j] * (1 - b) + points[i + 1, j + 1] * b) * a)


def _knots(*pairs: tuple[float, float]) -> Array:
    heights, values = zip(*pairs, strict=True)
    return np.asarray(PchipInterpolator(heights, values, extrapolate=True)(np.clip(ROWS, heights[0], heights[-1])))


def _skin(person: Identity, eyes: Array, noise: np.random.Generator) -> Array:
    """Bare head without hair."""
    dome = np.sqrt(np.clip(1 - ((np.minimum(ROWS, -45.0) + 45.0) / 73.2) ** 2, 0.0, 1.0))
    jaw = person.jaw
    half = _knots(
        (-118, 74), (-45, 74), (-20, 75), (0, 73.5), (25, 72), (50, 70), (75, 66 * jaw), (98, 61 * jaw),
        (110, 56 * jaw), (124, 53), (150, 55), (172, 66), (205, 130), (240, 190), (300, 220),
    )  # fmt: skip
    front = _knots(
        (-118, -19), (-45, -19), (-20, -17.5), (0, -13), (25, -16), (48, -19.5), (62, -22), (70, -22), (82, -20),
        (92, -21), (103, -21), (110, -18), (116, -4), (122, 22), (130, 38), (165, 40), (205, 18), (300, -20),
    )  # fmt: skip
    back = _knots(
        (-118, 165), (-45, 165), (0, 168), (40, 152), (80, 124), (110, 114), (160, 120), (200, 128), (300, 140)
    )
    middle = _knots((-118, 66), (0, 64), (60, 62), (100, 58), (130, 78), (300, 70))
    half = half * dome * person.width
    reach = np.stack([front - middle, back - middle], axis=-1) * dome[:, None]
    cos, sin = np.cos(ANGLES), np.sin(ANGLES)
    x = half[:, None] * sin
    depth = np.where(cos > 0, np.abs(cos) ** 0.82 * reach[:, :1], np.abs(cos) * reach[:, 1:])
    z = middle[:, None] + depth
    lift = _knots((25, 0), (108, 34), (126, 30), (170, 12), (210, 0))[:, None] * smooth(0.55, 1.5, np.abs(ANGLES))
    y = ROWS[:, None] - lift
    y = np.where(y > 20, 20 + (y - 20) * person.length, y)
    y = np.where(y < -15, -15 + (y + 15) * person.length, y)
    height = np.broadcast_to(ROWS[:, None], x.shape)
    z = z + smooth(0.15, 0.45, cos) * (height < 126) * _features(x, height, person, eyes)
    ear = np.exp(-(((z - 72) / 12.0) ** 4) - ((y - 18 - 0.2 * (z - 72)) / 27.0) ** 4) * smooth(0.35, 0.1, np.abs(cos))
    x = x + 10.0 * np.sign(sin) * ear * smooth(45, 80, z - 0.1 * y)
    wobble = cv2.resize(noise.normal(size=(9, 9)), (COLUMNS, len(ROWS)), interpolation=cv2.INTER_CUBIC)
    wobble = (wobble + wobble[:, ::-1]) / 2 * 0.9 * smooth(0.0, 0.5, cos)
    return np.stack([x, y, z + wobble * (ROWS < 112)[:, None]], axis=-1)


def _features(x: Array, y: Array, p: Identity, eyes: Array) -> Array:
    """Towards the front is negative. x is symmetric, so one side is written."""
    side = np.abs(x)
    eye = eyes[1, 0]
    tip = 42 + p.nose_length_mm
    profile = PchipInterpolator(
        [-14, -4, 10, tip - 10, tip - 1, tip + 5, tip + 10], [0, 4.0, 9.5, 17.5, 20.5, 13.0, 0.0]
    )
    height = np.where((y > -14) & (y < tip + 10), profile(np.clip(y, -14, tip + 10)), 0.0) * p.nose_height
    wide = np.clip(7.2 + (y + 5) * 0.13, 7.0, 13.5) * p.nose_width
    nose = height * np.exp(-((side / wide) ** 2.0))
    nose = nose + 8.0 * bump(side, y, (12.5 * p.nose_width, tip + 1), (5.2, 6.0))
    nose = nose - 4.0 * bump(side, y, (6.0, tip + 8.5), (3.5, 3.0))
    brow = (3.0 + p.brow_ridge_mm) * bump(side, y, (27, -19), (24, 9)) + 1.0 * bump(x, y, (0, -22), (14, 9))
    socket = -p.socket_mm * bump(side, y, (eye, 2), (19, 13)) - 3.5 * bump(side, y, (18, 2), (7, 12))
    cheek = (2 + p.cheek_mm) * bump(side, y, (43, 34), (19, 16)) - 1.5 * bump(side, y, (47, 68), (14, 20))
    fold = -1.2 * bump(side, y - 0.9 * (side - 24), (27, 58), (14, 4.5))
    chin = (1.5 + p.chin_mm) * bump(x, y, (0, 103), (17, 9)) - 3.0 * bump(x, y, (0, 88), (20, 5))
    full = p.lip_fullness
    mouth = p.mouth_half_width_mm
    across = smooth(mouth, mouth * 0.35, side)
    upper = 3.4 * full * across * np.exp(-(((y - 66.0) / 3.6) ** 2)) - 1.2 * bump(x, y, (0, 59), (3.5, 5))
    lower = 4.0 * full * smooth(mouth * 0.95, mouth * 0.2, side) * np.exp(-(((y - 75.0) / 4.6) ** 2))
    line = -2.2 * smooth(mouth + 3, mouth - 4, side) * np.exp(-(((y - MOUTH_MM) / 1.1) ** 2))
    corner = -2.5 * bump(side, y, (mouth + 2, MOUTH_MM), (5, 5))
    return np.asarray(-(nose + brow + socket + cheek + fold + chin + upper + lower + line + corner))


def _hair(skin: Array, p: Identity) -> tuple[Array, Array]:
    """Thickness in mm and cover 0-1 of the hair on the grid."""
    x, y, z = np.moveaxis(skin, -1, 0)
    top = p.hair_line_mm + p.hair_round * x**2 + p.hair_slant * x + p.fringe * 26.0
    cap = smooth(7, -9, y - top) * (p.hair_line_mm > -90)
    # how far back the hair begins: temple, sideburn, behind the ear, nape
    begin = np.interp(y, [-75, -52, -34, -14, 4, 16, 26, 36, 120], [2, 16, 20, 36, 44, 50, 76, 84, 84])
    length = max(p.hair_length_mm, 58.0)
    long = smooth(60, 90, np.full_like(y, p.hair_length_mm)) * smooth(-15, 30, y)
    sides = smooth(-6, 6, z - begin + 28 * long) * smooth(length + 6, length - 8, y)
    ear = np.exp(-(((z - 72) / 15.0) ** 4) - ((y - 18) / 27.0) ** 4)
    cover = np.maximum(cap, sides * (1 - ear * (p.hair_length_mm < 75)))
    soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), 4.0))  # thin at its edges
    curtain = (
        np.maximum(74.0 * p.width - np.abs(x), 0.0) * long * smooth(length + 30, length - 20, y) * smooth(150, 110, z)
    )
    thickness = cover * (p.hair_thick_mm * smooth(25, -60, y) * smooth(0.5, 1.0, soft) + 2.5 + curtain)
    return np.asarray(cv2.GaussianBlur(thickness, (0, 0), 1.8), dtype=np.float64), cover


def _smile(rest: Array, p: Identity) -> Array:
    x, y, z = np.moveaxis(rest, -1, 0)
    front = smooth(55, 25, z) * smooth(120, 100, y)
    side, sign = np.abs(x), np.sign(x)
    scale = 20 + (MOUTH_MM - 20) * p.length
    at = bump(side, y, (p.mouth_half_width_mm, scale), (15, 12)) * front
    cheek = bump(side, y, (38, 40), (15, 14)) * front
    return np.stack([6.0 * sign * at * smooth(0, 12, side), -5.0 * at - 2.5 * cheek, 2.2 * at - 3.2 * cheek], axis=-1)


def _open(rest: Array, p: Identity) -> Array:
    """The jaw turns down: below the line of the mouth everything, at the corners nothing, above a little up."""
    x, y, z = np.moveaxis(rest, -1, 0)
    line = 20 + (MOUTH_MM - 20) * p.length
    side = np.abs(x)
    corner = smooth(p.mouth_half_width_mm + 1, p.mouth_half_width_mm * 0.15, side)
    away = smooth(0, 26, y - line)
    below = smooth(-0.45, 0.45, y - line) * (corner + (1 - corner) * away)
    jaw = below * smooth(75, 20, z) * smooth(150, 112, y)
    up = smooth(-9, -0.5, y - line) * (1 - smooth(-0.45, 0.45, y - line)) * corner
    inside = np.exp(-(((y - line) / 0.6) ** 2)) * corner
    return np.stack([0 * x, 13.0 * jaw - 2.0 * up * smooth(55, 25, z), 3.0 * jaw + 7.0 * inside], axis=-1)


def _brow(rest: Array) -> Array:
    x, y, z = np.moveaxis(rest, -1, 0)
    rise = bump(np.abs(x), y, (28, -24), (26, 12)) * smooth(45, 15, z)
    return np.stack([0 * x, -5.0 * rise, 0.6 * rise], axis=-1)


def brow_line(side: Array, p: Identity) -> Array:
    """Height at rest of the brow's middle at a distance `side` from the middle of the face."""
    t = np.clip((side - 11.0) / 40.0, 0.0, 1.0)
    return np.asarray(p.brow_y_mm + 2.0 - (p.brow_arch_mm + 2.0) * np.sin(np.pi * t**0.8 * 0.85) + 2.0 * t**3)


def _anchors(skin: Array, p: Identity) -> Array:
    """Grid row and column of the landmarks 0-35 and 48-67 in the 68-point order."""
    mouth, tip = p.mouth_half_width_mm, 42 + p.nose_length_mm
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


def _normals(points: Array) -> Array:
    across = np.empty_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    across[:, 0] = across[:, -1] = points[:, 1] - points[:, -2]
    down = np.gradient(points, axis=0)
    n = np.cross(down, across)
    return np.asarray(n / np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-9))
