"""Reader of sets that GazeHub's scripts processed (Cheng et al. 2021).

    Label/p00.label             a header, then a line a photo; fields apart by spaces, numbers of a vector by commas
    Image/p00/face/1.jpg        face pictures of 224 px; in some sets below `Image/train/`, or without `Image/`

The header's names say where a field is; without a header the number of fields does:

| set | fields |
| --- | --- |
| MPIIFaceGaze | Face Left Right Origin WhichEye 3DGaze 3DHead 2DGaze 2DHead Rmat Smat GazeOrigin |
| EyeDiap | Face Left Right metapath 3DGaze 3DHead 2DGaze 2DHead Rvec Svec GazeOrigin |
| RT-Gene | Face Left Right Origin 3DGaze 3DHead 2DGaze 2DHead |
| ETH-XGaze | face gaze head origin cam_index frame_index normmat; without gaze where the set keeps it to itself |
| Gaze360 | Face Left Right Origin 3DGaze 2DGaze |

How labels become ours: 2DGaze and 2DHead are (yaw, pitch) with our signs, in the frame of the picture. ETH-XGaze's
`gaze` and `head` are its own (pitch, yaw), but (yaw, pitch) in files named `...YP.label`. 3DGaze is the same gaze as a
vector: in the normalized camera frame, which has our axes; in Gaze360 in the eye's own system, x left, y up, z away.
Where both are there and differ by more than 1 degree: `bad_label`. The script for MPIIFaceGaze scales the gaze, as was
done until 2018, and says by how much in Smat: that is undone, the factor kept as the label `scale`. EyeDiap's does not
scale (Svec). MPIIFaceGaze's pictures of right eyes (WhichEye) are mirrored with all their labels: tag `mirrored`. Test
labels of ETH-XGaze hold no gaze. `val`, `valid` train with the tag `validation`; `unused` are rejects.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from slyk.datasets.fields import key_of, numbers, require, unit
from slyk.datasets.folder import NUM_BUCKETS
from slyk.datasets.lines import divided, head_of, numbered_lines, part_of, unread, words
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Center, Outcome, ReadOptions, Record
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.angles import angular_error, vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.geometry.cut_faces import normalized_face

TITLE = "GazeHub's processed sets"
LICENCE = "that of the set which was processed (MPIIFaceGaze, ETH-XGaze: CC BY-NC-SA 4.0; all: research only)"
SOURCE = "https://phi-ai.buaa.edu.cn/Gazehub/3D-dataset/"
PER_TASK = 1
SIZE_PX, FOCAL_PX, DISTANCE_MM = 224, 960.0, 600.0
TOLERANCE_DEG = 1.0
_LABELS = re.compile(r"(?:.*/)?Label/.+\.label")
_HEADERS = {
    len(header.split()): header.lower().split()
    for header in (
        "Face Left Right Origin WhichEye 3DGaze 3DHead 2DGaze 2DHead Rmat Smat GazeOrigin",
        "Face Left Right metapath 3DGaze 3DHead 2DGaze 2DHead Rvec Svec GazeOrigin",
        "Face Left Right Origin 3DGaze 3DHead 2DGaze 2DHead",
        "face gaze head origin cam_index frame_index normmat",
        "Face Left Right Origin 3DGaze 2DGaze",
    )
}
_PERSON = re.compile(r"(rec_|subject|p|s)\d+(?![a-z0-9])")
_SPLITS = {"val": "validation", "valid": "validation", "test": "test", "unused": "unused"}
_NUM_TRIED = 5
picture = photo_file


class Sheet(NamedTuple):
    """A label file: its name, the place of each field, and what these say of the set.

    base: what precedes the paths of the photos; center: where gaze starts; yaw_first: the order of `gaze`, `head`;
    eye_system: whether 3DGaze is in the eye's own system.
    """

    name: str
    columns: dict[str, int]
    base: str
    center: Center
    yaw_first: bool
    eye_system: bool

    @property
    def stem(self) -> str:
        return PurePosixPath(self.name).stem.lower().removesuffix("yp")


def units(listed: Sequence[str]) -> list[str]:
    """The label files; of two that differ in the order of the angles only, the plain one."""
    found = [path for path in listed if _LABELS.fullmatch(path)]
    twins = {path.removesuffix(".label") + "YP.label" for path in found}
    return require([path for path in found if path not in twins], "labels of GazeHub", "Label/p00.label")


def parts(raw: Raw, unit: str) -> list[str]:
    """Of a label file: ETH-XGaze's has 750,000 lines."""
    return divided(raw, unit)


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a line. Raises DataMissingError for a label file whose fields are unknown."""
    for unit_name in chosen:
        part = part_of(unit_name)
        try:
            head = [words(line) for _, line in islice(numbered_lines(raw, head_of(unit_name)), 1 + _NUM_TRIED)]
        except DataMissingError as error:
            yield unread(raw, part.file, error)
            continue
        if not head:
            continue
        sheet, has_header = _sheet(raw, part.file, head)
        for number, line in islice(numbered_lines(raw, unit_name), int(has_header and not part.start), None):
            fields = words(line)
            photo = sheet.base + fields[min(sheet.columns["face"], len(fields) - 1)].replace("\\", "/")
            try:
                if sheet.stem == "unused":
                    raise PhotoError("unused_by_the_set")
                yield Outcome(photo, (_record(sheet, photo, fields),))
            except PhotoError as error:
                yield Outcome(photo, reason=error.reason, detail=f"{part.file}, line {number}: {error.detail}")


def _sheet(raw: Raw, name: str, lines: Sequence[Sequence[str]]) -> tuple[Sheet, bool]:
    names = [field.lower() for field in lines[0]]
    has_header = "face" in names
    if not has_header:
        names = _HEADERS.get(len(names), [])
    if not names or not {"gaze", "2dgaze", "3dgaze", "head"} & set(names):
        known = "; ".join(" ".join(header) for header in _HEADERS.values())
        raise DataMissingError(f"{raw.root}/{name}: unknown fields {' '.join(lines[0])}; known are: {known}")
    columns = {field: place for place, field in enumerate(names)}
    is_eth = "2dgaze" not in columns and "3dgaze" not in columns
    eye_system = "3dgaze" in columns and not {"2dhead", "3dhead"} & set(columns)
    center: Center = "eyes" if eye_system else "six_points" if "whicheye" in columns else "unknown"
    sheet = Sheet(name, columns, "", "eyes_and_nose" if is_eth else center, name.endswith("YP.label"), eye_system)
    faces = [fields[min(columns["face"], len(fields) - 1)] for fields in lines[has_header:]]
    return sheet._replace(base=_base(raw, sheet, faces)), has_header


def _base(raw: Raw, sheet: Sheet, faces: Sequence[str]) -> str:
    """What goes before paths of photos: the first under which one is there, else `Image/`."""
    root = sheet.name[: sheet.name.rindex("Label/")]
    for base in (f"{root}Image/", f"{root}Image/{sheet.stem}/", root):
        if any(raw.has(base + face.replace("\\", "/")) for face in faces):
            return base
    return f"{root}Image/"


def _record(sheet: Sheet, photo: str, fields: Sequence[str]) -> Record:
    """Raises PhotoError `bad_label`."""
    if len(fields) != len(sheet.columns):
        raise PhotoError("bad_label", f"{len(fields)} fields, not {len(sheet.columns)}")
    field = {name: fields[place] for name, place in sheet.columns.items()}
    head = _angles(field, "2dhead", "head", sheet.yaw_first)
    gaze, scale = _gaze(sheet, field)
    face = photo.removeprefix(sheet.base)
    origin = field.get("origin", field.get("metapath", ""))
    eye = field.get("whicheye", "").lower()
    split = _SPLITS.get(sheet.stem, "train")
    tags = {"validation": split == "validation", "mirrored": eye == "right"}
    labels = {"origin": origin, **({"eye": eye} if eye else {}), **({} if scale is None else {"scale": scale})}
    geometry = normalized_face(
        SIZE_PX,
        focal_px=FOCAL_PX,
        distance_mm=DISTANCE_MM,
        head=head,
        center="eyes_and_nose" if sheet.center == "eyes_and_nose" else "six_points",
    )
    return Record(
        key_of(str(PurePosixPath(face).with_suffix(""))),
        photo,
        _group(sheet, face, origin),
        "test" if split == "test" else "train",
        geometry,
        gaze,
        "assumed",
        "normalized",
        sheet.center,
        tuple(tag for tag, holds in tags.items() if holds),
        labels,
    )


def _gaze(sheet: Sheet, field: dict[str, str]) -> tuple[Array | None, float | None]:
    """The gaze (3,), None without a label, and the factor of the scaling that was undone."""
    angles = _angles(field, "2dgaze", "gaze", sheet.yaw_first)
    gaze = None if angles is None else vector_from_pitchyaw(angles)
    if "3dgaze" in field:
        vector = unit(_vector(field["3dgaze"], 3, "3DGaze"), "3DGaze")
        vector = vector * np.array([-1.0, -1.0, 1.0]) if sheet.eye_system else vector
        apart = 0.0 if gaze is None else float(np.rad2deg(angular_error(vector, gaze)))
        if apart > TOLERANCE_DEG:
            raise PhotoError("bad_label", f"3DGaze and 2DGaze are {apart:.1f} degrees apart")
        gaze = vector
    if gaze is None or "smat" not in field:
        return gaze, None
    scale = _vector(field["smat"], 3, "Smat")
    if np.any(scale <= 0):
        raise PhotoError("bad_label", f"Smat is {scale.tolist()}")
    return unit(gaze / scale, "3DGaze"), float(scale[2])


def _angles(field: dict[str, str], yaw_first: str, own: str, own_yaw_first: bool) -> Array | None:
    """(pitch, yaw) of the field `yaw_first`, or of the set's `own`, or None without both."""
    if yaw_first in field:
        return _vector(field[yaw_first], 2, yaw_first)[::-1]
    if own not in field:
        return None
    angles = _vector(field[own], 2, own)
    return angles[::-1] if own_yaw_first else angles


def _vector(text: str, size: int, what: str) -> Array:
    values = numbers(text.split(","), what)
    if values.size != size:
        raise PhotoError("bad_label", f"{what} has {values.size} numbers, not {size}: {text}")
    return values


def _group(sheet: Sheet, face: str, origin: str) -> str:
    """The person or recording that a path or the label file names; else a hash bucket of the part of the set."""
    for part in (face.partition("/")[0], origin.partition("/")[0], sheet.stem):
        if match := _PERSON.match(part.lower()):
            return match[0]
    part = _SPLITS.get(sheet.stem, "")
    return f"{part}{'-' if part else ''}bucket{zlib.crc32(face.encode()) % NUM_BUCKETS}"
