"""ETH-XGaze, normalized: a rendered set in its layout, the same gaze as from whole photos, and damaged files."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from slyk.datasets import xgaze, xgaze_224
from slyk.datasets.raw import Raw
from slyk.datasets.record import Record, from_row, to_row
from slyk.datasets.xgaze_224 import EYES_OFF, picture, units
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import project
from slyk.geometry.cut_faces import normalized_face
from slyk.geometry.normalize import normalizing_rotation
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.xgaze_224 import content, make
from tests.datasets.trees import in_memory, read_tree, records_of
from tests.layouts.rendered import Export, angle_deg

CORNERS = [[36, 39], [42, 45]]


outcomes = partial(read_tree, xgaze_224)
records = partial(records_of, xgaze_224)


def test_a_rendered_set_comes_back(exported: Export) -> None:
    made = exported("xgaze_224")
    found = {record.key: record for record in records(Raw(made.out))}
    assert len(found) == len(made.rows)
    for split, subject in (("train", "subject0000"), ("test", "subject0001")):
        with h5py.File(made.out / f"{split}/{subject}.h5") as file:
            for index in range(18):
                record = found[f"{split}/{subject}/{index:06d}"]
                assert (record.group, record.split, record.known) == (subject, split, "normalized")
                assert (record.gaze is not None) == (split == "train") and record.center == "eyes_and_nose"
                if record.gaze is not None:
                    assert np.allclose(pitchyaw_from_vector(record.gaze), file["face_gaze"][index], atol=1e-7)
                assert np.allclose(head_pitchyaw(record.face.head_rotation), file["face_head_pose"][index], atol=1e-6)
                assert (record.labels["frame"], record.labels["cam_index"]) == (0, file["cam_index"][index, 0])
                assert np.array_equal(picture(Raw(made.out), record.photo), file["face_patch"][index])
                assert to_row(from_row(to_row(record))) == to_row(record)
                assert_normalized(record, file["facial_landmarks"][index])


def assert_normalized(record: Record, landmarks: NDArray[Any]) -> None:
    """Normalizing again turns nothing, and the eyes are those of the landmarks."""
    face = record.face
    assert np.allclose(normalizing_rotation(face.face_center_mm, face.head_rotation), np.eye(3), atol=1e-9)
    assert record.eyes == "annotated"
    assert np.allclose(project(face.camera, face.eyes_mm), landmarks[CORNERS].mean(axis=1), atol=1e-4)
    assert np.allclose(record.labels["landmarks_px"], landmarks, atol=6e-3)


def test_whole_photos_and_normalized_faces_agree(exported: Export) -> None:
    """The same gaze and head within 1e-4 degrees through both readers, and eyes at the same place of the face.

    Numbers in the csv are rounded to 1e-6 (rad, mm). In the turn about the line of sight that grows by 1 / sine of
    the angle between that line and the head's x axis, the more the closer to profile.
    """
    raw = Raw(exported("xgaze").out)
    whole = records_of(xgaze, raw)
    cut = {(r.group, r.labels["frame"], r.labels["cam_index"]): r for r in records(Raw(exported("xgaze_224").out))}
    assert len(whole) == len(cut) == 36
    for record in whole:
        face, other = record.face, cut[record.group, record.labels["frame"], record.labels["camera"]]
        turn = normalizing_rotation(face.face_center_mm, face.head_rotation)
        within_deg = 1e-4 / min(1.0, 5 * float(np.linalg.norm(np.cross(turn[2], face.head_rotation[:, 0]))))
        assert other.split == record.split and record.gaze is not None
        if record.split == "train":
            assert other.gaze is not None and angle_deg(turn @ record.gaze, other.gaze) < within_deg
        off = head_pitchyaw(turn @ face.head_rotation) - head_pitchyaw(other.face.head_rotation)
        assert np.rad2deg(np.abs(off)).max() < within_deg
        eyes = (face.eyes_mm @ turn.T) * [1, 1, 600 / np.linalg.norm(face.face_center_mm)]
        seen = project(other.face.camera, other.face.eyes_mm)
        assert np.abs(project(other.face.camera, eyes) - seen).max() < 0.05 * 224


def test_the_crop_shows_the_eyes(exported: Export, spec: CropSpec) -> None:
    """The middle of an eye's square shows what the picture shows between the landmarks of the eye."""
    raw = Raw(exported("xgaze_224").out)
    for record in records(raw)[::5]:
        shown = picture(raw, record.photo)
        crops = crop(shown, record.face, spec)
        assert np.allclose(crops.rotation, np.eye(3), atol=1e-9)
        zoom = spec.focal_px * spec.eye_zoom / 960 * 600 / spec.distance_mm
        grid = np.mgrid[-12:13, -12:13].astype(np.float32)
        for eye, square in enumerate((crops.right, crops.left)):
            x, y = np.array(record.labels["landmarks_px"])[CORNERS[eye]].mean(axis=0)
            maps = [(grid[1] / zoom + x).astype(np.float32), (grid[0] / zoom + y).astype(np.float32)]
            expected = cv2.remap(shown, maps[0], maps[1], cv2.INTER_LINEAR)
            middle = slice(spec.eye_square_px // 2 - 12, spec.eye_square_px // 2 + 13)
            assert np.abs(square[middle, middle].astype(float) - expected).mean() < 2, record.key


def test_eyes_by_the_head_pose_are_near_those_seen(exported: Export) -> None:
    """Without landmarks eyes are assumed, off by less than half of what landmarks may be off."""
    off = []
    for record in records(Raw(exported("xgaze_224").out)):
        head = head_pitchyaw(record.face.head_rotation)
        mean = normalized_face(224, focal_px=960, distance_mm=600, head=head, center="eyes_and_nose")
        off.append(np.abs(project(mean.camera, mean.eyes_mm) - project(mean.camera, record.face.eyes_mm)).max())
    assert max(off) < EYES_OFF * 224 / 2


def test_signs(tmp_path: Path) -> None:
    """Pitch above 0 looks up, yaw above 0 image-left."""
    straight, up, left = (record.gaze for record in records(make(tmp_path, content())))
    assert straight is not None and up is not None and left is not None
    assert np.allclose(straight, [0, 0, -1])
    assert np.allclose(up, [0, -np.sin(0.3), -np.cos(0.3)]) and np.allclose(left, [-np.sin(0.3), 0, -np.cos(0.3)])


def test_a_file_of_labels_and_nothing_else(tmp_path: Path) -> None:
    """Head straight, eyes assumed 31.5 mm beside the middle: 50.4 px of a picture of 224; half as wide at 112."""
    values = {key: content(side_px=112)[key] for key in ("face_patch", "face_gaze")}
    for record in records(make(tmp_path, values)):
        assert record.eyes == "assumed" and dict(record.labels) == {}
        eyes = project(record.face.camera, record.face.eyes_mm)
        assert np.allclose(eyes[:, 0], [56 - 25.2, 56 + 25.2], atol=1) and (eyes[:, 1] < 50).all()


@pytest.mark.parametrize("key", ["facial_landmarks", "landmarks_norm"])
def test_landmarks_are_used_where_they_fit(tmp_path: Path, key: str) -> None:
    """Not those of a picture twice as large, nor those that are not numbers, nor zeros."""
    mean = normalized_face(224, focal_px=960, distance_mm=600, head=np.zeros(2), center="eyes_and_nose")
    points = np.full((68, 2), 112.0)
    for corners, eye in zip(CORNERS, project(mean.camera, mean.eyes_mm), strict=True):
        points[corners] = eye + np.array([[-17, -1], [23, -3]])
    landmarks = np.stack([points, points * 2, points * np.nan, points * 0])
    found = records(make(tmp_path, content(4, 224) | {key: landmarks}))
    assert [record.eyes for record in found] == ["annotated", "assumed", "assumed", "assumed"]
    assert ["landmarks_px" in record.labels for record in found] == [True, False, False, False]
    moved = project(mean.camera, found[0].face.eyes_mm) - project(mean.camera, mean.eyes_mm)
    assert np.allclose(moved, [3, -2], atol=1e-6)
    assert np.allclose(found[0].face.eyes_mm[:, 2], mean.eyes_mm[:, 2])
    assert np.array_equal(found[1].face.eyes_mm, mean.eyes_mm)


@pytest.mark.parametrize("flat", [False, True])
def test_camera_numbers_are_labels_only(tmp_path: Path, flat: bool) -> None:
    """Counted from 0 or 1, a column or plain: the records differ in that label alone."""
    values = content()
    if flat:
        values |= {key: values[key][:, 0] for key in ("frame_index", "cam_index")}
    ones = [to_row(record) for record in records(make(tmp_path / "ones", values))]
    zeros = [
        to_row(record) for record in records(make(tmp_path / "zeros", values | {"cam_index": values["cam_index"] - 1}))
    ]
    assert [json.loads(row.pop("labels")) for row in ones] == [{"cam_index": i + 1, "frame": i} for i in range(3)]
    assert [json.loads(row.pop("labels")) for row in zeros] == [{"cam_index": i, "frame": i} for i in range(3)]
    assert ones == zeros


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("face_gaze", np.nan, r"face_gaze is \[nan, nan\]"),
        ("face_gaze", 17.0, "no pitch and yaw in radians"),
        ("face_head_pose", np.inf, "face_head_pose is"),
        ("face_mat_norm", 0.0, "never written"),
        ("face_mat_norm", np.nan, "never written"),
    ],
)
def test_wrong_rows_are_told_and_the_others_read(tmp_path: Path, key: str, value: float, told: str) -> None:
    values = content()
    values[key][1] = value
    first, second, third = outcomes(make(tmp_path, values))
    assert first.records and third.records
    assert (second.photo, second.reason) == ("train/subject0000.h5#1", "bad_label")
    assert second.detail.startswith("train/subject0000.h5, row 1: ")
    assert re.search(told, second.detail)


def test_a_training_person_without_gaze_is_told_picture_by_picture(tmp_path: Path) -> None:
    values = content()
    del values["face_gaze"]
    found = outcomes(make(tmp_path, values))
    assert [outcome.reason for outcome in found] == ["bad_label"] * 3 and "no face_gaze" in found[0].detail
    for folder in ("test", "test_person_specific"):
        raw = make(tmp_path / folder, values, f"{folder}/subject0000.h5")
        assert [record.gaze for record in records(raw)] == [None] * 3


def test_test_people_may_have_empty_labels(tmp_path: Path) -> None:
    values = content()
    values["face_gaze"] = np.array([[0, 0], [np.nan, np.nan], [0.1, 0.2]], np.float32)
    found = records(make(tmp_path, values, "test_person_specific/subject0000.h5"))
    assert [record.gaze is None for record in found] == [True, True, False]
    assert {record.split for record in found} == {"test"} and found[0].tags == ("person_specific",)


def test_the_list_decides_who_trains(tmp_path: Path) -> None:
    for name in ("train/subject0000.h5", "train/subject0001.h5", "test/subject0002.h5"):
        make(tmp_path, content(1), name)
    lists = {"train": ["subject0000.h5"], "test": ["subject0001.h5"]}
    (tmp_path / "train_test_split.json").write_text(json.dumps(lists))
    assert {r.group: r.split for r in records(Raw(tmp_path))} == {
        "subject0000": "train",
        "subject0001": "test",
        "subject0002": "test",
    }
    assert [r.key for r in records(Raw(tmp_path))][1:] == ["train/subject0000/000000", "train/subject0001/000000"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("no HDF5")


def changed(change: Callable[[h5py.File], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with h5py.File(path, "a") as file:
            change(file)

    return apply


def put(key: str, value: NDArray[Any]) -> Callable[[Path], None]:
    def change(file: h5py.File) -> None:
        del file[key]
        file.create_dataset(key, data=value)

    return changed(change)


def link_out(file: h5py.File) -> None:
    del file["face_gaze"]
    file["face_gaze"] = h5py.ExternalLink("../../secret.h5", "face_gaze")


def virtual(file: h5py.File) -> None:
    source = h5py.VirtualSource("../../secret.h5", "face_patch", (3, 32, 32, 3), np.uint8)
    view = h5py.VirtualLayout((3, 32, 32, 3), np.uint8)
    view[:] = source
    del file["face_patch"]
    file.create_virtual_dataset("face_patch", view)


def huge(file: h5py.File) -> None:
    del file["face_patch"]
    file.create_dataset("face_patch", (3, 32, 32, 3), np.uint8, chunks=(50_000, 32, 32, 3), maxshape=(None, 32, 32, 3))


def stored_outside(file: h5py.File) -> None:
    del file["face_patch"]
    file.create_dataset("face_patch", (3, 32, 32, 3), np.uint8, external=[("../../secret.bin", 0, 9216)])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, "truncated"),
        (emptied, "train/subject0000.h5"),
        (text, "signature"),
        (changed(lambda file: file.pop("face_patch")), "holds no face_patch; it holds: cam_index, face_gaze"),
        (put("face_patch", np.zeros((3, 32, 30, 3), np.uint8)), r"\(3, 32, 30, 3\), not uint8"),
        (put("face_patch", np.zeros((3, 32, 32, 3), np.float32)), "float32"),
        (put("face_patch", np.zeros(3, np.uint8)), "not uint8"),
        (put("face_gaze", np.zeros((2, 2))), r"face_gaze has shape \(2, 2\), not \(3, 2\)"),
        (put("face_gaze", np.zeros((3, 3))), "face_gaze has shape"),
        (put("face_mat_norm", np.zeros((3, 9))), "face_mat_norm has shape"),
        (put("face_gaze", np.full((3, 2), b"0.1")), "no array of numbers"),
        (changed(link_out), "face_gaze is no array of numbers within the file"),
        (changed(virtual), "face_patch is no array of numbers within the file"),
        (changed(stored_outside), "face_patch is no array of numbers within the file"),
        (changed(huge), "too large"),
    ],
)
def test_damaged_files_are_told_and_the_others_read(tmp_path: Path, damage: Callable[[Path], None], told: str) -> None:
    """One outcome for the whole file, and nothing outside of it is opened."""
    make(tmp_path / "set", content())
    make(tmp_path, content(), "secret.h5")
    (tmp_path / "secret.bin").write_bytes(bytes(9216))
    raw = make(tmp_path / "set", content(1), "train/subject0001.h5")
    damage(tmp_path / "set/train/subject0000.h5")
    wrong, other = outcomes(raw)
    assert other.records
    assert (wrong.photo, wrong.reason, wrong.records) == ("train/subject0000.h5", "unreadable", ())
    assert re.search(told, wrong.detail)


def test_any_damaged_byte_is_survived(tmp_path: Path) -> None:
    """Whatever becomes of a file's bytes, each outcome has records or a reason, and pictures come or are refused."""
    values = content(2, 8)
    raw = make(tmp_path, values)
    path = tmp_path / "train/subject0000.h5"
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for trial in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 20):
            data[place] = rng.integers(256)
        root = tmp_path / f"damaged{trial}"
        (root / "train").mkdir(parents=True)
        (root / "train/subject0000.h5").write_bytes(data)
        found = outcomes(Raw(root))
        assert found and all(bool(outcome.records) != bool(outcome.reason) for outcome in found)
        for outcome in found:
            for record in outcome.records:
                try:
                    assert picture(Raw(root), record.photo).shape[2] == 3
                except PhotoError as error:
                    assert error.reason == "unreadable"
    assert len(records(raw)) == 2


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"train/subject0000\.h5"):
        units(["xgaze_224/train/subject0000.h5", "subject0000.h5"])
    raw = make(tmp_path, content())
    for name in ("train/subject0000.h5#3", "train/subject0000.h5#-1", "train/subject0000.h5", "train/subject0001.h5#0"):
        with pytest.raises(PhotoError, match="not_found"):
            picture(raw, name)
    with pytest.raises(PhotoError, match="outside_root"):
        picture(raw, "../secret.h5#0")


def test_a_file_stays_open_until_another_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, opened = content(), list[str]()
    for number in range(2):
        make(tmp_path, values, f"train/subject{number:04d}.h5")
    plain = h5py.File

    def counted(path: Path, *args: Any, **options: Any) -> h5py.File:
        opened.append(Path(path).name)
        return plain(path, *args, **options)

    monkeypatch.setattr(h5py, "File", counted)
    raw = Raw(tmp_path)
    for index in (0, 2, 1):
        assert np.array_equal(picture(raw, f"train/subject0000.h5#{index}"), values["face_patch"][index])
    assert opened == ["subject0000.h5"]
    first = xgaze_224._held(raw.root, "train/subject0000.h5").patches
    picture(raw, "train/subject0001.h5#0")
    assert opened == ["subject0000.h5", "subject0001.h5"] and not first


def test_behind_a_url(tmp_path: Path) -> None:
    values = content()
    make(tmp_path / "Gesichter ä", values)
    raw = in_memory(tmp_path / "Gesichter ä")
    found = records(raw)
    assert [record.photo for record in found] == [f"train/subject0000.h5#{index}" for index in range(3)]
    assert np.array_equal(picture(raw, found[2].photo), values["face_patch"][2])
    held = xgaze_224._held(raw.root, "train/subject0000.h5").patches.file.filename
    assert Path(held).is_file() and str(tmp_path) not in held
    picture(make(tmp_path / "other", values), "train/subject0000.h5#0")
    assert not Path(held).exists()
