"""UnityEyes: files made by hand whose iris says where the eye looks, and real renders of UnityEyes 2."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.datasets import unityeyes
from slyk.datasets.raw import Raw
from slyk.datasets.record import from_row, to_row
from slyk.datasets.unityeyes import picture, units
from slyk.errors import DataMissingError
from slyk.geometry.angles import pitchyaw_from_vector
from tests.datasets.small.unityeyes import SIZE, classic, make
from tests.datasets.trees import read_tree
from tests.layouts.rendered import Array, angle_deg, unit
from tests.photos import REAL_DATA

outcomes = partial(read_tree, unityeyes)


def gaze_of(raw: Raw) -> Array:
    (outcome,) = outcomes(raw)
    assert outcome.records[0].gaze is not None
    return outcome.records[0].gaze


@pytest.mark.parametrize(
    ("look", "pitch", "yaw"),
    [((0, 0, -1), 0, 0), ((-1, 0, -1), 0, 45), ((1, 0, -1), 0, -45), ((0, 1, -1), 45, 0), ((0, -1, -1), -45, 0)],
)
def test_signs(tmp_path: Path, look: tuple[float, ...], pitch: float, yaw: float) -> None:
    """Unity's x is image-right and its y up: image-left is a yaw above 0, up a pitch above 0."""
    gaze = gaze_of(make(tmp_path, classic(unit(np.array(look, dtype=np.float64)))))
    assert np.allclose(np.rad2deg(pitchyaw_from_vector(gaze)), [pitch, yaw], atol=0.01)  # 4 decimals


@pytest.mark.parametrize("look", [(0.34, 0.39, -0.86), (-0.5, 0.2, -0.8), (0.1, -0.6, -0.7)])
def test_gaze_leads_to_the_iris_of_the_labels(tmp_path: Path, look: tuple[float, ...]) -> None:
    """In pixels, y down, the iris lies beside the eyeball's centre (30, 20 from below) as gaze says."""
    raw = make(tmp_path, classic(unit(np.array(look))))
    (outcome,) = outcomes(raw)
    (record,) = outcome.records
    middle = np.mean(record.labels["iris_px"], axis=0)
    eyeball = np.array([30 - 0.5, SIZE[1] - 20 - 0.5])
    assert record.gaze is not None
    assert np.allclose(middle - eyeball, 12 * record.gaze[:2], atol=2e-3)


def test_a_record(tmp_path: Path) -> None:
    raw = make(tmp_path)
    (outcome,) = outcomes(raw)
    (record,) = outcome.records
    assert (record.key, record.photo, record.split) == ("imgs/1", "imgs/1.jpg", "train")
    assert record.geometry is None and record.group.startswith("bucket")
    lids = np.array(record.labels["lid_px"])
    assert lids.shape == (16, 2) and np.shape(record.labels["caruncle_px"]) == (7, 2)
    assert np.allclose(lids[0], [1.5, 37.5]) and np.allclose(lids[4], [9.5, 29.5])  # inner corner, then above
    assert to_row(from_row(to_row(record))) == to_row(record)
    assert picture(raw, record.photo).shape == (SIZE[1], SIZE[0], 3)


def test_files_as_people_have_them(tmp_path: Path) -> None:
    """Windows ends, a byte order mark, spaces, a unicode folder, other suffixes, files of other kinds."""
    written = json.dumps(classic(), indent=2).replace("\n", "\r\n").replace("(0", "( 0").replace(", ", " ,  ")
    raw = make(tmp_path, f"\ufeff{written}", name="ä/2")
    make(tmp_path, name="imgs/3")
    (tmp_path / "imgs/3.jpg").rename(tmp_path / "imgs/3.JPG")
    (tmp_path / "camera_config.json").write_text("{}")
    first, second = outcomes(raw)
    assert [o.photo for o in (first, second)] == ["imgs/3.JPG", "ä/2.jpg"]
    assert first.records and second.records and first.records[0].key != second.records[0].key


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("[1]", "holds no object"),
        ("[" * 5000, "is no JSON"),
        (json.dumps({"eye_details": {"look_vec": "(nan, 0.1, -0.9, 0.0)"}}), "not finite"),
        (json.dumps({"eye_details": {"look_vec": "(0, 0, 0, 0)"}}), "no direction"),
        (json.dumps({"eye_details": {"look_vec": "(0,1, 0,2, -0,9, 0,0)"}}), "not 3 or 4 numbers"),
        (json.dumps({"eye_details": {"look_vec": "__import__('os')"}}), "not 3 or 4 numbers"),
        (json.dumps({"eye_details": {"look_vec": [0, 0, -1]}}), "not 3 or 4 numbers"),
        (json.dumps({"eye_details": []}), "neither eye_details.look_vec nor"),
        (json.dumps(classic(iris_2d=["(1, 2, 3)"] * 31)), "31 points, not 32"),
        (json.dumps(classic(caruncle_2d=["(1, 2)"] * 7)), "not 3 numbers"),
        (json.dumps(classic(interior_margin_2d=None)), "no list"),
    ],
)
def test_wrong_labels_are_told_and_the_others_read(tmp_path: Path, content: str, told: str) -> None:
    make(tmp_path, content, name="imgs/1")
    first, second = outcomes(make(tmp_path, name="imgs/2"))
    assert (first.photo, first.reason) == ("imgs/1.jpg", "bad_label") and second.records
    assert "imgs/1.json" in first.detail and told in first.detail


def test_photos_and_labels_without_each_other(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        raw = make(tmp_path, name=f"imgs/{number}")
    (tmp_path / "imgs/1.jpg").unlink()
    (tmp_path / "imgs/2.json").unlink()
    (tmp_path / "imgs/3.jpg").write_text("no picture")
    found = {outcome.photo: outcome.reason for outcome in outcomes(raw)}
    assert found == {
        "imgs/1.jpg": "photo_missing",
        "imgs/2.jpg": "no_annotation",
        "imgs/3.jpg": "not_a_photo",  # its height is what y is measured from
    }
    with pytest.raises(DataMissingError, match=r"imgs/1\.jpg"):
        units(["notes.txt"])


def test_real_renders_look_where_their_labels_say() -> None:
    """The darkest blot, which is the iris but where lashes cover it, moves right and down as the labels do."""
    root = REAL_DATA / "eyes-rendered"
    if not root.is_dir():
        pytest.skip(f"no {root}: set SLYK_REAL_DATA")
    raw = Raw(root)
    found, places, looks = outcomes(raw), [], []
    assert len(found) == 10
    for outcome in found:
        (record,) = outcome.records
        assert record.gaze is not None and record.gaze[2] < 0
        written = json.loads((root / record.photo).with_suffix(".json").read_text())["ground_truth"]["gaze_vec"]
        x, y, z, _ = (float(word) for word in written.strip("()").split(","))
        assert angle_deg(record.gaze, np.array([x, -y, z])) < 1e-6
        shown = picture(raw, record.photo)
        assert shown.shape == (480, 640, 3)
        middle = cv2.GaussianBlur(cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY), (0, 0), 14)[120:360, 180:440]
        places.append(np.unravel_index(int(middle.argmin()), middle.shape)[::-1])
        looks.append(record.gaze[:2])
    for axis in (0, 1):
        assert np.corrcoef(np.array(places)[:, axis], np.array(looks)[:, axis])[0, 1] > 0.6
