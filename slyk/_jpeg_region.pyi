import numpy as np
from numpy.typing import NDArray

def decode_region(
    data: bytes, out: NDArray[np.uint8], width: int, height: int, left: int, top: int, right: int, bottom: int
) -> bool: ...
