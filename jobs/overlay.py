"""A photo with what was found in it: face box, eyes, and an arrow along the gaze. Legible whatever the photo's size."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.inference import FacePrediction

Picture = NDArray[np.uint8]

SIDE_PX = (900, 1600)
"""Longer side of an overlay: smaller photos are enlarged, larger ones shrunk."""
ARROW_MM = 110.0
DARK, WHITE, GAZE, UNSURE = (24, 20, 16), (255, 255, 255), (80, 235, 120), (60, 180, 255)


def draw(photo: Picture, faces: Sequence[FacePrediction], camera: Array) -> Picture:
    """The overlay of a BGR photo (H, W, 3). Eyes are solid where they were found and hollow where assumed.

    camera (3, 3) is the one that the predictions stand on.
    """
    longer = max(photo.shape[:2])
    zoom = min(max(longer, SIDE_PX[0]), SIDE_PX[1]) / longer
    size = (max(1, round(photo.shape[1] * zoom)), max(1, round(photo.shape[0] * zoom)))
    canvas = np.asarray(
        cv2.resize(photo, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC), np.uint8
    )
    if not faces:
        _label(canvas, "no face found", (12.0, 40.0), 0.8, WHITE)
    for face in faces:
        _draw_face(canvas, face, camera, zoom)
    return canvas


def arrow_px(face: FacePrediction, camera: Array) -> Array:
    """(2, 2): where the arrow starts, between the eyes, and ends, in pixels of the photo.

    The projection of the gaze, linear about the face: a look into the lens is a point wherever in the photo it is.
    """
    start = face.eyes_px.mean(axis=0)
    ray = np.linalg.inv(camera) @ np.append(start, 1.0)
    slope = face.gaze[:2] - face.gaze[2] * ray[:2]
    px_per_mm = np.diag(camera)[:2] / (face.distance_mm / np.linalg.norm(ray))
    return np.stack([start, start + ARROW_MM * px_per_mm * slope])


def _draw_face(canvas: Picture, face: FacePrediction, camera: Array, zoom: float) -> None:
    x, y, width, height = (v * zoom for v in face.box_px)
    line = max(1, round(width / 150))
    color = GAZE if face.eyes == "found" else UNSURE
    for shade, extra in ((DARK, 2), (WHITE, 0)):
        cv2.rectangle(canvas, _point((x, y)), _point((x + width, y + height)), shade, line + extra, cv2.LINE_AA)
    radius = max(2, round(width / 45))
    for eye in face.eyes_px * zoom:
        cv2.circle(canvas, _point(eye), radius + 1, DARK, -1 if face.eyes == "found" else line + 2, cv2.LINE_AA)
        cv2.circle(canvas, _point(eye), radius, color, -1 if face.eyes == "found" else line, cv2.LINE_AA)
    _arrow(canvas, arrow_px(face, camera) * zoom, max(2, round(width / 55)), color)
    doubt = "" if face.eyes == "found" else "  (eyes assumed)"
    text = f"pitch {face.pitch_deg:+.0f}  yaw {face.yaw_deg:+.0f} deg{doubt}"
    _label(canvas, text, (x, y - 8), min(max(width / 330, 0.5), 1.1), color)


def _arrow(canvas: Picture, ends: Array, thick: int, color: tuple[int, int, int]) -> None:
    """A shaft with a filled head, light on dark; a very short one becomes a dot."""
    start, end = ends
    along = end - start
    length = float(np.linalg.norm(along))
    if length < 3 * thick:
        for shade, radius in ((DARK, thick * 2 + 2), (color, thick * 2)):
            cv2.circle(canvas, _point(start), radius, shade, -1, cv2.LINE_AA)
        return
    along /= length
    across = np.array([-along[1], along[0]])
    head = min(5.0 * thick, 0.6 * length)
    neck = end - head * along
    tip = np.stack([end, neck + 0.55 * head * across, neck - 0.55 * head * across])
    for shade, extra in ((DARK, 2), (color, 0)):
        cv2.line(canvas, _point(start), _point(neck), shade, thick + 2 * extra, cv2.LINE_AA)
        cv2.polylines(canvas, [np.rint(tip).astype(np.int32)], True, shade, 1 + 2 * extra, cv2.LINE_AA)
    cv2.fillConvexPoly(canvas, np.rint(tip).astype(np.int32), color, cv2.LINE_AA)


def _label(canvas: Picture, text: str, at: tuple[float, float], scale: float, color: tuple[int, int, int]) -> None:
    """Text on a dark plate, its lower left corner at `at`, moved so that it lies in the picture."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, 1)
    if width > 0.95 * canvas.shape[1]:
        scale *= 0.95 * canvas.shape[1] / width
        (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, 1)
    pad = round(6 * scale) + 2
    x = int(min(max(at[0], pad), max(pad, canvas.shape[1] - width - pad)))
    y = int(min(max(at[1], height + 2 * pad), canvas.shape[0] - base - pad))
    plate = canvas[max(0, y - height - pad) : y + base + pad // 2, max(0, x - pad) : x + width + pad]
    plate[:] = plate // 4
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_DUPLEX, scale, color, 1, cv2.LINE_AA)


def _point(at: Array | tuple[float, float]) -> tuple[int, int]:
    return round(float(at[0])), round(float(at[1]))
