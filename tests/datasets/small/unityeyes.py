"""A small set in the layout of the reader `unityeyes`, and what damage does to it."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from slyk.datasets.raw import Raw
from tests.datasets.damage import (
    NO_CAMERAS,
    NO_PEOPLE,
    NO_SCREEN,
    ODD,
    TEXTS,
    Case,
    Cases,
    cut,
    edited,
    gone,
    moved,
    steps,
)
from tests.datasets.trees import save_photo
from tests.layouts.rendered import Array, unit

SIZE = (64, 48)
"""Width, height of the pictures."""


def text(point: Any) -> str:
    """As Unity writes vectors."""
    return f"({', '.join(f'{value:.4f}' for value in point)})"


def ring(look: Array, count: int = 32) -> Array:
    """The iris (count, 3) of an eye that looks there as Unity sees it from far away: x, y from below, depth; px."""
    across = np.cross(look, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)[:, None]
    circle = 5 * (np.cos(turn) * across + np.sin(turn) * np.cross(look, across))
    return np.asarray([30.0, 20.0, 100.0] + 12 * look + circle)


def classic(look: Array | None = None, **other: Any) -> dict[str, Any]:
    """What UnityEyes writes; the lids go from inner corner (2, 10) over (10, 18) to (18, 10) and back, y from below."""
    look = unit(np.array([0.3, 0.4, -0.8])) if look is None else look
    turn = np.linspace(np.pi, -np.pi, 16, endpoint=False)
    lids = np.stack([10 + 8 * np.cos(turn), 10 + 8 * np.sin(turn), np.full(16, 9.0)], axis=1)
    return {
        "interior_margin_2d": [text(point) for point in lids],
        "caruncle_2d": [text((1, 10, 9))] * 7,
        "iris_2d": [text(point) for point in ring(look)],
        "eye_details": {"look_vec": text([*look, 0.0]), "pupil_size": "0.1"},
        "head_pose": "(355.0770, 203.8451, 0.0000)",
        **other,
    }


def make(root: Path, content: Any = None, name: str = "imgs/1") -> Raw:
    """A set with one more picture and its labels; text goes in as it is."""
    path = root / f"{name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(".jpg", np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))[1]
    path.write_bytes(encoded.tobytes())
    written = content if isinstance(content, str) else json.dumps(classic() if content is None else content)
    path.with_suffix(".json").write_text(written, encoding="utf-8")
    return Raw(root)


def clean(root: Path) -> None:
    for number in (1, 2):
        make(root, json.dumps(classic(), indent=1), f"imgs/{number}")
        save_photo(root, f"imgs/{number}.jpg")


PHOTO, LABELS, NOW = "imgs/2.jpg", "imgs/2.json", f"imgs/{ODD}"
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=["imgs/2"]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(
        edited(LABELS, classic()["eye_details"]["look_vec"], "(nan, 0, -1, 0)"), [(PHOTO, "bad_label")], lost=["imgs/2"]
    ),
    **TEXTS,
    "unicode_path": Case(
        steps(moved(PHOTO, f"{NOW}.jpg"), moved(LABELS, f"{NOW}.json")), renamed={PHOTO: f"{NOW}.jpg"}
    ),
    "duplicate_key": "keys hold the whole path",
    **NO_PEOPLE,
    **NO_SCREEN,
    **NO_CAMERAS,
}
