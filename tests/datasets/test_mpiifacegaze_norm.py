"""The released normalized MPIIFaceGaze: rendered people normalized in its way, and files as they should not be."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import fsspec
import h5py
import numpy as np
import pytest

from slyk.datasets import mpiifacegaze_norm
from slyk.datasets.mpiifacegaze_norm import picture, units
from slyk.datasets.raw import Raw
from slyk.datasets.record import Record, from_row, to_row
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import project
from slyk.geometry.normalize import homography, normalizing_rotation
from slyk.layouts.common import read_image
from slyk.shards.crops import CropSpec, Image, crop
from slyk.shards.sample import from_crops
from tests.datasets.small.mpiifacegaze_norm import DISTANCE, DOWN, FOCAL, LANDMARKS, SIDE, make
from tests.datasets.trees import read_tree, records_of, shown_at
from tests.layouts.rendered import Array, Export, Row, angle_deg, array

outcomes = partial(read_tree, mpiifacegaze_norm)
records = partial(records_of, mpiifacegaze_norm)


def gaze_deg(record: Record) -> Array:
    assert record.gaze is not None
    return np.rad2deg(pitchyaw_from_vector(record.gaze))


def normalized(row: Row, photo: Image) -> tuple[Image, Array, Array]:
    """Picture (S, S, 3), gaze, head pose and landmarks (16,), and where the eyes are (2, 2) in the picture."""
    camera, center = array(row, "camera", 3, 3), array(row, "face_center_mm", 3)
    turn = normalizing_rotation(center, array(row, "head_rotation", 3, 3))
    warp = homography(camera, turn, center, FOCAL, SIDE, float(np.linalg.norm(center)) / DISTANCE)
    corners = array(row, "landmarks_2d", 68, 2)[[36, 39, 42, 45, 48, 54]]
    gaze = pitchyaw_from_vector(turn @ array(row, "gaze", 3))
    head = head_pitchyaw(turn @ array(row, "head_rotation", 3, 3))
    points, eyes = (cv2.perspectiveTransform(p[None], warp)[0] for p in
                    (corners, project(camera, array(row, "eyes_mm", 2, 3))))  # fmt: skip
    shown = cv2.warpPerspective(photo, warp, (SIDE, SIDE))
    return np.asarray(shown, np.uint8), np.concatenate([gaze, head, points.ravel()]), np.asarray(eyes)


@pytest.mark.parametrize("sign", [1, -1])
def test_rendered_people_come_back(exported: Export, tmp_path: Path, spec: CropSpec, sign: int) -> None:
    """Whichever of the two signs the labels have."""
    made = exported("mpiifacegaze")
    rows = [row for row in made.rows if row["person"] == "p000"]
    shown = [normalized(row, read_image(made.source / row["photo"])) for row in rows]
    labels = np.array([label for _, label, _ in shown])
    assert np.all(labels[:, 0] < 0)  # the screen is below the camera
    labels[:, :4] *= sign
    raw = make(tmp_path / "p00.mat", labels, np.array([image.transpose(2, 0, 1) for image, _, _ in shown]))
    found = records(raw)
    assert [record.photo for record in found] == [f"p00.mat#{i}" for i in range(len(rows))]
    for record, row, (image, _, eyes) in zip(found, rows, shown, strict=True):
        assert np.array_equal(picture(raw, record.photo), image)
        crops = crop(picture(raw, record.photo), record.face, spec)
        sample = from_crops(record, crops)
        turn = normalizing_rotation(array(row, "face_center_mm", 3), array(row, "head_rotation", 3, 3))
        assert sample.gaze is not None
        assert angle_deg(vector_from_pitchyaw(sample.gaze), turn @ array(row, "gaze", 3)) < 1e-4
        assert np.allclose(sample.head, head_pitchyaw(turn @ array(row, "head_rotation", 3, 3)), atol=1e-6)
        assert np.abs(project(record.face.camera, record.face.eyes_mm) - eyes).max() < 4  # corners are to whole px
        assert record.face.camera[0, 0] == pytest.approx(FOCAL, rel=0.12)  # people differ from the model
        assert (record.group, record.eyes, record.known) == ("p00", "annotated", "normalized")
        assert to_row(from_row(to_row(record))) == to_row(record)
        for eye in (0, 1):
            place = shown_at(eyes[eye], image.shape, record, spec, eye, radius_px=4)
            assert np.abs(place - spec.eye_square_px / 2).max() < 3


def test_both_signs_by_hand(tmp_path: Path) -> None:
    """A face 600 mm before the camera, a target on the screen 100 mm below it, 60 mm to the image's left.

    gaze = (-60, 100, -600) / 611.2: it looks down, asin(-100 / 611.2) = -9.416 degrees of pitch, and image-left,
    atan2(60, 600) = 5.711 degrees of yaw. In ETH-XGaze's signs, (asin -y, atan2(-x, -z)), the label is
    (-0.16434, 0.09967), with both opposite, (asin y, atan2(x, -z)), it is (0.16434, -0.09967).
    """
    gaze = np.array([-60.0, 100.0, -600.0]) / np.sqrt(60.0**2 + 100.0**2 + 600.0**2)
    for name, label in (("a/p00.mat", (-0.164344, 0.099669)), ("b/p00.mat", (0.164344, -0.099669))):
        (record,) = records(make(tmp_path / name, [*label, 0, 0]))
        assert record.gaze is not None and angle_deg(record.gaze, gaze) < 1e-4
        assert np.allclose(gaze_deg(record), [-9.416, 5.711], atol=1e-3)
        assert record.gaze[0] < 0 < record.gaze[1]  # image-left, down


def test_signs_are_those_of_the_person(tmp_path: Path) -> None:
    """A few gazes above the camera change nothing; as many as below say that these are other labels."""
    labels = np.tile(DOWN, (10, 1))
    labels[:2, 0] = 0.1
    assert np.allclose(
        [gaze_deg(r)[0] for r in records(make(tmp_path / "a/p00.mat", labels))], np.rad2deg(labels[:, 0])
    )
    flipped = [gaze_deg(r)[0] for r in records(make(tmp_path / "b/p00.mat", -labels))]
    assert np.allclose(flipped, np.rad2deg(labels[:, 0]))
    labels[:5, 0] = 0.1
    with pytest.raises(DataMissingError, match=r"50% of the gazes have a pitch below 0.*pitch first"):
        outcomes(make(tmp_path / "c/p00.mat", labels))


def test_the_picture_is_upright_and_bgr(tmp_path: Path) -> None:
    """As MATLAB stores what the authors made of an RGB picture: channels turned, mirrored, turned by 90 degrees."""
    rgb = np.zeros((6, 6, 3), np.uint8)
    rgb[1, 4] = (200, 100, 50)  # row 1, column 4
    theirs = np.rot90(np.flip(rgb[:, :, ::-1], axis=1))  # (column, row, channel)
    as_hdf5_shows_it = (
        theirs.transpose(2, 1, 0)[None].astype(np.float32) + 0.4
    )  # axes in reversed order, kept as single
    raw = make(tmp_path / "p07.mat", DOWN, as_hdf5_shows_it)
    shown = picture(raw, "p07.mat#0")
    assert shown.dtype == np.uint8 and shown.flags["C_CONTIGUOUS"]
    assert np.array_equal(shown[1, 4], (50, 100, 200)) and shown.sum() == 350


def test_landmarks_place_the_eyes_and_tell_the_scale(tmp_path: Path) -> None:
    pictures = np.zeros((1, 3, SIDE, SIDE), np.uint8)
    label = np.concatenate([DOWN, LANDMARKS.ravel()])
    (record,) = records(make(tmp_path / "a/p00.mat", label, pictures))
    assert record.eyes == "annotated" and record.labels["scheme"] == "6"
    assert np.allclose(record.labels["landmarks_px"], LANDMARKS)
    assert np.allclose(project(record.face.camera, record.face.eyes_mm), LANDMARKS[:4].reshape(2, 2, 2).mean(axis=1))
    assert record.face.camera[0, 0] == pytest.approx(FOCAL / np.cos(0.02), rel=1e-3)
    half = np.concatenate([DOWN, (LANDMARKS.ravel() - SIDE / 2) / 2 + SIDE / 2])
    (record,) = records(make(tmp_path / "b/p00.mat", half, pictures))
    assert record.face.camera[0, 0] == pytest.approx(FOCAL / 2, rel=1e-3)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda points: points[:0],
        lambda points: np.full((6, 2), np.nan),
        lambda points: points[[3, 2, 1, 0, 5, 4]],  # left first: mirrored, or not the picture's
        lambda points: -points,
        lambda points: SIDE - points[[3, 2, 1, 0, 5, 4]],  # upside down
    ],
)
def test_landmarks_that_show_no_face_are_not_used(tmp_path: Path, spoil: Callable[[Array], Array]) -> None:
    label = np.concatenate([DOWN, spoil(LANDMARKS).ravel()])
    (record,) = records(make(tmp_path / "p00.mat", label, np.zeros((1, 3, SIDE, SIDE), np.uint8)))
    assert record.eyes == "assumed" and record.labels == {} and record.face.camera[0, 0] == FOCAL
    right, left = project(record.face.camera, record.face.eyes_mm)
    assert np.linalg.norm(left - right) == pytest.approx(63 * FOCAL / DISTANCE, rel=0.03)
    assert right[0] < SIDE / 2 < left[0] and max(right[1], left[1]) < SIDE / 2


def test_labels_that_make_no_sense(tmp_path: Path) -> None:
    labels = np.tile(DOWN, (5, 1))
    labels[1, 0], labels[2, 3], labels[3, 1] = np.nan, np.inf, 40.0
    found = outcomes(make(tmp_path / "p00.mat", labels))
    assert [outcome.reason for outcome in found] == ["", "bad_label", "bad_label", "bad_label", ""]
    assert found[1].photo == "p00.mat#1" and found[1].detail.startswith("p00.mat, label 1: [nan, 0.1")
    assert [outcome.records[0].key for outcome in (found[0], found[4])] == ["p00/0000", "p00/0004"]


def test_folders_and_names(tmp_path: Path) -> None:
    make(tmp_path / "MPIIFaceGaze_normalizäd/p03.mat", DOWN)
    make(tmp_path / "MPIIFaceGaze_normalizäd/P04.MAT", DOWN)
    make(tmp_path / "MPIIFaceGaze_normalizäd/landmarks.mat", DOWN)
    found = records(Raw(tmp_path))
    assert sorted((r.group, r.key, r.split) for r in found) == [
        ("p03", "p03/0000", "train"),
        ("p04", "p04/0000", "train"),
    ]
    assert picture(Raw(tmp_path), found[0].photo).shape == (8, 8, 3)
    empty = make(tmp_path / "empty/p05.mat", np.zeros((0, 4)))
    assert outcomes(empty) == []


@pytest.mark.parametrize("place", ["2", "-1", "x", "", "1.0"])
def test_places_that_are_not_there(tmp_path: Path, place: str) -> None:
    raw = make(tmp_path / "p00.mat", [DOWN, DOWN])
    with pytest.raises(PhotoError, match="pictures 0 to 1") as error:
        picture(raw, f"p00.mat#{place}")
    assert error.value.reason == "not_found"


def test_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"p00\.mat"):
        units(["p00.txt", "xp00.mat"])
    (tmp_path / "a").mkdir()
    (tmp_path / "a/p00.mat").write_bytes(b"MATLAB 5.0 MAT-file, an older version")
    with pytest.raises(DataMissingError, match="cannot be read as HDF5"):
        outcomes(Raw(tmp_path / "a"))
    with pytest.raises(PhotoError, match="cannot be read as HDF5"):
        picture(Raw(tmp_path / "a"), "p00.mat#0")
    with pytest.raises(DataMissingError, match=r"Data/data \(1, 3, 8, 8\) and Data/label \(2, 4\)"):
        outcomes(make(tmp_path / "b/p00.mat", [DOWN, DOWN], np.zeros((1, 3, 8, 8), np.uint8)))
    with pytest.raises(DataMissingError, match=r"Data/data \(1, 8, 8, 3\)"):
        outcomes(make(tmp_path / "c/p00.mat", DOWN, np.zeros((1, 8, 8, 3), np.uint8)))
    with pytest.raises(DataMissingError, match="3 columns"):
        outcomes(make(tmp_path / "d/p00.mat", DOWN[:3]))


def test_nothing_outside_of_the_file_is_read(tmp_path: Path) -> None:
    make(tmp_path / "other.mat", DOWN)
    (tmp_path / "pixels").write_bytes(bytes(3 * 8 * 8))
    for folder in ("group", "label", "raw"):
        (tmp_path / folder).mkdir()
        with h5py.File(tmp_path / folder / "p00.mat", "w") as file:
            if folder == "group":
                file["Data"] = h5py.ExternalLink("../other.mat", "/Data")
                continue
            file["Data/label"] = np.array([DOWN])
            if folder == "label":
                file["Data/data"] = h5py.ExternalLink("../other.mat", "/Data/data")
            else:
                parts = [(str(tmp_path / "pixels"), 0, 192)]
                file["Data"].create_dataset("data", (1, 3, 8, 8), np.uint8, external=parts)
        raw, told = Raw(tmp_path / folder), "another file" if folder == "raw" else "no Data/"
        with pytest.raises(DataMissingError, match=told):
            outcomes(raw)
        with pytest.raises(PhotoError, match=told):
            picture(raw, "p00.mat#0")
    (tmp_path / "link").mkdir()
    (tmp_path / "link/p00.mat").symlink_to(tmp_path / "other.mat")
    with pytest.raises(PhotoError, match="outside_root"):
        picture(Raw(tmp_path / "link"), "p00.mat#0")


def test_behind_a_url(tmp_path: Path) -> None:
    """Files are copied and stay open while their pictures are read."""
    pictures = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    make(tmp_path / "p00.mat", [DOWN, DOWN], pictures)
    fsspec.filesystem("memory").pipe("/normalized/p00.mat", (tmp_path / "p00.mat").read_bytes())
    raw = Raw("memory://normalized")
    for i, record in enumerate(records(raw)):
        assert np.array_equal(picture(raw, record.photo), pictures[i].transpose(1, 2, 0))
