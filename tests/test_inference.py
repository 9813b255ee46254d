"""Photo -> faces -> gaze in the camera frame, with a small network of random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from slyk.bundle import describe, save_bundle
from slyk.errors import DataMissingError
from slyk.geometry.angles import angular_error, pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import guess_camera, rays
from slyk.geometry.eyes import geometry_from_eyes
from slyk.geometry.normalize import normalizing_rotation
from slyk.inference import GazeEstimator
from slyk.models.encoder import EncoderConfig
from slyk.models.pmn import PMN, PMNConfig
from tests.drawn import SMALL_SPEC
from tests.photos import PHOTO_PX, portrait, tile

ANSWER = (0.2, -0.1)


def save_constant_model(folder: Path) -> Path:
    """Writes a bundle that gives one answer (pitch, yaw in radians) to everything."""
    torch.manual_seed(0)
    network = PMN(PMNConfig(EncoderConfig("mobilenetv3_small", 32, 2, 1), (16,), 0.0))
    last = [module for module in network.head.modules() if isinstance(module, torch.nn.Linear)][-1]
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor(ANSWER)
    config = describe(network) | {"face_px": 32, "crops": SMALL_SPEC.as_dict()}
    save_bundle(folder, config, network.state_dict())
    return folder


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> GazeEstimator:
    return GazeEstimator.load(save_constant_model(tmp_path_factory.mktemp("bundle")))


def test_the_answer_is_turned_back_into_the_camera_frame(estimator: GazeEstimator) -> None:
    (face,) = estimator.predict_photo(portrait(0).photo)
    geometry = geometry_from_eyes(guess_camera(PHOTO_PX, PHOTO_PX), face.eyes_px)
    rotation = normalizing_rotation(geometry.face_center_mm, geometry.head_rotation)
    expected = rotation.T @ vector_from_pitchyaw(np.array(ANSWER))
    np.testing.assert_allclose(face.gaze, expected, atol=1e-6)
    np.testing.assert_allclose(np.radians([face.pitch_deg, face.yaw_deg]), pitchyaw_from_vector(expected), atol=1e-6)


def test_fields_agree_with_each_other(estimator: GazeEstimator) -> None:
    (face,) = estimator.predict_photo(portrait(1).photo)
    assert face.face == 0 and face.eyes == "found"
    assert np.linalg.norm(face.gaze) == pytest.approx(1.0)
    x, y, width, height = face.box_px
    assert x < face.face_center_px[0] < x + width and y < face.face_center_px[1] < y + height
    assert face.eyes_px[:, 1].max() < face.face_center_px[1]


def test_distance_with_the_true_camera(estimator: GazeEstimator) -> None:
    """One person's eyes stand 63 mm apart only on average: 15 % is what the assumption allows."""
    known = portrait(2)
    focal_px = np.linalg.norm(np.diff(known.eyes_px, axis=0)) / np.linalg.norm(np.diff(known.eyes_mm, axis=0))
    focal_px *= known.eyes_mm[:, 2].mean()
    camera = guess_camera(PHOTO_PX, PHOTO_PX)
    camera[0, 0] = camera[1, 1] = focal_px
    (face,) = estimator.predict_photo(known.photo, camera=camera)
    assert face.distance_mm == pytest.approx(float(known.eyes_mm[:, 2].mean()), rel=0.15)


def test_a_batch_gives_what_single_photos_give(estimator: GazeEstimator) -> None:
    photos = [portrait(0).photo, np.full((80, 90, 3), 70, np.uint8), tile(2)]
    batch = estimator.predict_photos(photos)
    assert [len(faces) for faces in batch] == [1, 0, 2]
    for photo, faces in zip(photos, batch, strict=True):
        for one, other in zip(estimator.predict_photo(photo), faces, strict=True):
            assert one.face == other.face and one.box_px == other.box_px
            np.testing.assert_allclose(one.gaze, other.gaze, atol=1e-6)


def test_looking_along_the_ray_is_relative_to_the_place(estimator: GazeEstimator) -> None:
    """The same answer at other places of the photo means other directions in the camera frame: each about its ray."""
    faces = estimator.predict_photo(tile(2))
    camera = guess_camera(2 * PHOTO_PX, PHOTO_PX)
    for face in faces:
        ray = rays(camera, face.face_center_px)
        expected = angular_error(np.array([0.0, 0.0, -1.0]), vector_from_pitchyaw(np.array(ANSWER)))
        assert angular_error(-ray, face.gaze) == pytest.approx(float(expected), abs=1e-6)


def test_loading_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="holds no model"):
        GazeEstimator.load(tmp_path)
