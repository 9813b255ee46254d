"""A small set in the layout of the reader `ferplus`, and what damage does to it."""

from pathlib import Path

import cv2
import numpy as np

from slyk.datasets.expressions import FERPLUS
from slyk.datasets.ferplus import EYES_PX, PIXELS, VOTES
from slyk.datasets.pictures import Image
from slyk.datasets.raw import Raw
from tests.datasets.damage import NO_CAMERAS, NO_PEOPLE, NO_SCREEN, ODD, TEXTS, Case, Cases, edited, gone

VOTES_HEADER, PIXELS_HEADER = f"Usage,Image name,{','.join(FERPLUS)}", "emotion,pixels,Usage"
HAPPY = "1,8,0,0,0,0,0,0,1,0"


def face(seed: int) -> Image:
    """Grey noise (48, 48) with two spots for eyes, the image-left one brighter."""
    drawn = np.random.default_rng(seed).integers(90, 110, (48, 48), dtype=np.uint8)
    for (x, y), value in zip(EYES_PX.astype(int), (250, 10), strict=True):
        cv2.circle(drawn, (int(x), int(y)), 2, value, -1)
    return drawn


def pixels(seed: int, usage: str = "Training") -> str:
    return f"0,{' '.join(map(str, face(seed).ravel()))},{usage}"


def make(root: Path, votes: list[str], rows: list[str], end: str = "\n") -> Raw:
    (root / VOTES).write_bytes(end.join([VOTES_HEADER, *votes, ""]).encode())
    (root / PIXELS).write_bytes(end.join([PIXELS_HEADER, *rows, ""]).encode())
    return Raw(root)


def clean(root: Path) -> None:
    usages = ["Training", "Training", "PrivateTest"]
    votes = [f"{usage},fer000000{number}.png,{HAPPY}" for number, usage in enumerate(usages)]
    make(root, votes, [pixels(number, usage) for number, usage in enumerate(usages)])


ROW, KEY = f"{PIXELS}#1", "train/fer0000001"
CASES: Cases = {
    "missing_image": Case(gone(PIXELS), error="take FER2013's of Kaggle"),
    "truncated_jpeg": Case(
        lambda root: (root / PIXELS).write_bytes((root / PIXELS).read_bytes()[:-99]),
        [(f"{PIXELS}#2", "unreadable")],
        lost=["test/fer0000002"],
    ),
    "nan_label": Case(edited(VOTES, "1.png,1,8", "1.png,nan,8"), [(ROW, "bad_label")], lost=[KEY]),
    **TEXTS,
    "unicode_path": Case(edited(VOTES, "fer0000001", ODD), renamed={ROW: ROW}),
    "duplicate_key": Case(edited(VOTES, "fer0000001", "fer0000000"), lost=[KEY], new=["train/fer0000000-2"]),
    **NO_PEOPLE,
    **NO_SCREEN,
    **NO_CAMERAS,
}
