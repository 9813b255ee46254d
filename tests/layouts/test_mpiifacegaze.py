"""MPIIFaceGaze read as published code reads it: 28 fields, gaze = gt - fc."""

import re
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from scipy.io import loadmat, whosmat

from jobs.export import export
from tests.layouts.rendered import Array, Export, Exported, Row, angle_deg, annotated, array

CORNERS = [36, 39, 42, 45, 48, 54]


class Sample(NamedTuple):
    person: str
    photo: Path
    fields: list[str]
    row: Row

    def numbers(self, first: int, last: int) -> Array:
        return np.array([float(field) for field in self.fields[first : last + 1]])


def read(made: Exported) -> list[Sample]:
    rows, samples = iter(made.rows), []
    for person in sorted(path for path in made.out.iterdir() if path.is_dir()):
        for line in (person / f"{person.name}.txt").read_text().splitlines():
            fields = line.split(" ")
            samples.append(Sample(person.name, person / fields[0], fields, next(rows)))
    return samples


@pytest.fixture(scope="module")
def made(exported: Export) -> Exported:
    return exported("mpiifacegaze")


@pytest.fixture(scope="module")
def samples(made: Exported) -> list[Sample]:
    return read(made)


def test_names_and_fields(made: Exported, samples: list[Sample]) -> None:
    assert {s.person for s in samples} == {"p00", "p01"}
    assert len({s.photo for s in samples}) == len(samples) == len(made.rows)
    for sample in samples:
        assert len(sample.fields) == 28
        assert re.fullmatch(r"day\d\d/\d{4}\.jpg", sample.fields[0])
        assert all(re.fullmatch(r"-?\d+", field) for field in sample.fields[1:15])
        assert all(re.fullmatch(r"-?\d+\.\d+", field) for field in sample.fields[15:27])
        assert sample.photo.read_bytes() == (made.source / sample.row["photo"]).read_bytes()
    assert [s.fields[27] for s in samples if s.person == "p01"] == ["left", "right"] * 3


def test_gaze_is_exact(samples: list[Sample]) -> None:
    for s in samples:
        fc, gt = s.numbers(21, 23), s.numbers(24, 26)
        assert np.allclose(fc, array(s.row, "face_center_mm", 3), atol=2e-6)
        assert np.allclose(gt, array(s.row, "gaze_target_mm", 3), atol=2e-6)
        assert angle_deg(gt - fc, array(s.row, "gaze", 3)) < 1e-5


def test_landmarks_go_from_image_left_to_image_right(samples: list[Sample]) -> None:
    for s in samples:
        points = s.numbers(3, 14).reshape(6, 2)
        assert np.all(np.abs(points - array(s.row, "landmarks_2d", 68, 2)[CORNERS]) <= 0.5)
        assert np.all(np.diff(points[:4, 0]) > 0) and points[4, 0] < points[5, 0]
        assert points[4:, 1].min() > points[:4, 1].max()


def test_the_pose_lays_the_model_on_the_face(made: Exported, samples: list[Sample]) -> None:
    model = loadmat(made.out / "6 points-based face model.mat")["model"]
    assert model.shape == (3, 6) and model.dtype == np.float64
    assert np.allclose(model[0], -model[0, [3, 2, 1, 0, 5, 4]]) and np.all(model[0, :4] == np.sort(model[0, :4]))
    assert np.allclose(model[:, :4].mean(axis=1), 0, atol=1e-9) and np.allclose(model[2, 4:], 0, atol=1e-9)
    assert np.all(model[1, 4:] > 50)  # the mouth lies below
    for s in samples:
        rotation, translation = cv2.Rodrigues(s.numbers(15, 17))[0], s.numbers(18, 20)
        face = rotation @ model + translation[:, None]
        assert np.allclose(face.mean(axis=1), s.numbers(21, 23), atol=1e-4)
        camera = loadmat(s.photo.parents[1] / "Calibration/Camera.mat")["cameraMatrix"]
        pixels = cv2.projectPoints(model.T, s.numbers(15, 17), translation, camera, np.zeros(5))[0][:, 0]
        width = s.numbers(3, 14).reshape(6, 2)[3, 0] - s.numbers(3, 14).reshape(6, 2)[0, 0]
        assert np.linalg.norm(pixels - s.numbers(3, 14).reshape(6, 2), axis=1).mean() < 0.04 * width + 0.5
        assert rotation[2, 2] > 0.7  # faces the camera


def test_calibration(made: Exported, samples: list[Sample]) -> None:
    folder = made.out / "p00/Calibration"
    camera = [("cameraMatrix", (3, 3)), ("distCoeffs", (1, 5)), ("retval", (1, 1)), ("rvecs", (100, 3))]
    assert whosmat(folder / "Camera.mat") == [(n, s, "double") for n, s in [*camera, ("tvecs", (100, 3))]]
    assert whosmat(folder / "monitorPose.mat") == [("rvects", (3, 1), "double"), ("tvecs", (3, 1), "double")]
    sizes = [(n, (1, 1), "double") for n in ("height_mm", "height_pixel", "width_mm", "width_pixel")]
    assert whosmat(folder / "screenSize.mat") == sizes
    for s in samples:
        folder = made.out / s.person / "Calibration"
        pose, size = loadmat(folder / "monitorPose.mat"), loadmat(folder / "screenSize.mat")
        per_px = np.array([size[f"{side}_mm"].item() / size[f"{side}_pixel"].item() for side in ("width", "height")])
        on_screen = np.array([*(s.numbers(1, 2) * per_px), 0.0])
        target = cv2.Rodrigues(pose["rvects"])[0] @ on_screen + pose["tvecs"].ravel()
        assert np.linalg.norm(target - s.numbers(24, 26)) <= np.linalg.norm(per_px) / 2 + 1e-6
        assert np.array_equal(loadmat(folder / "Camera.mat")["cameraMatrix"], array(s.row, "camera", 3, 3))


@pytest.mark.parametrize(("way", "pitch", "yaw"), [((-300, 0, -300), 0.0, 45.0), ((0, -300, -300), 45.0, 0.0)])
def test_signs(made: Exported, tmp_path: Path, way: tuple[int, int, int], pitch: float, yaw: float) -> None:
    """Looking image-left is yaw > 0, looking up pitch > 0."""
    rows = [
        {**row, "gaze_target_mm": [c + d for c, d in zip(row["face_center_mm"], way, strict=True)]} for row in made.rows
    ]
    for name in ("photos", "masks"):
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).symlink_to(made.source / name)
    export(annotated(tmp_path / "set", rows).root, "mpiifacegaze", tmp_path / "out")
    for s in read(Exported(tmp_path / "out", tmp_path / "set", rows)):
        gaze = s.numbers(24, 26) - s.numbers(21, 23)
        gaze /= np.linalg.norm(gaze)
        assert np.rad2deg(np.arcsin(-gaze[1])) == pytest.approx(pitch, abs=1e-5)
        assert np.rad2deg(np.arctan2(-gaze[0], -gaze[2])) == pytest.approx(yaw, abs=1e-5)
