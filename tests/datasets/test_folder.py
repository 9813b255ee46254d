"""Any folder of photos: what is a photo, keys, buckets, and what becomes of broken and empty ones."""

import re
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.datasets import folder
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions
from slyk.geometry.camera import guess_camera, project
from tests.photos import portrait, tile


def test_photos_are_told_by_suffix() -> None:
    listed = ["a.jpg", "b/c.JPEG", "b/d.png", "notes.txt", "labels.json", ".cache/e.jpg", "b/.f.jpg", "g.webp", "h"]
    assert folder.units(listed) == ["a.jpg", "b/c.JPEG", "b/d.png", "g.webp"]


def test_keys_are_valid_and_stay_readable() -> None:
    assert folder.key_of("trip/day_1/0001.jpg") == "trip/day_1/0001"
    assert re.fullmatch("trip/day-one-[0-9a-f]{8}", folder.key_of("trip/Day one.jpg"))
    assert re.fullmatch("photo-[0-9a-f]{8}", folder.key_of("写真.jpg"))


def test_keys_of_like_names_differ() -> None:
    names = ["a.jpg", "a.png", "a.jpeg", "A.jpg", "a .jpg", "a-.jpg", "-a.jpg", "b.c.jpg", "b-c.jpg", "é.jpg", "è.jpg"]
    assert len({folder.key_of(name) for name in names}) == len(names)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=2))
def test_keys_are_valid_and_unique_for_any_names(names: list[str]) -> None:
    photos = {f"p{name.replace('/', '_')}.jpg" for name in names}
    keys = {folder.key_of(photo) for photo in photos}
    assert len(keys) == len(photos)
    assert all(re.fullmatch("[a-z0-9_/-]+", key) for key in keys)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    (root / "sub").mkdir()
    cv2.imwrite(str(root / "sub" / "one.png"), portrait(0).photo)
    cv2.imwrite(str(root / "Three.png"), tile(3))
    cv2.imwrite(str(root / "empty-room.png"), np.full((120, 160, 3), 90, np.uint8))
    (root / "letter.jpg").write_text("dear reader")
    return root


def test_a_record_a_face(root: Path) -> None:
    (one,) = folder.records(Raw(root), "sub/one.png", ReadOptions())
    assert one.key == folder.key_of("sub/one.png") + "-f0" and one.photo == "sub/one.png"
    assert one.split == "train" and one.gaze is None and re.fullmatch("bucket[0-9]", one.group)
    height, width = portrait(0).photo.shape[:2]
    np.testing.assert_array_equal(one.face.camera, guess_camera(width, height))
    three = folder.records(Raw(root), "Three.png", ReadOptions())
    assert [record.key[-3:] for record in three] == ["-f0", "-f1", "-f2"]
    assert len({record.group for record in three}) == 1
    columns = [project(record.face.camera, record.face.face_center_mm)[0] for record in three]
    assert columns == sorted(columns)


def test_a_given_camera_is_used(root: Path) -> None:
    camera = np.array([[900.0, 0.0, 140.0], [0.0, 900.0, 150.0], [0.0, 0.0, 1.0]])
    (near,) = folder.records(Raw(root), "sub/one.png", ReadOptions())
    (far,) = folder.records(Raw(root), "sub/one.png", ReadOptions(camera=camera))
    np.testing.assert_array_equal(far.face.camera, camera)
    ratio = far.face.face_center_mm[2] / near.face.face_center_mm[2]
    assert ratio == pytest.approx(900.0 / near.face.camera[0, 0], rel=0.02)


def test_every_photo_has_an_outcome(root: Path) -> None:
    chosen = ["sub/one.png", "letter.jpg", "gone.jpg", "empty-room.png", "Three.png"]
    outcomes = list(folder.read(Raw(root), chosen, ReadOptions()))
    assert [o.photo for o in outcomes] == chosen
    assert [o.reason for o in outcomes] == ["", "not_a_photo", "not_found", "no_face", ""]
    assert [len(o.records) for o in outcomes] == [1, 0, 0, 0, 3]


def test_a_small_face_is_told_from_none(root: Path) -> None:
    (outcome,) = folder.read(Raw(root), ["sub/one.png"], ReadOptions(min_face_px=290))
    assert outcome.reason == "face_too_small" and "px wide" in outcome.detail


def test_the_bucket_depends_on_the_path_alone(root: Path) -> None:
    again = [folder.records(Raw(root), "sub/one.png", ReadOptions())[0].group for _ in range(2)]
    assert again == ["bucket" + str(zlib.crc32(b"sub/one.png") % 10)] * 2
