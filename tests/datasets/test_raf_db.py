"""RAF-DB: a rendered set in its layout, and lines as they should not be."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.datasets import raf_db
from slyk.datasets.expressions import RAF_DB
from slyk.datasets.raf_db import EYES_PX, LIST, read, units
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, from_row, to_row
from slyk.errors import DataMissingError
from slyk.geometry.camera import project
from slyk.layouts.raf_db import TEMPLATE, similarity
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.raf_db import make
from tests.datasets.trees import read_tree
from tests.layouts.rendered import Export, array

outcomes = partial(read_tree, raf_db)


def test_a_rendered_set_comes_back(exported: Export) -> None:
    made = exported("raf_db")
    found = outcomes(made.out)
    assert len(found) == len(made.rows) and len({o.records[0].key for o in found}) == len(found)
    for outcome, row in zip(found, made.rows, strict=True):
        (record,) = outcome.records
        assert record.labels == {"expression": RAF_DB[row["emotion"]]}
        assert record.split == row["split"] and record.group.startswith(f"{row['split']}-bucket")
        assert (record.gaze, record.known, record.eyes, record.tags) == (None, "aligned", "assumed", ())
        assert raf_db.picture(Raw(made.out), record.photo).shape == (100, 100, 3)
        assert to_row(from_row(to_row(record))) == to_row(record)


def test_eyes_are_assumed_near_where_the_alignment_brings_them(exported: Export) -> None:
    made = exported("raf_db")
    np.testing.assert_array_equal(EYES_PX, TEMPLATE[:2])
    apart = []
    for outcome, row in zip(outcomes(made.out), made.rows, strict=True):
        points = array(row, "landmarks_2d", 68, 2)
        middles = np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[[48, 54]].mean(axis=0)])
        turn = similarity(middles, TEMPLATE)
        eyes = points[[36, 39, 42, 45]].reshape(2, 2, 2).mean(axis=1) @ turn[:, :2].T + turn[:, 2]
        face = outcome.records[0].face
        apart.append(np.linalg.norm(project(face.camera, face.eyes_mm) - eyes, axis=1).max())
    assert np.median(apart) < 5 and max(apart) < 10  # of 38 px between the eyes; turned heads are narrower


def test_the_crop_shows_the_eyes(tmp_path: Path, spec: CropSpec) -> None:
    """Dots where the eyes are assumed land in the middles of the eye squares, the image-left one in `right`."""
    photo = np.full((100, 100, 3), 128, np.uint8)
    for (x, y), colour in zip(EYES_PX.astype(int), ((255, 0, 0), (0, 255, 0)), strict=True):
        cv2.circle(photo, (int(x), int(y)), 2, colour, -1)
    root = make(tmp_path, "train_00001.jpg 1")
    (tmp_path / "basic/Image/aligned").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "basic/Image/aligned/train_00001_aligned.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, 100])
    (record,) = outcomes(root)[0].records
    crops = crop(raf_db.picture(Raw(root), record.photo), record.face, spec)
    middle = spec.eye_square_px // 2
    assert crops.right[middle, middle].argmax() == 0 and crops.left[middle, middle].argmax() == 1
    margin = (spec.face_square_px - spec.face_px) // 2
    shown = crops.face[margin:-margin, margin:-margin]  # without its margin the crop lies within the picture
    assert np.all(np.abs(shown[[0, -1]].astype(int) - 128) < 10)


def test_lines_as_people_have_them(tmp_path: Path) -> None:
    """A byte order mark, Windows ends, tabs, trailing and empty lines, a name that is a prefix of neither alone."""
    lines = ["train_00001.jpg 5 ", "", "test_0001.jpg\t7", "test_train.jpg  2", "train_ä.jpg 4", "train_00001.jpg 5"]
    found = [o.records[0] for o in outcomes(make(tmp_path, "\ufeff" + "\r\n".join(lines)))]
    assert [r.labels["expression"] for r in found] == ["sadness", "neutral", "fear", "happiness", "sadness"]
    assert [r.split for r in found] == ["train", "test", "test", "train", "train"]
    assert found[3].photo == "basic/Image/aligned/train_ä_aligned.jpg"
    assert found[0].key == found[4].key == "train_00001" and found[3].key.startswith("train_-")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("train_00002.jpg 0", "label 0, known are 1 to 7"),
        ("train_00002.jpg 8", "label 8"),
        ("train_00002.jpg nan", "not finite"),
        ("train_00002.jpg 2.5", "not a whole number"),
        ("train_00002.jpg happy", "could not convert"),
        ("train_00002.jpg", "1 fields"),
        ("train_00002.jpg 1 2", "3 fields"),
        ("val_00002.jpg 1", "neither with train nor with test"),
        ("a_train_00002.jpg 1", "neither with train nor with test"),
    ],
)
def test_wrong_lines_are_told_and_the_others_read(tmp_path: Path, wrong: str, told: str) -> None:
    first, second, third = outcomes(make(tmp_path, f"train_00001.jpg 1\n{wrong}\ntrain_00003.jpg 7\n"))
    assert first.records and third.records and not second.records
    assert second.reason == "bad_label" and second.photo.startswith("basic/Image/aligned/")
    assert f"{LIST}, line 2" in second.detail and told in second.detail


def test_bytes_that_are_no_text_spoil_their_line_only(tmp_path: Path) -> None:
    root = make(tmp_path, "")
    (root / LIST).write_bytes(b"train_00001.jpg 1\ntrain_00002.jpg \xff\ntrain_00003.jpg 2\n")
    assert [o.reason for o in outcomes(root)] == ["", "bad_label", ""]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"list_patition_label\.txt"):
        units(["basic/Image/aligned/train_00001_aligned.jpg"])
    with pytest.raises(DataMissingError, match=r"list_patition_label\.txt is empty"):
        outcomes(make(tmp_path, ""))
    with pytest.raises(DataMissingError, match="not_found"):
        list(read(Raw(tmp_path / "none"), [LIST], ReadOptions()))
