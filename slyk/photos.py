"""Photos from anywhere, read safely: the format comes from the bytes, the size from the header before any decoding."""

import stat
import struct
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from slyk.errors import OF_THE_MACHINE, PhotoError

try:
    from slyk._jpeg_region import decode_region
except ImportError:  # built where there is a compiler and libjpeg-turbo; without it photos are decoded whole
    decode_region = None  # type: ignore[assignment]

Region = tuple[int, int, int, int]
"""left, top, right, bottom: columns from left, before right; rows likewise; may reach beyond the photo."""

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
MAX_BYTES = 128 * 2**20
MAX_PIXELS = 64_000_000
MAX_SIDE = 30_000
"""px. OpenCV turns and warps pictures of up to 32,766."""

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, b"\xff\xd9"
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA), 0xFF})
_MAX_HEADER = 2**24
"""Bytes: 256 segments of the longest kind."""
_APP1, _EXIF, _ORIENTATION = 0xE1, b"Exif\0\0", 0x0112


def read_photo(path: Path, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """BGR uint8 (H, W, 3), upright by its EXIF orientation; grey, transparent and 16-bit photos are converted.

    Raises PhotoError with one of the reasons `not_found`, `empty_file`, `too_large_file`, `not_a_photo`,
    `too_many_pixels`, `truncated` (OpenCV alone would fill the missing part with grey) and `unreadable`.
    """
    return decode_photo(_read_bytes(path, max_bytes), path.name, max_pixels=max_pixels)


class Canvas:
    """Memory for one photo at a time, which the next one overwrites: fresh memory for each costs a fifth of decoding.

    region: the part of the next photo that is needed, or None for all; pixels beside it may then be anything.
    """

    def __init__(self) -> None:
        self.region: Region | None = None
        self._memory = np.empty(0, np.uint8)

    def of(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3), whatever is in it."""
        size = width * height * 3
        if self._memory.size < size:
            self._memory = np.empty(size, np.uint8)
        return self._memory[:size].reshape(height, width, 3)


def decode_photo(
    data: bytes, name: str, *, max_pixels: int = MAX_PIXELS, canvas: Canvas | None = None
) -> NDArray[np.uint8]:
    """The photo in the bytes of a file, as `read_photo` gives it, perhaps on `canvas`. Raises PhotoError, likewise."""
    width, height = header_size(data, name)
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        limits = f"at most {max_pixels} in all and {MAX_SIDE} a side"
        raise PhotoError("too_many_pixels", f"{name}: {width} x {height}, {limits}")
    if not _is_whole(data):
        raise PhotoError("truncated", f"{name}: the file ends before the picture does")
    if data.startswith(_JPEG) and _jpeg_frame(data).is_plain:
        try:
            return _decode_plain(data, width, height, canvas or Canvas())
        except ValueError:  # what simplejpeg cannot read, OpenCV perhaps can
            pass
    try:
        photo = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM:
            raise MemoryError(name) from None
        raise PhotoError("unreadable", f"{name}: {error.err}") from None
    if photo is None:
        raise PhotoError("unreadable", f"{name}: the decoder gives up")
    if sorted(photo.shape[:2]) != sorted((height, width)):
        raise PhotoError("unreadable", f"{name}: the header says {width} x {height}, inside are {photo.shape[1::-1]}")
    return np.asarray(photo, dtype=np.uint8)


def as_text(name: str) -> str:
    r"""A file's name for tables and messages: bytes that are no UTF-8, which Linux allows in names, become \\udcXX."""
    return name.encode("utf-8", "backslashreplace").decode()


def header_size(data: bytes, name: str = "photo") -> tuple[int, int]:
    """Width and height in pixels as stored, from the header alone; PhotoError `not_a_photo`, `truncated`."""
    try:
        if data.startswith(_PNG) and data[12:16] == b"IHDR":
            width, height = struct.unpack_from(">II", data, 16)
        elif data.startswith(_JPEG):
            width, height = _jpeg_frame(data)[:2]
        elif data.startswith(b"BM"):
            width, height = (abs(v) for v in struct.unpack_from("<ii8x", data, 18))  # to the end of what tells its size
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            width, height = _webp_size(data)
        else:
            raise PhotoError("not_a_photo", f"{name}: neither JPEG, PNG, BMP nor WebP inside")
    except (struct.error, IndexError):
        raise PhotoError("truncated", f"{name}: the file ends within its header") from None
    if width < 1 or height < 1:
        raise PhotoError("unreadable", f"{name}: {width} x {height} pixels")
    return width, height


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe may be waited for forever
            raise PhotoError("unreadable", f"{path.name}: not a regular file")
        if status.st_size > max_bytes:
            raise PhotoError("too_large_file", f"{path.name}: {status.st_size} bytes, at most {max_bytes}")
        data = path.read_bytes()
    except FileNotFoundError:
        raise PhotoError("not_found", path.name) from None
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            raise
        raise PhotoError("unreadable", f"{path.name}: {error.strerror}") from None
    if not data:
        raise PhotoError("empty_file", path.name)
    return data


def _decode_plain(data: bytes, width: int, height: int, canvas: Canvas) -> NDArray[np.uint8]:
    """Raises ValueError."""
    photo = canvas.of(width, height)
    if canvas.region is not None and decode_region is not None:
        left, top = (max(0, start) for start in canvas.region[:2])
        right, bottom = min(width, canvas.region[2]), min(height, canvas.region[3])
        if left < right and top < bottom and decode_region(data, photo, width, height, left, top, right, bottom):
            return photo
    # strict: otherwise some damage is no error and leaves what was in memory before, perhaps another photo
    return np.asarray(simplejpeg.decode_jpeg(data, "BGR", strict=True, buffer=photo), dtype=np.uint8)


class _Frame(NamedTuple):
    """What a JPEG says before its pixels. scan: offset of the first scan; is_plain: grey or three colours, and upright
    as it is stored, which simplejpeg decodes twice as fast as OpenCV."""

    width: int
    height: int
    scan: int
    is_plain: bool


def _jpeg_frame(data: bytes) -> _Frame:
    """By the segments: a thumbnail inside EXIF is stepped over."""
    offset, width, height, is_plain = 2, 0, 0, True
    while True:
        marker = data[offset + 1]
        if data[offset] != 0xFF:
            raise PhotoError("unreadable", "a JPEG segment does not start where the one before ends")
        if marker == 0xFF and offset < _MAX_HEADER:  # padding before a marker
            offset += 1
            continue
        if marker in _WITHOUT_LENGTH:
            raise PhotoError("unreadable", f"a JPEG marker {marker:02x} stands where its header goes on")
        (length,) = struct.unpack_from(">H", data, offset + 2)
        if marker in _START_OF_FRAME:
            height, width, channels = struct.unpack_from(">HHB", data, offset + 5)
            is_plain = is_plain and channels in (1, 3)
        if marker == _START_OF_SCAN:
            return _Frame(width, height, offset, is_plain)
        if marker == _APP1 and data.startswith(_EXIF, offset + 4):
            is_plain = is_plain and _is_upright(data[offset + 10 : offset + 2 + length])
        offset += 2 + length


def _is_upright(exif: bytes) -> bool:
    """Whether EXIF surely asks for no turn; False where it cannot be read, so that OpenCV decides."""
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        entries = [struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * i) for i in range(count)]
    except (KeyError, struct.error):
        return False
    return all(value == 1 for tag, _, _, value in entries if tag == _ORIENTATION)


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _is_whole(data: bytes) -> bool:
    """Whether the picture has its end. Bytes after the end, as some phones append, do no harm."""
    if data.startswith(_JPEG):
        return data.rfind(_END_OF_IMAGE, _jpeg_frame(data).scan) >= 0  # from the end, where it mostly is
    if data.startswith(_PNG):
        return _png_ends(data)
    if data.startswith(b"RIFF"):
        return len(data) >= 8 + int(struct.unpack_from("<I", data, 4)[0])
    return len(data) >= _bmp_size(data)


def _bmp_size(data: bytes) -> int:
    """Bytes of a whole BMP; of a compressed one only what can be told from the header."""
    (start,) = struct.unpack_from("<I", data, 10)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    row_bytes = 0 if compression else (abs(width) * bits + 31) // 32 * 4
    return int(start + row_bytes * abs(height))


def _png_ends(data: bytes) -> bool:
    offset = len(_PNG)
    while offset + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, offset)
        offset += 12 + length
        if data[offset - length - 8 : offset - length - 4] == b"IEND":
            return bool(offset <= len(data))
    return False
