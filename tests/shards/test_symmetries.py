"""Symmetries of the whole way from a photo to what a network sees: the same scene seen otherwise is the same sample."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from slyk.datasets.record import Record
from slyk.geometry.angles import angular_error, vector_from_pitchyaw
from slyk.geometry.camera import Array, camera_matrix
from slyk.geometry.normalize import FaceGeometry
from slyk.shards.crops import CropSpec, Image, crop
from slyk.shards.sample import Sample, decode, encode, from_crops
from slyk.views.augmentation import Augmentation
from slyk.views.single import View, center, view
from tests.drawn import geometry_at, rotation

WIDTH, HEIGHT = 640, 480
CAMERA = camera_matrix(640.0, (330.0, 236.0))
SPEC = CropSpec(240.0, 600.0, 56, 1.5, 60, 1.6, 3.2)
MIRROR = np.diag([-1.0, 1.0, 1.0])
LENS = np.array([-0.2, 0.08, 0.002, -0.003, 0.01])
places = st.tuples(st.floats(-70, 70), st.floats(-40, 40), st.floats(500, 800))
turns = st.tuples(*[st.floats(-0.3, 0.3)] * 3)
angles = st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
few = settings(max_examples=12)


def soft(seed: int = 3) -> Image:
    """A picture of soft blots, which survives being resampled."""
    noise = np.random.default_rng(seed).normal(0, 1, (HEIGHT, WIDTH, 3))
    blots = cv2.GaussianBlur(noise, (0, 0), 9)
    return np.asarray(np.clip(127 + 55 * blots / blots.std(), 0, 255), np.uint8)


PHOTO = soft()


def sample_of(photo: Image, geometry: FaceGeometry, gaze: Array) -> Sample:
    record = Record("k", "k.jpg", "g", "train", geometry, gaze, "annotated")
    return from_crops(record, crop(photo, geometry, SPEC))


def alike(a: Image, b: Image, mean: float = 1.0, most: int = 12) -> None:
    """Up to interpolation: bilinear weights have 1/32 px, photos whole grey values."""
    difference = cv2.absdiff(np.ascontiguousarray(a), np.ascontiguousarray(b))
    assert difference.mean() < mean and difference.max() <= most, (difference.mean(), difference.max())
    assert np.asarray(a, float).std() > 10


def same_view(a: View, b: View) -> None:
    for name in ("face", "right", "left"):
        alike(getattr(a, name), getattr(b, name))
    assert a.gaze is not None and b.gaze is not None
    np.testing.assert_allclose(a.gaze, b.gaze, atol=1e-8)


def mirrored(geometry: FaceGeometry) -> FaceGeometry:
    """The face in the mirror: image-left becomes image-right, the subject's right eye the left one."""
    camera = geometry.camera.copy()
    camera[0, 2] = WIDTH - 1 - camera[0, 2]
    return FaceGeometry(
        camera,
        MIRROR @ geometry.head_rotation @ MIRROR,
        MIRROR @ geometry.face_center_mm,
        (geometry.eyes_mm @ MIRROR)[::-1],
        geometry.distortion * [1, 1, 1, -1, 1] if geometry.distortion.size else geometry.distortion,
    )


@few
@given(places, turns, angles, st.booleans())
def test_the_photo_in_the_mirror(
    place: tuple[float, float, float], turn: tuple[float, float, float], gaze: tuple[float, float], lens: bool
) -> None:
    """Yaw is negated, pitch kept, the eyes swapped, the pictures mirrored about the middle at size / 2."""
    geometry = geometry_at(np.array(place), rotation(*turn), CAMERA)
    geometry = replace(geometry, distortion=LENS) if lens else geometry
    vector = vector_from_pitchyaw(np.array(gaze))
    before = sample_of(PHOTO, geometry, vector)
    after = sample_of(np.ascontiguousarray(PHOTO[:, ::-1]), mirrored(geometry), MIRROR @ vector)
    assert before.gaze is not None and after.gaze is not None
    np.testing.assert_allclose(after.gaze, before.gaze * [1, -1], atol=1e-9)
    np.testing.assert_allclose(after.head, before.head * [1, -1], atol=1e-9)
    np.testing.assert_allclose(after.rotation, MIRROR @ before.rotation @ MIRROR, atol=1e-9)
    for seen, expected in ((after.face, before.face), (after.right, before.left), (after.left, before.right)):
        alike(seen[:, 1:], expected[:, 1:][:, ::-1])
    flipped = view(before, SPEC, 56, Augmentation(flip=1.0), np.random.default_rng(0))
    same_view(flipped, center(after, SPEC, 56))


@few
@given(places, turns, angles, st.integers(0, 2**32), st.booleans())
def test_a_turned_view_is_the_view_of_a_turned_head(
    place: tuple[float, float, float],
    turn: tuple[float, float, float],
    gaze: tuple[float, float],
    seed: int,
    flip: bool,
) -> None:
    """Had the head's x axis stood otherwise by an angle, normalization would have levelled it: face and eyes come
    turned by that angle, each about its own middle, and so does the label; where the view is flipped, in the mirror."""
    photo, geometry = PHOTO, geometry_at(np.array(place), rotation(*turn), CAMERA)
    vector = vector_from_pitchyaw(np.array(gaze))
    augmentation = Augmentation(rotate=1.0, rotate_deg=25.0, flip=float(flip))
    turned = view(sample_of(photo, geometry, vector), SPEC, 56, augmentation, np.random.default_rng(seed))
    if flip:
        photo, geometry, vector = np.ascontiguousarray(photo[:, ::-1]), mirrored(geometry), MIRROR @ vector
    straight = sample_of(photo, geometry, vector)
    assert straight.gaze is not None and turned.gaze is not None
    before, after = (vector_from_pitchyaw(angle) for angle in (straight.gaze, turned.gaze))
    assume(np.hypot(*before[:2]) > 0.05)  # a gaze into the camera does not tell the angle
    angle = math.atan2(before[0], before[1]) - math.atan2(after[0], after[1])
    norm_from_cam = straight.rotation
    leaning = norm_from_cam.T @ rotation(0, 0, -angle) @ norm_from_cam @ geometry.head_rotation
    other = sample_of(photo, replace(geometry, head_rotation=leaning), vector)
    same_view(turned, center(other, SPEC, 56))


@pytest.mark.parametrize("roll_deg", [-170, -40, 15, 90])
@few
@given(places, turns, angles)
def test_a_camera_that_is_rolled_sees_the_same_sample(
    roll_deg: int, place: tuple[float, float, float], turn: tuple[float, float, float], gaze: tuple[float, float]
) -> None:
    same_from_another_side(place, turn, gaze, rotation(0, 0, math.radians(roll_deg)))


@few
@given(places, turns, angles, st.tuples(*[st.floats(-0.12, 0.12)] * 3))
def test_a_camera_that_looks_elsewhere_sees_the_same_sample(
    place: tuple[float, float, float],
    turn: tuple[float, float, float],
    gaze: tuple[float, float],
    camera: tuple[float, float, float],
) -> None:
    same_from_another_side(place, turn, gaze, rotation(*camera))


def same_from_another_side(
    place: tuple[float, ...], turn: tuple[float, float, float], gaze: tuple[float, float], other: Array
) -> None:
    """The camera turns about its own centre by `other`^T: the photo is warped, everything in its frame turned."""
    geometry = geometry_at(np.array(place), rotation(*turn), CAMERA)
    vector = vector_from_pitchyaw(np.array(gaze))
    wide = camera_matrix(640.0, (500.0, 500.0))  # room for what the first camera saw
    warped = cv2.warpPerspective(PHOTO, wide @ other @ np.linalg.inv(CAMERA), (1000, 1000))
    moved = FaceGeometry(
        wide, other @ geometry.head_rotation, other @ geometry.face_center_mm, geometry.eyes_mm @ other.T
    )
    before, after = sample_of(PHOTO, geometry, vector), sample_of(np.asarray(warped, np.uint8), moved, other @ vector)
    for name in ("gaze", "head"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), atol=1e-9)
    np.testing.assert_allclose(after.rotation, before.rotation @ other.T, atol=1e-9)
    for name in ("right", "left"):
        alike(getattr(after, name), getattr(before, name), mean=1.5, most=20)
    margin = 8  # the border of the first photo is smeared in the second
    alike(after.face[margin:-margin, margin:-margin], before.face[margin:-margin, margin:-margin], mean=1.5, most=20)


@few
@given(places, turns, angles)
def test_what_is_written_leads_back_into_the_photo(
    place: tuple[float, float, float], turn: tuple[float, float, float], gaze: tuple[float, float]
) -> None:
    """From a sample alone, after writing and reading: the gaze in the camera frame, and the photo under its face."""
    geometry = geometry_at(np.array(place), rotation(*turn), CAMERA)
    vector = vector_from_pitchyaw(np.array(gaze))
    sample = sample_of(PHOTO, geometry, vector)
    back = decode("k", encode(sample, 95))
    assert back.gaze is not None
    assert angular_error(back.rotation.T @ vector_from_pitchyaw(back.gaze), vector) < 1e-7
    photo_from_face = np.linalg.inv(back.face_from_photo)
    again = cv2.warpPerspective(sample.face, photo_from_face, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    inside = cv2.warpPerspective(np.full_like(sample.face, 255), photo_from_face, (WIDTH, HEIGHT))
    whole = cv2.erode(inside, np.ones((9, 9))) == 255
    assert whole.mean() > 0.02
    assert np.abs(again.astype(float) - PHOTO)[whole].mean() < 2.5
