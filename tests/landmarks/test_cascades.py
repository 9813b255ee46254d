"""Faces and eyes found in rendered photos with exact annotations, and in real ones where they are at hand."""

import time

import cv2
import numpy as np
import pytest

from slyk.landmarks.cascades import FaceFound, find_faces
from slyk.landmarks.eye_votes import TYPICAL, find_eyes
from slyk.photos import read_photo
from tests.photos import PHOTO_PX, portrait, real_photos, tile, turned


def eye_error(face: FaceFound, eyes_px: np.ndarray) -> float:
    """The larger error of both eyes, as a share of their distance."""
    errors = np.linalg.norm(face.eyes_px - eyes_px, axis=1)
    return float(errors.max() / np.linalg.norm(eyes_px[1] - eyes_px[0]))


@pytest.mark.parametrize("person", [0, 1, 2])
def test_the_midpoints_between_the_corners_are_found(person: int) -> None:
    known = portrait(person)
    (face,) = find_faces(known.photo)
    assert face.eyes == "found" and eye_error(face, known.eyes_px) < 0.04
    x, y, width, height = face.box_px
    middle = known.eyes_px.mean(axis=0)
    assert x < middle[0] < x + width and y < middle[1] < y + height / 2


def test_the_subject_s_right_eye_comes_first_also_in_a_mirror() -> None:
    known = portrait(0)
    (face,) = find_faces(known.photo[:, ::-1].copy())
    mirrored = (known.eyes_px * (-1.0, 1.0) + (PHOTO_PX - 1, 0.0))[::-1]
    assert eye_error(face, mirrored) < 0.04


def test_five_faces_from_left_to_right() -> None:
    faces = find_faces(tile(5))
    assert len(faces) == 5
    for person, face in enumerate(faces):
        assert eye_error(face, portrait(person).eyes_px + np.array([person * PHOTO_PX, 0.0])) < 0.06


@pytest.mark.parametrize("roll_deg", [-25.0, 25.0])
def test_a_head_that_leans_is_found_and_its_eyes_lean(roll_deg: float) -> None:
    photo, turned_from_photo = turned(portrait(2).photo, roll_deg)
    eyes_px = portrait(2).eyes_px @ turned_from_photo[:, :2].T + turned_from_photo[:, 2]
    (face,) = find_faces(photo)
    assert eye_error(face, eyes_px) < 0.06


def test_an_enlarged_photo_gives_the_same_eyes_enlarged() -> None:
    """Faces are searched at 1000 px at most, in both."""
    known = portrait(1)
    large = cv2.resize(known.photo, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    (face,) = find_faces(np.asarray(large, dtype=np.uint8), min_face_px=200)
    assert eye_error(face, known.eyes_px * 5 + 2) < 0.04


def test_the_same_photo_gives_the_same_faces() -> None:
    first, second = find_faces(tile(2)), find_faces(tile(2))
    assert [f.box_px for f in first] == [f.box_px for f in second]
    np.testing.assert_array_equal([f.eyes_px for f in first], [f.eyes_px for f in second])


def test_small_faces_are_left_out_on_request() -> None:
    small = np.asarray(cv2.resize(tile(2), None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    assert len(find_faces(small, min_face_px=30)) == 2
    assert find_faces(small, min_face_px=120) == []


@pytest.mark.parametrize("size", [(1, 1), pytest.param((5000, 1), marks=pytest.mark.slow), (12, 700), (200, 300)])
def test_no_face_in_a_wall(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).integers(90, 140, (*size, 3)).astype(np.uint8)
    assert find_faces(noise) == []


def test_eyes_that_nobody_sees_stand_at_their_typical_place() -> None:
    eyes = find_eyes(np.full((90, 90), 128, np.uint8))
    assert not eyes.found and eyes.votes.tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(eyes.points, TYPICAL)


def test_a_hidden_eye_stands_where_the_other_suggests() -> None:
    known = portrait(2)
    photo = known.photo.copy()
    x, y = known.eyes_px[1].round().astype(int)
    photo[y - 22 : y + 20, x - 28 : x + 32] = photo[y + 40, x]  # a patch of skin over the left eye
    (face,) = find_faces(photo)
    assert face.eyes == "assumed"
    assert np.linalg.norm(face.eyes_px[0] - known.eyes_px[0]) < 0.1 * PHOTO_PX / 4
    assert eye_error(face, known.eyes_px) < 0.4


@pytest.mark.slow
def test_real_portraits_yield_one_face_each() -> None:
    """Every fifteenth portrait: one face with the right size, most with both eyes, in reasonable time."""
    photos = real_photos("portraits")[::15]
    start = time.process_time()
    found = [find_faces(read_photo(path)) for path in photos]
    seconds = (time.process_time() - start) / len(photos)
    assert sum(len(faces) == 1 for faces in found) >= 0.95 * len(photos)
    assert sum(face.eyes == "found" for faces in found for face in faces) >= 0.85 * len(photos)
    assert all(80 <= face.box_px[2] <= 180 for faces in found for face in faces)
    assert seconds < 1.0  # about 0.06 on an idle core
