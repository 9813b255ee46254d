"""A small set in the layout of the reader `synthetic`, and what damage does to it."""

from pathlib import Path

from tests.datasets.damage import FIXED_NAMES, NO_CAMERAS, NO_SCREEN, NO_TEXTS, Case, Cases, cut
from tests.drawn import draw_raw_set


def clean(root: Path) -> None:
    draw_raw_set(root, num_train=1, num_test=1, num_photos=2)


CASES: Cases = {
    "missing_image": "photos are what is read; the renderer lists what it wrote",
    "truncated_jpeg": Case(cut("photos/p000/001.jpg"), unread={"photos/p000/001.jpg": "truncated"}),
    "nan_label": "rendered labels are numbers",
    **NO_TEXTS,
    **FIXED_NAMES,
    "duplicate_key": "keys are the names of photos",
    "empty_person": "every rendered person has photos",
    **NO_SCREEN,
    **NO_CAMERAS,
}
