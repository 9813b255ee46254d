"""One grey crop for faces of any origin: eyes on fixed places, one scale, and the areas in which it is judged.

Portraits have no annotations, so the eyes of both portraits and renders come from the same detector
(`slyk.landmarks`): the same errors of placing and the same choice of faces on both sides. The exact eyes of the renders
would place their crops better than those of the portraits.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.geometry.eyes import EYE_DISTANCE_MM
from slyk.landmarks.cascades import find_faces

Photo = NDArray[np.uint8]
Crop = NDArray[np.float32]

MM_PER_PX = 1.6
"""39.4 px between the eyes: 84 % of the portraits are shrunk to it (their median is 44 px), none grows by a fifth."""
CROP_PX = (84, 104)
EYES_MIDPOINT_PX = (41.5, 36.0)


class Area(NamedTuple):
    """A rectangle of the crop, mm from the midpoint of the eyes: x to the right, y down."""

    left: float
    right: float
    top: float
    bottom: float

    def cut(self, crop: Crop) -> Crop:
        """The pixels of the area."""
        x, y = EYES_MIDPOINT_PX
        columns = slice(round(x + self.left / MM_PER_PX), round(x + self.right / MM_PER_PX))
        rows = slice(round(y + self.top / MM_PER_PX), round(y + self.bottom / MM_PER_PX))
        return crop[rows, columns]


AREAS: dict[str, tuple[Area, ...]] = {
    "skin": (Area(-28, 28, -56, -30), Area(-44, 44, 16, 44), Area(-22, 22, 78, 104)),  # forehead, cheeks and nose, chin
    "eyes": (Area(-54.5, -8.5, -14, 14), Area(8.5, 54.5, -14, 14)),  # 46 x 28 mm each, what an eye network sees
}
"""Skin leaves out eyes, brows and mouth; our choice of rectangles, the same for each face."""


def find_eyes_px(photo: Photo) -> Array | None:
    """Eyes (2, 2) of the largest face of a BGR photo, the one on the left first; None unless both are seen."""
    faces = [face for face in find_faces(photo) if face.eyes == "found"]
    return max(faces, key=lambda face: face.box_px[2]).eyes_px if faces else None


def aligned_face(photo: Photo) -> tuple[Crop, float] | None:
    """The grey crop of the largest face of a BGR photo and the pixels between its eyes; None without both eyes."""
    eyes_px = find_eyes_px(photo)
    if eyes_px is None:
        return None
    gray = np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), dtype=np.float32)
    return align(gray, eyes_px), float(np.linalg.norm(eyes_px[1] - eyes_px[0]))


def align(gray: Crop, eyes_px: Array) -> Crop:
    """The crop of a grey photo (H, W) with eyes (2, 2), the one on the left of the picture first.

    Grey levels stay as they are: exposure and contrast are part of the comparison.
    """
    across = eyes_px[1] - eyes_px[0]
    distance = float(np.hypot(across[0], across[1]))
    c, s = across / distance
    turn = EYE_DISTANCE_MM / MM_PER_PX / distance * np.array([[c, s], [-s, c]])
    offset = np.array(EYES_MIDPOINT_PX) - turn @ eyes_px.mean(axis=0)
    matrix = np.hstack([turn, offset[:, None]])
    # cubic: the linear kernel takes half of the finest band
    return np.asarray(
        cv2.warpAffine(gray, matrix, CROP_PX, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32
    )
