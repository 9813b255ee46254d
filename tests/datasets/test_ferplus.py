"""FERPlus: votes and pictures in both layouts, the real votes, and rows as they should not be."""

from collections import Counter
from functools import partial
from pathlib import Path

import cv2
import fsspec
import numpy as np
import pytest

from slyk.datasets import ferplus
from slyk.datasets.expressions import FERPLUS
from slyk.datasets.ferplus import EYES_PX, PIXELS, VOTES, picture, units
from slyk.datasets.raw import Raw
from slyk.datasets.record import from_row, to_row
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.camera import project
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.ferplus import HAPPY, PIXELS_HEADER, face, make, pixels
from tests.datasets.trees import one, read_tree
from tests.photos import REAL_DATA

REAL_VOTES = REAL_DATA / "ferplus" / VOTES


outcomes = partial(read_tree, ferplus)


def test_votes_and_pictures_of_the_csv_files(tmp_path: Path, spec: CropSpec) -> None:
    usages = ["Training", "PublicTest", "PrivateTest"]
    votes = [f"{usage},fer000000{i}.png,{HAPPY}" for i, usage in enumerate(usages)]
    raw = make(tmp_path, votes, [pixels(i, usage) for i, usage in enumerate(usages)])
    found = [one(outcome) for outcome in outcomes(raw)]
    assert [r.photo for r in found] == ["fer2013.csv#0", "fer2013.csv#1", "fer2013.csv#2"]
    assert [r.key for r in found] == ["train/fer0000000", "validation/fer0000001", "test/fer0000002"]
    assert [(r.split, r.tags) for r in found] == [("train", ()), ("train", ("validation",)), ("test", ())]
    assert [r.group.partition("-")[0] for r in found] == ["train", "validation", "test"]
    for number, record in enumerate(found):
        assert record.labels["expression"] == "happiness"
        assert record.labels["votes"] == dict(zip(FERPLUS, map(int, HAPPY.split(",")), strict=True))
        assert (record.gaze, record.known, record.eyes) == (None, "aligned", "assumed")
        assert to_row(from_row(to_row(record))) == to_row(record)
        shown = picture(raw, record.photo)
        assert shown.dtype == np.uint8 and shown.shape == (48, 48, 3)
        np.testing.assert_array_equal(shown, np.repeat(face(number)[..., None], 3, axis=2))
    assert np.allclose(project(found[0].face.camera, found[0].face.eyes_mm), EYES_PX, atol=1e-6)
    crops = crop(picture(raw, found[0].photo), found[0].face, spec)
    middle = spec.eye_square_px // 2
    assert crops.right[middle, middle].min() > 200 and crops.left[middle, middle].max() < 60


def test_the_folders_give_the_same(tmp_path: Path) -> None:
    for name in ("FER2013Train", "FER2013Valid", "FER2013Test"):
        (tmp_path / name).mkdir()
        line = (
            f'fer0000003.png,"(0, 0, 48, 48)",{HAPPY}\r\n\r\nfer0000004.png,"(0, 0, 48, 48)",0,5,5,0,0,0,0,0,0,0 \r\n'
        )
        (tmp_path / name / "label.csv").write_bytes(line.encode())
        cv2.imwrite(str(tmp_path / name / "fer0000003.png"), face(3))
    raw = Raw(tmp_path)
    found = {o.photo: o for o in outcomes(raw)}
    assert [found[f"{name}/fer0000004.png"].reason for name in ("FER2013Train", "FER2013Test")] == ["votes_tied"] * 2
    records = [one(found[f"FER2013{part}/fer0000003.png"]) for part in ("Train", "Valid", "Test")]
    assert [r.key for r in records] == ["train/fer0000003", "validation/fer0000003", "test/fer0000003"]
    assert [(r.split, r.tags) for r in records] == [("train", ()), ("train", ("validation",)), ("test", ())]
    np.testing.assert_array_equal(picture(raw, records[0].photo)[..., 1], face(3))


@pytest.mark.parametrize(
    ("votes", "reason", "told"),
    [
        (",0,0,0,0,0,0,0,0,0,10", "not_a_face", "no image name"),
        ("fer.png,0,0,0,0,0,0,0,0,1,9", "not_a_face", "9 votes for NF"),
        ("fer.png,4,0,0,0,0,0,0,0,6,0", "not_an_expression", "6 votes for unknown"),
        ("fer.png,5,5,0,0,0,0,0,0,0,0", "votes_tied", "5 for neutral and happiness each"),
        ("fer.png,0,0,0,0,5,0,0,0,5,0", "votes_tied", "anger and unknown"),
        ("fer.png,0,0,0,0,0,0,0,0,0,0", "bad_label", "votes"),
        ("fer.png,-1,9,0,0,0,0,0,0,0,0", "bad_label", "votes"),
        ("fer.png,x,9,0,0,0,0,0,0,0,0", "bad_label", "votes for neutral"),
        ("fer.png,nan,9,0,0,0,0,0,0,0,0", "bad_label", "not finite"),
        ("fer.png,1.5,8.5,0,0,0,0,0,0,0,0", "bad_label", "not a whole number"),
        ("fer.png,1,9", "bad_label", "2 columns of votes, not 10"),
    ],
)
def test_rows_without_an_expression_are_told(tmp_path: Path, votes: str, reason: str, told: str) -> None:
    good = f"Training,fer1.png,{HAPPY}"
    first, second, third = outcomes(make(tmp_path, [good, f"Training,{votes}", good], [pixels(i) for i in range(3)]))
    assert first.records and third.records and not second.records
    assert (second.photo, second.reason) == (f"{PIXELS}#1", reason)
    assert f"{VOTES}, line 3" in second.detail and told in second.detail


def test_files_as_people_have_them(tmp_path: Path) -> None:
    """Windows ends, empty lines, other order of columns, quotes, a byte order mark, no end of the last line."""
    votes = [f"Training , fer0000000.png ,{HAPPY}", "", f"PrivateTest,fer0000001.png,{HAPPY} "]
    raw = make(tmp_path, votes, [], end="\r\n")
    numbers = [" ".join(map(str, face(i).ravel())) for i in range(2)]
    rows = ["\ufeffemotion, Usage, pixels", f"0,Training,{numbers[0]}", "", f'0,PrivateTest,"{numbers[1]} "']
    (tmp_path / PIXELS).write_bytes("\r\n".join(rows).encode())
    found = [one(outcome) for outcome in outcomes(raw)]
    assert [r.split for r in found] == ["train", "test"]
    for number, record in enumerate(found):
        np.testing.assert_array_equal(picture(raw, record.photo)[..., 0], face(number))


def test_rows_that_do_not_belong_together(tmp_path: Path) -> None:
    votes = [f"Training,fer0000000.png,{HAPPY}", f"PrivateTest,fer0000001.png,{HAPPY}", f"Test,fer2.png,{HAPPY}"]
    raw = make(tmp_path, votes, [pixels(0), pixels(1), pixels(2, "Test")])
    assert [o.reason for o in outcomes(raw)] == ["", "bad_label", "bad_label"]
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(DataMissingError, match=r"3 rows and fer2013\.csv 1;"):
        outcomes(make(other, votes, [pixels(0)]))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (pixels(1).replace(" ", "  256 ", 1), "256"),
        (pixels(1).replace(" ", " x ", 1), "invalid literal"),
        (pixels(1).replace(" ", " 7 ", 1), "2305 pixels, not 2304"),
        (f"0,{'1 ' * 40_000},Training", "80011 bytes"),
    ],
)
def test_damaged_pictures_are_told_when_they_are_read(tmp_path: Path, row: str, told: str) -> None:
    raw = make(tmp_path, [f"Training,fer.png,{HAPPY}"] * 2, [pixels(0), row])
    with pytest.raises(PhotoError, match=told) as caught:
        picture(raw, f"{PIXELS}#1")
    assert caught.value.reason == "unreadable"
    assert picture(raw, f"{PIXELS}#0").shape == (48, 48, 3)
    for place in ("2", "-1", "", "x", "0/1"):
        with pytest.raises(PhotoError, match="rows 0 to 1"):
            picture(raw, f"{PIXELS}#{place}")


def test_behind_a_url(tmp_path: Path) -> None:
    """The copy that is read of a URL is gone once it is open, and rows are still to be had."""
    make(tmp_path, [f"Training,fer.png,{HAPPY}"] * 2, [pixels(0), pixels(1)])
    memory = fsspec.filesystem("memory")
    for name in (VOTES, PIXELS):
        memory.pipe(f"/ferplus/{name}", (tmp_path / name).read_bytes())
    raw = Raw("memory://ferplus")
    found = [one(outcome) for outcome in outcomes(raw)]
    for number, record in enumerate(found):
        np.testing.assert_array_equal(picture(raw, record.photo)[..., 0], face(number))
    assert len(found) == 2


def test_a_row_cut_short(tmp_path: Path) -> None:
    votes = [f"Training,fer.png,{HAPPY}"] * 2
    assert [o.reason for o in outcomes(make(tmp_path, votes, ["0,1 2 3", pixels(1)]))] == ["unreadable", ""]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert units([VOTES, PIXELS, "FER2013Train/label.csv"]) == [VOTES]
    with pytest.raises(DataMissingError, match=r"take FER2013's of Kaggle"):
        units([VOTES])
    with pytest.raises(DataMissingError, match=r"FER2013Train/label\.csv"):
        units(["FER2013Train/fer0000000.png"])
    raw = make(tmp_path, [], [])
    (tmp_path / PIXELS).write_text("a,b\n1,2\n")
    with pytest.raises(DataMissingError, match="not with emotion,pixels,Usage"):
        outcomes(raw)
    with pytest.raises(DataMissingError, match="not_found"):
        picture(Raw(tmp_path / "none"), f"{PIXELS}#0")


@pytest.mark.slow
def test_the_real_votes(tmp_path: Path) -> None:
    """All 35,887 rows: 28,709, 3,589 and 3,589; 173 have no image name."""
    if not REAL_VOTES.is_file():
        pytest.skip(f"no {REAL_VOTES}: set SLYK_REAL_DATA")
    text = REAL_VOTES.read_text()
    (tmp_path / VOTES).write_text(text)
    usages = [line.partition(",")[0] for line in text.splitlines()[1:]]
    rows = [pixels(i, usage) if i % 5000 == 0 else f"0,{i},{usage}" for i, usage in enumerate(usages)]
    (tmp_path / PIXELS).write_text("\n".join([PIXELS_HEADER, *rows]))
    raw = Raw(tmp_path)
    found = outcomes(raw)
    reasons = Counter(outcome.reason for outcome in found)
    assert len(found) == 35887
    assert reasons == {"": 33712, "votes_tied": 1776, "not_an_expression": 222, "not_a_face": 177}
    records = [record for outcome in found for record in outcome.records]
    parts = Counter(record.group.partition("-")[0] for record in records)
    assert parts == {"train": 26940, "validation": 3396, "test": 3376}
    classes = Counter(record.labels["expression"] for record in records)
    assert classes["neutral"] == 11773 and classes["happiness"] == 9199 and min(classes.values()) == 212
    assert sum(reasons.values()) - reasons[""] == 35887 - sum(classes.values())
    twice = [key for key, count in Counter(record.key for record in records).items() if count > 1]
    assert twice == ["train/fer0006953", "train/fer0011785", "train/fer0008403"]  # the stage `index` numbers them
    assert len({record.group for record in records}) == 30
    np.testing.assert_array_equal(ferplus.picture(raw, f"{PIXELS}#35000")[..., 2], face(35000))
