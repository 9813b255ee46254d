"""The columns of one's own table: which are known, which belong together, and how pairs of angles become vectors."""

from collections.abc import Mapping, Sequence

import numpy as np

from slyk.datasets.fields import numbers, unit
from slyk.errors import ParamsError, PhotoError
from slyk.geometry.camera import Array

TEXTS = ("photo", "person", "recording", "split", "camera", "expression")
CAMERA = ("fx", "fy", "cx", "cy")
DISTORTION = ("k1", "k2", "p1", "p2", "k3")
GAZE = ("gaze_x", "gaze_y", "gaze_z")
TARGET = ("target_x", "target_y", "target_z")
ANGLES = ("pitch", "yaw", "convention", "angle_unit")
HEAD = ("head_rx", "head_ry", "head_rz", "head_tx", "head_ty", "head_tz")
LANDMARKS = {count: tuple(f"lm{i}_{axis}" for i in range(count) for axis in "xy") for count in (0, 6, 68)}
TOGETHER = (CAMERA, DISTORTION, GAZE, TARGET, ANGLES, HEAD)
"""Columns that come all or none; so do the landmarks."""
CONVENTIONS = {
    "slyk": (1, 1),
    "eth-xgaze": (1, 1),
    "gazehub": (1, 1),
    "mpiifacegaze-mat": (-1, -1),
    "up-right": (1, -1),
}
"""Name -> (a, b), the camera frame's gaze then being (-b cos(pitch) sin(yaw), -a sin(pitch), -cos(pitch) cos(yaw)):
whether a positive pitch looks up (1) or down (-1), a positive yaw to the left of the picture (1) or to its right (-1).
GazeHub's files name yaw first; columns are told by their names here."""
ANGLE_UNITS = {"radians": 1.0, "degrees": np.pi / 180}


def check(header: Sequence[str], where: str) -> int:
    """The number of landmarks of a row: 0, 6 or 68. Raises ParamsError for columns that are not known, that are there
    twice, that lack others, or of which only one kind may be there."""
    known = {*TEXTS, *LANDMARKS[68], *(name for names in TOGETHER for name in names)}
    there, unknown = set(header), [name for name in header if name not in known]
    if unknown:
        names = ", ".join([*TEXTS, *(name for names in TOGETHER for name in names)])
        advice = "; cells are divided by commas" * (len(header) == 1)
        known_names = f"{names}, lm0_x, lm0_y, ... lm5_y or lm67_y"
        raise ParamsError(f"{where}: unknown column {unknown[0]!r}{advice}; known: {known_names}")
    if len(there) < len(header):
        raise ParamsError(f"{where}: column {max(header, key=list(header).count)!r} is there twice")
    if "photo" not in there:
        raise ParamsError(f"{where} has no column 'photo', the path of the photo below the data set's root")
    points = there & {*LANDMARKS[68]}
    num_landmarks = 0 if not points else 6 if points <= {*LANDMARKS[6]} else 68
    for together in (*TOGETHER, LANDMARKS[num_landmarks]):
        if missing := [name for name in together if there & {*together} and name not in there]:
            raise ParamsError(f"{where} lacks column {missing[0]!r}, which belongs to {', '.join(together[:6])}")
    for kinds in ({"fx", "camera"}, {"gaze_x", "target_x", "pitch"}):
        if len(there & kinds) > 1:
            raise ParamsError(f"{where}: of {', '.join(sorted(kinds))} and what belongs to each only one may be there")
    return num_landmarks


def filled(row: Mapping[str, str], names: Sequence[str]) -> bool:
    """Whether these cells hold something. Raises PhotoError `bad_label` where only some of them do."""
    empty = [name for name in names if not row.get(name)]
    if empty and len(empty) < len(names):
        raise PhotoError("bad_label", f"{empty[0]} is empty, but others of {', '.join(names[:6])} are not")
    return len(empty) < len(names)


def values(row: Mapping[str, str], names: Sequence[str]) -> Array | None:
    """The numbers of these cells, None where all are empty. Raises PhotoError `bad_label`."""
    return numbers([row[name] for name in names], ", ".join(names[:6])) if filled(row, names) else None


def choice(row: Mapping[str, str], name: str, known: Sequence[str], default: str = "") -> str:
    """A cell that holds one of a few words. Raises PhotoError `bad_label`."""
    word = row.get(name) or default
    if word not in known:
        raise PhotoError("bad_label", f"{name} is {word!r}, not one of {', '.join(known)}")
    return word


def gaze(row: Mapping[str, str], center_mm: Array) -> Array | None:
    """The unit vector (3,) from the face centre (3,), camera frame, None without a label. Raises PhotoError."""
    if (vector := values(row, GAZE)) is not None:
        return unit(vector, "gaze")
    if (target := values(row, TARGET)) is not None:
        return unit(target - center_mm, "target minus face centre")
    return vector_of_angles(row) if filled(row, ANGLES[:2]) else None


def vector_of_angles(row: Mapping[str, str]) -> Array:
    """Raises PhotoError `bad_label`, also for angles beyond a right angle up or down or half a turn aside."""
    up, left = CONVENTIONS[choice(row, "convention", [*CONVENTIONS])]
    scale = ANGLE_UNITS[choice(row, "angle_unit", [*ANGLE_UNITS])]
    pitch, yaw = numbers([row["pitch"], row["yaw"]], "pitch, yaw") * scale
    if abs(pitch) > np.pi / 2 + 1e-9 or abs(yaw) > np.pi + 1e-9:
        raise PhotoError("bad_label", f"pitch {row['pitch']}, yaw {row['yaw']} are no {row['angle_unit']} of a gaze")
    return np.array([-left * np.cos(pitch) * np.sin(yaw), -up * np.sin(pitch), -np.cos(pitch) * np.cos(yaw)])
