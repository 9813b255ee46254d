"""A small set in the layout of the reader `teyed`, and what damage does to it."""

from pathlib import Path

import cv2
import numpy as np

from slyk.datasets.raw import Raw
from tests.datasets.damage import (
    NO_CAMERAS,
    NO_SCREEN,
    ODD,
    TEXTS,
    Case,
    Cases,
    Step,
    cut,
    doubled,
    edited,
    gone,
    moved,
    steps,
)
from tests.datasets.trees import save_text

TRACKER = "TEyeDSSingleFiles/Dikablis"
VIDEO = f"{TRACKER}/VIDEOS/eye_1.mp4"
LEGEND = "eye movement type to number: Error = 1,Blink = 2\n\n"
POINTS = {"pupil": 8, "iris": 8, "lid": 34}


def lines(kind: str, *rows: str) -> str:
    """A file of one kind of annotations with these lines."""
    legend = LEGEND if kind == "eye_movements" else ""
    return "\n".join([f"{legend}FRAME;SOMETHING;", *rows, ""])


def make(root: Path, video: str = VIDEO, **kinds: str) -> Raw:
    """A set of one video, which nobody opens, with these files of annotations."""
    path = root / video
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no video")
    folder = path.parents[1] / "ANNOTATIONS"
    folder.mkdir(exist_ok=True)
    for kind, text in kinds.items():
        (folder / f"{path.name}{kind}.txt").write_bytes(text.encode())
    return Raw(root)


def clean(root: Path) -> None:
    for video in (VIDEO, OTHER):
        rows = [f"{frame};0;0;1;" for frame in (1, 2)]
        make(root, video, gaze_vec=lines("gaze_vec", *rows), validity_pupil=lines("validity_pupil", "1;1;", "2;-1;"))
        writer = cv2.VideoWriter(str(root / video), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (96, 64))
        for level in (50, 200):
            writer.write(np.full((64, 96, 3), level, np.uint8))
        writer.release()


def annotation(video: str, kind: str = "gaze_vec") -> str:
    return f"{video.replace('VIDEOS', 'ANNOTATIONS')}{kind}.txt"


def headed(name: str) -> Step:
    """Nothing but the header is left."""
    return lambda root: save_text(root, (root / name).read_text().split("\n")[0], name)


OTHER, NOW = (f"{TRACKER}/VIDEOS/{name}.mp4" for name in ("eye_2", f"My {ODD} video"))
KEYS = [f"dikablis-eye_2/00000{frame}" for frame in (1, 2)]
KINDS = ("gaze_vec", "validity_pupil")
CASES: Cases = {
    "missing_image": Case(gone(OTHER), [(OTHER, "photo_missing")], lost=KEYS),
    "truncated_jpeg": Case(cut(OTHER), unread={f"{OTHER}#{frame}": "unreadable" for frame in (1, 2)}),
    "nan_label": Case(edited(annotation(OTHER), "2;0;0;1", "2;nan;0;1"), [(f"{OTHER}#2", "bad_label")], lost=KEYS[1:]),
    **TEXTS,
    "unicode_path": Case(
        steps(moved(OTHER, NOW), *(moved(annotation(OTHER, kind), annotation(NOW, kind)) for kind in KINDS)),
        renamed={f"{OTHER}#{frame}": f"{NOW}#{frame}" for frame in (1, 2)},
    ),
    "duplicate_key": Case(doubled(annotation(OTHER), "2;0;0;1"), [(f"{OTHER}#2", "bad_label")], lost=KEYS[1:]),
    "empty_person": Case(steps(*(headed(annotation(OTHER, kind)) for kind in KINDS)), [(OTHER, "no_annotation")], KEYS),
    **NO_SCREEN,
    **NO_CAMERAS,
}
