"""Faces and eyes in photos without annotations, by the Haar cascades that OpenCV ships: no weights to fetch.

Frontal faces by two cascades, and only where they see nothing the photo turned by 20 degrees, then profiles.
Not for several threads at once (see `slyk.landmarks.eye_votes`); processes are fine.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.landmarks.eye_votes import Eyes, Gray, cascade, find_eyes

EyesFound = Literal["found", "assumed"]

SEARCH_PX = 1000
"""Longer side at which faces are searched; eyes are searched in the original photo."""
ROLLS_DEG = (20.0, -20.0)
MIN_AGREEING = {"frontalface_alt2": 4, "frontalface_default": 5, "profileface": 5}
"""Raw windows that must agree on a face before its eyes are looked for."""
AGREEING_WEIGHT = {"frontalface_alt2": 2, "frontalface_default": 1, "profileface": 1}
SURE_AGREEING, POSSIBLE_AGREEING = 45, 20
"""Weighted windows of both cascades from which a face counts whatever its eyes; the lower bound holds for the best
one where nothing else is found (a tie and its collar reach 40)."""
VOUCHING_VOTES = 8.0
"""Votes for the weaker eye from which a pair of eyes vouches for a face (ties: at most 5)."""
PROFILE_EYES = np.array([[0.24, 0.37], [0.50, 0.37]])
"""Typical eyes in the box of a face turned image-left; both lie on the side that it turns to."""


@dataclass(frozen=True)
class FaceFound:
    """One face.

    box_px: x, y, width, height; eyes_px (2, 2): midpoints between the corners of each eye, the subject's right eye
    (image-left) first, integers at pixel centres; eyes: `found` where both were seen, `assumed` where at least one
    stands at its typical place in the box.
    """

    box_px: tuple[int, int, int, int]
    eyes_px: Array
    eyes: EyesFound


class _Window(NamedTuple):
    """A square box in pixels of the picture searched, and how many raw windows agree on it."""

    x: float
    y: float
    side: float
    agreeing: int


class _Face(NamedTuple):
    """A window and the eyes in it."""

    x: float
    y: float
    side: float
    agreeing: int
    eyes: Eyes


def find_faces(photo: NDArray[np.uint8], *, min_face_px: int = 40) -> list[FaceFound]:
    """The faces of a BGR photo (H, W, 3), left to right; boxes narrower than `min_face_px` are not searched for."""
    gray = np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    upright = np.eye(3)[:2]
    candidates = _frontal(gray, min_face_px)
    faces = [_as_found(face, upright) for face in candidates if _is_sure(face)]
    if not faces:
        faces = _turned(gray, min_face_px)
    if not faces:
        possible = [face for face in candidates if face.agreeing >= POSSIBLE_AGREEING][:1]
        faces = [_as_found(face, upright) for face in possible or _profiles(gray, min_face_px)]
    return sorted(faces, key=lambda face: face.box_px[0] + face.box_px[2] / 2)


def _frontal(gray: Gray, min_face_px: int) -> list[_Face]:
    """What two cascades see together, most agreement first."""
    best, more = (_windows(gray, name, min_face_px) for name in ("frontalface_alt2", "frontalface_default"))
    return [_Face(*window, find_eyes(_cut(gray, window))) for window in _without_doubles([*best, *more])]


def _is_sure(face: _Face) -> bool:
    vouched = face.eyes.found and face.eyes.votes.min() >= VOUCHING_VOTES
    return bool(vouched or face.agreeing >= SURE_AGREEING)


def _turned(gray: Gray, min_face_px: int) -> list[FaceFound]:
    """Faces of heads that lean to a shoulder: only sure ones, all turned the same way."""
    candidates = []
    for roll_deg in ROLLS_DEG:
        turned, photo_from_turned = _turn(gray, roll_deg)
        candidates += [(f, photo_from_turned) for f in _frontal(turned, min_face_px) if _is_sure(f)]
    if not candidates:
        return []
    most = max(f.agreeing for f, _ in candidates)
    best = next(map_ for f, map_ in candidates if f.agreeing == most)
    return [_as_found(f, map_) for f, map_ in candidates if map_ is best]


def _profiles(gray: Gray, min_face_px: int) -> list[_Face]:
    """Heads turned far aside; the cascade knows those that look image-left, the mirror image shows it the others."""
    left = _windows(gray, "profileface", min_face_px)
    right = _windows(np.ascontiguousarray(gray[:, ::-1]), "profileface", min_face_px)
    right = [w._replace(x=gray.shape[1] - w.x - w.side) for w in right]
    left_places = {w[:3] for w in left}
    faces = []
    for window in _without_doubles([*left, *right]):
        eyes = PROFILE_EYES if window[:3] in left_places else PROFILE_EYES[::-1] * (-1.0, 1.0) + (1.0, 0.0)
        faces.append(_Face(*window, Eyes(eyes, np.zeros(2))))
    return [face for face in faces if face.agreeing >= POSSIBLE_AGREEING]


def _windows(gray: Gray, name: str, min_face_px: int) -> list[_Window]:
    """What one cascade sees, in pixels of the photo."""
    shrink = max(1.0, max(gray.shape) / SEARCH_PX)
    if shrink > 1:
        size = (round(gray.shape[1] / shrink), round(gray.shape[0] / shrink))
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    smallest = max(20, round(min_face_px / shrink))
    boxes, counts = cascade(name).detectMultiScale2(
        cv2.equalizeHist(gray), 1.1, MIN_AGREEING[name], 0, (smallest, smallest)
    )
    return [
        _Window(x * shrink, y * shrink, w * shrink, int(n) * AGREEING_WEIGHT[name])
        for (x, y, w, _), n in zip(boxes, counts, strict=True)
    ]


def _without_doubles(windows: list[_Window]) -> list[_Window]:
    """One window a place, the one with most agreement, credited with that of those it displaces."""
    kept: list[_Window] = []
    for window in sorted(windows, key=lambda w: (-w.agreeing, w)):
        same = next((i for i, better in enumerate(kept) if _overlap(window, better)), None)
        if same is None:
            kept.append(window)
        else:
            kept[same] = kept[same]._replace(agreeing=kept[same].agreeing + window.agreeing)
    return sorted(kept, key=lambda w: (-w.agreeing, w))


def _cut(gray: Gray, window: _Window) -> Gray:
    left, top, side = (round(v) for v in window[:3])
    return gray[top : top + side, left : left + side]


def _overlap(a: _Window, b: _Window) -> bool:
    """The middle of the smaller lies in the larger."""
    (ax, ay, a_side), (bx, by, b_side) = a[:3], b[:3]
    shift = max(abs(ax + a_side / 2 - bx - b_side / 2), abs(ay + a_side / 2 - by - b_side / 2))
    return shift < max(a_side, b_side) / 2


def _turn(gray: Gray, roll_deg: float) -> tuple[Gray, Array]:
    """The picture turned counter-clockwise about its middle, grown to hold all of it, and photo_from_turned (2, 3)."""
    height, width = gray.shape
    size = int(np.ceil(np.hypot(height, width)))
    turned_from_photo = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), roll_deg, 1.0)
    turned_from_photo[:, 2] += ((size - width) / 2, (size - height) / 2)
    turned = cv2.warpAffine(gray, turned_from_photo, (size, size), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, dtype=np.uint8), np.asarray(cv2.invertAffineTransform(turned_from_photo))


def _as_found(face: _Face, photo_from_picture: Array) -> FaceFound:
    """Shares of the box -> pixels of the photo; a turned face keeps an upright box of its size about its middle."""
    linear, shift = photo_from_picture[:, :2], photo_from_picture[:, 2]
    corner = np.array([face.x, face.y])
    middle = (corner + (face.side - 1) / 2) @ linear.T + shift
    eyes_px = (corner + face.eyes.points * face.side - 0.5) @ linear.T + shift
    left, top = (round(float(v)) for v in middle - (face.side - 1) / 2)
    return FaceFound(
        (left, top, round(face.side), round(face.side)), eyes_px, "found" if face.eyes.found else "assumed"
    )
