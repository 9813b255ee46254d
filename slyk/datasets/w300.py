"""Reader of 300-W (Sagonas et al. 2013): 68 landmarks in photos of any size, a `.pts` file beside each photo.

    afw/1051618982_1.jpg                                training
    helen/trainset/100032540_1.jpg, lfpw/trainset/image_0001.png
    helen/testset/296814969_3.jpg, lfpw/testset/image_0001.png      test, tag `common`
    ibug/image_003_1.jpg                                            test, tag `challenging`

    version: 1          the three lines and the closing brace may be missing
    n_points: 68
    {
    446.000 91.000      x y in px, counted from 1: a landmark on the first pixel is at 1, 1
    }

One is taken off each coordinate, so that integers are the middles of pixels counted from 0. Mirrored copies
(`*_mirror.*`), which some downloads carry, are no photos of the set and are not read. Nobody is named: groups are hash
buckets, all faces of one photo (`image_003_1`, `image_003_2`) in one.
"""

import re
from collections.abc import Iterator, Sequence

from slyk.datasets.faces2d import Part, bucket, face_record, face_with_landmarks, landmarks, stem
from slyk.datasets.fields import require
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import PhotoError

TITLE = "300-W"
LICENCE = "non-commercial research only; photos under the terms of AFW, HELEN, LFPW and IBUG"
SOURCE = "https://ibug.doc.ic.ac.uk/resources/300-W/"
PER_TASK = 500
FOLDERS: dict[str, tuple[Part, tuple[str, ...]]] = {
    "afw": ("train", ()),
    "helen/trainset": ("train", ()),
    "lfpw/trainset": ("train", ()),
    "helen/testset": ("test", ("common",)),
    "lfpw/testset": ("test", ("common",)),
    "ibug": ("test", ("challenging",)),
}
_PHOTO = re.compile(r"(.+?)(_mirror)?\.(jpg|jpeg|png|pts)", re.IGNORECASE)
_FACE_NUMBER = re.compile(r" ?_\d{1,2}$")
"""After the name of a photo of several faces; LFPW's own numbers have four digits. One name of IBUG has a space."""
_FIRST_PX = 1.0
picture = photo_file


def units(listed: Sequence[str]) -> list[str]:
    """The photos, and landmarks without a photo."""
    found: dict[str, list[str]] = {}
    for path in listed:
        folder, _, name = path.rpartition("/")
        match = _PHOTO.fullmatch(name)
        if folder in FOLDERS and match and not match[2]:
            found.setdefault(f"{folder}/{match[1]}", []).append(path)
    photos = [path for paths in found.values() for path in ([name for name in paths if not _is_points(name)] or paths)]
    return require(photos, "photos of 300-W", "helen/trainset/100032540_1.jpg with .pts beside it")


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a photo."""
    for name in chosen:
        if _is_points(name):
            yield Outcome(name, reason="photo_missing", detail=f"{name} has no photo beside it")
            continue
        try:
            yield Outcome(name, (_record(raw, name),))
        except PhotoError as error:
            yield Outcome(name, reason=error.reason, detail=error.detail)


def _is_points(path: str) -> bool:
    return path.lower().endswith(".pts")


def _record(raw: Raw, photo: str) -> Record:
    """Raises PhotoError `no_annotation`, `bad_label`."""
    annotation = f"{stem(photo)}.pts"
    try:
        text = raw.read(annotation).decode("utf-8-sig", "replace")
    except PhotoError as error:
        raise PhotoError("no_annotation" if error.reason == "not_found" else "bad_label", str(error)) from None
    inside = text.partition("{")[2].partition("}")[0] if "{" in text else text
    lines = [line for line in re.split(r"[\r\n]+", inside) if ":" not in line]
    try:
        points = landmarks(" ".join(lines).split(), 68) - _FIRST_PX
        face = face_with_landmarks(points, "68")
    except PhotoError as error:
        raise PhotoError(error.reason, f"{annotation}: {error.detail}") from None
    part, tags = FOLDERS[photo.rpartition("/")[0]]
    labels = {"landmarks_px": points.tolist(), "scheme": "68"}
    group = bucket(part, _FACE_NUMBER.sub("", stem(photo)))
    return face_record(photo, part, face, "annotated", labels, group=group, tags=tags)
