"""The picture that a record names: a photo file, or `FILE#PLACE` inside of a container that holds many."""

import numpy as np
from numpy.typing import NDArray

from slyk.datasets.raw import Raw
from slyk.photos import Canvas, decode_photo

Image = NDArray[np.uint8]


def photo_file(raw: Raw, name: str, canvas: Canvas | None = None) -> Image:
    """BGR uint8 (H, W, 3) of a photo file. Raises PhotoError, as `slyk.photos.read_photo` does."""
    return decode_photo(raw.read(name), name, canvas=canvas)


def container_of(name: str) -> str:
    """The container of a picture that is named `FILE#PLACE`. FILE may hold the sign itself, PLACE never does."""
    return name.rpartition("#")[0]


def place_of(name: str) -> str:
    """The place inside of the container."""
    return name.rpartition("#")[2]
