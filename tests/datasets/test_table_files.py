"""Files of one's own table as people have them, read whole or in parts; each mistake has its reason."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from slyk.datasets import table, table_files
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions
from slyk.datasets.table import units
from slyk.errors import DataMissingError, ParamsError
from slyk.geometry.angles import pitchyaw_from_vector
from tests.datasets.small.table import (
    BASIC,
    CAMERA,
    CENTER,
    HEAD,
    LENS,
    TARGET,
    Row,
    outcomes,
    reason_of,
    record_of,
    row_of,
    save,
    six_columns,
    six_pixels,
    without,
    write_camera,
)


def test_files_as_people_have_them(tmp_path: Path) -> None:
    """Windows ends, a byte order mark, spaces, quotes, empty lines, backslashes, a unicode path, no label."""
    header = "photo , person,gaze_x,gaze_y,gaze_z,fx,fy,cx,cy," + ",".join(HEAD)
    tail = "1000,1010,640,360," + ",".join(map(str, HEAD.values()))
    rows = [f'"ä b\\1.jpg", ann ,0, 0 ,-2,{tail}', "", ",,,,,,,,,,,,,,", f"2.jpg,,,,,{tail}"]
    (tmp_path / "data.csv").write_bytes(("\ufeff" + "\r\n".join([header, *rows])).encode())
    first, second = outcomes(Raw(tmp_path))
    assert first.photo == first.records[0].photo == "ä b/1.jpg" and first.records[0].group == "ann"
    assert first.records[0].gaze is not None and np.allclose(pitchyaw_from_vector(first.records[0].gaze), 0)
    assert second.records[0].gaze is None and second.records[0].face is not None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"photo": ""}, "photo is empty"),
        ({"gaze_x": "nan"}, "not finite"),
        ({"gaze_x": "1,5"}, "could not convert"),
        ({"gaze_x": ""}, "gaze_x is empty, but others of gaze_x, gaze_y, gaze_z are not"),
        ({"gaze_x": 0, "gaze_y": 0, "gaze_z": 0}, "gaze has no direction"),
        ({"fx": ""}, "fx is empty"),
        ({"fy": -1010}, "not above 0"),
        ({"head_tz": "inf"}, "not finite"),
        ({"head_tz": -600}, "behind the camera"),
        ({"head_rx": np.pi, "head_ry": 0, "head_rz": 0}, "turns its back"),
        ({"split": "validation"}, "split is 'validation', not one of train, test"),
        ({"expression": "joy"}, "expression is 'joy', not one of neutral, happiness"),
    ],
)
def test_wrong_rows_are_told_and_the_others_read(tmp_path: Path, wrong: Row, told: str) -> None:
    said = reason_of(tmp_path, wrong)
    assert said.startswith("bad_label: ") and told in said


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"pitch": ""}, "pitch is empty"),
        ({"convention": ""}, "convention is '', not one of slyk, eth-xgaze, gazehub"),
        ({"convention": "mine"}, "convention is 'mine'"),
        ({"angle_unit": ""}, "angle_unit is '', not one of radians, degrees"),
        ({"pitch": 12.0}, "pitch 12.0, yaw 0.1 are no radians of a gaze"),
        ({"yaw": -20.0, "convention": "slyk"}, "are no radians"),
    ],
)
def test_angles_that_cannot_be(tmp_path: Path, wrong: Row, told: str) -> None:
    angles = {"pitch": 0.2, "yaw": 0.1, "convention": "slyk", "angle_unit": "radians"}
    good = {**without(BASIC, "gaze"), **angles}
    first, second = outcomes(save(tmp_path, [good, {**good, **wrong}]))
    assert first.records and second.reason == "bad_label" and told in second.detail


def test_a_row_without_angles_needs_no_convention_and_may_have_one(tmp_path: Path) -> None:
    angles = {"pitch": "", "yaw": "", "convention": "slyk", "angle_unit": "degrees"}
    assert record_of(tmp_path, {**without(BASIC, "gaze"), **angles}).gaze is None


def test_cameras_that_cannot_be(tmp_path: Path) -> None:
    bare = without(BASIC, "fx", "fy", "cx", "cy")
    (tmp_path / "text.xml").write_text("no calibration")
    (tmp_path.parent / "outside.yml").write_text("outside")
    write_camera(tmp_path, "cam.yml", CAMERA)
    names = ["cam.yml", "gone.yml", "text.xml", "../outside.yml", "cam.yml"]
    found = outcomes(save(tmp_path, [{**bare, "camera": name} for name in names]))
    assert [outcome.reason for outcome in found] == ["", "bad_label", "bad_label", "bad_label", ""]
    for outcome, told in zip(found[1:4], ["not_found: gone.yml", "camera: text.xml", "outside_root"], strict=True):
        assert told in outcome.detail and str(tmp_path) not in outcome.detail
    (outcome,) = outcomes(save(tmp_path, [{**bare, **row_of("k1 k2 p1 p2 k3", LENS)}]))
    assert (outcome.reason, "without a camera" in outcome.detail) == ("bad_label", True)


def test_landmarks_that_cannot_be(tmp_path: Path) -> None:
    good = {**without(BASIC, "head"), **six_columns()}
    names = " ".join(six_columns())
    wrong = {
        "turns its back": row_of(names, six_pixels()[[3, 2, 1, 0, 5, 4]]),
        "is their order another": row_of(names, six_pixels()[[0, 1, 2, 3, 5, 4]]),
        "is their order another?": row_of(names, six_pixels()[[4, 5, 0, 1, 2, 3]]),
        "line 6": row_of(names, np.full((6, 2), 300.0)),
        "lm0_x is empty": {"lm0_x": ""},
        "not finite": {"lm5_y": "nan"},
    }
    first, *found = outcomes(save(tmp_path, [good, *({**good, **row} for row in wrong.values())]))
    assert first.records
    for outcome, told in zip(found, wrong, strict=True):
        assert outcome.reason == "bad_label" and told in outcome.detail


def test_a_head_pose_must_fit_the_landmarks(tmp_path: Path) -> None:
    """A pose of another head frame, here one with its origin 30 mm above the eyes, would move the crops."""
    good = {**BASIC, **six_columns()}
    other = {**good, "head_ty": -60}
    first, second = outcomes(save(tmp_path, [good, other]))
    assert first.records and np.allclose(first.records[0].face.face_center_mm, CENTER)
    assert second.reason == "bad_label" and "is the head's frame another?" in second.detail


def test_rows_of_another_length(tmp_path: Path) -> None:
    raw = save(tmp_path, [BASIC, BASIC, BASIC])
    lines = (tmp_path / "data.csv").read_text().splitlines()
    lines[2], lines[3] = lines[2] + ",1", lines[3].rpartition(",")[0]
    (tmp_path / "data.csv").write_text("\n".join(lines))
    first, more, less = outcomes(raw)
    count = len(BASIC)
    assert first.records and f"line 3: {count + 1} cells, not {count}" in more.detail
    assert less.reason == "bad_label" and f"line 4: {count - 1} cells" in less.detail


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**BASIC, "perosn": "ann"}, "unknown column 'perosn'; known: photo, person, recording"),
        ({**BASIC, "photo;person": ""}, "unknown column 'photo;person'"),
        ({**BASIC, "Gaze_X": 0}, "unknown column 'Gaze_X'"),
        ({**BASIC, "lm68_x": 0}, "unknown column 'lm68_x'"),
        ({"person": "ann"}, "no column 'photo'"),
        (without(BASIC, "gaze_y"), "lacks column 'gaze_y', which belongs to gaze_x, gaze_y, gaze_z"),
        (without(BASIC, "cy"), "lacks column 'cy'"),
        ({**without(BASIC, "gaze"), "pitch": 0, "yaw": 0}, "lacks column 'convention'"),
        ({**BASIC, "lm0_x": 1, "lm0_y": 1}, "lacks column 'lm1_x'"),
        ({**BASIC, **six_columns(), "lm6_x": 1}, "lacks column 'lm6_y'"),
        ({**BASIC, **row_of("target_x target_y target_z", TARGET)}, "only one"),
        ({**BASIC, "camera": "cam.yml"}, "of camera, fx and what belongs"),
    ],
)
def test_columns_that_cannot_be(tmp_path: Path, row: Row, told: str) -> None:
    for name in ("data.csv", "data.parquet"):
        with pytest.raises(ParamsError, match=r"data\.(csv|parquet)") as caught:
            outcomes(save(tmp_path / name.replace(".", "-"), [row], name))
        assert told in str(caught.value)


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("photo,person,person\n1.jpg,a,b\n")
    with pytest.raises(ParamsError, match="'person' is there twice"):
        outcomes(Raw(tmp_path))


def test_tables_that_are_missing_two_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"data\.csv or data\.parquet"):
        units(["photos/1.jpg", "labels/data.csv"])
    with pytest.raises(ParamsError, match="keep the one that counts"):
        units(["data.csv", "data.parquet"])
    (tmp_path / "data.parquet").write_bytes(b"PAR1, cut short")
    with pytest.raises(DataMissingError, match="cannot be read as parquet"):
        outcomes(Raw(tmp_path))
    (tmp_path / "data.parquet").unlink()
    (tmp_path / "data.csv").write_bytes("photo\nä.jpg\n".encode("latin-1"))
    with pytest.raises(DataMissingError, match="not UTF-8"):
        outcomes(Raw(tmp_path))
    (tmp_path / "data.csv").write_text('photo\n"' + "a" * 200_000)
    with pytest.raises(DataMissingError, match="line 2: field larger"):
        outcomes(Raw(tmp_path))
    (tmp_path / "data.csv").write_text("photo,person\n")
    assert outcomes(Raw(tmp_path)) == []


def test_whole_numbers_and_gaps_in_parquet(tmp_path: Path) -> None:
    rows = [{**BASIC, "person": 7}, {**BASIC, "person": 8, "gaze_x": None, "gaze_y": None, "gaze_z": None}]
    first, second = outcomes(save(tmp_path, rows, "data.parquet"))
    assert [outcome.records[0].group for outcome in (first, second)] == ["7", "8"]
    assert first.records[0].gaze is not None and second.records[0].gaze is None
    (outcome,) = outcomes(save(tmp_path, [{**BASIC, "split": "tset"}], "data.parquet"))
    assert outcome.detail.startswith("data.parquet, row 1: split is 'tset'")


def told_of(raw: Raw, units: list[str]) -> list[tuple[str, str, str, str]]:
    """Photo, reason, detail and group of each outcome."""
    found = table.read(raw, units, ReadOptions())
    return [(o.photo, o.reason, o.detail, "".join(record.group for record in o.records)) for o in found]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_long_csv_is_the_same_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """No part cuts a cell that holds line ends or quotes; numbers of lines stay those of the file."""
    monkeypatch.setattr(table_files, "PART_ROWS", 7)
    raw = save(tmp_path, [{**BASIC, "photo": f"{i}.jpg", "person": f"person\n{i}" * (i % 3)} for i in range(40)])
    text = (tmp_path / "data.csv").read_text().replace("17.jpg", '"17,"" ä.jpg"').replace("600.0", "far", 1)
    (tmp_path / "data.csv").write_bytes(("\ufeff" + text.replace("\n", end)).encode())
    units = table.parts(raw, "data.csv")
    assert len(units) == 6
    whole, parts = told_of(raw, ["data.csv"]), told_of(raw, units)
    assert parts == whole and len(whole) == 40 and whole[17][0] == '17," ä.jpg'
    assert [told[1] for told in whole].count("bad_label") == 1 and "data.csv, line 2: head" in whole[0][2]
    assert sorted(told_of(raw, units[::-1])) == sorted(whole)


@pytest.mark.parametrize("row_group_size", [1, 9, 100])
def test_a_long_parquet_is_the_same_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row_group_size: int
) -> None:
    monkeypatch.setattr(table_files, "PART_ROWS", 7)
    rows = [{**BASIC, "photo": f"{i}.jpg", "split": "tset" if i == 30 else "train"} for i in range(40)]
    raw = save(tmp_path, rows)
    pd.DataFrame(rows).to_parquet(tmp_path / "data.parquet", row_group_size=row_group_size)
    units = table.parts(raw, "data.parquet")
    assert len(units) == 6 and units[1] == "data.parquet#8-7-14"
    whole, parts = told_of(raw, ["data.parquet"]), told_of(raw, units)
    assert parts == whole and [photo for photo, *_ in whole] == [f"{i}.jpg" for i in range(40)]
    assert whole[30][2].startswith("data.parquet, row 31: split is 'tset'")
    monkeypatch.setattr(table_files, "MAX_PARTS", 2)
    assert table.parts(raw, "data.parquet") == ["data.parquet#1-0-20", "data.parquet#21-20-40"]


def test_tables_that_cannot_be_divided_are_left_to_the_reader(tmp_path: Path) -> None:
    for name in ("data.csv", "data.parquet"):
        assert table.parts(Raw(tmp_path), name) == [name]
        (tmp_path / name).write_bytes(b'photo\n"' + b"a" * 200_000)
        assert table.parts(Raw(tmp_path), name) == [name]
