r"""Label files line by line, whole or in parts that tasks share.

Lines end with `\n`, `\r\n` or `\r` and with nothing else, words at spaces and tabs: names may hold any other sign, also
those of Unicode that `str.splitlines` and `str.split` cut at. A part is named `FILE#LINE-START-END`: whole lines from
byte START to byte END, of which the first is LINE, from 1.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from slyk.datasets.raw import MAX_LINE_BYTES, Raw
from slyk.datasets.record import Outcome
from slyk.errors import DataMissingError, PhotoError

PART_RECORDS = 20_000
_HEAD_BYTES = 2**18
_PART = re.compile(r"(.+)#(\d+)-(\d+)-(\d+)", re.DOTALL)


class Part(NamedTuple):
    """What a unit names: a file, and which of its lines (see above); end is None where it is the whole file."""

    file: str
    line: int = 1
    start: int = 0
    end: int | None = None

    @property
    def unit(self) -> str:
        return self.file if self.end is None else f"{self.file}#{self.line}-{self.start}-{self.end}"


def part_of(unit: str) -> Part:
    """Of a unit of a reader that divides its label files, none of which is itself named like a part."""
    match = _PART.fullmatch(unit)
    return Part(match[1], int(match[2]), int(match[3]), int(match[4])) if match else Part(unit)


def divided(
    raw: Raw, file: str, records: Callable[[Iterator[str]], Iterable[Any]] = iter, *, per_part: int = PART_RECORDS
) -> list[str]:
    """The units that a label file is read in: itself, or parts of so many records each.

    records: lines to records, which a part must not cut: `csv.reader` where cells may hold line ends.
    """
    line, position = 1, 0

    def lines() -> Iterator[str]:
        nonlocal line, position
        with raw.local(file) as path, path.open(encoding="utf-8", errors="surrogateescape", newline="") as text:
            while found := text.readline(MAX_LINE_BYTES + 1):
                if len(found) > MAX_LINE_BYTES:
                    raise PhotoError("too_large_file", f"{file}, line {line}")
                line, position = line + 1, position + len(found.encode("utf-8", "surrogateescape"))
                yield found

    cuts = [(1, 0)]
    try:
        for count, _ in enumerate(records(lines()), start=1):
            if count % per_part == 0:
                cuts.append((line, position))
    except (PhotoError, csv.Error):  # who reads it tells
        return [file]
    ends = [start for _, start in cuts[1:]] + [position]
    found = [Part(file, *cut, end).unit for cut, end in zip(cuts, ends, strict=True) if end > cut[1]]
    return found if len(found) > 1 else [file]


def head_of(unit: str) -> str:
    """The unit of the first lines of its file, the last of them perhaps cut: for headers."""
    return Part(part_of(unit).file, end=_HEAD_BYTES).unit


def opened(raw: Raw, unit: str, *, errors: str = "strict", newline: str | None = None) -> io.TextIOWrapper:
    """The text of a file or a part, UTF-8 with or without a byte order mark; errors, newline: as of `open`.

    Raises DataMissingError where there is none.
    """
    part = part_of(unit)
    try:
        data = raw.stretch(part.file, part.start, part.end)
    except PhotoError as error:
        raise DataMissingError(f"{raw.root}/{part.file}: {error} (docs/datasets.md says what belongs there)") from None
    if not data:
        raise DataMissingError(f"{raw.root}/{part.file} is empty (docs/datasets.md says what belongs there)")
    return io.TextIOWrapper(
        io.BytesIO(data), encoding="utf-8" if part.start else "utf-8-sig", errors=errors, newline=newline
    )


def numbered_lines(raw: Raw, unit: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of a label file or a part of one, empty lines left out.

    Bytes that are no UTF-8 become U+FFFD and spoil their own line only. Raises DataMissingError where there is none.
    """
    with opened(raw, unit, errors="replace") as lines:
        for number, line in enumerate(lines, start=part_of(unit).line):
            if line.strip():
                yield number, line.strip()


def unread(raw: Raw, file: str, error: DataMissingError) -> Outcome:
    """A reject for a label file that is there, but empty or no text: it costs one person, not the set. Raises the error
    where it is not there."""
    if not raw.has(file):
        raise error
    return Outcome(file, reason="bad_label", detail=str(error))


def words(line: str, most: int = 0) -> list[str]:
    """What stands between spaces and tabs; with `most` the last of so many words is the rest of the line."""
    return re.split(r"[ \t]+", line.strip(" \t"), maxsplit=max(most - 1, 0)) if line.strip(" \t") else []
