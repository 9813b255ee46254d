"""A small set in the layout of the reader `folder`, and what damage does to it."""

from pathlib import Path

import cv2

from tests.datasets.damage import NO_CAMERAS, NO_PEOPLE, NO_SCREEN, NO_TEXTS, NOT_LABELLED, ODD, Case, Cases, cut, moved
from tests.photos import portrait


def clean(root: Path) -> None:
    (root / "a").mkdir()
    for number in (0, 1):
        cv2.imencode(".jpg", cv2.resize(portrait(number).photo, (130, 130)))[1].tofile(root / f"a/{number}.jpg")


CASES: Cases = {
    "missing_image": "nothing names a photo",
    "truncated_jpeg": Case(cut("a/1.jpg"), [("a/1.jpg", "truncated")], lost=["a/1-f0"]),
    **NOT_LABELLED,
    **NO_TEXTS,
    "unicode_path": Case(moved("a/1.jpg", f"a/{ODD}.jpg"), renamed={"a/1.jpg": f"a/{ODD}.jpg"}),
    **NO_PEOPLE,
    **NO_SCREEN,
    **NO_CAMERAS,
}
