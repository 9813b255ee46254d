"""Layout `teyed`: TEyeD's single files, from the domain `near_eye`.

    TEyeDSSingleFiles/Dikablis/VIDEOS/p000_r00.mp4                 25 fps, a video for each recording
    TEyeDSSingleFiles/Dikablis/ANNOTATIONS/p000_r00.mp4<type>.txt  the 15 types of `_TABLES`
    TEyeDSSingleFiles/Dikablis/ANNOTATIONS/p000_r00.mp4{pupil,iris,lid}_seg_2D.mp4

Text: a header, then a line a frame, FRAME from 1, every value followed by `;`. VALIDITY is 1 or -1; where it is -1 the
2D points stay what they are, while inaccuracy, ellipse, 3D points and gaze turn -1. As in the real files: all lengths
are px; gaze_vec is (pupil's centre - eyeball's centre) / RADIUS, y down, z towards the camera; 3D points are the 2D
points on the sphere of eye_ball; eight points start up and image-right and go round by the top; ellipses are OpenCV's:
WIDTH the shorter axis, ANGLE its direction in degrees, clockwise on the picture; pupil_in_iris_eli is the iris's
ellipse shrunk until it just holds the pupil's axes.

Our choice: gaze is the optical axis, exact, in the frame whose z is the ray to the eyeball; RADIUS is the distance from
the centre of rotation to the iris's plane in px; the eyeball's centre is what makes the relation hold, less than a px
from its projection, since the real files know no perspective. AVG INACCURACY is 0. A part is valid where at least half
of its points are seen, gaze where the pupil is. Lids' 3D points have their own depth before the eyeball's centre, since
they lie outside the sphere. Segmentations are 255 where the photo shows the part (iris with pupil; lid: all between the
lids), else 0, and compressed as the real ones are: threshold at 128.
"""

import errno
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow as pa

from slyk.geometry.camera import Array, project
from slyk.geometry.ellipse import Ellipse, circle_ellipse, shrunk_to_hold
from slyk.layouts.common import Image, Row, array, groups, read_image, read_mask
from slyk.synthetic import eye
from slyk.synthetic.regions import EYE_REGIONS, Region

DOMAIN = "near_eye"
TITLE = "TEyeD"
FOLDER = "TEyeDSSingleFiles/Dikablis"
FPS = 25.0
_SEGMENTS = {"pupil": (Region.PUPIL,), "iris": (Region.PUPIL, Region.IRIS), "lid": EYE_REGIONS}
_NUM_POINTS = {"pupil": 8, "iris": 8, "lid": 34}
_LEGEND = "eye movement type to number: Error = 1,Blink = 2,Fixation = 3,Saccade = 4,SM = 5\n\n"
_ELLIPSE = "ANGLE;CENTER X;CENTER Y;WIDTH;HEIGHT"
_TABLES = {
    "gaze_vec": "X;Y;Z",
    "eye_ball": "RADIUS;X;Y;Z",
    "eye_movements": "Eye Movement Type",
    **{f"{name}_eli": _ELLIPSE for name in ("pupil", "iris", "pupil_in_iris")},
    **{f"{part}_lm_2D": "AVG INACCURACY" + ";LM X;LM Y" * n for part, n in _NUM_POINTS.items()},
    **{f"{part}_lm_3D": "AVG INACCURACY" + ";LM X;LM Y;LM Z" * n for part, n in _NUM_POINTS.items()},
    **{f"validity_{part}": "VALIDITY" for part in _NUM_POINTS},
}
_EYE_COLUMNS = tuple(f"{p}_{s}_{w}" for p in _NUM_POINTS for s in ("right", "left") for w in ("2d", "3d", "visible"))
_COLUMNS = (
    *("photo", "mask", "frame", "size_px", "camera", "eyeball_center_mm", "optical_axis", "iris_mm", "pupil_mm"),
    *("eye_movement", *_EYE_COLUMNS),
)


class Part(NamedTuple):
    """points (N, 2), px; valid: whether at least half of them are seen."""

    points: Array
    valid: bool


def write(source: Path, out: Path, table: pa.Table) -> Iterator[int]:
    videos, annotations = out / FOLDER / "VIDEOS", out / FOLDER / "ANNOTATIONS"
    videos.mkdir(parents=True)
    annotations.mkdir()
    for (person, recording), rows in groups(table, _COLUMNS, "person", "recording").items():
        rows.sort(key=lambda row: int(row["frame"]))
        name = f"{person}_{recording}.mp4"
        _write_video(videos / name, (read_image(source / row["photo"]) for row in rows))
        masks = [read_mask(source / row["mask"]) for row in rows]
        for part, regions in _SEGMENTS.items():
            _write_video(annotations / f"{name}{part}_seg_2D.mp4", (_shown(mask, regions) for mask in masks))
        frames = [_frame(row) for row in rows]
        for kind, header in _TABLES.items():
            lines = [f"{number};{frame[kind]};\n" for number, frame in enumerate(frames, start=1)]
            legend = _LEGEND if kind == "eye_movements" else ""
            (annotations / f"{name}{kind}.txt").write_text(f"{legend}FRAME;{header};\n{''.join(lines)}")
        yield len(rows)


def side_shown(row: Row) -> int:
    """0 where the photo is of the subject's right eye, 1 of the left: the eyeball nearer to the photo's middle."""
    pixels = project(array(row, "camera", 3, 3), array(row, "eyeball_center_mm", 2, 3))
    return int(np.argmin(np.linalg.norm(pixels - (array(row, "size_px", 2) - 1) / 2, axis=1)))


def _frame(row: Row) -> dict[str, str]:
    """Kind of annotation -> what its line holds after FRAME."""
    index = side_shown(row)
    side = ("right", "left")[index]
    parts = {name: _part(row, name, side) for name in _NUM_POINTS}
    valid = {name: part.valid for name, part in parts.items()}
    ellipses = {name: _ellipse(row, index, name) for name in ("pupil", "iris")}
    gaze, radius, middle = eyeball(row, index, ellipses["pupil"])
    valid["pupil_in_iris"] = valid["pupil"] and valid["iris"]
    ellipses["pupil_in_iris"] = shrunk_to_hold(ellipses["iris"], ellipses["pupil"])
    words = {
        "gaze_vec": _numbers(gaze) if valid["pupil"] else _invalid(3),
        "eye_ball": f"{_numbers([radius, *middle])};0.0",
        "eye_movements": str(row["eye_movement"]),
    }
    for name, ellipse in ellipses.items():
        words[f"{name}_eli"] = ";".join(f"{v:.6g}" for v in ellipse) if valid[name] else _invalid(5)
    for name, (points, seen) in parts.items():
        depth = _lid_depth(row, index, radius) if name == "lid" else _on_sphere(points - middle, radius)
        solid = np.column_stack([points, depth])
        words[f"validity_{name}"] = "1" if seen else "-1"
        words[f"{name}_lm_2D"] = f"{_numbers([0.0]) if seen else -1};{_numbers(points.ravel())}"
        words[f"{name}_lm_3D"] = _numbers([0.0, *solid.ravel()]) if seen else _invalid(1 + solid.size)
    return words


def eyeball(row: Row, index: int, pupil: Ellipse) -> tuple[Array, float, Array]:
    """gaze (3,), radius in px and centre (2,) in px, such that gaze_xy = (pupil - centre) / radius."""
    center, axis = array(row, "eyeball_center_mm", 2, 3)[index], array(row, "optical_axis", 2, 3)[index]
    forward = center / np.linalg.norm(center)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    gaze = np.array([axis @ right, axis @ np.cross(forward, right), -axis @ forward])
    radius = eye.IRIS_PLANE_MM * _scale(row, center + eye.IRIS_PLANE_MM * axis, forward)
    return gaze, radius, np.array([pupil.x, pupil.y]) - radius * gaze[:2]


def _scale(row: Row, point: Array, forward: Array) -> float:
    """px a millimetre at a point (3,)."""
    return float(array(row, "camera", 3, 3)[0, 0] / (point @ forward))


def _part(row: Row, name: str, side: str) -> Part:
    points = array(row, f"{name}_{side}_2d", _NUM_POINTS[name], 2)
    return Part(points, float(np.mean(row[f"{name}_{side}_visible"])) >= 0.5)


def _ellipse(row: Row, index: int, name: str) -> Ellipse:
    axis = array(row, "optical_axis", 2, 3)[index]
    middle = array(row, "eyeball_center_mm", 2, 3)[index] + eye.IRIS_PLANE_MM * axis
    return circle_ellipse(array(row, "camera", 3, 3), middle, axis, float(row[f"{name}_mm"]))


def _on_sphere(offsets: Array, radius: float) -> Array:
    """z (N,) of points (N, 2) from the sphere's centre; 0 outside its outline."""
    return np.asarray(np.sqrt(np.maximum(radius**2 - np.sum(offsets**2, axis=1), 0.0)))


def _lid_depth(row: Row, index: int, radius: float) -> Array:
    """Depth (34,) of the lids' points before the eyeball's centre, in px of the eyeball."""
    center = array(row, "eyeball_center_mm", 2, 3)[index]
    points = array(row, f"lid_{('right', 'left')[index]}_3d", 34, 3)
    before = (center - points) @ (center / np.linalg.norm(center))
    return np.asarray(before * radius / eye.IRIS_PLANE_MM)


def _numbers(values: Sequence[float] | Array) -> str:
    return ";".join(f"{value:.6f}" for value in values)


def _invalid(count: int) -> str:
    return ";".join(["-1"] * count)


def _shown(mask: Image, regions: Sequence[Region]) -> Image:
    """White (H, W, 3) where the photo shows one of these."""
    return np.repeat(np.isin(mask, regions).astype(np.uint8)[..., None] * np.uint8(255), 3, axis=-1)


def _write_video(path: Path, frames: Iterator[Image]) -> None:
    first = next(frames)
    size = (first.shape[1], first.shape[0])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, size)
    if not writer.isOpened():
        raise OSError(errno.EIO, "OpenCV cannot write it", str(path))
    written = 0
    for frame in chain([first], frames):
        assert frame.shape == first.shape, f"frames of {path.name} differ in size"
        writer.write(frame)
        written += 1
    writer.release()
    arrived = _num_frames(path)
    if arrived != written:  # the writer itself tells nothing
        raise OSError(errno.EIO, f"{arrived} of {written} frames arrived (is the disk full?)", str(path))


def _num_frames(path: Path) -> int:
    """How many frames can be read back."""
    video, count = cv2.VideoCapture(str(path)), 0
    while video.grab():
        count += 1
    video.release()
    return count
