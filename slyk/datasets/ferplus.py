"""Reader of FERPlus (Barsoum et al. 2016), the votes of ten people on FER2013's faces, told apart by what is there.

    fer2013new.csv      Usage, Image name, ten columns of votes; the rows of fer2013.csv in their order
    fer2013.csv         emotion, pixels (2,304 numbers), Usage; Kaggle's file, which holds the pictures
or, as the set's own program writes them,
    {FER2013Train,FER2013Valid,FER2013Test}/label.csv       name, "(0, 0, 48, 48)", the votes; no header
    {FER2013Train,FER2013Valid,FER2013Test}/fer0000000.png

Our rule: the expression is the column of the ten that has the most votes. Two such columns are rejected as
`votes_tied`, `unknown` as `not_an_expression`, `NF` and rows without an image name as `not_a_face`. All votes stay in
the labels. Usage Training and PublicTest have split `train`, the latter with the tag `validation`; PrivateTest is
`test`. The pictures, 48x48, grey, are cut to the face: eyes are assumed. Nobody is named: groups are hash buckets.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from slyk.datasets.expressions import CLASSES, FERPLUS
from slyk.datasets.faces2d import Part, bucket, csv_fields, face_record, stem, whole
from slyk.datasets.fields import require
from slyk.datasets.lines import numbered_lines
from slyk.datasets.pictures import Image, container_of, photo_file, place_of
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.cut_faces import aligned_face
from slyk.photos import Canvas

Places = NDArray[np.int64]
TITLE = "FERPlus"
LICENCE = "labels MIT; pictures (FER2013) under the terms of Kaggle's competition"
SOURCE = "https://github.com/microsoft/FERPlus"
PER_TASK = 1
VOTES, PIXELS = "fer2013new.csv", "fer2013.csv"
FOLDERS: dict[str, Part] = {
    "FER2013Train/label.csv": "train",
    "FER2013Valid/label.csv": "validation",
    "FER2013Test/label.csv": "test",
}
USAGES: dict[str, Part] = {"training": "train", "publictest": "validation", "privatetest": "test"}
SIDE_PX = 48
EYES_PX = np.array([[15.0, 20.0], [33.0, 20.0]])
"""Middles of the image-left and image-right eye, px: our choice, rough, since FER2013 was cut by a face detector."""
FACE = aligned_face(SIDE_PX, SIDE_PX, EYES_PX)
_MAX_ROW_BYTES = 2**16
_CHUNK_BYTES = 2**24


@dataclass(frozen=True)
class Rows:
    """The rows of fer2013.csv: its open file descriptor; starts and ends (N,) in bytes; columns of pixels and usage."""

    descriptor: int
    starts: Places
    ends: Places
    pixels: int
    usage: int

    def fields(self, place: int) -> list[bytes]:
        """The fields of a row. Raises PhotoError `unreadable`."""
        size = int(self.ends[place] - self.starts[place])
        if size > _MAX_ROW_BYTES:
            raise PhotoError("unreadable", f"{PIXELS}, row {place}: {size} bytes, at most {_MAX_ROW_BYTES}")
        fields = os.pread(self.descriptor, size, int(self.starts[place])).strip().split(b",")
        if len(fields) <= max(self.pixels, self.usage):
            raise PhotoError("unreadable", f"{PIXELS}, row {place}: {len(fields)} fields")
        return fields

    def __del__(self) -> None:
        os.close(self.descriptor)


def units(listed: Sequence[str]) -> list[str]:
    """The votes: of the csv files where both are there, else of the folders. Raises DataMissingError."""
    if VOTES in listed and PIXELS in listed:
        return [VOTES]
    folders = [path for path in listed if path in FOLDERS]
    if VOTES in listed and not folders:
        raise DataMissingError(
            f"{VOTES} is there, {PIXELS} is not: FERPlus ships no pictures, take FER2013's of Kaggle"
        )
    return require(folders, "votes of FERPlus", f"{VOTES} beside {PIXELS}, or {next(iter(FOLDERS))}")


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a row. Raises DataMissingError where the two csv files do not have equally many."""
    for name in chosen:
        yield from _of_csv(raw) if name == VOTES else _of_folder(raw, name)


def file_of(name: str) -> str:
    """fer2013.csv of its rows, else the photo file itself."""
    return PIXELS if container_of(name) == PIXELS else name


def picture(raw: Raw, name: str, canvas: Canvas | None = None) -> Image:
    """BGR uint8 (48, 48, 3) of `fer2013.csv#ROW`, rows counted from 0 after the header, or of a photo file.

    Raises PhotoError `not_found`, `unreadable`, and those of photo files.
    """
    if file_of(name) != PIXELS:
        return photo_file(raw, name)
    rows, place = _rows(raw.root), place_of(name)
    if not (place.isdecimal() and int(place) < len(rows.starts)):
        raise PhotoError("not_found", f"{name}: {PIXELS} has rows 0 to {len(rows.starts) - 1}")
    try:
        values = bytes(map(int, rows.fields(int(place))[rows.pixels].strip(b'" ').split()))
    except ValueError as error:
        raise PhotoError("unreadable", f"{name}: {error}") from None
    if len(values) != SIDE_PX**2:
        raise PhotoError("unreadable", f"{name}: {len(values)} pixels, not {SIDE_PX**2}")
    grey = np.frombuffer(values, np.uint8).reshape(SIDE_PX, SIDE_PX, 1)
    return np.repeat(grey, 3, axis=2)


@lru_cache(maxsize=2)
def _rows(root: str) -> Rows:
    """Found once in a process: a task reads hundreds of rows of one file. Raises DataMissingError."""
    try:
        with Raw(root).local(PIXELS) as path, path.open("rb") as file:
            header = file.readline(_MAX_ROW_BYTES).decode("utf-8-sig", "replace").strip()
            names = [name.strip().lower() for name in header.split(",")]
            if not {"pixels", "usage"} <= set(names):
                raise DataMissingError(f"{root}/{PIXELS} starts with {header[:80]!r}, not with emotion,pixels,Usage")
            starts, ends = _bounds(file)
            descriptor = os.dup(file.fileno())  # outlives the name, should that be of a copy that ends here
    except PhotoError as error:
        raise DataMissingError(f"{root}/{PIXELS}: {error} (docs/datasets.md says what belongs there)") from None
    return Rows(descriptor, starts, ends, names.index("pixels"), names.index("usage"))


def _bounds(file: BinaryIO) -> tuple[Places, Places]:
    """First byte and end (N,) of each line from where the file stands, empty lines left out."""
    start = file.tell()
    breaks = [np.array([start - 1])]
    while chunk := file.read(_CHUNK_BYTES):
        breaks.append(np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")) + start)
        start += len(chunk)
    bounds = np.concatenate([*breaks, [start]]).astype(np.int64)
    starts, ends = bounds[:-1] + 1, bounds[1:]
    filled = ends - starts > 1  # an empty line has a carriage return at most
    return starts[filled], ends[filled]


def _of_csv(raw: Raw) -> Iterator[Outcome]:
    rows = _rows(raw.root)
    lines = list(numbered_lines(raw, VOTES))
    if lines[0][1].lower().startswith("usage,"):
        del lines[0]
    if len(lines) != len(rows.starts):
        raise DataMissingError(
            f"{raw.root}: {VOTES} has {len(lines)} rows and {PIXELS} {len(rows.starts)}; they belong together row by "
            "row: take both as they were given out"
        )
    for place, (number, line) in enumerate(lines):
        photo = f"{PIXELS}#{place}"
        try:
            fields = csv_fields(line)
            usage, shown = fields[0].lower(), rows.fields(place)[rows.usage].strip(b'" ').decode("utf-8", "replace")
            if usage not in USAGES or usage != shown.lower():
                raise PhotoError("bad_label", f"usage {fields[0]!r} here and {shown!r} in {PIXELS}")
            yield Outcome(photo, (_record(photo, USAGES[usage], "".join(fields[1:2]), fields[2:]),))
        except PhotoError as error:
            yield Outcome(photo, reason=error.reason, detail=f"{VOTES}, line {number}: {error.detail}")


def _of_folder(raw: Raw, labels: str) -> Iterator[Outcome]:
    folder = labels.rpartition("/")[0]
    for number, line in numbered_lines(raw, labels):
        photo = f"{folder}/{line.partition(',')[0].strip()}"
        try:
            fields = csv_fields(line)
            yield Outcome(photo, (_record(photo, FOLDERS[labels], fields[0], fields[2:]),))
        except PhotoError as error:
            yield Outcome(photo, reason=error.reason, detail=f"{labels}, line {number}: {error.detail}")


def _record(photo: str, part: Part, name: str, votes: Sequence[str]) -> Record:
    """Raises PhotoError `bad_label`, `votes_tied`, `not_an_expression`, `not_a_face`."""
    if len(votes) != len(FERPLUS):
        raise PhotoError("bad_label", f"{len(votes)} columns of votes, not {len(FERPLUS)}")
    if not name:
        raise PhotoError("not_a_face", "no image name")
    counts = {column: whole(field, f"votes for {column}") for column, field in zip(FERPLUS, votes, strict=True)}
    most = max(counts.values())
    if min(counts.values()) < 0 or most == 0:
        raise PhotoError("bad_label", f"votes {list(counts.values())}")
    favoured = [column for column, count in counts.items() if count == most]
    if len(favoured) > 1:
        raise PhotoError("votes_tied", f"{most} for {' and '.join(favoured)} each")
    if favoured[0] not in CLASSES:
        reason = "not_a_face" if favoured[0] == "NF" else "not_an_expression"
        raise PhotoError(reason, f"{most} votes for {favoured[0]}")
    labels = {"expression": favoured[0], "votes": counts}
    group = bucket(part, name)  # of the name: four names of the real list stand for two rows each
    return face_record(photo, part, FACE, "assumed", labels, name=f"{part}/{stem(name)}", group=group)
