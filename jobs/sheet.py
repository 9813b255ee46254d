"""Sheets of small pictures in rows, with captions and lines of text above."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from slyk.geometry.angles import Array, vector_from_pitchyaw

Picture = NDArray[np.uint8]

CELL_PX, GAP_PX, LINE_PX = 144, 6, 18
LINE_SCALE = 0.42
INK, FAINT, PAPER, GAZE, DARK = (61, 50, 38), (140, 130, 120), (255, 255, 255), (80, 235, 120), (24, 20, 16)


def png(picture: Picture) -> bytes:
    done, data = cv2.imencode(".png", picture)
    assert done
    return bytes(data)


def pictures_of(images: Tensor) -> Picture:
    """(B, 3, h, w) -> (B, h, w, 3)."""
    return np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())


def enlarged(face: Picture) -> Picture:
    interpolation = cv2.INTER_AREA if len(face) > CELL_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(face, (CELL_PX, CELL_PX), interpolation=interpolation), np.uint8)


def eye_pair(right: Picture, left: Picture) -> Picture:
    """Both eyes, (36, 60) each, one below the other in a square."""
    height, width = CELL_PX // 2, CELL_PX // 2 * right.shape[1] // right.shape[0]
    both = np.vstack([cv2.resize(eye, (width, height), interpolation=cv2.INTER_CUBIC) for eye in (right, left)])
    return cv2.copyMakeBorder(both, 0, 0, 0, CELL_PX - width, cv2.BORDER_CONSTANT, value=PAPER).astype(np.uint8)


def with_gaze(face: Picture, gaze: Array) -> Picture:
    """The face, enlarged, with an arrow from its middle along the gaze, if there is a label."""
    shown = enlarged(face)
    if np.isfinite(gaze).all():
        start = np.full(2, CELL_PX / 2)
        end = start + 0.45 * CELL_PX * vector_from_pitchyaw(gaze)[:2]
        for color, thick in ((DARK, 4), (GAZE, 2)):
            cv2.arrowedLine(shown, point(start), point(end), color, thick, cv2.LINE_AA, tipLength=0.25)
    return shown


def point(at: Array) -> tuple[int, int]:
    return round(float(at[0])), round(float(at[1]))


def cell(picture: Picture, caption: str) -> Picture:
    """A picture with a line of text below it."""
    below = np.full((LINE_PX, CELL_PX, 3), PAPER, np.uint8)
    write(below, caption, (1, LINE_PX - 5), 0.4, INK)
    return np.vstack([picture, below])


def sheet(rows: Sequence[Sequence[Picture]], lines: Sequence[str], *, apart: int) -> Picture:
    """Cells in rows below some lines of text, as wide as both need; after the first `apart` columns is a wider gap."""
    side = (CELL_PX + GAP_PX, CELL_PX + LINE_PX + GAP_PX)
    columns = max(map(len, rows))
    head = LINE_PX * len(lines) + 2 * GAP_PX
    wide = 2 * GAP_PX + max(text_width(line, LINE_SCALE) for line in lines)
    size = (head + len(rows) * side[1], max(wide, GAP_PX + columns * side[0] + 2 * GAP_PX))
    canvas = np.full((*size, 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        write(canvas, line, (GAP_PX, GAP_PX + LINE_PX * number + 12), LINE_SCALE, INK if number == 0 else FAINT)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = head + i * side[1], GAP_PX + j * side[0] + (2 * GAP_PX if j >= apart else 0)
            canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def write(canvas: Picture, text: str, at: tuple[int, int], scale: float, color: tuple[int, int, int]) -> None:
    """Text from `at` on, made smaller where it would not fit."""
    scale *= min(1.0, (canvas.shape[1] - 2 * at[0]) / max(text_width(text, scale), 1))
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, color, 1, cv2.LINE_AA)


def text_width(text: str, scale: float) -> int:
    """px."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, 1)
    return int(width)
