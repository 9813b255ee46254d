"""The hash of a picture: by hand on waves, and on rendered people copied, compressed, scaled and brightened."""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pytest

from slyk.geometry.normalize import FaceGeometry
from slyk.photos import read_photo
from slyk.shards.crops import CropSpec, Image, crop
from slyk.shards.phash import DUPLICATE_BITS, phash
from tests.layouts.rendered import Rendered, array

COPIES: dict[str, Callable[[Image], Image]] = {
    "quality 70": lambda photo: jpeg(photo, 70),
    "quality 40": lambda photo: jpeg(photo, 40),
    "half as large": lambda photo: np.asarray(cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
    "larger": lambda photo: np.asarray(cv2.resize(photo, None, fx=1.5, fy=1.5)),
    "brighter": lambda photo: np.asarray(cv2.convertScaleAbs(photo, alpha=1.0, beta=15)),
    "darker": lambda photo: np.asarray(cv2.convertScaleAbs(photo, alpha=0.8)),
}


def jpeg(photo: Image, quality: int) -> Image:
    data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


def grey(picture: Image) -> Image:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def distance(a: str, b: str) -> int:
    return (int(a, 16) ^ int(b, 16)).bit_count()


def wave(down: int, across: int, sign: int, size: tuple[int, int] = (72, 96)) -> Image:
    """A picture of one frequency of the cosine transform."""
    y, x = ((np.arange(side) + 0.5) * np.pi / side for side in size)
    return np.asarray(np.rint(128 + sign * 100 * np.outer(np.cos(down * y), np.cos(across * x))), dtype=np.uint8)


@pytest.mark.parametrize(("down", "across"), [(1, 1), (1, 8), (8, 1), (3, 5)])
def test_a_bit_is_the_sign_of_a_frequency(down: int, across: int) -> None:
    bit = 1 << (63 - 8 * (down - 1) - (across - 1))
    assert int(phash(wave(down, across, 1)), 16) & bit
    assert not int(phash(wave(down, across, -1)), 16) & bit


def test_sixteen_digits_of_any_picture() -> None:
    for picture in (np.zeros((1, 1)), np.full((7, 300), 255), np.arange(96 * 96).reshape(96, 96) % 251):
        text = phash(picture.astype(np.uint8))
        assert len(text) == 16 and int(text, 16) >= 0


def test_light_alone_changes_nothing() -> None:
    picture = np.random.default_rng(0).integers(0, 100, (96, 96)).astype(np.uint8)
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 4), dtype=np.uint8)
    assert distance(phash(picture), phash(picture + np.uint8(50))) <= 1  # the table of cosines is rounded
    assert distance(phash(picture), phash(picture * np.uint8(2))) == 0


@pytest.fixture(scope="module")
def faces(rendered: Callable[[str], Rendered], spec: CropSpec) -> Callable[[str], list[tuple[str, Image]]]:
    """Copy -> person and normalized grey face of every photo of the webcam set, cut from photos so copied."""

    @cache
    def make(how: str) -> list[tuple[str, Image]]:
        found, (root, rows) = [], rendered("webcam")
        for row in rows:
            photo = read_photo(root / row["photo"])
            copied = COPIES[how](photo) if how else photo
            zoom = copied.shape[1] / photo.shape[1]
            camera = array(row, "camera", 3, 3)
            camera[:2] = camera[:2] * zoom + [[0, 0, (zoom - 1) / 2]] * 2
            places = (array(row, "head_rotation", 3, 3), array(row, "face_center_mm", 3), array(row, "eyes_mm", 2, 3))
            found.append((str(row["person"]), grey(crop(copied, FaceGeometry(camera, *places), spec).face)))
        return found

    return make


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_near(faces: Callable[[str], list[tuple[str, Image]]], how: str) -> None:
    pairs = zip(faces(""), faces(how), strict=True)
    found = [distance(phash(face), phash(copy)) for (_, face), (_, copy) in pairs]
    assert np.mean(np.array(found) <= DUPLICATE_BITS) > 0.9 and max(found) <= DUPLICATE_BITS + 2


def test_other_people_are_far(faces: Callable[[str], list[tuple[str, Image]]]) -> None:
    found = [(person, phash(face)) for person, face in faces("")]
    others = [distance(a, b) for one, a in found for other, b in found if one < other]
    assert min(others) > DUPLICATE_BITS + 4 and np.median(others) > 16
