"""RAF-DB read as published code reads it: split from the prefix, labels 1 to 7, aligned faces of 100 px."""

import re
from collections import Counter

import cv2
import numpy as np
import pytest

from slyk.layouts.raf_db import TEMPLATE, aligned, similarity
from tests.layouts.rendered import Export, Exported, array


@pytest.fixture(scope="module")
def made(exported: Export) -> Exported:
    return exported("raf_db")


def test_list_and_photos(made: Exported) -> None:
    lines = (made.out / "basic/EmoLabel/list_patition_label.txt").read_text().splitlines()
    found: dict[str, list[int]] = {"train": [], "test": []}
    for line in lines:
        match = re.fullmatch(r"((train|test)_(\d{5}))\.jpg ([1-7])", line)
        assert match, line
        found[match[2]].append(int(match[4]))
        assert int(match[3]) == len(found[match[2]])
        photo = cv2.imread(str(made.out / f"basic/Image/aligned/{match[1]}_aligned.jpg"))
        assert photo is not None and photo.shape == (100, 100, 3)
    assert found == {s: [row["emotion"] for row in made.rows if row["split"] == s] for s in ("train", "test")}
    assert len(list((made.out / "basic/Image/aligned").iterdir())) == len(lines)
    assert len(Counter(row["emotion"] for row in made.rows)) > 1


def test_eyes_and_mouth_come_to_their_places(made: Exported) -> None:
    """Dots drawn at the middles of eyes and mouth are found within a pixel or so of where the layout puts them."""
    for row in made.rows:
        points = array(row, "landmarks_2d", 68, 2) * 4 + 1.5
        middles = [points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[[48, 54]].mean(axis=0)]
        shown = []
        for middle in middles:
            photo = np.zeros((512, 512, 3), dtype=np.uint8)
            spot = np.rint(middle * 16).astype(int).tolist()
            cv2.circle(photo, spot, 8 * 16, (255, 255, 255), -1, 0, 4)
            face = aligned(photo, {"landmarks_2d": points.ravel().tolist()})[..., 0].astype(np.float64)
            weights = face / face.sum()
            shown.append([weights.sum(axis=0) @ np.arange(100), weights.sum(axis=1) @ np.arange(100)])
        found = np.array(shown)
        assert np.linalg.norm(found[:2].mean(axis=0) - found[2]) == pytest.approx(41, abs=8)
        assert np.all(np.linalg.norm(found - TEMPLATE, axis=1) < 9)  # turned heads are narrower
        assert np.allclose(found.mean(axis=0), TEMPLATE.mean(axis=0), atol=0.3)


def test_similarity_by_hand() -> None:
    source = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    target = np.array([[5.0, 5.0], [5.0, 9.0], [3.0, 5.0]])  # a quarter turn, twice the size
    assert np.allclose(similarity(source, target), [[0.0, -2.0, 5.0], [2.0, 0.0, 5.0]])
