"""Faces and eyes in photos without annotations, by the Haar cascades that OpenCV ships: no weights to fetch.

Two frontal cascades look together. Only where they are not sure of anything, they look again at the photo turned by
several angles, and a profile cascade joins them; what all of them see at one place counts together.
Not for several threads at once (see `slyk.landmarks.eye_votes`); processes are fine.
"""

from collections.abc import Sequence
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
ROLLS_DEG = (0.0, 15.0, -15.0, 30.0, -30.0)
CASCADES = {"frontalface_alt2": 2, "frontalface_default": 1}
"""What a raw window of each cascade weighs: alt2 is seldom wrong."""
MIN_NEIGHBORS = 3
SURE = 45
"""Weight of windows at one place from which there is a face whatever its eyes (a tie and its collar: up to 40)."""
POSSIBLE = 20
"""The same for the best place of a photo in which nothing is sure, all turns together."""
VOUCHING_VOTES = 8.0
"""Votes for the weaker eye from which a pair of eyes vouches for a face (ties: at most 5)."""
NUM_CANDIDATES = 6
"""Places whose eyes are searched at most in a photo in which nothing is sure."""


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


class _Place(NamedTuple):
    """A square in a view, its middle in the photo, and the weight of all windows there."""

    weight: int
    middle: tuple[float, float]
    side: float
    corner: tuple[float, float]
    view: int


def find_faces(photo: NDArray[np.uint8], *, min_face_px: int = 40) -> list[FaceFound]:
    """The faces of a BGR photo (H, W, 3), left to right; boxes narrower than `min_face_px` are not searched for."""
    gray = np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    upright = _View(gray, np.eye(3)[:2])
    faces = [face for face, sure in _faces([upright], min_face_px) if sure]
    if not faces:
        turned = [_turn(gray, roll) for roll in ROLLS_DEG if roll]
        looked = _faces([upright, *turned], min_face_px)[:NUM_CANDIDATES]
        faces = [face for face, sure in looked if sure] or [face for face, _ in looked[:1]]
    return sorted(faces, key=lambda face: face.box_px[0] + face.box_px[2] / 2)


def _faces(views: Sequence[_View], min_face_px: int) -> list[tuple[FaceFound, bool]]:
    """Faces with whether they are sure, those of most weight first."""
    places = [p for i, view in enumerate(views) for name in CASCADES for p in _places(view, i, name, min_face_px)]
    faces = []
    for place in _merge(places)[:NUM_CANDIDATES]:
        left, top, side = round(place.corner[0]), round(place.corner[1]), round(place.side)
        view = views[place.view]
        eyes = find_eyes(view.gray[top : top + side, left : left + side])
        vouched = eyes.found and eyes.votes.min() >= VOUCHING_VOTES
        if vouched or place.weight >= POSSIBLE:
            faces.append((_as_found((left, top), side, eyes, view), bool(vouched or place.weight >= SURE)))
    return faces


def _places(view: _View, number: int, name: str, min_face_px: int) -> list[_Place]:
    """What one cascade sees in a view."""
    gray = view.gray
    shrink = max(1.0, max(gray.shape) / SEARCH_PX)
    if shrink > 1:
        size = (round(gray.shape[1] / shrink), round(gray.shape[0] / shrink))
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    smallest = max(20, round(min_face_px / shrink))
    boxes, counts = cascade(name).detectMultiScale2(cv2.equalizeHist(gray), 1.1, MIN_NEIGHBORS, 0, (smallest, smallest))
    places = []
    for (x, y, w, _), count in zip(np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * shrink, counts, strict=True):
        middle = _to_photo(np.array([x + w / 2, y + w / 2]), view)
        places.append(_Place(int(count) * CASCADES[name], (middle[0], middle[1]), float(w), (x, y), number))
    return places


def _merge(places: list[_Place]) -> list[_Place]:
    """One place for all whose middles lie in each other, the heaviest, with the weight of all; heaviest first."""
    kept: list[_Place] = []
    for place in sorted(places, key=lambda p: (-p.weight, p)):
        same = next((i for i, heavier in enumerate(kept) if _meet(place, heavier)), None)
        if same is None:
            kept.append(place)
        else:
            kept[same] = kept[same]._replace(weight=kept[same].weight + place.weight)
    return sorted(kept, key=lambda p: (-p.weight, p))


def _meet(a: _Place, b: _Place) -> bool:
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
