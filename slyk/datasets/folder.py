"""Reader of any folder of photos: faces are detected, nothing is labelled, groups are stable hash buckets."""

import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import PhotoError
from slyk.geometry.camera import guess_camera
from slyk.geometry.eyes import geometry_from_eyes
from slyk.landmarks.cascades import find_faces
from slyk.photos import PHOTO_SUFFIXES

TITLE = "folder of photos"
LICENCE = "unknown"
SOURCE = "yours"
PER_TASK = 16
NUM_BUCKETS = 10
SMALLEST_FACE_PX = 20
"""What the cascades can see at all; tells a small face from none."""


picture = photo_file


def units(listed: Sequence[str]) -> list[str]:
    """The photos among the listed files, by suffix; hidden files and files in hidden folders are none."""
    return [path for path in listed if is_photo(path)]


def is_photo(path: str) -> bool:
    """Whether a file is meant to be a photo. What its bytes are is found out when it is read."""
    pure = PurePosixPath(path)
    return pure.suffix.lower() in PHOTO_SUFFIXES and not any(part.startswith(".") for part in pure.parts)


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """One outcome a photo, in the order of `chosen`."""
    for photo in chosen:
        try:
            yield Outcome(photo, tuple(records(raw, photo, options)))
        except PhotoError as error:
            yield Outcome(photo, reason=error.reason, detail=error.detail)


def records(raw: Raw, photo: str, options: ReadOptions) -> list[Record]:
    """A record a face, left to right. Raises PhotoError: those of `picture`, `no_face` and `face_too_small`."""
    shown = picture(raw, photo)
    height, width = shown.shape[:2]
    camera = guess_camera(width, height) if options.camera is None else options.camera
    faces = find_faces(shown, min_face_px=options.min_face_px)
    if not faces:
        small = find_faces(shown, min_face_px=SMALLEST_FACE_PX) if options.min_face_px > SMALLEST_FACE_PX else []
        if small:
            widest = max(face.box_px[2] for face in small)
            raise PhotoError("face_too_small", f"{photo}: {widest} px wide, at least {options.min_face_px} wanted")
        raise PhotoError("no_face", photo)
    key, group = key_of(photo), f"bucket{zlib.crc32(photo.encode()) % NUM_BUCKETS}"
    return [
        Record(
            f"{key}-f{i}", photo, group, "train", geometry_from_eyes(camera, face.eyes_px), None, face.eyes, "guessed"
        )
        for i, face in enumerate(faces)
    ]


def key_of(photo: str) -> str:
    """`[a-z0-9_/-]+`, unique: the path without suffix where it is so already, else with the hash of the whole path."""
    stem = str(PurePosixPath(photo).with_suffix(""))
    slug = re.sub("[^a-z0-9_/-]+", "-", stem.lower()).strip("-/")
    if slug == stem and photo.endswith(".jpg"):  # a.png beside a.jpg must not share its key
        return slug
    return f"{slug or 'photo'}-{hashlib.sha256(photo.encode()).hexdigest()[:8]}"
