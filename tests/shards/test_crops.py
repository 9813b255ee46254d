"""The one crop: where things land, and what cannot be cropped."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slyk.errors import PhotoError
from slyk.geometry.camera import Array, camera_matrix, project
from slyk.geometry.normalize import FaceGeometry, homography
from slyk.shards.crops import CropSpec, Image, crop
from tests.drawn import SMALL_SPEC, geometry_at, rotation

CAMERA = camera_matrix(600.0, (320.0, 240.0))


def photo_of(geometry: FaceGeometry, size: tuple[int, int] = (480, 640), sigma_px: float = 4.0) -> Image:
    """Bright soft dots at the face centre and the eyes."""
    y, x = np.mgrid[: size[0], : size[1]]
    points = project(geometry.camera, np.vstack([geometry.face_center_mm, geometry.eyes_mm]))
    light = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma_px**2)) for px, py in points)
    return np.repeat((np.clip(light, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def dot(image: Image, radius_px: float) -> Array:
    """Centroid (x, y) of the light around the middle."""
    half = image.shape[0] / 2
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image[..., 0].astype(float) * (np.hypot(x - half, y - half) < radius_px)
    return np.asarray(np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum())


@settings(max_examples=15)
@given(
    st.tuples(st.floats(-100, 100), st.floats(-60, 60), st.floats(450, 800)), st.tuples(*[st.floats(-0.35, 0.35)] * 3)
)
def test_face_and_eyes_land_in_the_middle_of_their_squares(
    place: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    geometry = geometry_at(np.array(place), rotation(*turn), CAMERA)
    crops = crop(photo_of(geometry), geometry, SMALL_SPEC)
    np.testing.assert_allclose(dot(crops.face, 7), [SMALL_SPEC.face_square_px / 2] * 2, atol=0.35)
    for eye in (crops.right, crops.left):
        np.testing.assert_allclose(dot(eye, 20), [SMALL_SPEC.eye_square_px / 2] * 2, atol=0.6)


def test_right_is_the_subjects_right_eye() -> None:
    geometry = geometry_at(np.array([0, 0, 600.0]), np.eye(3), CAMERA)
    photo = photo_of(geometry)
    photo[:, :320, 1:] = 0  # the image-left half is blue
    crops = crop(photo, geometry, SMALL_SPEC)
    middle = SMALL_SPEC.eye_square_px // 2
    assert crops.right[middle, middle].tolist()[1:] == [0, 0]
    assert min(crops.left[middle, middle].tolist()) > 100


def test_a_large_photo_is_averaged_down_without_moving() -> None:
    """Ten photo pixels for one of the face: the dots stay in the middle, and stripes of a pixel become grey."""
    camera = camera_matrix(2400.0, (800.0, 640.0))
    large = geometry_at(np.array([30.0, 20.0, 600.0]), rotation(0.1, 0.1, 0.2), camera)
    photo = photo_of(large, (1280, 1600), sigma_px=16.0)
    crops = crop(photo, large, SMALL_SPEC)
    np.testing.assert_allclose(dot(crops.face, 7), [SMALL_SPEC.face_square_px / 2] * 2, atol=0.35)
    for eye in (crops.right, crops.left):
        np.testing.assert_allclose(dot(eye, 20), [SMALL_SPEC.eye_square_px / 2] * 2, atol=0.6)
    stripes = np.zeros_like(photo)
    stripes[:, ::2] = 255
    assert crop(stripes, large, SMALL_SPEC).face.std() < 15


def test_squares_and_shapes() -> None:
    spec = CropSpec(480.0, 600.0, 112, 1.4, 60, 1.6, 1.6)
    assert (spec.face_square_px, spec.eye_square_px) == (156, 96)
    assert spec.face_px_per_mm == pytest.approx(0.8) and spec.eye_px_per_mm == pytest.approx(1.28)
    assert CropSpec(**spec.as_dict()) == spec  # type: ignore[arg-type]
    geometry = geometry_at(np.array([0, 0, 600.0]), np.eye(3), CAMERA)
    crops = crop(photo_of(geometry), geometry, spec)
    assert crops.face.shape == (156, 156, 3) and crops.right.shape == crops.left.shape == (96, 96, 3)
    assert crops.face.dtype == np.uint8
    np.testing.assert_allclose(crops.rotation, np.eye(3), atol=1e-12)


def test_on_the_axis_a_crop_is_a_window_of_the_photo() -> None:
    """An upright head at the virtual distance, seen by the virtual camera: nothing is resampled."""
    camera = camera_matrix(SMALL_SPEC.focal_px, (120.0, 90.0))
    geometry = geometry_at(np.array([0, 0, SMALL_SPEC.distance_mm]), np.eye(3), camera)
    photo = np.random.default_rng(0).integers(0, 256, (180, 240, 3), dtype=np.uint8)
    half = SMALL_SPEC.face_square_px // 2
    expected = photo[90 - half : 90 + half, 120 - half : 120 + half]
    np.testing.assert_array_equal(crop(photo, geometry, SMALL_SPEC).face, expected)


@pytest.mark.parametrize(
    ("center", "reason"),
    [
        ((0, 0, -600), "face_behind_camera"),
        ((0, 0, 0), "face_behind_camera"),
        ((-600, 0, 60), "face_behind_camera"),  # not the face itself, but a corner of its square
        ((float("nan"), 0, 600), "face_behind_camera"),
        ((2000, 0, 600), "face_outside_photo"),
    ],
)
def test_what_cannot_be_cropped(center: tuple[float, float, float], reason: str) -> None:
    geometry = geometry_at(np.array(center, dtype=float), np.eye(3), CAMERA)
    with pytest.raises(PhotoError) as caught:
        crop(np.zeros((480, 640, 3), np.uint8), geometry, SMALL_SPEC)
    assert caught.value.reason == reason


def test_a_face_at_the_border_is_black_where_there_is_no_photo() -> None:
    geometry = geometry_at(np.array([300.0, 0, 600.0]), np.eye(3), CAMERA)
    face = crop(np.full((480, 640, 3), 200, np.uint8), geometry, SMALL_SPEC).face
    assert face[40, 2].tolist() == [200] * 3 and face[40, -2].tolist() == [0] * 3


def test_the_face_is_the_warp_of_the_paper() -> None:
    """The crop of the face is the warp of the whole photo by the homography of the paper."""
    geometry = geometry_at(np.array([40.0, -20.0, 900.0]), rotation(0.2, -0.1, 0.3), CAMERA)
    photo = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8), (0, 0), 3)
    crops = crop(np.asarray(photo, np.uint8), geometry, SMALL_SPEC)
    scale = float(np.linalg.norm(geometry.face_center_mm)) / SMALL_SPEC.distance_mm
    size = SMALL_SPEC.face_square_px
    matrix = homography(geometry.camera, crops.rotation, geometry.face_center_mm, SMALL_SPEC.focal_px, size, scale)
    np.testing.assert_array_equal(crops.face, cv2.warpPerspective(photo, matrix, (size, size)))
    np.testing.assert_allclose(crops.face_from_photo, matrix / matrix[2, 2], rtol=1e-12)


@settings(max_examples=30)
@given(
    st.tuples(st.floats(-100, 100), st.floats(-60, 60), st.floats(450, 800)),
    st.tuples(*[st.floats(-0.35, 0.35)] * 3),
    st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.floats(-20, 20)),
)
def test_pixels_and_vectors_lead_back(
    place: tuple[float, float, float], turn: tuple[float, float, float], offset: tuple[float, float, float]
) -> None:
    """A point of the face, seen in the square, lies on its ray in the camera frame again."""
    geometry = geometry_at(np.array(place), rotation(*turn), CAMERA)
    crops = crop(np.zeros((480, 640, 3), np.uint8), geometry, SMALL_SPEC)
    point = geometry.face_center_mm + np.array(offset)
    seen = project(crops.face_from_photo, np.append(project(CAMERA, point), 1.0))
    half = SMALL_SPEC.face_square_px / 2
    focal_px = SMALL_SPEC.focal_px * float(np.linalg.norm(geometry.face_center_mm)) / SMALL_SPEC.distance_mm
    ray = crops.rotation.T @ np.array([*(seen - half) / focal_px, 1.0])
    np.testing.assert_allclose(ray / np.linalg.norm(ray), point / np.linalg.norm(point), atol=1e-9)


def test_a_lens_is_undone_before_the_crop() -> None:
    """Dots where a lens shows face and eyes land in the middle; taken for straight, they would be pixels off."""
    straight = geometry_at(np.array([120.0, 80.0, 600.0]), np.eye(3), camera_matrix(900.0, (320.0, 240.0)))
    lens = replace(straight, distortion=np.array([-0.25, 0.12, 0.002, -0.001, 0.0]))
    y, x = np.mgrid[:480, :640]
    points = np.vstack([lens.face_center_mm, lens.eyes_mm])
    seen = cv2.projectPoints(points, np.zeros(3), np.zeros(3), lens.camera, lens.distortion)[0][:, 0]
    light = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / 32.0) for px, py in seen)
    photo = np.repeat((np.clip(light, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
    middle = [SMALL_SPEC.eye_square_px / 2] * 2
    np.testing.assert_allclose(dot(crop(photo, lens, SMALL_SPEC).left, 20), middle, atol=0.6)
    assert np.abs(dot(crop(photo, straight, SMALL_SPEC).left, 20) - middle).max() > 2


@pytest.mark.parametrize("focal_px", [900.0, 3000.0])
def test_undoing_a_lens_in_the_crop_is_undoing_it_in_the_photo(focal_px: float) -> None:
    """Enlarged, and averaged down from three pixels to one."""
    straight = geometry_at(np.array([40.0, 30.0, 600.0]), rotation(0.1, 0.2, 0.1), camera_matrix(focal_px, (800, 600)))
    lens = replace(straight, distortion=np.array([-0.25, 0.12, 0.002, -0.001, 0.0]))
    noise = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (1200, 1600, 3), dtype=np.uint8), (0, 0), 12)
    photo = np.asarray(cv2.normalize(noise, noise, 0, 255, cv2.NORM_MINMAX), np.uint8)
    undone = np.asarray(cv2.undistort(photo, lens.camera, lens.distortion), np.uint8)
    for ours, expected in zip(crop(photo, lens, SMALL_SPEC)[:3], crop(undone, straight, SMALL_SPEC)[:3], strict=True):
        assert np.abs(ours.astype(int) - expected).mean() < 1.5 < expected.std() / 5
