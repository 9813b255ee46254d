"""Faces and eyes in photos without annotations, by the Haar cascades that OpenCV ships: no weights to fetch.

Two frontal cascades look together. Only where they are not sure of anything, they look again at the photo turned by
several angles; what all of them see at one place counts together.
Not for several threads at once (see `slyk.landmarks.eye_votes`); processes are fine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.landmarks.eye_refine import refine
from slyk.landmarks.eye_votes import Eyes, Gray, cascade, find_eyes

EyesFound = Literal["found", "assumed"]

SEARCH_PX = 1000
"""Longer side at which faces are searched; eyes are searched in the original photo."""
ROLLS_DEG = (0.0, 15.0, -15.0, 30.0, -30.0)
CASCADES = {"frontalface_alt2": 2, "frontalface_default": 1}
"""What a raw window of each cascade weighs: alt2 is seldom wrong."""
MIN_NEIGHBORS = 3
SURE = 45
"""Weight of windows at one place from which there is a face whatever its eyes (a tie and its collar: up to 40)."""
SURE_TURNED = 120
"""The same where several views count together."""
POSSIBLE = 20
"""The same for the best place of a photo in which nothing is sure."""
VOUCHING_VOTES = 11.0
"""Geometric mean of both eyes' votes from which a pair of eyes vouches for a face (300 neckties: at most 10.3)."""
NUM_PLACES, NUM_WINDOWS = 12, 3
"""Places that are looked at for eyes in a photo, and windows at each of them until one shows both."""


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


class _View(NamedTuple):
    """The photo, perhaps turned: gray (H, W) and photo_from_view (2, 3) in pixels."""

    gray: Gray
    photo_from_view: Array


class _Window(NamedTuple):
    """A square in a view with its middle in the photo; weight: of the raw windows that agree on it."""

    weight: int
    middle: tuple[float, float]
    side: float
    corner: tuple[float, float]
    view: int


class _Look(NamedTuple):
    face: FaceFound
    sure: bool


def find_faces(photo: NDArray[np.uint8], *, min_face_px: int = 40) -> list[FaceFound]:
    """The faces of a BGR photo (H, W, 3), left to right; boxes narrower than `min_face_px` are not searched for."""
    gray = np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    upright = _View(gray, np.eye(3)[:2])
    looks = _look([upright], min_face_px)
    if not any(look.sure and look.face.eyes == "found" for look in looks):
        looks = _look([upright, *(_turn(gray, roll) for roll in ROLLS_DEG if roll)], min_face_px)
    # without a sure face the best possible one: a portrait with odd eyes is likelier than a photo of nobody
    faces = [look.face for look in looks if look.sure] or [look.face for look in looks[:1]]
    faces = [replace(face, eyes_px=refine(gray, face.eyes_px)) for face in faces]
    return sorted(faces, key=lambda face: face.box_px[0] + face.box_px[2] / 2)


def _look(views: Sequence[_View], min_face_px: int) -> list[_Look]:
    """Faces that all views show together, those of most weight first."""
    windows = [w for i, view in enumerate(views) for name in CASCADES for w in _windows(view, i, name, min_face_px)]
    found = ((place, _look_at(place, views)) for place in _places(windows)[:NUM_PLACES])
    return [look for place, look in found if look.sure or _weight(place) >= POSSIBLE]


def _look_at(place: list[_Window], views: Sequence[_View]) -> _Look:
    """The first window with a pair of eyes that vouches for it, else the heaviest one."""
    sure_weight = SURE if len(views) == 1 else SURE_TURNED
    looks = []
    for window in place[:NUM_WINDOWS]:
        left, top, side = round(window.corner[0]), round(window.corner[1]), round(window.side)
        view = views[window.view]
        eyes = find_eyes(view.gray[top : top + side, left : left + side])
        vouched = eyes.found and np.sqrt(eyes.votes.prod()) >= VOUCHING_VOTES
        looks.append(_Look(_as_found((left, top), side, eyes, view), bool(vouched or _weight(place) >= sure_weight)))
        if vouched:
            return looks[-1]
    return looks[0]


def _weight(place: list[_Window]) -> int:
    return sum(window.weight for window in place)


def _windows(view: _View, number: int, name: str, min_face_px: int) -> list[_Window]:
    """What one cascade sees in a view."""
    gray = view.gray
    shrink = max(1.0, max(gray.shape) / SEARCH_PX)
    if shrink > 1:
        size = (max(1, round(gray.shape[1] / shrink)), max(1, round(gray.shape[0] / shrink)))
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    smallest = max(20, round(min_face_px / shrink))
    boxes, counts = cascade(name).detectMultiScale2(cv2.equalizeHist(gray), 1.1, MIN_NEIGHBORS, 0, (smallest, smallest))
    windows = []
    for (x, y, w, _), count in zip(np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * shrink, counts, strict=True):
        middle = _to_photo(np.array([x + w / 2, y + w / 2]), view)
        windows.append(_Window(int(count) * CASCADES[name], (middle[0], middle[1]), float(w), (x, y), number))
    return windows


def _places(windows: list[_Window]) -> list[list[_Window]]:
    """Windows whose middles lie in each other, heaviest first; the heaviest place first."""
    places: list[list[_Window]] = []
    for window in sorted(windows, key=lambda w: (-w.weight, w)):
        same = next((place for place in places if _meet(window, place[0])), None)
        if same is None:
            places.append([window])
        else:
            same.append(window)
    return sorted(places, key=lambda place: (-_weight(place), place))


def _meet(a: _Window, b: _Window) -> bool:
    shift = max(abs(a.middle[0] - b.middle[0]), abs(a.middle[1] - b.middle[1]))
    return shift < max(a.side, b.side) / 2


def _turn(gray: Gray, roll_deg: float) -> _View:
    """The photo turned counter-clockwise about its middle, grown to hold all of it."""
    height, width = gray.shape
    roll = np.radians(roll_deg)
    c, s = abs(np.cos(roll)), abs(np.sin(roll))
    size = (int(np.ceil(width * c + height * s)), int(np.ceil(width * s + height * c)))
    view_from_photo = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), roll_deg, 1.0)
    view_from_photo[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    turned = cv2.warpAffine(gray, view_from_photo, size, borderMode=cv2.BORDER_REPLICATE)
    return _View(np.asarray(turned, dtype=np.uint8), np.asarray(cv2.invertAffineTransform(view_from_photo)))


def _to_photo(points: Array, view: _View) -> Array:
    """Pixels (..., 2) of a view -> pixels of the photo."""
    return np.asarray(points @ view.photo_from_view[:, :2].T + view.photo_from_view[:, 2])


def _as_found(corner: tuple[int, int], side: int, eyes: Eyes, view: _View) -> FaceFound:
    """Shares of the box -> pixels of the photo; a turned face keeps an upright box of its size about its middle."""
    middle = _to_photo(np.array(corner) + (side - 1) / 2, view)
    eyes_px = _to_photo(np.array(corner) + eyes.points * side - 0.5, view)
    left, top = (round(float(v)) for v in middle - (side - 1) / 2)
    return FaceFound((left, top, side, side), eyes_px, "found" if eyes.found else "assumed")
