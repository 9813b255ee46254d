"""Gaze360 read as published code reads it: cell arrays, 0-based indices, gaze_dir x left, y up, z away."""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from jobs.export import export
from tests.layouts.rendered import Array, Export, Exported, angle_deg, annotated, array, unit

FULL = np.array([3382, 4096])
VECTORS = {
    **dict.fromkeys(("gaze_dir", "target_pos3d", "person_eyes3d"), 3),
    **dict.fromkeys(("target_pos2d", "person_eyes2d"), 2),
    **{f"person_{part}_bbox": 4 for part in ("head", "body", "face", "eye_left", "eye_right")},
}
SCALARS = ("recording", "frame", "ts", "target_cam", "person_identity", "person_cam", "split")


@pytest.fixture(scope="module")
def made(exported: Export) -> Exported:
    return exported("gaze360")


@pytest.fixture(scope="module")
def data(made: Exported) -> dict[str, Any]:
    return dict(loadmat(made.out / "metadata.mat"))


def photo(data: dict[str, Any], i: int) -> str:
    recording = data["recordings"][0, data["recording"][0, i]][0]
    return f"{recording}/head/{data['person_identity'][0, i]:06d}/{data['frame'][0, i]:06d}.jpg"


def lists(out: Path) -> dict[str, Array]:
    """Photo -> gaze of all list files, as the data loader splits lines."""
    found = {}
    for name in ("train", "validation", "test"):
        for line in (out / f"{name}.txt").read_text().splitlines():
            assert re.fullmatch(r"rec_\d{3}/head/\d{6}/\d{6}\.jpg( -?\d\.\d+){3} ", line)
            words = line[:-1].split(" ")
            found[words[0]] = np.array([float(word) for word in words[1:]])
    return found


def angles(gaze: Array) -> Array:
    """(yaw, pitch) as Gaze360's code has them."""
    return np.array([np.arctan2(gaze[0], -gaze[2]), np.arcsin(gaze[1])])


def test_shapes(made: Exported, data: dict[str, Any]) -> None:
    count = len(made.rows)
    assert [data["recordings"][0, i][0] for i in range(3)] == ["rec_000", "rec_001", "rec_002"]
    assert [data["splits"][0, i][0] for i in range(4)] == ["train", "val", "test", "unused"]
    assert {name: data[name].shape for name in SCALARS} == dict.fromkeys(SCALARS, (1, count))
    assert {name: data[name].shape for name in VECTORS} == {name: (count, k) for name, k in VECTORS.items()}
    assert {name for name in data if not name.startswith("__")} == {*SCALARS, *VECTORS, "recordings", "splits"}


def test_photos_are_where_the_indices_say(made: Exported, data: dict[str, Any]) -> None:
    for i, row in enumerate(made.rows):
        file = made.out / "imgs" / photo(data, i)
        assert file.read_bytes() == (made.source / row["photo"]).read_bytes()
    assert len({photo(data, i) for i in range(len(made.rows))}) == len(made.rows)


def test_gaze_without_any_matrix_of_ours(made: Exported, data: dict[str, Any]) -> None:
    """Turn the camera about its upright axis, then nod, until it looks at the eyes: that frame, mirrored twice."""
    for i, row in enumerate(made.rows):
        eyes, target = array(row, "eyes_mm", 2, 3).mean(axis=0), array(row, "gaze_target_mm", 3)
        x, y, z = eyes
        yaw, pitch = np.arctan2(x, z), np.arctan2(-y, np.hypot(x, z))
        turn = cv2.Rodrigues(np.array([0.0, -yaw, 0.0]))[0]
        nod = cv2.Rodrigues(np.array([-pitch, 0.0, 0.0]))[0]
        assert np.allclose(unit(nod @ turn @ eyes), [0, 0, 1])
        seen = unit(nod @ turn @ (target - eyes))
        assert angle_deg(data["gaze_dir"][i], seen * np.array([-1, -1, 1])) < 1e-6


def test_lists_hold_the_frames_whose_neighbours_are_there(made: Exported, data: dict[str, Any]) -> None:
    listed = lists(made.out)
    central = [i for i in range(len(made.rows)) if data["frame"][0, i] in (3, 4, 5)]  # of runs of 9, one rendered
    assert sorted(listed) == sorted(photo(data, i) for i in central)
    for i in central:
        assert np.allclose(listed[photo(data, i)], data["gaze_dir"][i], atol=1e-6)
        folder, frame = (made.out / "imgs" / photo(data, i)).parent, data["frame"][0, i]
        assert all((folder / f"{frame + step:06d}.jpg").is_file() for step in range(-3, 4))
    splits = [data["split"][0, i] for i in range(len(made.rows))]
    assert splits == [*([3] * 3 + [0] * 3 + [3] * 3), *([3] * 3 + [1] * 3 + [3] * 3), *([3] * 3 + [2] * 3 + [3] * 3)]


def test_boxes_fall_on_the_head_crop(made: Exported, data: dict[str, Any]) -> None:
    """Placed as the readme says: (b - head) / head size, times the crop's size."""
    num_found = 0
    for i, row in enumerate(made.rows):
        head, size = data["person_head_bbox"][i], array(row, "size_px", 2)
        assert np.allclose(head[:2] * FULL, np.rint(head[:2] * FULL), atol=1e-5)  # cut at whole pixels

        def in_crop(points: Array, head: Array = head, size: Array = size) -> Array:
            return np.asarray((points - head[:2]) / head[2:] * size)

        camera, eyes = array(row, "camera", 3, 3), array(row, "eyes_mm", 2, 3).mean(axis=0)
        assert np.allclose(in_crop(data["person_eyes2d"][i]), (camera @ eyes)[:2] / eyes[2], atol=1e-6)
        assert np.all(data["person_body_bbox"][i] == -1)
        boxes = {"face": slice(0, 68), "eye_right": slice(36, 42), "eye_left": slice(42, 48)}
        seen = bool(np.mean(row["landmarks_visible"]) >= 0.75)
        num_found += seen
        for part, points in boxes.items():
            box = data[f"person_{part}_bbox"][i]
            if seen:
                pixels = array(row, "landmarks_2d", 68, 2)[points]
                assert np.allclose(in_crop(box[:2]), pixels.min(axis=0), atol=1e-6)
                assert np.allclose(in_crop(box[:2] + box[2:]), pixels.max(axis=0), atol=1e-6)
            else:
                assert np.all(box == -1)
    assert 0 < num_found < len(made.rows)


def test_places_in_space(made: Exported, data: dict[str, Any]) -> None:
    for i, row in enumerate(made.rows):
        eyes, target = array(row, "eyes_mm", 2, 3).mean(axis=0), array(row, "gaze_target_mm", 3)
        for name, point in (("person_eyes3d", eyes), ("target_pos3d", target)):
            assert np.allclose(data[name][i], np.array([point[2], -point[0], -point[1]]) / 1000)  # z up
        if data["target_cam"][0, i] == 0:
            pixel = data["target_pos2d"][i] * FULL
            assert np.allclose(pixel, 2100 * target[:2] / target[2] + FULL / 2)
        assert -0.02 <= data["target_pos2d"][i][0] <= 1.02  # five cameras of 78 degrees see all around
        assert data["ts"][0, i] == data["frame"][0, i] / 8


@pytest.mark.parametrize(
    ("eyes", "target", "expected"),
    [
        ((0, 0, 2000), (0, 0, 100), (0, 0, -1)),  # into the camera
        ((1500, -300, 2000), (150, -30, 200), (0, 0, -1)),  # into the camera from anywhere
        ((0, 0, 2000), (-900, 0, 2000), (1, 0, 0)),  # image-left
        ((0, 0, 2000), (900, 0, 2000), (-1, 0, 0)),  # image-right, as the readme has it
        ((0, 0, 2000), (0, -900, 2000), (0, 1, 0)),  # up
        ((0, 0, 2000), (0, 0, 3000), (0, 0, 1)),  # away
        ((2000, 0, 2000), (1000, 0, 3000), (1, 0, 0)),  # across the ray
    ],
)
def test_signs(
    made: Exported, tmp_path: Path, eyes: tuple[int, ...], target: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    rows = [{**row, "eyes_mm": [*eyes, *eyes], "gaze_target_mm": list(target)} for row in made.rows]
    (tmp_path / "set").mkdir()
    (tmp_path / "set/photos").symlink_to(made.source / "photos")
    export(annotated(tmp_path / "set", rows).root, "gaze360", tmp_path / "out")
    for gaze in lists(tmp_path / "out").values():
        assert np.allclose(gaze, expected, atol=1e-6)
    yaw, pitch = angles(gaze)
    assert pitch == pytest.approx(expected[1] * np.pi / 2, abs=2e-3)
    assert expected[0] == 0 or yaw == pytest.approx(expected[0] * np.pi / 2, abs=1e-5)


@pytest.mark.parametrize(("degrees", "camera", "beside"), [(80, 1, 8), (-80, 4, -8), (170, 2, 26), (-140, 3, 4)])
def test_targets_are_seen_by_the_nearest_of_five_cameras(
    made: Exported, tmp_path: Path, degrees: float, camera: int, beside: float
) -> None:
    """A target some degrees to the right of camera 0 and how far it lies to the right of the nearest one."""
    turn = np.deg2rad(degrees)
    target = [3000 * np.sin(turn), -300.0, 3000 * np.cos(turn)]
    rows = [{**row, "gaze_target_mm": target} for row in made.rows]
    (tmp_path / "set").mkdir()
    (tmp_path / "set/photos").symlink_to(made.source / "photos")
    export(annotated(tmp_path / "set", rows).root, "gaze360", tmp_path / "out")
    data, off = loadmat(tmp_path / "out/metadata.mat"), np.deg2rad(beside)
    assert np.all(data["target_cam"] == camera)
    pixel = FULL / 2 + 2100 * np.array([np.tan(off), -0.1 / np.cos(off)])
    assert np.allclose(data["target_pos2d"] * FULL, pixel)
