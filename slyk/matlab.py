"""MATLAB files up to version 7 that anybody may have made: their size is known before memory is taken for it.

Version 5 to 7: a header of 128 bytes, then elements of a type, a number of bytes and content. An element may be
deflated, a thousand zeros in a byte, and an array of cells may claim any shape: both are looked at before SciPy reads.
"""

import io
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from scipy.io import loadmat

MAX_INFLATED = 256 * 2**20
MAX_VALUES = 2**26
"""Numbers and letters of all arrays: 512 MB as float64. Gaze360's metadata.mat holds some 8 million."""
MAX_ARRAYS = 100_000
"""In cells and structures."""
MAX_DEPTH = 32
_HEADER = 128
_COMPRESSED, _MATRIX = 15, 14
_PARTS = 4
"""Of a sparse array: rows, columns, real and imaginary parts of its values; others have fewer."""
_CELL, _STRUCT, _NUMERIC = 1, 2, frozenset({4, 5, *range(6, 16)})


def variables(data: bytes) -> dict[str, Any]:
    """What a file holds, by name; MATLAB's objects and functions are left out.

    Raises ValueError for a file that claims too much; SciPy raises many kinds on damaged ones.
    """
    if data[:4].isascii() and 0 not in data[:4] and len(data) > _HEADER and data[124:128] in (b"\0\1IM", b"\1\0MI"):
        order = "<" if data[126:128] == b"IM" else ">"
        kept = [part for part in _inflated(data, order) if _is_plain(part, order)]
        data = data[:_HEADER] + b"".join(kept)
        _Check(data, order).elements(_HEADER, len(data), 0)
    return dict(loadmat(io.BytesIO(data)))


def _inflated(data: bytes, order: str) -> Iterator[bytes]:
    """The elements of a file, as they are or inflated."""
    offset, left = _HEADER, MAX_INFLATED
    while offset + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, offset)
        part = data[offset : offset + 8 + size]
        if kind == _COMPRESSED:
            try:
                part = zlib.decompressobj().decompress(part[8:], left + 1)
            except zlib.error as error:
                raise ValueError(f"a deflated variable is damaged: {error}") from None
        left -= len(part)
        if left < 0:
            raise ValueError(f"variables of more than {MAX_INFLATED} bytes")
        yield part
        offset += 8 + size


def _is_plain(part: bytes, order: str) -> bool:
    """Whether an element is an array of numbers, letters, cells or structures, or damaged, which shows later."""
    if len(part) < 20 or struct.unpack_from(f"{order}I", part)[0] != _MATRIX:
        return True
    return struct.unpack_from(f"{order}I", part, 16)[0] & 0xFF in (_CELL, _STRUCT, *_NUMERIC)


class _Tag(NamedTuple):
    """Where an element's content lies and where the next element starts."""

    kind: int
    start: int
    size: int
    end: int


class _Check:
    """Walks through arrays in arrays without reading what is in them. Raises ValueError."""

    def __init__(self, data: bytes, order: str) -> None:
        self._data, self._order = data, order
        self._num_values = self._num_arrays = 0

    def elements(self, offset: int, end: int, depth: int) -> None:
        """The arrays between two offsets."""
        while offset + 8 <= end:
            tag = self._tag(offset, end)
            if tag.kind != _MATRIX:
                raise ValueError(f"an element of type {tag.kind} where an array should be")
            if tag.size:
                self._array(tag, depth)
            offset = tag.end

    def _tag(self, offset: int, end: int) -> _Tag:
        if offset + 8 > end:
            raise ValueError("a variable ends before its parts do")
        kind, size = struct.unpack_from(f"{self._order}II", self._data, offset)
        if kind >> 16:  # up to four bytes stand within the tag
            return _Tag(kind & 0xFFFF, offset + 4, kind >> 16, offset + 8)
        if offset + 8 + size > end:
            raise ValueError(f"a variable of {size} bytes where {end - offset - 8} are left")
        return _Tag(kind, offset + 8, size, offset + 8 + -(-size // 8) * 8)

    def _array(self, tag: _Tag, depth: int) -> None:
        """Its class and shape, and whether there is room for so many values in what follows."""
        end = tag.start + tag.size
        flags = self._tag(tag.start, end)
        kind = struct.unpack_from(f"{self._order}I", self._data, flags.start)[0] & 0xFF
        shape = self._tag(flags.end, end)
        sides = struct.unpack_from(f"{self._order}{shape.size // 4}i", self._data, shape.start)
        count, inside = math.prod(max(side, 0) for side in sides), self._tag(shape.end, end).end
        if kind in _NUMERIC:
            self._num_values += count
            for _ in range(_PARTS):
                inside = self._tag(inside, end).end if inside < end else end
        elif kind in (_CELL, _STRUCT):
            num_fields, inside = (1, inside) if kind == _CELL else self._fields(inside, end)
            if 8 * count * num_fields > end - inside:
                raise ValueError(f"an array of {sides} cells in {end - inside} bytes")
            self._num_arrays += count * num_fields
        else:
            raise ValueError(f"an array of class {kind}, which is none of numbers, letters, cells or structures")
        if self._num_values > MAX_VALUES or self._num_arrays > MAX_ARRAYS or depth > MAX_DEPTH:
            raise ValueError(
                f"more than {MAX_VALUES} values, more than {MAX_ARRAYS} arrays, or arrays in arrays {MAX_DEPTH} deep"
            )
        if kind in (_CELL, _STRUCT):
            self.elements(inside, end, depth + 1)

    def _fields(self, offset: int, end: int) -> tuple[int, int]:
        """The number of fields of a structure, and where its values start."""
        length = self._tag(offset, end)
        (each,) = struct.unpack_from(f"{self._order}i", self._data, length.start)
        names = self._tag(length.end, end)
        if each < 1:
            raise ValueError(f"names of {each} bytes")
        return names.size // each, names.end
