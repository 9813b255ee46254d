"""Reader of TEyeD (Fuhl et al. 2021): videos of one eye, and for each video a text file of each kind of annotation.

    TEyeDSSingleFiles/Dikablis/VIDEOS/DikablisSS_1_1.mp4
    TEyeDSSingleFiles/Dikablis/ANNOTATIONS/DikablisSS_1_1.mp4gaze_vec.txt      no sign between name and kind

A line is FRAME, from 1, and values, each followed by `;`, below a header, which is the third line of eye_movements.
Kinds belong together by FRAME, never by row; what a frame lacks is None in its labels. VALIDITY is 1 or -1. Where it is
-1 the 2D points stay finite and plausible, while inaccuracy, ellipse and gaze turn -1, here None.

gaze_vec is (x right, y down, z towards the camera): x and y are (pupil's centre - eyeball's centre) / RADIUS in px. So
gaze = (x, y, -z), from the eyeball's centre, in the frame whose z is the ray to the eyeball. Without a camera there is
no geometry. Labels: {pupil,iris,lid}_{px,inaccuracy,valid}, {pupil,iris,pupil_in_iris}_ellipse (angle in degrees,
centre x and y, width, height), eye_movement. 3D points, which lie on the sphere of eye_ball, and segmentations are not
read. The set ships no split. A picture is `VIDEO#FRAME`.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import cv2
import numpy as np

from slyk.datasets.fields import key_of, numbers, require, unit
from slyk.datasets.pictures import Image, container_of, place_of
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.camera import Array
from slyk.photos import MAX_PIXELS, Canvas

TITLE = "TEyeD"
LICENCE = "research only"
SOURCE = "https://es-cloud.cs.uni-tuebingen.de/d/8e2ab8c3fdd444e1a135/?p=%2FTEyeDS&mode=list"
PER_TASK = 1
EYE_MOVEMENTS = {1: "error", 2: "blink", 3: "fixation", 4: "saccade", 5: "smooth_pursuit"}
_VALIDITY = {1: True, -1: False}
_POINTS = {"pupil": 8, "iris": 8, "lid": 34}
_ELLIPSES = ("pupil", "iris", "pupil_in_iris")
_NUM_VALUES = {
    "gaze_vec": 3,
    "eye_movements": 1,
    **{f"{part}_lm_2D": 1 + 2 * count for part, count in _POINTS.items()},
    **{f"validity_{part}": 1 for part in _POINTS},
    **{f"{name}_eli": 5 for name in _ELLIPSES},
}
"""Kinds that are read: how many values follow FRAME."""
_VIDEO = re.compile(r"(?P<folder>(?:.*/)?)VIDEOS/(?P<name>[^/]+\.mp4)")
_ANNOTATION = re.compile(rf"(?P<folder>(?:.*/)?)ANNOTATIONS/(?P<name>[^/]+\.mp4)(?:{'|'.join(_NUM_VALUES)})\.txt")
_FRAME = re.compile(r"0*[1-9][0-9]{0,8}")
file_of = container_of


class Table(NamedTuple):
    """name: of the file; lines: FRAME -> number and values of its line, None where it has two; wrong: lines without
    FRAME."""

    name: str
    lines: dict[int, tuple[int, list[str] | None]]
    wrong: list[str]


class Frame(NamedTuple):
    """One frame in the tables of a video, by kind."""

    tables: Mapping[str, Table]
    number: int

    def where(self, kind: str) -> str:
        return f"{self.tables[kind].name}, line {self.tables[kind].lines[self.number][0]}"

    def values(self, kind: str) -> Array | None:
        """The numbers after FRAME, None where there are none. Raises PhotoError `bad_label`."""
        if kind not in self.tables or self.number not in self.tables[kind].lines:
            return None
        fields = self.tables[kind].lines[self.number][1]
        if fields is None:
            raise PhotoError("bad_label", f"{self.where(kind)}: FRAME {self.number} is there twice")
        if len(fields) != _NUM_VALUES[kind]:
            raise PhotoError("bad_label", f"{self.where(kind)}: {len(fields)} values, not {_NUM_VALUES[kind]}")
        return numbers(fields, self.where(kind))

    def chosen(self, kind: str, known: Mapping[int, Any]) -> Any:
        """What the one number of a kind stands for, None where there is none. Raises PhotoError `bad_label`."""
        values = self.values(kind)
        if values is None:
            return None
        if values[0] not in known:
            raise PhotoError("bad_label", f"{self.where(kind)}: {values[0]:g} is none of {', '.join(map(str, known))}")
        return known[int(values[0])]


def units(listed: Sequence[str]) -> list[str]:
    """The videos, and of each video that is annotated but not there one file of annotations."""
    found = {path: path for path in listed if _VIDEO.fullmatch(path)}
    for path in listed:
        if match := _ANNOTATION.fullmatch(path):
            found.setdefault(f"{match['folder']}VIDEOS/{match['name']}", path)
    return require(sorted(found.values()), "videos of TEyeD", "TEyeDSSingleFiles/Dikablis/VIDEOS/DikablisSS_1_1.mp4")


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a frame that is annotated, a line without FRAME, a video that lacks annotations, and the reverse."""
    for name in chosen:
        if match := _ANNOTATION.fullmatch(name):
            video = f"{match['folder']}VIDEOS/{match['name']}"
            yield Outcome(video, reason="photo_missing", detail=f"{name} labels it, but it is not there")
        else:
            yield from _frames(raw, name)


def _frames(raw: Raw, video: str) -> Iterator[Outcome]:
    match = _VIDEO.fullmatch(video)
    assert match
    names = {kind: f"{match['folder']}ANNOTATIONS/{match['name']}{kind}.txt" for kind in _NUM_VALUES}
    try:
        tables = {kind: _table(raw, name) for kind, name in names.items() if raw.has(name)}
    except PhotoError as error:
        yield Outcome(video, reason=error.reason, detail=error.detail)
        return
    for table in tables.values():
        yield from (Outcome(video, reason="bad_label", detail=detail) for detail in table.wrong)
    frames = sorted({number for table in tables.values() for number in table.lines})
    if not frames:
        yield Outcome(video, reason="no_annotation", detail=f"nothing in files such as {names['gaze_vec']}")
    group = _group(match["folder"], match["name"])
    for number in frames:
        photo = f"{video}#{number}"
        try:
            yield Outcome(photo, (_record(Frame(tables, number), photo, group),))
        except PhotoError as error:
            yield Outcome(photo, reason=error.reason, detail=error.detail)


def _table(raw: Raw, name: str) -> Table:
    """Raises PhotoError `bad_label` for files that are no table."""
    try:
        lines = raw.text(name).split("\n")
    except DataMissingError as error:
        raise PhotoError("bad_label", str(error)) from None
    header = next((i for i, line in enumerate(lines) if line.strip().upper().startswith("FRAME")), None)
    if header is None:
        raise PhotoError("bad_label", f"{name}: no line starts with FRAME")
    table = Table(name, {}, [])
    for number, line in enumerate(lines[header + 1 :], start=header + 2):
        fields = [field.strip() for field in line.strip().rstrip("; \t").split(";")]
        if _FRAME.fullmatch(fields[0]):
            frame = int(fields[0])
            table.lines[frame] = (number, None if frame in table.lines else fields[1:])
        elif fields != [""]:
            table.wrong.append(f"{name}, line {number}: FRAME is {fields[0][:20]!r}, not a number from 1")
    return table


def _record(frame: Frame, photo: str, group: str) -> Record:
    """Raises PhotoError `bad_label`."""
    labels: dict[str, Any] = {"eye_movement": frame.chosen("eye_movements", EYE_MOVEMENTS)}
    for part, count in _POINTS.items():
        points = frame.values(f"{part}_lm_2D")
        labels[f"{part}_px"] = None if points is None else points[1:].reshape(count, 2).tolist()
        labels[f"{part}_inaccuracy"] = None if points is None or points[0] == -1 else float(points[0])
        labels[f"{part}_valid"] = frame.chosen(f"validity_{part}", _VALIDITY)
    for name in _ELLIPSES:
        ellipse = frame.values(f"{name}_eli")
        labels[f"{name}_ellipse"] = None if ellipse is None or np.all(ellipse == -1) else ellipse.tolist()
    vector, gaze = frame.values("gaze_vec"), None
    if vector is not None and not np.all(vector == -1) and labels["pupil_valid"] is not False:
        gaze = unit(vector * [1.0, 1.0, -1.0], frame.where("gaze_vec"))
    key = f"{group}/{frame.number:06d}"
    return Record(key, photo, group, "train", None, gaze, "annotated", "guessed", "unknown", labels=labels)


def _group(folder: str, name: str) -> str:
    """The tracker's folder and the video's name, with a hash where signs had to go."""
    full = "-".join(filter(None, [PurePosixPath(folder).name, name.removesuffix(".mp4")]))
    slug = key_of(full)
    return slug if slug == full.lower() else f"{slug}-{zlib.crc32(full.encode()):08x}".lstrip("-")


def picture(raw: Raw, name: str, canvas: Canvas | None = None) -> Image:
    """The frame of a video. Raises PhotoError `unreadable`, also where the video ends before it."""
    file, place = file_of(name), place_of(name)
    assert _FRAME.fullmatch(place), name
    key = (raw.root, file)
    if key not in _HELD:
        while _HELD:
            _HELD.popitem()[1].close()
        _HELD[key] = Video(raw, file)
    return _HELD[key].read(int(place) - 1)


class Video:
    """An opened video that knows its place: frames in order cost one decoding each, an earlier one a new start.

    It never seeks: FRAME counts frames as they come, times of frames need not be even, and what can be read of a
    damaged video must not depend on who read what before.
    """

    def __init__(self, raw: Raw, name: str) -> None:
        """Raises PhotoError: those of `Raw.local`, `unreadable`, `too_many_pixels`."""
        self._name, self._held, self._ended = name, ExitStack(), False
        self._path = self._held.enter_context(raw.local(name))
        try:
            self._start()
        except PhotoError:
            self.close()
            raise

    def close(self) -> None:
        self._held.close()

    def read(self, index: int) -> Image:
        """BGR uint8 (H, W, 3) of a frame, counted from 0. Raises PhotoError `unreadable`."""
        if index < self._at or (self._ended and index == self._at):  # the end takes the last picture with it
            self._start()
        while self._at < index:
            if self._ended or not self._capture.grab():
                self._ended = True
                raise PhotoError("unreadable", f"{self._name} ends or is damaged before frame {index + 1}")
            self._at += 1
        there, shown = self._capture.retrieve()
        if not there:
            raise PhotoError("unreadable", f"{self._name} is damaged at frame {index + 1}")
        return np.asarray(shown, dtype=np.uint8)

    def _start(self) -> None:
        with self._path.open("rb") as file:
            if file.read(8)[4:] != b"ftyp":  # FFmpeg would follow playlists too, whatever their suffix
                raise PhotoError("unreadable", f"{self._name} is no MP4 file")
        self._capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        self._at, self._ended = -1, False
        if not self._capture.isOpened():
            raise PhotoError("unreadable", f"{self._name} does not open as a video")
        width, height = (self._capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            raise PhotoError("too_many_pixels", f"{self._name}: {width:.0f} x {height:.0f}, at most {MAX_PIXELS}")


_HELD: dict[tuple[str, str], Video] = {}
"""The one video that this process read last."""
