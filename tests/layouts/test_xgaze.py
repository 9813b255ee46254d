"""ETH-XGaze, raw and normalized, read as published code reads them."""

import csv
import json
import re
from pathlib import Path
from typing import NamedTuple

import cv2
import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from slyk.geometry.angles import vector_from_pitchyaw
from tests.layouts.rendered import Array, Export, Exported, Row, angle_deg, array, unit

Image = NDArray[np.uint8]
USED = [20, 23, 26, 29, 15, 19]
CORNERS, NOSE = [36, 39, 42, 45], [31, 35]


class Sample(NamedTuple):
    """A line of the csv and, with it, the photo as a reader sees it: turned back where it was stored turned."""

    subject: str
    camera: int
    photo: Path
    values: Array
    row: Row

    def turned_back(self) -> Image:
        image = cv2.imread(str(self.photo))
        assert image is not None
        return np.asarray(cv2.rotate(image, cv2.ROTATE_180) if self.camera in (3, 6, 13) else image, dtype=np.uint8)


class Camera(NamedTuple):
    matrix: Array
    distortion: Array
    translation: Array
    rotation: Array
    size: tuple[float, float]


@pytest.fixture(scope="module")
def made(exported: Export) -> Exported:
    return exported("xgaze")


@pytest.fixture(scope="module")
def samples(made: Exported) -> list[Sample]:
    rows, found = iter(made.rows), []
    for split, subject in (("train", "subject0000"), ("test", "subject0001")):
        with (made.out / f"data/annotation_{split}/{subject}.csv").open(newline="") as file:
            for line in csv.reader(file):
                assert len(line) == 149
                assert re.fullmatch(r"frame\d{4}", line[0]) and re.fullmatch(r"cam\d\d\.JPG", line[1])
                photo = made.out / "data" / split / subject / line[0] / line[1]
                values = np.array([float(word) for word in line[2:]])
                found.append(Sample(subject, int(line[1][3:5]), photo, values, next(rows)))
    return found


def camera_of(made: Exported, sample: Sample) -> Camera:
    path = made.out / f"avg_cams_final/{sample.subject}/cam{sample.camera:02d}.xml"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)

    def matrix(name: str) -> Array:
        return np.asarray(storage.getNode(name).mat(), dtype=np.float64)

    return Camera(
        matrix("Camera_Matrix"),
        matrix("Distortion_Coefficients"),
        matrix("cam_translation"),
        matrix("cam_rotation"),
        (storage.getNode("image_Width").real(), storage.getNode("image_Height").real()),
    )


def face_center(points: Array) -> Array:
    """Of six points (6, 3): half the mean of the eyes' corners, half the mean of the nose's."""
    return np.asarray((points[:4].mean(axis=0) + points[4:].mean(axis=0)) / 2)


def test_cameras(made: Exported, samples: list[Sample]) -> None:
    """The storage maps the rig to each camera: camera 0's gaze target is found again by all others."""
    assert sorted({s.camera for s in samples}) == list(range(18))
    for first, s in ((samples[18 * (i // 18)], s) for i, s in enumerate(samples)):
        camera = camera_of(made, s)
        assert [v.shape for v in camera[:4]] == [(3, 3), (1, 5), (3, 1), (3, 3)] and not camera.distortion.any()
        assert camera.size == tuple(array(s.row, "size_px", 2))
        assert np.array_equal(camera.matrix, array(s.row, "camera", 3, 3))
        target = camera.rotation @ first.values[2:5] + camera.translation.ravel()
        assert np.allclose(target, s.values[2:5], atol=1e-5)


def test_photos_hang_as_the_cameras_did(made: Exported, samples: list[Sample]) -> None:
    for s in samples:
        original = cv2.imread(str(made.source / s.row["photo"]))
        assert original is not None
        difference = np.abs(s.turned_back().astype(int) - original.astype(int))
        if s.camera in (3, 6, 13):
            stored = cv2.imread(str(s.photo))
            assert stored is not None and np.abs(stored.astype(int) - original).mean() > 4 * difference.mean()
            assert difference.mean() < 1.5
        else:
            assert s.photo.read_bytes() == (made.source / s.row["photo"]).read_bytes()


def test_labels(made: Exported, samples: list[Sample]) -> None:
    model = np.loadtxt(made.out / "face_model.txt")
    assert model.shape == (50, 3)
    for s in samples:
        target, rotation, translation = s.values[2:5], cv2.Rodrigues(s.values[5:8])[0], s.values[8:11]
        landmarks = s.values[11:147].reshape(68, 2)
        assert np.allclose(landmarks, array(s.row, "landmarks_2d", 68, 2), atol=6e-4)
        assert np.allclose(s.values[:2], array(s.row, "screen_target_px", 2), atol=6e-4)
        assert np.allclose(target, array(s.row, "gaze_target_mm", 3), atol=1e-5)
        center = face_center(model[USED] @ rotation.T + translation)
        exact = face_center(array(s.row, "landmarks_3d", 68, 3)[CORNERS + NOSE])
        assert np.linalg.norm(center - exact) < 1e-3
        pixels = cv2.projectPoints(model, s.values[5:8], translation, camera_of(made, s).matrix, np.zeros(5))[0][:, 0]
        order = [8, *range(17, 60), 61, 62, 63, 65, 66, 67]
        assert np.median(np.linalg.norm(pixels - landmarks[order], axis=1)) < 1.5


def test_split(made: Exported, exported: Export) -> None:
    for out in (made.out, exported("xgaze_224").out):
        split = json.loads((out / "train_test_split.json").read_text())
        assert split == {"train": ["subject0000.h5"], "test": ["subject0001.h5"], "test_person_specific": []}


def normalize(image: Image, s: Sample, model: Array, camera: Array) -> tuple[Array, Array, Array, Array]:
    """As ETH-XGaze's example: patch, gaze and head (pitch, yaw), rotation."""
    head, target = cv2.Rodrigues(s.values[5:8])[0], s.values[2:5]
    center = face_center(model[USED] @ head.T + s.values[8:11])
    distance = np.linalg.norm(center)
    forward = center / distance
    down = unit(np.cross(forward, head[:, 0]))
    turn = np.stack([unit(np.cross(down, forward)), down, forward])
    virtual = np.array([[960.0, 0, 224], [0, 960.0, 224], [0, 0, 1]])
    warp = virtual @ np.diag([1, 1, 300 / distance]) @ turn @ np.linalg.inv(camera)
    patch = cv2.resize(cv2.warpPerspective(image, warp, (448, 448)), (224, 224), interpolation=cv2.INTER_AREA)
    gaze, axis = unit(turn @ (target - center)), (turn @ head)[:, 2]
    gaze_angles = np.array([np.arcsin(-gaze[1]), np.arctan2(-gaze[0], -gaze[2])])
    return np.asarray(patch), gaze_angles, np.array([np.arcsin(axis[1]), np.arctan2(axis[0], axis[2])]), turn


def test_normalized_files_are_what_the_raw_ones_give(made: Exported, samples: list[Sample], exported: Export) -> None:
    model, out = np.loadtxt(made.out / "face_model.txt"), exported("xgaze_224").out
    for split, subject in (("train", "subject0000"), ("test", "subject0001")):
        chosen = [s for s in samples if s.subject == subject]
        with h5py.File(out / split / f"{subject}.h5", "r", swmr=True) as file:
            assert file.swmr_mode
            assert ("face_gaze" in file) == (split == "train")
            shapes = {"face_patch": (224, 224, 3), "face_head_pose": (2,), "face_mat_norm": (3, 3), "frame_index": (1,)}
            for name, shape in (shapes | {"cam_index": (1,), "facial_landmarks": (68, 2)}).items():
                assert file[name].shape == (18, *shape), name
            assert file["face_patch"].dtype == np.uint8
            for i, s in enumerate(chosen):
                patch, gaze, head, turn = normalize(s.turned_back(), s, model, camera_of(made, s).matrix)
                assert np.abs(file["face_patch"][i].astype(int) - patch.astype(int)).mean() < 1.5
                assert np.allclose(file["face_head_pose"][i], head, atol=2e-5)
                assert np.allclose(file["face_mat_norm"][i], turn, atol=1e-5)
                assert (file["frame_index"][i, 0], file["cam_index"][i, 0]) == (0, s.camera)
                if split == "train":
                    assert np.allclose(file["face_gaze"][i], gaze, atol=1e-5)


def test_normalized_labels_are_exact(made: Exported, exported: Export) -> None:
    """Gaze and nose, put back into the camera frame of the photo."""
    rows = [row for row in made.rows if row["split"] == "train"]
    with h5py.File(exported("xgaze_224").out / "train/subject0000.h5", "r") as file:
        for i, row in enumerate(rows):
            turn, points = file["face_mat_norm"][i].astype(np.float64), array(row, "landmarks_3d", 68, 3)
            center = face_center(points[CORNERS + NOSE])
            gaze = vector_from_pitchyaw(file["face_gaze"][i]) @ turn
            assert angle_deg(gaze, array(row, "gaze_target_mm", 3) - center) < 1e-4
            seen = (points @ turn.T) * np.array([1, 1, 300 / np.linalg.norm(center)])
            pixels = 960 * seen[:, :2] / seen[:, 2:] + 224
            assert np.allclose(file["facial_landmarks"][i], (pixels + 0.5) / 2 - 0.5, atol=1e-3)


def test_patches_are_bgr(made: Exported, exported: Export) -> None:
    """Skin is redder than blue: the loader swaps the channels."""
    with h5py.File(exported("xgaze_224").out / "train/subject0000.h5", "r") as file:
        cheek = file["face_patch"][0][120:140, 60:90].reshape(-1, 3).mean(axis=0)
    assert cheek[2] > cheek[0] + 10
