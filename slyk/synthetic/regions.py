"""What a pixel of a photo shows: the classes of the region masks."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]


class Region(IntEnum):
    """The values of a mask. EYES is what lies between the lids and is no ball: caruncle and wet rims."""

    BACKGROUND = 0
    SKIN = 1
    BROWS = 2
    EYES = 3
    SCLERA = 4
    IRIS = 5
    PUPIL = 6
    NOSE = 7
    LIPS = 8
    MOUTH = 9
    HAIR = 10
    NECK = 11
    CLOTHING = 12
    GLASSES = 13
    HEADWEAR = 14
    FACE_MASK = 15


EYE_REGIONS = (Region.EYES, Region.SCLERA, Region.IRIS, Region.PUPIL)

PALETTE = np.array(
    [
        [24, 24, 28], [222, 184, 155], [110, 72, 44], [230, 120, 130], [240, 240, 235], [70, 130, 180], [0, 0, 0],
        [236, 160, 120], [190, 50, 70], [90, 10, 20], [130, 90, 60], [200, 160, 130], [90, 110, 150], [80, 200, 200],
        [150, 110, 180], [130, 200, 140],
    ],
    dtype=np.uint8,
)  # fmt: skip
"""Display RGB (16, 3) of the classes, for looking at masks."""


def shrink(fine: Mask, samples: int) -> Mask:
    """The mask (H, W) of a photo from that of its samples (H x samples, W x samples): the class in the middle of each
    pixel's samples, sorted, so always one that the pixel shows and, where one has the majority, that one."""
    if samples == 1:
        return fine
    height, width = fine.shape[0] // samples, fine.shape[1] // samples
    blocks = fine.reshape(height, samples, width, samples).swapaxes(1, 2).reshape(height, width, samples**2)
    middle = samples**2 // 2
    return np.asarray(np.partition(blocks, middle, axis=-1)[..., middle])
