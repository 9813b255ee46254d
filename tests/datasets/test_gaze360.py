"""Gaze360: a rendered set in its layout, rows worked by hand, and rows as they should not be."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from slyk.datasets import gaze360, listing
from slyk.datasets.gaze360 import read, units
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, from_row, to_row
from slyk.errors import DataMissingError
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import project
from slyk.geometry.normalize import normalizing_rotation
from slyk.shards.crops import CropSpec, crop
from slyk.shards.sample import from_crops
from tests.datasets.small.gaze360 import HEAD, NOTHING, make, row_of
from tests.datasets.trees import only_record, read_tree, shown_at
from tests.layouts.rendered import Array, Export, Row, angle_deg, array, unit

outcomes = partial(read_tree, gaze360)
only = partial(only_record, gaze360)


def seen_from_the_ray(row: Row) -> Array:
    """The true gaze after turning the camera about its upright axis and nodding it, until it looks at the eyes."""
    eyes, target = array(row, "eyes_mm", 2, 3).mean(axis=0), array(row, "gaze_target_mm", 3)
    x, y, z = eyes
    turn = cv2.Rodrigues(np.array([0.0, -np.arctan2(x, z), 0.0]))[0]
    nod = cv2.Rodrigues(np.array([np.arctan2(y, np.hypot(x, z)), 0.0, 0.0]))[0]
    assert np.allclose(unit(nod @ turn @ eyes), [0, 0, 1])
    return unit(np.asarray(nod @ turn @ (target - eyes)))


@pytest.mark.slow
def test_a_rendered_set_comes_back(exported: Export, spec: CropSpec) -> None:
    made = exported("gaze360")
    raw, data = Raw(made.out), loadmat(made.out / "metadata.mat")
    found = {outcome.photo: outcome for outcome in outcomes(raw)}
    assert len(found) == len(made.rows)
    splits, sources = set(), set()
    for i, row in enumerate(made.rows):
        photo = f"imgs/rec_{data['recording'][0, i]:03d}/head/000000/{row['frame']:06d}.jpg"
        split = data["split"][0, i]
        if split == 3:
            assert found[photo].reason == "unused_by_the_set" and not found[photo].records
            continue
        (record,) = found[photo].records
        crops = crop(gaze360.picture(raw, photo), record.face, spec)
        sample = from_crops(record, crops)
        assert sample.gaze is not None
        assert angle_deg(vector_from_pitchyaw(sample.gaze), seen_from_the_ray(row)) < 1e-4
        assert np.array_equal(sample.rotation, np.eye(3)) and np.array_equal(sample.head, np.zeros(2))
        true = project(array(row, "camera", 3, 3), array(row, "eyes_mm", 2, 3))
        ours = project(record.face.camera, record.face.eyes_mm)
        size = row["size_px"][0]
        assert np.linalg.norm(ours.mean(axis=0) - true.mean(axis=0)) < 0.08 * size
        if record.eyes == "annotated":
            assert np.abs(ours - true).max() < 0.03 * size
            assert "face_detected" in record.tags
        assert record.split == ("test" if split == 2 else "train")
        assert ("validation" in record.tags) == (split == 1)
        assert record.group == f"rec_{data['recording'][0, i]:03d}"
        assert (record.known, record.center) == ("normalized", "eyes")
        assert to_row(from_row(to_row(record))) == to_row(record)
        splits.add(split)
        sources.add(record.eyes)
    assert splits == {0, 1, 2} and "annotated" in sources


def test_eye_crops_are_cut_about_the_eyes(exported: Export, spec: CropSpec) -> None:
    """A white disc drawn over each true eye comes out in the middle of its crop."""
    made = exported("gaze360")
    raw, data = Raw(made.out), loadmat(made.out / "metadata.mat")
    found = {outcome.photo: outcome for outcome in outcomes(raw)}
    count = 0
    for i, row in enumerate(made.rows):
        outcome = found[f"imgs/rec_{data['recording'][0, i]:03d}/head/000000/{row['frame']:06d}.jpg"]
        if not outcome.records or outcome.records[0].eyes != "annotated":
            continue
        photo = gaze360.picture(raw, outcome.photo)
        assert photo.shape[:2] == tuple(row["size_px"][::-1])
        pixels = project(array(row, "camera", 3, 3), array(row, "eyes_mm", 2, 3))
        for eye, pixel in enumerate(pixels):
            place = shown_at(pixel, photo.shape, outcome.records[0], spec, eye, radius_px=1)
            assert np.abs(place - spec.eye_square_px / 2).max() < spec.eye_square_px / 6
        count += 1
    assert count >= 2


@pytest.mark.parametrize(
    ("gaze_dir", "pitch", "yaw"),
    [
        ((0, 0, -1), 0, 0),  # into the camera
        ((np.sqrt(0.5), 0, -np.sqrt(0.5)), 0, 45),  # x left: image-left
        ((-1, 0, 0), 0, -90),  # to the right, as the set's readme has it
        ((0, np.sqrt(0.5), -np.sqrt(0.5)), 45, 0),  # y up
        ((0.3, 0.1, 0.94868), 5.739, 162.45),  # away: atan2(0.3, -0.94868), asin(0.1)
    ],
)
def test_signs(tmp_path: Path, gaze_dir: tuple[float, ...], pitch: float, yaw: float) -> None:
    """The same normalized label wherever in the frame the eyes are: no rotation comes on top."""
    heads = [HEAD, (0.0, 0.0, 300.0, 300.0), (3000.0, 3700.0, 350.0, 380.0)]
    raw = make(tmp_path, [row_of(gaze_dir=gaze_dir, person_head_bbox=head, frame=i) for i, head in enumerate(heads)])
    for outcome in outcomes(raw):
        (record,) = outcome.records
        rotation = normalizing_rotation(record.face.face_center_mm, record.face.head_rotation)
        assert np.array_equal(rotation, np.eye(3)) and record.gaze is not None
        assert angle_deg(rotation @ record.gaze, vector_from_pitchyaw(np.deg2rad([pitch, yaw]))) < 5e-3


@pytest.mark.parametrize(
    ("pitch", "yaw", "tags"),
    [
        (0, 19, ("front_180", "front_20_band", "front_20_cone")),
        (10, 19, ("front_180", "front_20_band")),  # acos(cos 10 cos 19) = 21.4 degrees to the camera
        (-60, -5, ("front_180", "front_20_band")),
        (0, 21, ("front_180",)),
        (0, -89, ("front_180",)),
        (0, 91, ()),
        (5, 180, ()),
    ],
)
def test_two_definitions_of_front_facing(tmp_path: Path, pitch: float, yaw: float, tags: tuple[str, ...]) -> None:
    x, y, z = vector_from_pitchyaw(np.deg2rad([pitch, yaw]))
    assert only(make(tmp_path, [row_of(gaze_dir=(-x, -y, z))])).tags == tags


def test_eyes_from_their_boxes(tmp_path: Path) -> None:
    """The head box is 400 x 400 px of the frame, its photo 200 x 100: x is halved, y is quartered."""
    boxes = {"person_eye_right_bbox": (1100, 1000, 40, 20), "person_eye_left_bbox": (1200, 1020, 40, 20)}
    record = only(make(tmp_path, [row_of(**boxes, person_face_bbox=(1080, 960, 120, 130))]))
    assert record.eyes == "annotated" and record.tags[0] == "face_detected"
    middles = np.array([[(1120 - 1000) / 2, (1010 - 800) / 4], [(1220 - 1000) / 2, (1030 - 800) / 4]])
    assert np.allclose(project(record.face.camera, record.face.eyes_mm), middles)
    assert np.allclose(record.face.camera[:2, 2], middles.mean(axis=0))
    apart_px = np.hypot(100, 20)  # 1.62 px per mm, more than the face box tells: 130 / 150
    assert np.linalg.norm(record.face.eyes_mm[1] - record.face.eyes_mm[0]) == pytest.approx(63)
    assert record.face.face_center_mm == pytest.approx([0, 0, 2100 * 63 / apart_px])


def test_eyes_of_a_turned_head_do_not_make_it_larger(tmp_path: Path) -> None:
    boxes = {"person_eye_right_bbox": (1100, 1000, 20, 20), "person_eye_left_bbox": (1110, 1000, 20, 20)}
    record = only(make(tmp_path, [row_of(**boxes, person_face_bbox=(1060, 940, 140, 180))]))
    assert record.eyes == "annotated" and record.face.face_center_mm[2] == pytest.approx(2100 / (180 / 150))


@pytest.mark.parametrize(
    ("boxes", "middle", "px_per_mm"),
    [
        ({"person_face_bbox": (1100, 900, 150, 180)}, (1175, 900 + 0.3 * 180), 180 / 150),
        ({"person_face_bbox": (1100, 900, 150, 180), "person_eye_left_bbox": (1100, 900, 9, 9)}, (1175, 954), 1.2),
        ({}, (1180, 990), 400 / 300),
        ({"person_eyes2d": (-3382.0, -4096.0)}, (1200, 1000), 400 / 300),
    ],
)
def test_eyes_assumed(tmp_path: Path, boxes: dict[str, Any], middle: tuple[float, float], px_per_mm: float) -> None:
    """From the face box, else from the place of the eyes, else from the head box; level, 63 mm apart."""
    record = only(make(tmp_path, [row_of(**boxes)]))
    assert record.eyes == "assumed" and ("face_detected" in record.tags) == ("person_face_bbox" in boxes)
    apart = np.array([[-31.5, 0], [31.5, 0]]) * px_per_mm
    expected = (np.array(middle) + apart - np.array(HEAD[:2])) / np.array([2, 4])
    assert np.allclose(project(record.face.camera, record.face.eyes_mm), expected)


def test_one_unit_stands_for_a_recording(tmp_path: Path) -> None:
    rows = [row_of(recording=r, frame=f) for r in (1, 0) for f in (7, 8)]
    raw = make(tmp_path, rows, recordings=("rec_000", "rec_ä"))
    listed = ["train.txt", *(entry.path for entry in listing.scan(tmp_path))]
    chosen = units(listed)
    assert chosen == ["metadata.mat", "imgs/rec_000/head/000000/000007.jpg", "imgs/rec_ä/head/000000/000007.jpg"]
    photos = [o.records[0].photo for o in read(raw, chosen[:0:-1], ReadOptions())]
    assert photos == [f"imgs/{r}/head/000000/00000{f}.jpg" for r in ("rec_ä", "rec_000") for f in (7, 8)]
    assert list(read(raw, chosen[:1], ReadOptions())) == []
    keys = {outcome.records[0].key for outcome in outcomes(raw)}
    assert keys == {f"{r}/000000/00000{f}" for r in ("rec_-", "rec_000") for f in (7, 8)}


def test_photos_that_are_not_there_keep_their_records(tmp_path: Path) -> None:
    """The stage that knows the listing rejects them; so it is for whole recordings."""
    rows = [row_of(frame=1), row_of(frame=2), row_of(frame=3), row_of(recording=1, frame=4)]
    raw = make(tmp_path, rows, recordings=("rec_000", "rec_001"))
    folder = tmp_path / "imgs/rec_000/head/000000"
    (folder / "000001.jpg").unlink()
    (folder / "000002.jpg").write_bytes(b"no photo")
    (tmp_path / "imgs/rec_001/head/000000/000004.jpg").unlink()
    found = {outcome.photo: outcome for outcome in outcomes(raw)}
    assert len(found) == 4 and all(outcome.records for outcome in found.values())
    unread = found[f"{folder.relative_to(tmp_path)}/000002.jpg"].records[0].face.camera
    assert unread[0, 0] == unread[1, 1] == pytest.approx(2100)  # as large as its box


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"gaze_dir": (np.nan, 0, -1)}, "no direction"),
        ({"gaze_dir": (0, 0, 0)}, "no direction"),
        ({"split": 4}, "[0, 2, 4]"),
        ({"person_identity": -1}, "[-1, 2, 0]"),
        ({"person_head_bbox": NOTHING}, "head box"),
        ({"person_head_bbox": (np.nan, 800, 400, 400)}, "head box"),
    ],
)
def test_wrong_rows_are_told_and_the_others_read(tmp_path: Path, wrong: dict[str, Any], told: str) -> None:
    raw = make(tmp_path, [row_of(frame=1), row_of(frame=2, **wrong), row_of(frame=3)])
    first, second, third = outcomes(raw)
    assert first.records and third.records
    assert second.reason == "bad_label" and second.photo.endswith("/000002.jpg")
    assert second.detail.startswith("metadata.mat, row 1: ") and told in second.detail


def test_rows_without_a_recording_and_photos_without_a_row(tmp_path: Path) -> None:
    raw = make(tmp_path, [row_of(), row_of(recording=5), row_of(recording=-1)])
    stray = tmp_path / "imgs/rec_009/head/000000/000001.jpg"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"")
    found = [(outcome.photo, outcome.reason, outcome.detail) for outcome in outcomes(raw)]
    assert found[0] == ("metadata.mat", "bad_label", "metadata.mat, row 1: recording 5 of 1, counted from 0")
    assert found[1][2] == "metadata.mat, row 2: recording -1 of 1, counted from 0"
    assert [reason for _, reason, _ in found[2:]] == ["", "no_annotation"]


def test_indices_from_1_are_refused(tmp_path: Path) -> None:
    raw = make(tmp_path, [row_of(recording=1), row_of(recording=2)], recordings=("rec_000", "rec_001"))
    with pytest.raises(DataMissingError, match="recording counts from 1"):
        outcomes(raw)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"metadata\.mat"):
        units(["imgs/rec_000/head/000000/000131.jpg"])
    raw = make(tmp_path, [row_of()], person_eyes2d=np.zeros((7, 2)))
    with pytest.raises(DataMissingError, match=r"no person_eyes2d of shape \(1, 2\)"):
        outcomes(raw)
    savemat(tmp_path / "metadata.mat", {"recording": [0], "gaze_dir": np.zeros((1, 3))})
    with pytest.raises(DataMissingError, match="holds no recordings"):
        outcomes(raw)
    (tmp_path / "metadata.mat").write_bytes(b"MATLAB 5.0, cut short")
    with pytest.raises(DataMissingError, match="cannot be read as a MATLAB file"):
        outcomes(raw)
