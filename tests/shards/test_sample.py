"""A sample written and read; labels in the normalized frame."""

import json
import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.datasets.record import Record
from slyk.geometry.angles import Array, angular_error, vector_from_pitchyaw
from slyk.geometry.normalize import normalizing_rotation
from slyk.shards.crops import Crops
from slyk.shards.eyes import scaled
from slyk.shards.read import ShardSet
from slyk.shards.sample import (
    EYE_MEMBERS,
    MEMBERS,
    EyeSample,
    decode,
    decode_eye,
    encode,
    encode_eye,
    from_crops,
    from_eye,
)
from tests.drawn import RawSet, geometry_at, rotation
from tests.eyes import EYE_SPEC, draw_eye

SQUARE = np.zeros((8, 8, 3), np.uint8)


def record_at(center: tuple[float, ...], turn: tuple[float, ...], gaze: tuple[float, float]) -> Record:
    geometry = geometry_at(np.array(center), rotation(*turn))
    return Record("k", "k.jpg", "g", "train", geometry, vector_from_pitchyaw(np.array(gaze)), "annotated")


def labels_of(record: Record) -> tuple[Array, Array]:
    turn = normalizing_rotation(record.face.face_center_mm, record.face.head_rotation)
    sample = from_crops(record, Crops(SQUARE, SQUARE, SQUARE, turn, np.eye(3)))
    assert sample.gaze is not None
    return sample.gaze, turn


def test_a_label_by_hand() -> None:
    """A face on the axis, rolled clockwise by 90 degrees, looks image-left by 20: set upright, it looks down by 20."""
    gaze, _ = labels_of(record_at((0, 0, 600), (0, 0, np.pi / 2), (0.0, np.deg2rad(20))))
    np.testing.assert_allclose(np.rad2deg(gaze), [-20.0, 0.0], atol=1e-9)


@given(
    st.tuples(st.floats(-200, 200), st.floats(-200, 200), st.floats(300, 1500)),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)),
)
def test_labels_are_rotated_and_never_scaled(
    center: tuple[float, float, float], turn: tuple[float, float, float], angles: tuple[float, float]
) -> None:
    record = record_at(center, turn, angles)
    gaze, rotation_norm = labels_of(record)
    assert record.gaze is not None
    assert angular_error(rotation_norm.T @ vector_from_pitchyaw(gaze), record.gaze) < 1e-9
    near = record_at((center[0] / 3, center[1] / 3, center[2] / 3), turn, angles)
    np.testing.assert_allclose(labels_of(near)[0], gaze, atol=1e-9)


def test_who_looks_into_the_camera_looks_at_zero_wherever_he_is() -> None:
    center = np.array([150.0, -80.0, 500.0])
    record = replace(record_at((150.0, -80.0, 500.0), (0.1, 0.2, 0.3), (0, 0)), gaze=-center / np.linalg.norm(center))
    np.testing.assert_allclose(labels_of(record)[0], [0, 0], atol=1e-9)


def test_encoding_round_trips_but_for_jpeg(samples: ShardSet) -> None:
    sample = samples[0]
    members = encode(sample, 95)
    assert tuple(members) == MEMBERS
    back = decode(sample.key, members)
    for name in ("gaze", "head", "rotation", "face_from_photo"):
        np.testing.assert_array_equal(getattr(back, name), getattr(sample, name))
    for name in ("key", "group", "eyes", "photo", "known", "center", "tags", "labels"):
        assert getattr(back, name) == getattr(sample, name)
    for name in ("face", "right", "left"):
        difference = cv2.absdiff(getattr(back, name), getattr(sample, name))
        assert getattr(back, name).shape == getattr(sample, name).shape
        assert difference.mean() < 3
    assert encode(sample, 95) == members


def test_colours_stay_bgr() -> None:
    blue = np.zeros((16, 16, 3), np.uint8)
    blue[..., 0] = 255
    record = record_at((0, 0, 600), (0, 0, 0), (0, 0))
    back = decode("k", encode(from_crops(record, Crops(blue, blue, blue, np.eye(3), np.eye(3))), 95))
    assert back.face[8, 8, 0] > 240 and back.face[8, 8, 1:].max() < 15


def test_without_a_label(raw_set: RawSet) -> None:
    record = replace(raw_set.records[0], gaze=None)
    members = encode(from_crops(record, Crops(SQUARE, SQUARE, SQUARE, np.eye(3), np.eye(3))), 90)
    assert json.loads(members["json"])["gaze"] is None
    assert decode("k", members).gaze is None


@pytest.mark.parametrize("name", ["gaze", "head", "rotation"])
def test_numbers_keep_nine_decimals_and_no_processor(samples: ShardSet, name: str) -> None:
    value = np.round(getattr(samples[0], name), 9)
    noisy = np.nextafter(value, 1.0)
    assert not np.array_equal(noisy, value)
    written = [encode(replace(samples[0], **{name: v}), 90)["json"] for v in (value, noisy)]
    assert written[0] == written[1]
    back = decode("k", encode(replace(samples[0], **{name: noisy}), 90))
    np.testing.assert_array_equal(getattr(back, name), value)


def eye_sample(gaze: Array | None) -> EyeSample:
    photo, labels = draw_eye(np.array([0.2, -0.1, -0.97]), np.array([80.0, 60.0]))
    record = Record(
        "e/1", "e/1.png", "e", "train", None, gaze, "annotated", "guessed", "unknown", ("still",), labels
    )  # fmt: skip
    return from_eye(record, scaled(photo, EYE_SPEC))


def test_an_eye_round_trips_but_for_jpeg() -> None:
    sample = eye_sample(vector_from_pitchyaw(np.array([0.1, -0.4])))
    members = encode_eye(sample, 95)
    assert tuple(members) == EYE_MEMBERS and encode_eye(sample, 95) == members
    back = decode_eye("e/1", members)
    for name in ("key", "group", "photo", "known", "center", "tags", "labels"):
        assert getattr(back, name) == getattr(sample, name)
    assert back.gaze is not None
    np.testing.assert_allclose(back.gaze, [0.1, -0.4], atol=1e-9)  # the record's own frame: nothing turns it
    np.testing.assert_allclose(back.eye_from_photo, sample.eye_from_photo, atol=1e-9)
    assert back.eye.shape == (72, 96, 3) and cv2.absdiff(back.eye, sample.eye).mean() < 3
    assert set(json.loads(members["json"])) == {
        *("group", "photo", "gaze", "eye_from_photo", "known", "center", "tags", "labels")
    }  # fmt: skip
    assert decode_eye("e/1", encode_eye(eye_sample(None), 95)).gaze is None


def test_contours_lie_on_the_stored_eye() -> None:
    sample = decode_eye("e/1", encode_eye(eye_sample(None), 95))
    points = {
        part: cv2.perspectiveTransform(np.array([sample.labels[f"{part}_px"]]), sample.eye_from_photo)[0].mean(axis=0)
        for part in ("pupil", "lid")
    }
    x, y = np.rint(points["pupil"]).astype(int)
    assert sample.eye[y, x].max() < 60 and points["pupil"][0] > points["lid"][0]


def test_labels_that_are_no_numbers_are_never_written(samples: ShardSet) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(replace(samples[0], labels={"valence": float("nan")}), 90)


def claiming(jpeg: bytes, side: int) -> bytes:
    """A picture of a few thousand bytes whose header says that it is huge."""
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", side, side) + jpeg[place + 4 :]


def test_a_picture_larger_than_any_stored_is_not_decoded(samples: ShardSet) -> None:
    face, eye = encode(samples[0], 90), encode_eye(eye_sample(None), 90)
    with pytest.raises(ValueError, match=r"left\.jpg measures 20000 x 20000 pixels"):
        decode("k", face | {"left.jpg": claiming(face["left.jpg"], 20_000)})
    with pytest.raises(ValueError, match=r"eye\.jpg measures 20000 x 20000 pixels"):
        decode_eye("k", eye | {"eye.jpg": claiming(eye["eye.jpg"], 20_000)})
