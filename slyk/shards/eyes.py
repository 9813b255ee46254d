"""The photo of one eye and no face, scaled to a common size: what sets without faces store."""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import cv2
import numpy as np

from slyk.geometry.camera import Array
from slyk.shards.crops import Image


@dataclass(frozen=True)
class EyeSpec:
    """one_eye_px: the longer side of the stored picture."""

    one_eye_px: int

    def as_dict(self) -> dict[str, float | int]:
        return asdict(self)


class Eye(NamedTuple):
    """picture (H, W, 3), BGR uint8; eye_from_photo (3, 3): pixels of the photo to pixels of the picture, the middles of
    pixels at integers."""

    picture: Image
    eye_from_photo: Array


def scaled(photo: Image, spec: EyeSpec) -> Eye:
    """The whole photo (H, W, 3) with its longer side at `one_eye_px`: area-averaged to shrink, bilinear to enlarge.

    The shorter side is rounded to whole pixels, so the two factors may differ a little; eye_from_photo is exact.
    """
    height, width = photo.shape[:2]
    factor = spec.one_eye_px / max(height, width)
    columns, rows = (max(1, round(side * factor)) for side in (width, height))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    picture = np.asarray(cv2.resize(photo, (columns, rows), interpolation=way), dtype=np.uint8)
    x, y = columns / width, rows / height
    return Eye(picture, np.array([[x, 0.0, (x - 1) / 2], [0.0, y, (y - 1) / 2], [0.0, 0.0, 1.0]]))
