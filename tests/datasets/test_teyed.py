"""TEyeD: a rendered set in its layout, its videos read back, and files as they should not be."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from slyk.datasets import teyed
from slyk.datasets.raw import Raw
from slyk.datasets.record import Record, from_row, to_row
from slyk.datasets.teyed import picture, units
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.angles import pitchyaw_from_vector
from slyk.layouts.teyed import side_shown
from tests.datasets.small.teyed import POINTS, VIDEO, lines, make
from tests.datasets.trees import in_memory, read_tree
from tests.layouts.rendered import Export, Exported, Row, angle_deg, array

outcomes = partial(read_tree, teyed)


def rows_of(made: Exported, record: Record) -> Row:
    """The rendered frame of a record."""
    name, _, frame = Path(record.photo).name.partition(".mp4#")
    rows = [row for row in made.rows if f"{row['person']}_{row['recording']}" == name]
    return sorted(rows, key=lambda row: int(row["frame"]))[int(frame) - 1]


def test_a_rendered_set_comes_back(exported: Export) -> None:
    made = exported("teyed")
    found = outcomes(Raw(made.out))
    assert len(found) == len(made.rows) and all(len(outcome.records) == 1 for outcome in found)
    for outcome in found:
        (record,) = outcome.records
        row = rows_of(made, record)
        side = ("right", "left")[side_shown(row)]
        for part, count in POINTS.items():
            exact = array(row, f"{part}_{side}_2d", count, 2)
            assert np.allclose(record.labels[f"{part}_px"], exact, atol=1e-6)
            seen = float(np.mean(row[f"{part}_{side}_visible"])) >= 0.5
            assert record.labels[f"{part}_valid"] is seen
            assert record.labels[f"{part}_inaccuracy"] == (0.0 if seen else None)
        assert record.labels["eye_movement"] == teyed.EYE_MOVEMENTS[row["eye_movement"]]
        assert record.geometry is None and record.split == "train" and record.group == f"dikablis-{row['person']}_r00"
        assert record.key == f"{record.group}/{row['frame'] + 1:06d}"
        assert to_row(from_row(to_row(record))) == to_row(record)


def test_gaze_is_the_optical_axis_before_the_camera(exported: Export) -> None:
    """In the frame that looks at the eyeball, found by turning and nodding the camera; 6 decimals in the files."""
    made, num = exported("teyed"), 0
    for record in (outcome.records[0] for outcome in outcomes(Raw(made.out))):
        row = rows_of(made, record)
        if record.gaze is None:
            assert record.labels["pupil_valid"] is False
            continue
        index = side_shown(row)
        (x, y, z), axis = array(row, "eyeball_center_mm", 2, 3)[index], array(row, "optical_axis", 2, 3)[index]
        turn = cv2.Rodrigues(np.array([0.0, -np.arctan2(x, z), 0.0]))[0]
        nod = cv2.Rodrigues(np.array([-np.arctan2(-y, np.hypot(x, z)), 0.0, 0.0]))[0]
        assert angle_deg(record.gaze, nod @ turn @ axis) < 1e-4
        assert record.gaze[2] < 0
        num += 1
    assert num > 10


def test_gaze_is_the_pupil_on_the_eyeball(exported: Export) -> None:
    """The relation of the real files, with the numbers of the text: x image-right, y down, z before the eyeball."""
    made = exported("teyed")
    for record in (outcome.records[0] for outcome in outcomes(Raw(made.out))):
        name, _, frame = record.photo.partition("#")
        text = (made.out / f"{name.replace('VIDEOS', 'ANNOTATIONS')}eye_ball.txt").read_text().splitlines()
        radius, *center = (float(word) for word in text[int(frame)].split(";")[1:4])
        if record.gaze is not None:
            pupil = np.array(record.labels["pupil_ellipse"][1:3])
            assert np.allclose(record.gaze[:2], (pupil - center) / radius, atol=1e-5)


@pytest.mark.parametrize(
    ("vector", "pitch", "yaw"),
    [("0;0;1", 0, 0), ("-0.6;0;0.8", 0, 36.8699), ("0.6;0;0.8", 0, -36.8699), ("0;-0.6;0.8", 36.8699, 0)],
)
def test_signs(tmp_path: Path, vector: str, pitch: float, yaw: float) -> None:
    """A pupil image-left of the eyeball's centre is a yaw above 0, one above it a pitch above 0."""
    (outcome,) = outcomes(make(tmp_path, gaze_vec=lines("gaze_vec", f"1;{vector};")))
    gaze = outcome.records[0].gaze
    assert gaze is not None and np.allclose(np.rad2deg(pitchyaw_from_vector(gaze)), [pitch, yaw], atol=1e-4)


def pixels(count: int, start: float) -> str:
    return ";".join(f"{start + i / 4}" for i in range(2 * count))


def test_invalid_frames_keep_their_points_and_lose_the_rest(tmp_path: Path) -> None:
    """Negative pixels are points like others; -1;-1;-1 is no gaze whatever the validity says."""
    points = pixels(8, -3.0)
    raw = make(
        tmp_path,
        validity_pupil=lines("validity_pupil", "1;1;", "2;-1;", "3;1;", "4;-1;"),
        pupil_lm_2D=lines(
            "pupil_lm_2D", *(f"{n};{off};{points};" for n, off in enumerate((0.5, -1, 0.25, -1), start=1))
        ),
        pupil_eli=lines("pupil_eli", "1;90;5;6;2;3;", "2;-1;-1;-1;-1;-1;", "3;-1;5;6;2;3;", "4;-1;-1;-1;-1;-1;"),
        gaze_vec=lines("gaze_vec", "1;0;0;1;", "2;-1;-1;-1;", "3;-1;-1;-1;", "4;0;0;1;"),
    )
    records = [outcome.records[0] for outcome in outcomes(raw)]
    assert [record.gaze is not None for record in records] == [True, False, False, False]
    assert [record.labels["pupil_valid"] for record in records] == [True, False, True, False]
    assert [record.labels["pupil_inaccuracy"] for record in records] == [0.5, None, 0.25, None]
    assert [record.labels["pupil_ellipse"] for record in records] == [[90, 5, 6, 2, 3], None, [-1, 5, 6, 2, 3], None]
    assert all(record.labels["pupil_px"][0] == [-3.0, -2.75] for record in records)
    for kind in ("lid_px", "lid_valid", "lid_inaccuracy", "iris_ellipse", "pupil_in_iris_ellipse", "eye_movement"):
        assert all(record.labels[kind] is None for record in records)  # kinds that the video lacks


def test_kinds_belong_together_by_frame(tmp_path: Path) -> None:
    """Rows out of order, rows that are left out, and eye_movements with its header in the third line."""
    raw = make(
        tmp_path,
        eye_movements=lines("eye_movements", "3;4;", "1;2;", "2;3;"),
        gaze_vec=lines("gaze_vec", "2;0;0;1;", "7;0.6;0;0.8;"),
    )
    found = {outcome.photo: outcome.records[0] for outcome in outcomes(raw)}
    assert list(found) == [f"{VIDEO}#{frame}" for frame in (1, 2, 3, 7)]
    kinds = [record.labels["eye_movement"] for record in found.values()]
    assert kinds == ["blink", "fixation", "saccade", None]
    assert [record.gaze is not None for record in found.values()] == [False, True, False, True]
    assert found[f"{VIDEO}#7"].key == "dikablis-eye_1/000007"


def test_files_as_people_have_them(tmp_path: Path) -> None:
    """Windows ends, a byte order mark, spaces, empty lines, no last `;`, a unicode name; no folder above VIDEOS."""
    text = "\ufeffFRAME;X;Y;Z;\r\n 1; 0.0 ;0;1 ; \r\n\r\n2;0;0;1"
    first, second = outcomes(make(tmp_path, video="VIDEOS/ä b.mp4", gaze_vec=text))
    assert first.records and second.records and second.photo == "VIDEOS/ä b.mp4#2"
    record = second.records[0]
    assert record.key == f"{record.group}/000002" and record.group.startswith("b-")
    (other,) = outcomes(make(tmp_path / "other", video="VIDEOS/ö b.mp4", gaze_vec=lines("gaze_vec", "1;0;0;1;")))
    assert other.records[0].group != record.group


@pytest.mark.parametrize(
    ("kind", "line", "told"),
    [
        ("gaze_vec", "2;nan;0;1;", "not finite"),
        ("gaze_vec", "2;x;0;1;", "could not convert"),
        ("gaze_vec", "2;0;0;", "2 values, not 3"),
        ("gaze_vec", "2;0;0;0;", "no direction"),
        ("gaze_vec", "2;0;0;1;\n2;0;0;1;", "FRAME 2 is there twice"),
        ("validity_pupil", "2;0;", "0 is none of 1, -1"),
        ("eye_movements", "2;6;", "6 is none of 1, 2, 3, 4, 5"),
        ("iris_lm_2D", f"2;0.1;{pixels(7, 1)};", "15 values, not 17"),
        ("pupil_eli", "2;0;inf;1;1;1;", "not finite"),
    ],
)
def test_wrong_lines_are_told_and_the_others_read(tmp_path: Path, kind: str, line: str, told: str) -> None:
    good = {"gaze_vec": "0;0;1", "validity_pupil": "1", "eye_movements": "2", "pupil_eli": "1;2;3;4;5"}
    value = good.get(kind, f"0.1;{pixels(8, 1)}")
    raw = make(tmp_path, **{kind: lines(kind, f"1;{value};", line, f"3;{value};")})
    first, second, third = outcomes(raw)
    assert first.records and third.records
    assert (second.reason, second.photo) == ("bad_label", f"{VIDEO}#2")
    assert f"eye_1.mp4{kind}.txt, line " in second.detail and told in second.detail


@pytest.mark.parametrize("frame", ["0", "-1", "1.5", "x", "", "9999999999"])
def test_lines_without_a_frame_are_told(tmp_path: Path, frame: str) -> None:
    wrong, good = outcomes(make(tmp_path, gaze_vec=lines("gaze_vec", f"{frame};0;0;1;", "1;0;0;1;")))
    assert (wrong.photo, wrong.reason) == (VIDEO, "bad_label") and good.records
    assert "gaze_vec.txt, line 2" in wrong.detail and "FRAME" in wrong.detail


@pytest.mark.parametrize(("text", "told"), [("", "empty_file"), ("1;0;0;1;\n", "no line starts with FRAME")])
def test_damaged_files_reject_their_video(tmp_path: Path, text: str, told: str) -> None:
    make(tmp_path, gaze_vec=text, validity_pupil=lines("validity_pupil", "1;1;"))
    raw = make(tmp_path, video=VIDEO.replace("eye_1", "eye_2"), gaze_vec=lines("gaze_vec", "1;0;0;1;"))
    first, second = outcomes(raw)
    assert (first.photo, first.reason) == (VIDEO, "bad_label") and told in first.detail and second.records


def test_videos_and_annotations_without_each_other(tmp_path: Path) -> None:
    make(tmp_path, video=VIDEO.replace("eye_1", "eye_2"), gaze_vec=lines("gaze_vec"))
    make(tmp_path, video=VIDEO.replace("eye_1", "eye_3"), gaze_vec=lines("gaze_vec", "1;0;0;1;"), validity_pupil="")
    raw = make(tmp_path)
    (tmp_path / VIDEO.replace("eye_1", "eye_3")).unlink()
    found = [(Path(outcome.photo).name, outcome.reason) for outcome in outcomes(raw)]
    assert sorted(found) == [
        ("eye_1.mp4", "no_annotation"),
        ("eye_2.mp4", "no_annotation"),
        ("eye_3.mp4", "photo_missing"),
    ]
    with pytest.raises(DataMissingError, match="VIDEOS/DikablisSS_1_1"):
        units(["TEyeDSSingleFiles/Dikablis/VIDEOS/readme.txt"])


def test_pictures_are_the_frames(exported: Export) -> None:
    """In any order, from a folder and from a URL; those that lie beside hold something else."""
    made = exported("teyed")
    records = [outcome.records[0] for outcome in outcomes(Raw(made.out))]
    order = np.random.default_rng(5).permutation(len(records))
    photos = [cv2.imread(str(made.source / rows_of(made, record)["photo"])) for record in records]
    for raw in (Raw(made.out), in_memory(made.out)):
        in_order = [picture(raw, record.photo) for record in records]
        for shown, photo, record in zip(in_order, photos, records, strict=True):
            assert photo is not None and shown.shape == photo.shape and shown.dtype == np.uint8
            assert np.abs(shown.astype(int) - photo).mean() < 6
            x, y = np.mean(record.labels["pupil_px"], axis=0).round().astype(int)
            if record.labels["pupil_valid"]:  # the label lies on the dark of the pupil
                assert shown[y - 1 : y + 2, x - 1 : x + 2].mean() < shown.mean()
        for index in [*order, order[-1]]:
            assert np.array_equal(picture(raw, records[index].photo), in_order[index])


def numbered_video(path: Path, count: int) -> None:
    """Frame i shows i in ten bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (96, 64))
    for index in range(count):
        bits = [(index >> bit & 1) * 200 for bit in range(12)]
        writer.write(np.repeat(np.repeat(np.array(bits, np.uint8), 8)[None, :, None], 3, axis=2).repeat(64, axis=0))
    writer.release()


def shown_number(raw: Raw, frame: int) -> Any:
    """What a frame shows, or why there is nothing."""
    try:
        shown = picture(raw, f"{VIDEO}#{frame}")
    except PhotoError as error:
        return error.reason
    return sum(int(shown[10:50, 8 * bit + 2 : 8 * bit + 6].mean() > 100) << bit for bit in range(12))


def test_each_frame_is_found_in_a_long_video(tmp_path: Path) -> None:
    numbered_video(tmp_path / VIDEO, 300)
    raw = Raw(tmp_path)
    assert [shown_number(raw, frame) for frame in range(1, 303)] == [*range(300), "unreadable", "unreadable"]
    for frame in (1, 300, 301, 300, 12, 13, 13, 299, 2):
        assert shown_number(raw, frame) == (frame - 1 if frame <= 300 else "unreadable")


def test_of_a_damaged_video_the_same_is_read_in_any_order(tmp_path: Path) -> None:
    numbered_video(tmp_path / VIDEO, 300)
    data = bytearray((tmp_path / VIDEO).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    found = []
    for name, order in (("a", list(range(1, 301))), ("b", np.random.default_rng(0).permutation(300) + 1)):
        (tmp_path / name / VIDEO).parent.mkdir(parents=True)
        (tmp_path / name / VIDEO).write_bytes(data)
        raw = Raw(tmp_path / name)
        found.append({int(frame): shown_number(raw, int(frame)) for frame in order})
    assert found[0] == found[1]
    ended = list(found[0].values()).index("unreadable")
    assert 50 < ended < 250 and [*found[0].values()][: ended - 1] == list(range(ended - 1))
    assert set([*found[0].values()][ended:]) == {"unreadable"}


@pytest.mark.parametrize("how", ["playlist", "truncated", "empty"])
def test_videos_that_do_not_open(tmp_path: Path, how: str) -> None:
    numbered_video(tmp_path / VIDEO, 20)
    whole = (tmp_path / VIDEO).read_bytes()
    left = {"playlist": b"#EXTM3U\n#EXTINF:1,\nother.ts\n", "truncated": whole[: len(whole) // 2], "empty": b""}
    (tmp_path / VIDEO).write_bytes(left[how])
    assert [shown_number(Raw(tmp_path), frame) for frame in (1, 2)] == ["unreadable", "unreadable"]
    (tmp_path / VIDEO).unlink()
    assert shown_number(Raw(tmp_path), 1) == "not_found"
