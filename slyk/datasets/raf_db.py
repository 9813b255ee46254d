"""Reader of RAF-DB, basic expressions, aligned faces (Li, Deng and Du 2017).

    basic/EmoLabel/list_patition_label.txt      "train_00001.jpg 5": no header, the misspelling is the set's own
    basic/Image/aligned/train_00001_aligned.jpg 100x100

The name's prefix is the split, 1 to 7 the expression. The set's landmark files belong to its unaligned photos and are
not read: eyes are assumed where the alignment puts them. Nobody is named: groups are hash buckets.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from slyk.datasets.expressions import RAF_DB
from slyk.datasets.faces2d import Part, face_record, stem, whole
from slyk.datasets.fields import require
from slyk.datasets.lines import numbered_lines, words
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import PhotoError
from slyk.geometry.cut_faces import aligned_face

TITLE = "RAF-DB"
LICENCE = "non-commercial research only, by agreement"
SOURCE = "http://www.whdeng.cn/raf/model1.html"
PER_TASK = 1
LIST = "basic/EmoLabel/list_patition_label.txt"
SIDE_PX = 100
EYES_PX = np.array([[31.0, 38.0], [69.0, 38.0]])
"""Middles of the image-left and image-right eye in an aligned face, px: our choice, that of `slyk.layouts.raf_db`."""
FACE = aligned_face(SIDE_PX, SIDE_PX, EYES_PX)
_PARTS: tuple[Part, ...] = ("train", "test")
picture = photo_file


def units(listed: Sequence[str]) -> list[str]:
    """The label file."""
    return require([path for path in listed if path == LIST], "labels of RAF-DB", LIST)


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a line."""
    for list_name in chosen:
        for number, line in numbered_lines(raw, list_name):
            fields = words(line)
            photo = f"basic/Image/aligned/{stem(fields[0])}_aligned.jpg"
            try:
                yield Outcome(photo, (_record(photo, fields),))
            except PhotoError as error:
                yield Outcome(photo, reason=error.reason, detail=f"{list_name}, line {number}: {error.detail}")


def _record(photo: str, fields: Sequence[str]) -> Record:
    """Raises PhotoError `bad_label`."""
    if len(fields) != 2:
        raise PhotoError("bad_label", f"{len(fields)} fields, not a name and a label")
    part = next((part for part in _PARTS if fields[0].startswith(part)), None)
    if part is None:
        raise PhotoError("bad_label", f"{fields[0]} starts neither with train nor with test")
    label = whole(fields[1], "the label")
    if label not in RAF_DB:
        raise PhotoError("bad_label", f"label {label}, known are 1 to 7")
    return face_record(photo, part, FACE, "assumed", {"expression": RAF_DB[label]}, name=stem(fields[0]))
