"""The listing of a raw data set: the small file that DVC watches in place of terabytes of photos.

One line a file, sorted: `["path", size, "version"]`, as JSON, since names may hold anything. Version is the time of
change in ns for scanned sets and the start of the sha256 for rendered ones, which so depend on their bytes alone.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from slyk.datasets.raw import Raw
from slyk.errors import DataMissingError
from slyk.files import atomic


class Entry(NamedTuple):
    path: str
    size: int
    version: str


def scan(root: str | Path) -> Iterator[Entry]:
    """Every regular file below `root` (itself perhaps a link, or a URL), by name. Links that lead out are left out."""
    return (Entry(*entry) for entry in Raw(root).entries())


def write(path: Path, entries: Iterable[Entry]) -> int:
    """Writes the listing and returns how many files it names."""
    ordered = sorted(entries)
    with atomic(path) as file:
        for entry in ordered:
            file.write(f"{json.dumps(entry)}\n".encode())
    return len(ordered)


def read(path: Path) -> list[Entry]:
    """Raises DataMissingError where the set was never scanned."""
    if not path.is_file():
        raise DataMissingError(f"{path} not found: run `slyk data scan {path.stem}` first")
    with path.open(encoding="utf-8") as lines:
        return [Entry(*json.loads(line)) for line in lines]
