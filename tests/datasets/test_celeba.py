"""CelebA: both folders, with and without landmarks and identities, and lines as they should not be."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.datasets import celeba
from slyk.datasets.celeba import ATTRIBUTES, EYES_PX, units
from slyk.datasets.raw import Raw
from slyk.datasets.record import Record, from_row, to_row
from slyk.errors import DataMissingError
from slyk.geometry.camera import project
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.celeba import LANDMARKS, LINES, PARTITION, make
from tests.datasets.trees import one, read_tree

outcomes = partial(read_tree, celeba)


def eyes_px(record: Record) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return project(record.face.camera, record.face.eyes_mm)


@pytest.mark.parametrize("own", [False, True])
def test_flat_and_in_the_sets_own_folders(tmp_path: Path, own: bool) -> None:
    root = make(tmp_path, LINES, {"identity": "000001.jpg 2880\n000003.jpg 7\n", "landmarks": LANDMARKS}, own=own)
    found = [one(outcome) for outcome in outcomes(root)]
    assert [r.photo for r in found] == [f"{'Img/' * own}img_align_celeba/00000{i}.jpg" for i in (1, 2, 3)]
    assert [r.key for r in found] == ["000001", "000002", "000003"]
    assert [(r.split, r.tags) for r in found] == [("train", ()), ("train", ("validation",)), ("test", ())]
    assert (found[0].group, found[2].group) == ("id02880", "id00007")
    assert found[1].group.startswith("validation-bucket")
    expected = {"5_o_Clock_Shadow": False, "Arched_Eyebrows": True, "Smiling": True, "Young": False}
    assert found[0].labels["attributes"] == expected
    assert [r.eyes for r in found] == ["annotated", "annotated", "assumed"]
    assert np.allclose(eyes_px(found[0]), [[69, 109], [106, 113]], atol=1e-6)
    assert found[0].labels["landmarks_px"][3] == [73, 152] and found[0].labels["scheme"] == "5"
    assert np.allclose(eyes_px(found[2]), EYES_PX, atol=1e-6) and "landmarks_px" not in found[2].labels
    for record in found:
        assert (record.gaze, record.known) == (None, "aligned")
        assert to_row(from_row(to_row(record))) == to_row(record)


def test_the_crop_shows_the_eyes(tmp_path: Path, spec: CropSpec) -> None:
    root = make(tmp_path, LINES, {"landmarks": LANDMARKS})
    first, _, third = (one(outcome) for outcome in outcomes(root))
    (root / "img_align_celeba").mkdir()
    for record in (first, third):
        photo = np.full((218, 178, 3), 128, np.uint8)
        for (x, y), colour in zip(eyes_px(record).round(), ((255, 0, 0), (0, 255, 0)), strict=True):
            cv2.circle(photo, (int(x), int(y)), 3, colour, -1)
        assert cv2.imwrite(str(root / record.photo), photo, [cv2.IMWRITE_JPEG_QUALITY, 100])
        crops = crop(celeba.picture(Raw(root), record.photo), record.face, spec)
        middle = spec.eye_square_px // 2
        assert crops.right[middle, middle].argmax() == 0 and crops.left[middle, middle].argmax() == 1


def test_lines_as_people_have_them(tmp_path: Path) -> None:
    """Windows ends, tabs, empty lines, trailing spaces, a byte order mark in each file, a unicode name."""
    lines = [LINES[0].replace("  ", "\t") + "  ", "", LINES[2].replace("000003", "ä")]
    files = {
        "partition": "\ufeff000001.jpg\t0 \r\n\r\nä.jpg 2\r\n",
        "identity": "\ufeffä.jpg  12\r\n",
        "landmarks": "\ufeff" + LANDMARKS.replace("\n", " \r\n"),
    }
    root = make(tmp_path, lines, files, end="\r\n")
    (root / ATTRIBUTES).write_bytes(("\ufeff" + (root / ATTRIBUTES).read_text().replace("3", "2", 1)).encode())
    first, second = (one(outcome) for outcome in outcomes(root))
    assert first.labels["attributes"]["Smiling"] and first.eyes == "annotated"
    assert (second.photo, second.group, second.split) == ("img_align_celeba/ä.jpg", "id00012", "test")


@pytest.mark.parametrize(
    ("wrong", "files", "told"),
    [
        ("000002.jpg 1 -1 -1", {}, "3 attributes, not 4"),
        ("000002.jpg 1 -1 -1 0", {}, "attribute 0, known are 1 and -1"),
        ("000002.jpg 1 -1 -1 nan", {}, "attribute nan"),
        (LINES[1], {"partition": "000001.jpg 0\n000003.jpg 2\n"}, "not in list_eval_partition"),
        (LINES[1], {"partition": PARTITION.replace("2.jpg 1", "2.jpg 3")}, "part 3 in"),
        (LINES[1], {"partition": PARTITION.replace("2.jpg 1", "2.jpg")}, "the part in"),
        (LINES[1], {"identity": "000002.jpg somebody\n"}, "the identity"),
        (LINES[1], {"landmarks": LANDMARKS.replace("153", "")}, "9 coordinates, not 10"),
        (LINES[1], {"landmarks": LANDMARKS.replace("153", "nan")}, "not finite"),
        (LINES[1], {"landmarks": LANDMARKS.replace("69  110  107  112", "69 110 69 110")}, "two eyes in one place"),
    ],
)
def test_wrong_lines_are_told_and_the_others_read(tmp_path: Path, wrong: str, files: dict[str, str], told: str) -> None:
    first, second, third = outcomes(make(tmp_path, [LINES[0], wrong, LINES[2]], files))
    assert first.records and third.records and not second.records
    assert (second.photo, second.reason) == ("img_align_celeba/000002.jpg", "bad_label")
    assert f"{ATTRIBUTES}, line 4" in second.detail and told in second.detail


def test_a_list_cut_short_is_told(tmp_path: Path) -> None:
    root = make(tmp_path)
    (root / ATTRIBUTES).write_text((root / ATTRIBUTES).read_text().rpartition("000003")[0])
    *found, last = outcomes(root)
    assert all(outcome.records for outcome in found) and len(found) == 2
    assert (last.photo, last.reason) == (ATTRIBUTES, "bad_label") and "3 photos, 2 are listed" in last.detail


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert units([f"Anno/{ATTRIBUTES}", ATTRIBUTES, "img_align_celeba/000001.jpg"]) == [f"Anno/{ATTRIBUTES}"]
    with pytest.raises(DataMissingError, match=r"list_attr_celeba\.txt"):
        units(["img_align_celeba/000001.jpg"])
    root = make(tmp_path)
    (root / "list_eval_partition.txt").unlink()
    with pytest.raises(DataMissingError, match=r"list_eval_partition\.txt: not_found"):
        outcomes(root)
    make(tmp_path)
    (root / ATTRIBUTES).write_text("\n".join(LINES))
    with pytest.raises(DataMissingError, match="does not start with a line of the count"):
        outcomes(root)
