"""300-W: rendered faces in its layout, landmarks as they should not be, and turned heads."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.datasets import listing, w300
from slyk.datasets.faces2d import MOUTH_MM, SIDE_PX, face_with_landmarks, upright_face
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, from_row, to_row
from slyk.datasets.w300 import read, units
from slyk.errors import DataMissingError
from slyk.geometry.camera import project
from slyk.geometry.cut_faces import aligned_face
from slyk.geometry.eyes import EYE_DISTANCE_MM, FACE_CENTER_MM
from slyk.geometry.normalize import FaceGeometry
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.w300 import POINTS, make, pts
from tests.datasets.trees import one
from tests.layouts.rendered import Export, Rendered, array

EYES = POINTS[[36, 39, 42, 45]].reshape(2, 2, 2).mean(axis=1)


def outcomes(root: Path) -> dict[str, Outcome]:
    chosen = units([entry.path for entry in listing.scan(root)])
    found = list(read(Raw(root), chosen, ReadOptions()))
    assert [outcome.photo for outcome in found] == chosen
    return {outcome.photo: outcome for outcome in found}


def px_per_mm(face: FaceGeometry) -> float:
    return float(face.camera[0, 0] / face.face_center_mm[2])


def test_a_rendered_set_comes_back(exported: Export, tmp_path: Path, spec: CropSpec) -> None:
    made = exported("raf_db")
    for number, row in enumerate(made.rows):
        target = tmp_path / ("helen/trainset" if row["split"] == "train" else "ibug") / f"image_{number:03d}_1.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made.source / row["photo"], target)
        target.with_suffix(".pts").write_text(pts(array(row, "landmarks_2d", 68, 2)))
    found = outcomes(tmp_path)
    for number, row in enumerate(made.rows):
        folder = "helen/trainset" if row["split"] == "train" else "ibug"
        record = one(found[f"{folder}/image_{number:03d}_1.jpg"])
        points = array(row, "landmarks_2d", 68, 2)
        assert np.allclose(record.labels["landmarks_px"], points, atol=1e-5) and record.labels["scheme"] == "68"
        eyes = points[[36, 39, 42, 45]].reshape(2, 2, 2).mean(axis=1)
        assert np.allclose(project(record.face.camera, record.face.eyes_mm), eyes, atol=1e-4)
        assert (record.split, record.gaze, record.known, record.eyes) == (row["split"], None, "aligned", "annotated")
        assert to_row(from_row(to_row(record))) == to_row(record)
        photo = w300.picture(Raw(tmp_path), record.photo)
        for (x, y), colour in zip(eyes.round().astype(int), ((255, 0, 0), (0, 255, 0)), strict=True):
            cv2.circle(photo, (int(x), int(y)), 3, colour, -1)  # what is at the eyes comes to the middles
        crops, middle = crop(photo, record.face, spec), spec.eye_square_px // 2
        assert crops.right[middle, middle].argmax() == 0 and crops.left[middle, middle].argmax() == 1


def test_the_folders_are_the_parts(tmp_path: Path) -> None:
    stems = [
        "afw/1_1",
        "helen/trainset/2_1",
        "lfpw/trainset/image_0003",
        "helen/testset/4_1",
        "lfpw/testset/image_0005",
    ]
    found = outcomes(make(tmp_path, {stem: pts() for stem in [*stems, "ibug/image_092 _01", "01_Indoor/indoor_001"]}))
    tags = {photo: (one(o).split, one(o).tags) for photo, o in found.items()}
    assert tags == {
        "afw/1_1.jpg": ("train", ()),
        "helen/trainset/2_1.jpg": ("train", ()),
        "lfpw/trainset/image_0003.jpg": ("train", ()),
        "helen/testset/4_1.jpg": ("test", ("common",)),
        "lfpw/testset/image_0005.jpg": ("test", ("common",)),
        "ibug/image_092 _01.jpg": ("test", ("challenging",)),
    }
    keys = [one(o).key for o in found.values()]
    assert "lfpw/trainset/image_0003" in keys and any(key.startswith("ibug/image_092-_01-") for key in keys)


def test_faces_of_one_photo_share_a_group(tmp_path: Path) -> None:
    stems = [f"afw/{photo}_{face}" for photo in range(100, 120) for face in (1, 2)]
    groups = [one(o).group for o in outcomes(make(tmp_path, {stem: pts() for stem in stems})).values()]
    assert groups[::2] == groups[1::2] and len(set(groups)) > 4
    assert all(group.startswith("train-bucket") for group in groups)


def test_pixels_count_from_one(tmp_path: Path, spec: CropSpec) -> None:
    """A dot on the pixel in column 30, row 40 (from 0) stands as 31, 41 in the file, and comes to the crop's middle."""
    points = POINTS.copy()
    points[36:48], points[[48, 54]] = [30, 40], [47, 80]
    points[42:48] = [64, 40]
    root = make(tmp_path, {"afw/1_1": pts(points)})
    assert "31.000000 41.000000" in (root / "afw/1_1.pts").read_text()
    record = one(outcomes(root)["afw/1_1.jpg"])
    assert record.labels["landmarks_px"][36] == [30, 40]
    photo = np.full((120, 100, 3), 50, np.uint8)
    photo[40, 30], photo[40, 64] = (250, 50, 50), (50, 250, 50)
    crops = crop(photo, record.face, spec)
    for eye, channel in ((crops.right, 0), (crops.left, 1)):
        weights = eye[..., channel].astype(np.float64) - 50
        y, x = np.mgrid[: spec.eye_square_px, : spec.eye_square_px]
        spot = np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()
        assert np.allclose(spot, spec.eye_square_px / 2, atol=0.3)


@pytest.mark.parametrize(
    "text",
    [
        pts(wrapper=False),
        pts(end="\r\n"),
        "\ufeff" + pts(),
        pts().replace(" ", "\t"),
        pts().replace("\n", "  \n\n"),
        pts().replace("n_points:  68\n{", "n_points: 68 {"),
        pts().replace("}\n", ""),
        pts().replace("{\n", "").replace("}\n", ""),
        pts(end="\n").replace("version", "Version"),
    ],
)
def test_files_as_people_have_them(tmp_path: Path, text: str) -> None:
    record = one(outcomes(make(tmp_path, {"helen/testset/ä_1": text}))["helen/testset/ä_1.jpg"])
    assert np.allclose(record.labels["landmarks_px"], POINTS, atol=1e-5)
    assert np.allclose(project(record.face.camera, record.face.eyes_mm), EYES, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [
        (pts(POINTS[:67]), "bad_label", "134 coordinates, not 136"),
        (pts(np.vstack([POINTS, POINTS[:1]])), "bad_label", "138 coordinates"),
        (pts().replace(f"{POINTS[5, 0] + 1:.6f}", "nan"), "bad_label", "not finite"),
        (pts().replace(f"{POINTS[5, 0] + 1:.6f}", "left"), "bad_label", "could not convert"),
        (pts(np.full((68, 2), 7.0)), "bad_label", "two eyes in one place"),
        (pts(POINTS + 1e6), "bad_label", "outside of any photo"),
        ("", "bad_label", "empty_file"),
    ],
)
def test_wrong_landmarks_are_told_and_the_others_read(tmp_path: Path, text: str, reason: str, told: str) -> None:
    found = outcomes(make(tmp_path, {"afw/1_1": pts(), "afw/2_1": text, "afw/3_1": pts()}))
    assert found["afw/1_1.jpg"].records and found["afw/3_1.jpg"].records
    wrong = found["afw/2_1.jpg"]
    assert wrong.reason == reason and "afw/2_1.pts" in wrong.detail and told in wrong.detail


def test_photos_and_landmarks_that_stand_alone(tmp_path: Path) -> None:
    root = make(tmp_path, {"afw/1_1": pts(), "afw/1_1_mirror": pts(), "afw/2_1": pts(), "afw/3_1": pts()})
    (root / "afw/2_1.pts").unlink()
    (root / "afw/3_1.jpg").unlink()
    (root / "afw/notes.txt").write_text("nothing")
    found = outcomes(root)
    assert {photo: outcome.reason for photo, outcome in found.items()} == {
        "afw/1_1.jpg": "",
        "afw/2_1.jpg": "no_annotation",
        "afw/3_1.pts": "photo_missing",
    }
    with pytest.raises(DataMissingError, match=r"helen/trainset/100032540_1\.jpg"):
        units(["01_Indoor/indoor_001.png"])


def test_a_face_seen_from_the_front_is_aligned_by_its_eyes() -> None:
    eyes, mouth = np.array([[100.0, 100.0], [170.0, 110.0]]), np.array([128.0, 170.0])
    face, by_eyes = upright_face(eyes, mouth), aligned_face(SIDE_PX, SIDE_PX, eyes)
    np.testing.assert_array_equal(face.head_rotation, by_eyes.head_rotation)
    np.testing.assert_array_equal(face.eyes_mm, by_eyes.eyes_mm)


def test_a_turned_head_keeps_its_size() -> None:
    """Eyes 20 px apart, the mouth 69.5 px below: a pixel a millimetre, and the face centre 23.2 px below the eyes."""
    eyes, mouth = np.array([[100.0, 100.0], [120.0, 100.0]]), np.array([110.0, 100.0 + MOUTH_MM])
    face = upright_face(eyes, mouth)
    assert px_per_mm(face) == pytest.approx(1.0, rel=1e-4)
    assert np.allclose(project(face.camera, face.eyes_mm), eyes, atol=1e-6)
    assert np.allclose(project(face.camera, face.face_center_mm), [110, 100 + FACE_CENTER_MM[1]], atol=0.01)
    assert px_per_mm(aligned_face(SIDE_PX, SIDE_PX, eyes)) == pytest.approx(20 / EYE_DISTANCE_MM, rel=1e-4)


def test_eyes_in_the_wrong_order_turn_no_face_upside_down() -> None:
    """In a profile the far eye may lie beyond the near one."""
    face = upright_face(np.array([[101.0, 100.0], [99.0, 100.0]]), np.array([100.0, 170.0]))
    assert np.allclose(face.head_rotation[:, 0], [1, 0, 0], atol=1e-3)


@given(
    st.lists(st.floats(-40, 40), min_size=6, max_size=6),
    st.floats(-3.1, 3.1),
    st.floats(0.2, 20.0),
    st.tuples(st.floats(0, 5000), st.floats(0, 5000)),
)
def test_a_turned_and_enlarged_photo_gives_the_same_face(
    moved: list[float], turn: float, scale: float, shift: tuple[float, float]
) -> None:
    """Turning, enlarging and shifting the landmarks turns the head's axes and scales the face likewise."""
    points = np.zeros((68, 2))
    places = np.array([[-31.0, 0.0], [31.0, 0.0], [0.0, 70.0]]) + np.reshape(moved, (3, 2)) * [0.7, 0.5]
    points[36:42], points[42:48], points[48:] = places
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    plain = face_with_landmarks(points + 100, "68")
    other = face_with_landmarks(scale * points @ turned.T + shift, "68")
    assert px_per_mm(other) == pytest.approx(scale * px_per_mm(plain), rel=1e-3)
    expected = turned @ plain.head_rotation[:2, :2]
    assert np.allclose(other.head_rotation[:2, :2], expected, atol=2e-3)


def test_rendered_heads_from_any_side_keep_their_size(rendered: Callable[[str], Rendered]) -> None:
    """Scale by eyes and mouth against the true one, for heads turned up to the side."""
    made = rendered("wild")
    by_both, by_eyes = [], []
    for row in made.rows:
        camera, center = array(row, "camera", 3, 3), array(row, "face_center_mm", 3)
        points = array(row, "landmarks_2d", 68, 2)
        true = camera[0, 0] / center[2]
        by_both.append(px_per_mm(face_with_landmarks(points, "68")) / true)
        eyes = points[[36, 39, 42, 45]].reshape(2, 2, 2).mean(axis=1)
        by_eyes.append(px_per_mm(aligned_face(SIDE_PX, SIDE_PX, eyes)) / true)
    assert np.abs(np.log(by_both)).max() < 0.1 and np.median(by_eyes) < 0.8
