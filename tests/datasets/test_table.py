"""One's own table: every way to say the same gives the same record."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.datasets import folder, table
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, Record, from_row, to_row
from slyk.datasets.table import read
from slyk.datasets.table_columns import CONVENTIONS
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import guess_camera, project
from slyk.geometry.eyes import geometry_from_eyes
from slyk.geometry.head_pose import rotation_from_vector
from slyk.geometry.normalize import homography
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.table import (
    BASIC,
    CAMERA,
    CENTER,
    GAZE,
    INTRINSICS,
    LENS,
    TARGET,
    TURN,
    Row,
    outcomes,
    record_of,
    row_of,
    save,
    six_columns,
    six_pixels,
    without,
    write_camera,
)
from tests.layouts.rendered import Array, Rendered, angle_deg, array, unit
from tests.photos import REAL_DATA, portrait, tile


def arrays_of(record: Record) -> list[Array]:
    assert record.gaze is not None
    return [record.gaze, *vars(record.face).values()]


def angles_of(vector: Array, convention: str, angle_unit: str) -> Row:
    """Pitch and yaw by the words of the conventions: which way a positive angle looks."""
    right, down, forward = unit(vector)
    up = {"slyk": True, "eth-xgaze": True, "gazehub": True, "mpiifacegaze-mat": False, "up-right": True}[convention]
    left = convention in ("slyk", "eth-xgaze", "gazehub")
    pitch = np.arcsin(-down) if up else np.arcsin(down)
    yaw = np.arctan2(-right, -forward) if left else np.arctan2(right, -forward)
    scale = 180 / np.pi if angle_unit == "degrees" else 1.0
    return {"pitch": pitch * scale, "yaw": yaw * scale, "convention": convention, "angle_unit": angle_unit}


def test_a_record(tmp_path: Path) -> None:
    record = record_of(tmp_path, {**BASIC, "split": "test", "expression": "happiness"})
    assert (record.key, record.photo, record.group, record.split) == ("a/1", "a/1.jpg", "ann", "test")
    assert (record.eyes, record.known, record.center) == ("annotated", "measured", "six_points")
    assert record.labels == {"expression": "happiness"}
    assert np.allclose(record.face.camera, CAMERA) and record.face.distortion.size == 0
    assert np.allclose(record.face.face_center_mm, CENTER)
    assert record.face.eyes_mm[0, 0] < record.face.eyes_mm[1, 0]  # the subject's right eye is image-left
    assert record.gaze is not None and np.allclose(record.gaze, unit(TARGET - CENTER))
    assert to_row(from_row(to_row(record))) == to_row(record)


@pytest.mark.parametrize(
    "gaze",
    [
        row_of("gaze_x gaze_y gaze_z", 0.01 * (TARGET - CENTER)),
        row_of("target_x target_y target_z", TARGET),
        *(angles_of(TARGET - CENTER, name, angle) for name in CONVENTIONS for angle in ("degrees", "radians")),
    ],
    ids=lambda row: "-".join(str(v) for v in row.values() if isinstance(v, str)) or next(iter(row)),
)
@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_each_way_to_give_gaze_is_the_same(tmp_path: Path, gaze: Row, name: str) -> None:
    expected = record_of(tmp_path / "basic", BASIC)
    found = record_of(tmp_path / "other", {**without(BASIC, "gaze"), **gaze}, name=name)
    for one, other in zip(arrays_of(expected), arrays_of(found), strict=True):
        assert np.allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("convention", "pitch", "yaw", "vector"),
    [
        ("slyk", 0, 90, (-1, 0, 0)),
        ("slyk", 90, 0, (0, -1, 0)),
        ("slyk", 0, 0, (0, 0, -1)),
        ("eth-xgaze", 0, 90, (-1, 0, 0)),
        ("gazehub", 90, 0, (0, -1, 0)),
        ("mpiifacegaze-mat", 0, 90, (1, 0, 0)),
        ("mpiifacegaze-mat", 90, 0, (0, 1, 0)),
        ("up-right", 0, 90, (1, 0, 0)),
        ("up-right", 90, 0, (0, -1, 0)),
    ],
)
def test_conventions_by_hand(
    tmp_path: Path, convention: str, pitch: float, yaw: float, vector: tuple[float, ...]
) -> None:
    """x is image-right, y down, z away from the camera."""
    angles = {"pitch": pitch, "yaw": yaw, "convention": convention, "angle_unit": "degrees"}
    record = record_of(tmp_path, {**without(BASIC, "gaze"), **angles})
    assert record.gaze is not None and np.allclose(record.gaze, vector, atol=1e-12)


def test_slyk_is_the_convention_of_slyk(tmp_path: Path) -> None:
    angles = {"pitch": 0.3, "yaw": -0.4, "convention": "slyk", "angle_unit": "radians"}
    record = record_of(tmp_path, {**without(BASIC, "gaze"), **angles})
    assert record.gaze is not None
    assert np.allclose(record.gaze, vector_from_pitchyaw(np.array([0.3, -0.4])), atol=1e-12)


@pytest.mark.parametrize("lens", [None, LENS])
def test_the_head_pose_is_fitted_where_it_is_not_given(tmp_path: Path, lens: Array | None) -> None:
    row = {**without(BASIC, "head", "gaze"), **six_columns(lens), **row_of("target_x target_y target_z", TARGET)}
    row |= {} if lens is None else row_of("k1 k2 p1 p2 k3", lens)
    found = record_of(tmp_path, row)
    assert found.known == "measured" and found.labels["scheme"] == "6"
    assert np.allclose(found.labels["landmarks_px"], six_pixels(lens))
    assert np.allclose(found.face.head_rotation, rotation_from_vector(TURN), atol=1e-5)
    assert np.allclose(found.face.face_center_mm, CENTER, atol=1e-2)
    assert np.allclose(found.face.distortion, [] if lens is None else lens)


def test_each_way_to_give_the_camera_is_the_same(tmp_path: Path) -> None:
    expected = record_of(tmp_path / "basic", BASIC)
    write_camera(tmp_path / "file", "cam.yml", CAMERA)
    bare = without(BASIC, "fx", "fy", "cx", "cy")
    from_file = record_of(tmp_path / "file", {**bare, "camera": "cam.yml"})
    from_params = record_of(tmp_path / "params", bare, ReadOptions(camera=CAMERA))
    for found in (from_file, from_params):
        assert found.known == "measured"
        for one, other in zip(arrays_of(expected), arrays_of(found), strict=True):
            assert np.allclose(one, other, rtol=0, atol=1e-9)


def test_real_calibrations(tmp_path: Path) -> None:
    files = [("mpiifacegaze", "Camera00.mat"), ("eth-xgaze", "cam01.xml")]
    for kind, name in files:
        path = REAL_DATA / "calibrations" / kind / name
        if not path.is_file():
            pytest.skip(f"no {path}: set SLYK_REAL_DATA")
        (tmp_path / name).write_bytes(path.read_bytes())
        record = record_of(tmp_path, {**without(BASIC, "fx", "fy", "cx", "cy"), "camera": name})
        assert record.face.camera[0, 0] > 900 and record.known == "measured"


def test_without_a_camera_it_is_guessed(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((300, 400, 3), np.uint8))
    row = {**without(BASIC, "fx", "fy", "cx", "cy"), "photo": "1.png"}
    record = record_of(tmp_path, row)
    assert record.known == "guessed" and np.array_equal(record.face.camera, guess_camera(400, 300))


def test_without_landmarks_the_face_is_detected(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), portrait(0).photo)
    cv2.imwrite(str(tmp_path / "two.png"), tile(2))
    cv2.imwrite(str(tmp_path / "none.png"), np.full((120, 160, 3), 90, np.uint8))
    rows = [{"photo": f"{name}.png", **GAZE} for name in ("one", "two", "none", "gone")]
    one, two, none, gone = outcomes(save(tmp_path, rows))
    assert (two.reason, none.reason, gone.reason) == ("several_faces", "no_face", "not_found")
    assert "data.csv, line 3" in two.detail
    (record,), (expected,) = one.records, folder.records(Raw(tmp_path), "one.png", ReadOptions())
    assert np.array_equal(record.face.eyes_mm, expected.face.eyes_mm) and record.eyes == expected.eyes
    assert record.known == "guessed" and record.gaze is not None and record.group == expected.group
    seen = record_of(tmp_path, {**rows[0], **INTRINSICS})
    assert seen.known == "guessed"  # a camera does not tell how the head is turned
    straight = geometry_from_eyes(CAMERA, project(expected.face.camera, expected.face.eyes_mm))
    assert np.allclose(seen.face.eyes_mm, straight.eyes_mm, atol=1e-3)


def test_two_rows_of_one_detected_face(tmp_path: Path) -> None:
    """Which of the two labels holds, nobody can tell; a row that was rejected for something else does not count."""
    cv2.imwrite(str(tmp_path / "one.png"), portrait(0).photo)
    row = {"photo": "one.png", **GAZE}
    wrong, first, second = outcomes(save(tmp_path, [{**row, "gaze_x": "left"}, row, {**row, "gaze_x": 0.1}]))
    assert (wrong.reason, first.reason, second.reason) == ("bad_label", "", "bad_label")
    assert "data.csv, line 4: line 3 names this photo too" in second.detail


def test_detected_eyes_are_undistorted(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), portrait(0).photo)
    camera = {"fx": 260, "fy": 260, "cx": 130, "cy": 130}
    plain = record_of(tmp_path, {"photo": "one.png", **camera})
    bent = record_of(tmp_path, {"photo": "one.png", **camera, **row_of("k1 k2 p1 p2 k3", LENS)})
    seen = cv2.projectPoints(bent.face.eyes_mm, np.zeros(3), np.zeros(3), bent.face.camera, LENS)[0].reshape(2, 2)
    assert np.abs(seen - project(plain.face.camera, plain.face.eyes_mm)).max() < 0.1
    assert not np.allclose(bent.face.eyes_mm, plain.face.eyes_mm, atol=0.05)


def rendered_rows(made: Rendered) -> list[Row]:
    """The table that somebody would make of a rendered set."""
    points = " ".join(f"lm{i}_{axis}" for i in range(68) for axis in "xy")
    return [
        {
            "photo": row["photo"],
            "person": row["person"],
            "split": row["split"],
            **row_of("fx fy cx cy", np.array(row["camera"])[[0, 4, 2, 5]]),
            **row_of(points, row["landmarks_2d"]),
            **row_of("gaze_x gaze_y gaze_z", row["gaze"]),
        }
        for row in made.rows
    ]


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_a_rendered_set_comes_back(tmp_path: Path, rendered: Callable[[str], Rendered], name: str) -> None:
    made = rendered("wide")
    raw = save(tmp_path, rendered_rows(made), name)
    found = list(read(raw, [name], ReadOptions()))
    assert len(found) == len(made.rows)
    for outcome, row in zip(found, made.rows, strict=True):
        (record,) = outcome.records
        assert record.gaze is not None and angle_deg(record.gaze, array(row, "gaze", 3)) < 1e-9
        assert (record.photo, record.group, record.split) == (row["photo"], row["person"], row["split"])
        assert record.labels["scheme"] == "68"
        eyes = project(array(row, "camera", 3, 3), array(row, "eyes_mm", 2, 3))
        assert np.abs(project(record.face.camera, record.face.eyes_mm) - eyes).max() < 4  # of a width of 128 px


def test_the_crop_shows_the_eyes(tmp_path: Path, rendered: Callable[[str], Rendered], spec: CropSpec) -> None:
    """The annotated eye lies near the crop's middle, and its iris is dark there."""
    made, num = rendered("wide"), 0
    shutil.copytree(made.root / "photos", tmp_path / "photos")
    raw = save(tmp_path, rendered_rows(made))
    for outcome, row in zip(read(raw, ["data.csv"], ReadOptions()), made.rows, strict=True):
        (record,) = outcome.records
        crops = crop(table.picture(raw, record.photo), record.face, spec)
        scale = float(np.linalg.norm(record.face.face_center_mm)) / spec.distance_mm
        for index, (side, eye) in enumerate((("right", crops.right), ("left", crops.left))):
            place = homography(
                record.face.camera,
                crops.rotation,
                record.face.eyes_mm[index],
                spec.focal_px * spec.eye_zoom,
                spec.eye_square_px,
                scale,
            )
            exact = project(array(row, "camera", 3, 3), array(row, "eyes_mm", 2, 3)[index])
            iris = array(row, f"iris_{side}_2d", 8, 2).mean(axis=0)
            (middle, dark) = cv2.perspectiveTransform(np.array([[exact, iris]]), place)[0]
            assert np.abs(middle - spec.eye_square_px / 2).max() < 0.15 * spec.eye_square_px
            if row["eye_visible"][index] > 0.6 and not row["sunglasses"]:
                x, y = dark.round().astype(int)
                assert eye[y - 2 : y + 3, x - 2 : x + 3].mean() < eye.mean()
                num += 1
    assert num >= 4


def test_with_the_target_of_a_rendered_set_gaze_is_as_exact_as_the_face_centre(
    tmp_path: Path, rendered: Callable[[str], Rendered]
) -> None:
    """Faces differ from the mean face that is fitted: a few mm of 600, most of it in depth."""
    made = rendered("wide")
    rows = [
        {**without(row, "gaze"), **row_of("target_x target_y target_z", other["gaze_target_mm"])}
        for row, other in zip(rendered_rows(made), made.rows, strict=True)
    ]
    for outcome, row in zip(read(save(tmp_path, rows), ["data.csv"], ReadOptions()), made.rows, strict=True):
        (record,) = outcome.records
        exact = array(row, "gaze_target_mm", 3) - record.face.face_center_mm
        assert record.gaze is not None and angle_deg(record.gaze, unit(exact)) < 1e-6


def test_a_long_name_fits_into_those_of_files_and_stays_apart(tmp_path: Path) -> None:
    people: list[Row] = [{"person": "a" * 300}, {"person": "a" * 299}, {"person": "a" * table.MAX_GROUP}]
    found = outcomes(save(tmp_path, [{**BASIC, "split": "train", "recording": "", **person} for person in people]))
    groups = {outcome.records[0].group for outcome in found}
    assert len(groups) == 3 and max(map(len, groups)) < 120


def test_a_head_pose_of_huge_numbers_is_a_reject(tmp_path: Path) -> None:
    (outcome,) = outcomes(save(tmp_path, [{**BASIC, "head_rx": 1e308, "head_ry": 1e308}]))
    assert outcome.reason == "bad_label" and "turns its back" in outcome.detail


def test_groups(tmp_path: Path) -> None:
    people: list[Row] = [
        {"person": "Ann", "recording": "day1"},
        {"person": "Ann", "recording": ""},
        {"person": "", "recording": "day1"},
        {"person": "Zoë", "recording": ""},
        {"person": "Zoe/", "recording": ""},
        {"person": "", "recording": ""},
        {"person": "", "recording": "", "split": "test"},
    ]
    found = outcomes(save(tmp_path, [{**BASIC, "split": "train", **person} for person in people]))
    groups = [outcome.records[0].group for outcome in found]
    assert groups[:3] == ["day1_ann", "ann", "day1"]
    assert groups[3].startswith("zo-") and groups[4].startswith("zoe-") and len(set(groups)) == 7
    assert groups[5].startswith("bucket") and groups[6] == f"test-{groups[5]}"
    keys = {outcome.records[0].key for outcome in found}
    assert keys == {"a/1"}  # rows of one photo; the index numbers them
