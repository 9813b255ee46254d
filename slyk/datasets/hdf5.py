"""Arrays in HDF5 files that anybody may have made: their size is known before they are read.

A file of a kilobyte may claim an array of terabytes that nobody wrote; and HDF5 inflates a chunk to its very end,
however small a chunk it claims to be.
"""

import itertools
import math
import zlib
from typing import Any

from slyk.photos import MAX_BYTES

MAX_CHUNKS = 2**20
"""Of what is read at once."""
_DEFLATE, _DEFLATE_GAIN, _OTHER_GAIN = 1, 1032, 264
"""Bytes that deflate, and the other filters that come with h5py, make of one at most."""
_MAX_GAINED = 512 * 2**20, 2 * 2**30
"""What deflate may make of a chunk before somebody looks how much it is, and others at all."""


def read(found: Any, index: int | None = None) -> Any:
    """The numbers of a dataset, or of one of its rows. Raises ValueError where they take more than MAX_BYTES, or where
    more would be inflated on the way."""
    shape = found.shape if index is None else (1, *found.shape[1:])
    size = math.prod(shape) * found.dtype.itemsize
    if size > MAX_BYTES:
        raise ValueError(f"{found.name} {found.shape}: {size} bytes to read, at most {MAX_BYTES}")
    if found.chunks is not None and size:
        _check_chunks(found, shape, index or 0)
    return found[()] if index is None else found[index]


def _check_chunks(found: Any, shape: tuple[int, ...], first: int) -> None:
    """Raises ValueError for chunks of `shape` from row `first` on that are too large or too many."""
    chunk = found.chunks
    size = math.prod(chunk) * found.dtype.itemsize
    starts = [range(0, side, step) for side, step in zip(shape, chunk, strict=True)]
    starts[0] = range(first // chunk[0] * chunk[0], first + shape[0], chunk[0])
    if size > MAX_BYTES or math.prod(map(len, starts)) > MAX_CHUNKS:
        raise ValueError(f"{found.name} {found.shape} in chunks {chunk}: too large")
    plan = found.id.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    for start in itertools.product(*starts) if filters else ():
        _check_chunk(found, start, size, filters)


def _check_chunk(found: Any, start: tuple[int, ...], size: int, filters: list[int]) -> None:
    stored = found.id.get_chunk_info_by_coord(start)
    if stored.byte_offset is None:  # never written
        return
    if _DEFLATE not in filters:
        if stored.size * _OTHER_GAIN > _MAX_GAINED[1]:
            raise ValueError(f"{found.name}: a chunk of {stored.size} bytes from {start} on is too large")
    elif stored.size * _DEFLATE_GAIN > _MAX_GAINED[0]:
        data = found.id.read_direct_chunk(start)[1]
        if len(zlib.decompressobj().decompress(data, size + 1)) > size:
            raise ValueError(f"{found.name}: the chunk from {start} on holds more than its {size} bytes")
