"""The listing of a raw data set: the small file that DVC watches in place of terabytes of photos.

One line a file, sorted: `["path", size, "version"]`, as JSON, since names may hold anything. Version is the time of
change in ns for scanned sets and the start of the sha256 for rendered ones, which so depend on their bytes alone.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from slyk.errors import DataMissingError
from slyk.files import write_atomic


class Entry(NamedTuple):
    path: str
    size: int
    version: str


def scan(root: Path) -> Iterator[Entry]:
    """Every regular file below `root` (itself perhaps a link), by path. Links that lead out of it are left out."""
    base = root.resolve()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.resolve().is_relative_to(base):
            status = path.stat()
            yield Entry(path.relative_to(root).as_posix(), status.st_size, str(status.st_mtime_ns))


def write(path: Path, entries: Iterable[Entry]) -> int:
    """Writes the listing and returns how many files it names."""
    lines = [json.dumps(entry) + "\n" for entry in sorted(entries)]
    write_atomic(path, "".join(lines).encode())
    return len(lines)


def read(path: Path) -> list[Entry]:
    """Raises DataMissingError where the set was never scanned."""
    if not path.is_file():
        raise DataMissingError(f"{path} not found: run `slyk data scan {path.stem}` first")
    return [Entry(*json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
