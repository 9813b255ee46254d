"""Reader of MPIIFaceGaze as its authors normalized it (MPIIFaceGaze_normalized.zip): HDF5 in MATLAB's version 7.3.

    p00.mat .. p14.mat      at the root or in a folder (the archive calls it MPIIFaceGaze_normalizad)
        Data/data           (N, 3, 448, 448) as HDF5 gives it, 3,000 a person, BGR
        Data/label          (N, 4) or (N, 16): gaze pitch, yaw; head pitch, yaw, radians; six landmarks x, y, px: the
                            eye corners image-left to image-right, then the mouth corners

The authors turned RGB to BGR, mirrored each picture and turned it by 90 degrees, which together is a transposition;
HDF5's reversed order of axes undoes it: `data[i]` is (channel, row, column), upright and not mirrored. Pictures are
named `p00.mat#INDEX`, from 0.

Signs. Public sources disagree. Code that trains on these labels and draws what the network says over a live camera
takes them for (asin -y, atan2(-x, -z)), which is ours; a published note calls both signs opposite to ETH-XGaze's, which
is ours too, but the code beside it writes (asin y, atan2(x, -z)), and so says the same as the others of these labels.
The labels tell themselves: everybody looks at the screen of a laptop, which lies below its camera, so nearly every gaze
of a person has a pitch below 0. Where nearly all lie above it, both signs are turned.

Labels are rotated and not scaled, as since 2018 (the author says so in public). The virtual camera stood 1,000 mm
away; its focal length of 1,600 px, known from the authors' toolkit, is that for pictures of 224 px. Where there are
landmarks, they place the eyes and tell the focal length: the eyes of the set's face model lie 66.4 mm apart.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import h5py
import numpy as np

from slyk.datasets import hdf5
from slyk.datasets.fields import key_of, require
from slyk.datasets.pictures import Image, container_of, place_of
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array, rays
from slyk.geometry.cut_faces import normalized_face
from slyk.photos import Canvas

TITLE = "MPIIFaceGaze (normalized)"
LICENCE = "CC BY-NC-SA 4.0"
SOURCE = "https://perceptualui.org/research/datasets/MPIIFaceGaze/"
PER_TASK = 1
DISTANCE_MM = 1000.0
FOCAL_PER_SIDE = 1600.0 / 224.0
"""Focal length in sides of the picture."""
MODEL_EYES_MM = 66.4
"""Between the middles of the eyes of the set's six-point model, whose corners lie 21.3 and 45.1 mm to each side."""
MOST = 0.75
"""Share of a person's gazes that must lie on one side of the camera (our choice)."""
_FILE = re.compile(r"(?:.*/)?(p\d\d)\.mat", re.IGNORECASE)
file_of = container_of


def units(listed: Sequence[str]) -> list[str]:
    """The files of the people."""
    return require([path for path in listed if _FILE.fullmatch(path)], "normalized MPIIFaceGaze", "p00.mat")


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a label. Raises DataMissingError for a file that is damaged or whose signs cannot be told."""
    for name in chosen:
        match = _FILE.fullmatch(name)
        assert match is not None, f"{name} is no unit"
        try:
            file = _open(raw.root, name)
            labels = np.asarray(hdf5.read(_dataset(file, "label")), dtype=np.float64)
            shape = _dataset(file, "data").shape
        except (PhotoError, OSError, TypeError, ValueError) as error:
            raise DataMissingError(f"{raw.root}/{name}: {error} (docs/datasets.md says what belongs there)") from None
        if len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3] or labels.ndim != 2 or len(labels) != shape[0]:
            wanted = "(N, 3, S, S) and (N, at least 4)"
            raise DataMissingError(f"{raw.root}/{name}: Data/data {shape} and Data/label {labels.shape}, not {wanted}")
        if labels.shape[1] < 4:
            raise DataMissingError(f"{raw.root}/{name}: Data/label has {labels.shape[1]} columns, at least 4 wanted")
        sign, focal_px = _sign(labels[:, 0], f"{raw.root}/{name}"), _focal_px(labels, shape[3])
        for index, label in enumerate(labels):
            photo, person = f"{name}#{index}", match[1].lower()
            if np.isfinite(label[:4]).all() and np.all(np.abs(label[:4]) <= np.pi):
                record = _record(person, photo, f"{person}/{index:04d}", label, sign, focal_px, shape[3])
                yield Outcome(photo, (record,))
            else:
                yield Outcome(photo, reason="bad_label", detail=f"{name}, label {index}: {label[:4].tolist()}")


def picture(raw: Raw, name: str, canvas: Canvas | None = None) -> Image:
    """BGR uint8 (S, S, 3) of `p00.mat#INDEX`. Raises PhotoError `not_found`, `unreadable`, `outside_root`."""
    data, place = _dataset(_open(raw.root, file_of(name)), "data"), place_of(name)
    if not place.isdecimal() or int(place) >= data.shape[0]:
        raise PhotoError("not_found", f"{name}: the file holds pictures 0 to {data.shape[0] - 1}")
    try:
        pixels = np.asarray(hdf5.read(data, int(place)))
    except (OSError, ValueError) as error:
        raise PhotoError("unreadable", f"{name}: {error}") from None
    return np.ascontiguousarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8).transpose(1, 2, 0))


@lru_cache(maxsize=2)
def _open(root: str, name: str) -> Any:
    """The file, kept open: a task reads hundreds of its pictures. A copy from a URL lives as long as it is open."""
    with Raw(root).local(name) as path:
        try:
            return h5py.File(path, "r")
        except OSError as error:
            raise PhotoError("unreadable", f"{name} cannot be read as HDF5 (MATLAB 7.3): {error}") from None


def _dataset(file: Any, name: str) -> Any:
    """Data/NAME of the file itself: links and parts that lead to other files are refused."""
    group = file.get("Data") if isinstance(file.get("Data", getlink=True), h5py.HardLink) else None
    inside = isinstance(group, h5py.Group) and isinstance(group.get(name, getlink=True), h5py.HardLink)
    found = group[name] if group is not None and inside else None
    if not isinstance(found, h5py.Dataset):
        raise PhotoError("unreadable", f"no Data/{name} inside")
    if found.is_virtual or found.external:
        raise PhotoError("outside_root", f"Data/{name} lies in another file")
    return found


def _sign(pitches: Array, where: str) -> float:
    """1 where the labels have our signs, -1 where both are opposite. Raises DataMissingError where neither shows."""
    known = pitches[np.isfinite(pitches) & (pitches != 0)]
    below = float(np.mean(known < 0)) if known.size else 1.0
    if max(below, 1 - below) < MOST:
        raise DataMissingError(
            f"{where}: {below:.0%} of the gazes have a pitch below 0; nearly all or nearly none would tell the signs, "
            "since the screen lies below the camera: are these the labels of MPIIFaceGaze, pitch first?"
        )
    return 1.0 if below >= MOST else -1.0


def _focal_px(labels: Array, side_px: int) -> float:
    """Of the virtual camera: by the landmarks where there are some, else the known one."""
    apart = [np.linalg.norm(eyes[1] - eyes[0]) / np.cos(label[3]) for label in labels
             if (eyes := _eyes_px(label, side_px)) is not None and abs(label[3]) < 1.0]  # fmt: skip
    return float(np.median(apart)) * DISTANCE_MM / MODEL_EYES_MM if apart else FOCAL_PER_SIDE * side_px


def _eyes_px(label: Array, side_px: int) -> Array | None:
    """The eyes (2, 2), right first; None without landmarks, or with some that show no upright face in the picture."""
    points = label[4:16].reshape(-1, 2)
    if len(points) != 6 or not np.isfinite(label[3:16]).all():
        return None
    eyes, mouth = points[:4].reshape(2, 2, 2).mean(axis=1), points[4:].mean(axis=0)
    inside = bool(np.all(eyes > 0) and np.all(eyes < side_px - 1))
    return eyes if inside and eyes[0, 0] + side_px / 20 < eyes[1, 0] and mouth[1] > eyes[:, 1].max() else None


def _record(person: str, photo: str, key: str, label: Array, sign: float, focal_px: float, side_px: int) -> Record:
    head, gaze = sign * label[2:4], vector_from_pitchyaw(sign * label[:2])
    face = normalized_face(side_px, focal_px=focal_px, distance_mm=DISTANCE_MM, head=head, center="six_points")
    eyes_px = _eyes_px(label, side_px)
    if eyes_px is None:
        return Record(key_of(key), photo, person, "train", face, gaze, "assumed", "normalized")
    directions = rays(face.camera, eyes_px)
    face = replace(face, eyes_mm=directions / directions[:, 2:] * DISTANCE_MM)
    labels = {"landmarks_px": label[4:16].reshape(6, 2).tolist(), "scheme": "6"}
    return Record(key_of(key), photo, person, "train", face, gaze, "annotated", "normalized", labels=labels)
