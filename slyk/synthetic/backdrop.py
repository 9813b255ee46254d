"""What is behind the person: muted walls, rooms, streets and gardens or a studio's cloth, out of focus. Linear RGB.

Drawn small, blurred by a disc as a lens blurs, and enlarged. Lengths are shares of the picture's width or height.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.identity import Array, Image, Random, linear
from slyk.synthetic.scene import Scene

_SMALL_PX = 104

# display RGB; each draw is a little lighter or darker
_PAINT = np.array([[214, 208, 198], [190, 188, 184], [201, 192, 174], [176, 184, 182], [170, 178, 188], [150, 146, 142],
                   [196, 182, 170], [112, 116, 120]]) / 255  # fmt: skip
_WOOD = np.array([[120, 92, 68], [86, 66, 50], [150, 124, 96], [62, 52, 46], [188, 178, 164]]) / 255
_BOOKS = np.array([[96, 64, 58], [62, 72, 88], [132, 122, 104], [70, 78, 66], [178, 170, 156], [52, 50, 54]]) / 255
_CLOTH = np.array([[78, 80, 88], [112, 104, 96], [64, 72, 70], [98, 84, 80], [140, 136, 128]]) / 255
_SKY = np.array([[172, 194, 216], [198, 208, 216], [210, 212, 214], [150, 178, 208]]) / 255
_LEAVES = np.array([[78, 86, 62], [62, 70, 54], [98, 100, 76], [86, 90, 78]]) / 255
_GROUND = np.array([[106, 106, 104], [128, 120, 108], [100, 103, 84], [84, 84, 88], [148, 142, 130]]) / 255
_HOUSE = np.array([[164, 154, 140], [128, 112, 100], [142, 144, 146], [186, 178, 164], [104, 96, 92]]) / 255


def draw_backdrop(scene: Scene, width: int, height: int) -> Image:
    """Picture (height, width, 3) of the scene's backdrop; the same seed gives the same."""
    rng = np.random.Generator(np.random.Philox(scene.backdrop.seed))
    longer = max(width, height)
    rows, columns = (max(8, round(_SMALL_PX * side / longer)) for side in (height, width))
    small = _KINDS[scene.backdrop.kind](rng, rows, columns)
    blurred = cv2.GaussianBlur(cv2.filter2D(small, -1, _disc(rng.uniform(1.2, 4.2))), (0, 0), 0.8)
    lit = blurred * np.float32(scene.light.level)
    return np.asarray(cv2.resize(lit, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _disc(radius: float) -> Image:
    reach = int(np.ceil(radius))
    x = np.arange(-reach, reach + 1)
    kernel = np.clip(radius + 0.5 - np.hypot(x[:, None], x), 0.0, 1.0)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _color(rng: Random, table: Array, spread: float = 0.15) -> Array:
    """A colour (3,) of a table in linear light."""
    display = table[int(rng.integers(0, len(table)))] * rng.uniform(1 - spread, 1 + spread)
    return linear(np.clip(display * rng.uniform(0.98, 1.02, 3), 0.0, 1.0))


def _plain(rows: int, columns: int, color: Array) -> Image:
    return np.tile(color.astype(np.float32), (rows, columns, 1))


def _box(picture: Image, left: float, top: float, right: float, bottom: float, color: Array) -> None:
    """Fills a rectangle; what lies outside of the picture is cut."""
    rows, columns = picture.shape[:2]
    x0, x1 = (int(np.clip(round(x * columns), 0, columns)) for x in (left, right))
    y0, y1 = (int(np.clip(round(y * rows), 0, rows)) for y in (top, bottom))
    picture[y0:y1, x0:x1] = color


def _noise(rng: Random, rows: int, columns: int, cells: int) -> NDArray[np.float32]:
    """Smooth noise (rows, columns), mean 0 and SD about 1, of three octaves from `cells` across."""
    total = np.zeros((rows, columns), np.float32)
    for octave, weight in enumerate((0.75, 0.55, 0.4)):
        n = cells * 2**octave
        grid = rng.standard_normal((max(2, n * rows // columns), n), dtype=np.float32)
        total += np.float32(weight) * cv2.resize(grid, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return total


def _lit_unevenly(rng: Random, picture: Image, strength: float) -> Image:
    """Falls off from one side and towards the corners, as lamps light a wall."""
    rows, columns = picture.shape[:2]
    slope = rng.uniform(-strength, strength, 2)
    x, y = np.linspace(-1, 1, columns), np.linspace(-1, 1, rows)[:, None]
    light = np.exp(slope[0] * x + slope[1] * y) * (1 - 0.3 * strength * (x * x + y * y))
    picture *= light[..., None].astype(np.float32)
    return picture


def _wall(rng: Random, rows: int, columns: int) -> Image:
    """Bare but for, at times, a corner, framed pictures and the edge of a shadow."""
    color = _color(rng, _PAINT)
    picture = _plain(rows, columns, color)
    if rng.uniform() < 0.35:
        x, darker = rng.uniform(0.05, 0.95), rng.uniform(0.55, 0.9)
        _box(picture, *((0.0, 0.0, x, 1.0) if x < 0.5 else (x, 0.0, 1.0, 1.0)), color * darker)
    for _ in range(int(rng.integers(0, 3))):
        _frame(rng, picture)
    if rng.uniform() < 0.4:
        x, lean = rng.uniform(-0.8, 0.8), rng.uniform(-0.6, 0.6)
        across = np.linspace(-1, 1, columns) - x + lean * np.linspace(-1, 1, rows)[:, None]
        shade = 1 - rng.uniform(0.2, 0.5) / (1 + np.exp(-across / rng.uniform(0.02, 0.2)))
        picture *= shade[..., None].astype(np.float32)
    return _lit_unevenly(rng, picture, 0.45)


def _frame(rng: Random, picture: Image) -> None:
    x, y, w, h = rng.uniform(-0.1, 0.85), rng.uniform(-0.1, 0.45), rng.uniform(0.15, 0.35), rng.uniform(0.18, 0.4)
    _box(picture, x, y, x + w, y + h, _color(rng, _WOOD))
    _box(picture, x + 0.015, y + 0.015, x + w - 0.015, y + h - 0.015, _color(rng, _PAINT))
    _box(picture, x + 0.05, y + 0.05, x + w - 0.05, y + h - 0.05, _color(rng, _CLOTH))


def _room(rng: Random, rows: int, columns: int) -> Image:
    """A wall with two to four of door, window, shelves, lamp, curtain, cupboard and plant."""
    picture = _lit_unevenly(rng, _plain(rows, columns, _color(rng, _PAINT)), 0.4)
    shares = np.array(list(_THINGS.values()))
    chosen = rng.choice(len(_THINGS), int(rng.integers(2, 5)), replace=False, p=shares / shares.sum())
    for index in sorted(chosen):  # what stands further back first
        list(_THINGS)[index](rng, picture)
    return _lit_unevenly(rng, picture, 0.25)


def _door(rng: Random, picture: Image) -> None:
    x, w, color = rng.uniform(-0.1, 0.8), rng.uniform(0.2, 0.32), _color(rng, _WOOD)
    top = rng.uniform(-0.2, 0.25)
    _box(picture, x, top, x + w, 1.0, color * 0.7)
    _box(picture, x + 0.02, top + 0.02, x + w - 0.02, 1.0, color)
    for y in (top + 0.1, top + 0.55):
        _box(picture, x + 0.06, y, x + w - 0.06, y + 0.38, color * 0.85)


def _window(rng: Random, picture: Image) -> None:
    x, y, w, h = rng.uniform(-0.2, 0.8), rng.uniform(-0.3, 0.15), rng.uniform(0.25, 0.45), rng.uniform(0.4, 0.65)
    _box(picture, x - 0.02, y - 0.02, x + w + 0.02, y + h + 0.02, _color(rng, _PAINT))
    night = rng.uniform() < 0.2
    sky = np.full(3, 0.03) if night else _color(rng, _SKY) * rng.uniform(0.9, 1.7)
    panes = int(rng.integers(1, 4))
    for pane in range(panes):
        left = x + w * pane / panes
        _box(picture, left + 0.008, y, left + w / panes - 0.008, y + h, sky)
        _box(picture, left + 0.008, y + rng.uniform(0.5, 0.8) * h, left + w / panes - 0.008, y + h, 0.35 * sky)


def _shelves(rng: Random, picture: Image) -> None:
    """Boards with books and gaps."""
    x, w, y = rng.uniform(-0.2, 0.7), rng.uniform(0.25, 0.55), rng.uniform(-0.1, 0.3)
    board, step = _color(rng, _WOOD), rng.uniform(0.14, 0.24)
    for level in range(int(rng.integers(2, 5))):
        floor, at = y + (level + 1) * step, x
        _box(picture, x, floor - step, x + w, floor, 0.45 * board)
        while at < x + w:
            thick = rng.uniform(0.012, 0.05)
            if rng.uniform() < 0.8:
                top = floor - step * rng.uniform(0.5, 0.9)
                _box(picture, at, top, min(at + thick, x + w), floor, _color(rng, _BOOKS, 0.3))
            at += thick
        _box(picture, x - 0.01, floor - 0.02, x + w + 0.01, floor + 0.005, board)


def _curtain(rng: Random, picture: Image) -> None:
    columns = picture.shape[1]
    left = int(columns * rng.uniform(-0.1, 0.85))
    stripe = slice(max(left, 0), min(left + int(columns * rng.uniform(0.15, 0.35)), columns))
    x = np.arange(stripe.start, stripe.stop) / columns
    folds = 1 + 0.3 * np.sin(2 * np.pi * (x * rng.uniform(14, 26) + rng.uniform())) * rng.uniform(0.4, 1.0)
    picture[:, stripe] = (_color(rng, _CLOTH) * folds[:, None]).astype(np.float32)


def _cupboard(rng: Random, picture: Image) -> None:
    """Or the back of a sofa: a dark mass that stands on the floor."""
    x, w, top = rng.uniform(-0.3, 0.6), rng.uniform(0.35, 0.9), rng.uniform(0.55, 0.85)
    color = _color(rng, _WOOD if rng.uniform() < 0.5 else _CLOTH) * 0.7
    _box(picture, x, top, x + w, 1.0, color)
    _box(picture, x, top, x + w, top + 0.02, color * 1.5)


def _lamp(rng: Random, picture: Image) -> None:
    """A shade that glows, and its glow around."""
    rows, columns = picture.shape[:2]
    x, y, size = rng.uniform(0.0, 1.0), rng.uniform(0.0, 0.6), rng.uniform(0.04, 0.1)
    away = np.hypot((np.arange(columns) / columns - x), (np.arange(rows)[:, None] / columns - y * rows / columns))
    warm = np.array([1.0, 0.86, 0.66])
    picture += (0.5 * np.exp(-away / 0.18)[..., None] * warm * 0.5).astype(np.float32)
    _box(picture, x - 0.006, y, x + 0.006, 1.0, np.full(3, 0.05))
    _box(picture, x - size, y - size, x + size, y + 0.6 * size, rng.uniform(1.0, 2.0) * warm)


def _plant(rng: Random, picture: Image) -> None:
    rows, columns = picture.shape[:2]
    color, x, y = _color(rng, _LEAVES), rng.uniform(0.0, 1.0), rng.uniform(0.55, 0.85)
    _box(picture, x - 0.008, y, x + 0.008, 1.0, 0.3 * color)
    _box(picture, x - 0.08, y + 0.22, x + 0.08, 1.0, _color(rng, _CLOTH))
    for _ in range(30):
        middle = (round((x + rng.normal(0, 0.07)) * columns), round((y + rng.normal(0, 0.09)) * rows))
        axes = (max(1, round(0.05 * columns)), max(1, round(0.015 * columns)))
        shade = color * rng.uniform(0.4, 1.2)
        cv2.ellipse(picture, middle, axes, float(rng.uniform(0, 180)), 0, 360, shade.tolist(), -1)


def _outdoor(rng: Random, rows: int, columns: int) -> Image:
    """Sky, buildings, trees, ground."""
    horizon, sky = rng.uniform(0.45, 0.85), _color(rng, _SKY, 0.1) * rng.uniform(0.8, 1.3)
    down = np.linspace(0, 1, rows)[:, None, None] / horizon
    picture = np.tile((sky * (0.8 + 0.35 * np.minimum(down, 1.0))).astype(np.float32), (1, columns, 1))
    for _ in range(int(rng.integers(0, 4))):
        _building(rng, picture, horizon)
    if rng.uniform() < 0.8:
        _trees(rng, picture, horizon)
    ground = _color(rng, _GROUND)
    for row in range(round(horizon * rows), rows):
        near = (row / rows - horizon) / max(1 - horizon, 0.05)
        picture[row] = ground * (0.8 + 0.35 * near)
    mottled = 1 + 0.07 * _noise(rng, rows, columns, 6)
    picture *= mottled[..., None]
    return _lit_unevenly(rng, picture, 0.12)


def _building(rng: Random, picture: Image, horizon: float) -> None:
    x, w, top = rng.uniform(-0.2, 0.9), rng.uniform(0.2, 0.6), horizon - rng.uniform(0.15, 0.8)
    color = _color(rng, _HOUSE)
    _box(picture, x, top, x + w, horizon, color)
    step = rng.uniform(0.06, 0.11)
    glass = color * rng.uniform(0.25, 0.6)
    for y in np.arange(top + 0.04, horizon - 0.05, 1.3 * step):
        for left in np.arange(x + 0.03, x + w - 0.04, step):
            _box(picture, left, y, left + 0.5 * step, y + 0.7 * step, glass)


def _trees(rng: Random, picture: Image, horizon: float) -> None:
    """Masses of leaves with the sky between them, denser towards the ground."""
    rows, columns = picture.shape[:2]
    height = horizon - rng.uniform(0.15, 0.7) + 0.10 * _noise(rng, 2, columns, 3)[:1]
    within = np.linspace(0, 1, rows)[:, None] - height
    leafy = within / 0.12 + 0.7 * _noise(rng, rows, columns, 14)
    cover = np.clip(leafy, 0.0, 1.0)[..., None]
    shade = np.clip(0.75 + 0.35 * _noise(rng, rows, columns, 10), 0.15, 2.0)[..., None]
    picture += cover * (_color(rng, _LEAVES).astype(np.float32) * shade - picture)


def _dark(rng: Random, rows: int, columns: int) -> Image:
    """Cloth in soft folds, lighter in the middle."""
    x, y = np.linspace(-1, 1, columns), np.linspace(-1, 1, rows)[:, None]
    lean = x + rng.uniform(-0.25, 0.25) * y
    folds = sum(rng.uniform(0.03, 0.12) * np.sin(lean * rng.uniform(3, 14) + rng.uniform(0, 6.3)) for _ in range(4))
    middle = np.exp(-0.6 * ((x - rng.uniform(-0.3, 0.3)) ** 2 + y * y))
    cloth = rng.uniform(0.012, 0.05) * rng.uniform(0.94, 1.06, 3)
    return np.asarray(((0.5 + 0.5 * middle) * (1 + folds))[..., None] * cloth, dtype=np.float32)


_THINGS: dict[Callable[[Random, Image], None], float] = {
    _door: 1.0, _window: 1.0, _shelves: 1.3, _curtain: 0.7, _lamp: 0.35, _cupboard: 1.2, _plant: 0.6,
}  # fmt: skip
"""What stands in rooms and how often."""
_KINDS: dict[str, Callable[[Random, int, int], Image]] = {
    "wall": _wall, "room": _room, "outdoor": _outdoor, "dark": _dark,
}  # fmt: skip
