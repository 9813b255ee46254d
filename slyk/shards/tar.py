"""A tar in memory: its bytes hang on names and contents alone, and where each member lies is known as it is written."""

import io
import tarfile
import zlib

_BLOCK = tarfile.BLOCKSIZE


class Tar:
    """Members as the writers of WebDataset and of Python's tarfile put them, readable by all, owned by `slyk`, of 1970.

    places: [name, offset, size, crc32] of each member's content, in the file's order.
    """

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self.places: list[list[str | int]] = []

    def add(self, name: str, content: bytes) -> None:
        self._file.write(_header(name, len(content)))
        self.places.append([name, self._file.tell(), len(content), zlib.crc32(content)])
        self._file.write(content)
        self._file.write(bytes(-len(content) % _BLOCK))

    def closed(self) -> bytes:
        """All bytes, with the end that a tar has. Nothing can be added after."""
        self._file.write(bytes(2 * _BLOCK))
        self._file.write(bytes(-self._file.tell() % tarfile.RECORDSIZE))
        return self._file.getvalue()


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime, info.uname, info.gname = size, 0o444, 0, "slyk", "slyk"
    return info


def _header(name: str, size: int) -> bytes:
    """Of 512 bytes, or of more for a name that these cannot hold.

    Name and size are written into a header made once: tarfile takes six times as long, 2 % of the stage.
    """
    short = name.encode("ascii", "replace")
    if len(short) > tarfile.LENGTH_NAME or short.decode() != name:
        return _info(name, size).tobuf(tarfile.PAX_FORMAT)
    start = short.ljust(tarfile.LENGTH_NAME, b"\0") + _BLANK[100:124] + b"%011o\0" % size + _BLANK[136:148]
    return b"%b%06o\0 %b" % (start, sum(start) + _SUM_OF_REST, _BLANK[156:])


_BLANK = _info("", 0).tobuf(tarfile.PAX_FORMAT)
_SUM_OF_REST = sum(b" " * 8 + _BLANK[156:])
"""The checksum takes its own eight bytes for spaces."""
