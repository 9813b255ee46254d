"""Reader of CelebA, aligned pictures (Liu et al. 2015), flat as torchvision keeps it, or in the set's own folders.

    list_attr_celeba.txt                    Anno/   line 1 the count, line 2 the names, then a name and 40 times 1 or -1
    list_eval_partition.txt                 Eval/   "000001.jpg 0": 0 train, 1 validation, 2 test
    identity_CelebA.txt                     Anno/   "000001.jpg 2880"; optional: on request from the authors
    list_landmarks_align_celeba.txt         Anno/   likewise, a name and 10 numbers; optional
    img_align_celeba/000001.jpg             Img/    178x218

Landmarks are whole px, read as they are: eyes, nose, corners of the mouth, and `lefteye` is the image-left one. Without
them eyes are assumed at the places that the alignment aims at. The group is the identity, else a hash bucket.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from slyk.datasets.faces2d import Part, face_record, face_with_landmarks, landmarks, stem, whole
from slyk.datasets.fields import require
from slyk.datasets.lines import numbered_lines, words
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.cut_faces import aligned_face

TITLE = "CelebA"
LICENCE = "non-commercial research only"
SOURCE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
PER_TASK = 1
ATTRIBUTES = "list_attr_celeba.txt"
WIDTH_PX, HEIGHT_PX = 178, 218
EYES_PX = np.array([[69.0, 111.0], [108.0, 111.0]])
"""Image-left and image-right eye of an aligned picture, px: about which the landmarks of the set lie."""
FACE = aligned_face(WIDTH_PX, HEIGHT_PX, EYES_PX)
_PARTS: dict[int, Part] = {0: "train", 1: "validation", 2: "test"}
picture = photo_file


class Tables(NamedTuple):
    """Photo's name -> the other fields of its line; images: the folder of the photos."""

    images: str
    parts: dict[str, list[str]]
    identities: dict[str, list[str]]
    landmarks: dict[str, list[str]]


def units(listed: Sequence[str]) -> list[str]:
    """The list of attributes."""
    lists = [path for path in listed if path in (ATTRIBUTES, f"Anno/{ATTRIBUTES}")]
    return require(lists, "attributes of CelebA", ATTRIBUTES)[:1]


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a line, and one more where the list is shorter or longer than it says. Raises DataMissingError where
    the list has no count and names, or the partition is missing."""
    for list_name in chosen:
        tables = _tables(raw, own_folders=list_name.startswith("Anno/"))
        lines = numbered_lines(raw, list_name)
        count, names = next(lines, (0, ""))[1], words(next(lines, (0, ""))[1])
        if not count.isdecimal() or not names:
            raise DataMissingError(f"{raw.root}/{list_name} does not start with a line of the count and one of names")
        seen = 0
        for number, line in lines:
            seen += 1
            name, *values = words(line)
            photo = f"{tables.images}/{name}"
            try:
                attributes = _attributes(names, values)
                yield Outcome(photo, (_record(tables, name, attributes),))
            except PhotoError as error:
                yield Outcome(photo, reason=error.reason, detail=f"{list_name}, line {number}: {error.detail}")
        if seen != int(count):
            detail = f"{list_name}, line 1 announces {count} photos, {seen} are listed"
            yield Outcome(list_name, reason="bad_label", detail=detail)


def _tables(raw: Raw, *, own_folders: bool) -> Tables:
    anno, evaluation, images = ("Anno/", "Eval/", "Img/") if own_folders else ("", "", "")
    return Tables(
        f"{images}img_align_celeba",
        _table(raw, f"{evaluation}list_eval_partition.txt", optional=False),
        _table(raw, f"{anno}identity_CelebA.txt", optional=True),
        _table(raw, f"{anno}list_landmarks_align_celeba.txt", optional=True),
    )


def _table(raw: Raw, name: str, *, optional: bool) -> dict[str, list[str]]:
    if optional and not raw.has(name):
        return {}
    return {fields[0]: fields[1:] for fields in (words(line) for _, line in numbered_lines(raw, name))}


def _attributes(names: Sequence[str], values: Sequence[str]) -> dict[str, bool]:
    """Raises PhotoError `bad_label`."""
    if len(values) != len(names):
        raise PhotoError("bad_label", f"{len(values)} attributes, not {len(names)}")
    wrong = next((value for value in values if value not in ("1", "-1")), None)
    if wrong is not None:
        raise PhotoError("bad_label", f"attribute {wrong}, known are 1 and -1")
    return {name: value == "1" for name, value in zip(names, values, strict=True)}


def _record(tables: Tables, name: str, attributes: dict[str, bool]) -> Record:
    """Raises PhotoError `bad_label`."""
    if name not in tables.parts:
        raise PhotoError("bad_label", "the photo is not in list_eval_partition.txt")
    part = _PARTS.get(whole(" ".join(tables.parts[name]), "the part in list_eval_partition.txt"))
    if part is None:
        raise PhotoError("bad_label", f"part {tables.parts[name][0]} in list_eval_partition.txt, known are 0, 1 and 2")
    group = ""
    if name in tables.identities:
        group = f"id{whole(' '.join(tables.identities[name]), 'the identity'):05d}"
    photo = f"{tables.images}/{name}"
    labels: dict[str, object] = {"attributes": attributes}
    if name not in tables.landmarks:
        return face_record(photo, part, FACE, "assumed", labels, name=stem(name), group=group)
    points = landmarks(tables.landmarks[name], 5)
    labels |= {"landmarks_px": points.tolist(), "scheme": "5"}
    face = face_with_landmarks(points, "5")
    return face_record(photo, part, face, "annotated", labels, name=stem(name), group=group)
