"""ETH-XGaze, raw: a rendered set in its layout, lenses, cameras upside down, and lines as they should not be."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.datasets import xgaze
from slyk.datasets.raw import Raw
from slyk.datasets.record import Record, from_row, to_row
from slyk.datasets.xgaze import CENTER_WEIGHTS, MODEL_ROWS, TURNED, listed, people, picture, units
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.angles import pitchyaw_from_vector
from slyk.geometry.camera import Array, project
from slyk.geometry.normalize import homography
from slyk.layouts import xgaze as layout
from slyk.shards.crops import CropSpec, Image, crop
from tests.datasets.small.xgaze import LANDMARKS, SIZE_PX, line, make, write_xml
from tests.datasets.trees import only_record, read_tree
from tests.layouts.rendered import Export, Exported, Row, angle_deg, array
from tests.photos import REAL_DATA

CORNERS, NOSE = [36, 39, 42, 45], [31, 35]
LENS = np.array([-0.3, 0.2, 0.01, -0.02, 0.1])


outcomes = partial(read_tree, xgaze)
only = partial(only_record, xgaze)


def exact_center(row: Row) -> Array:
    points = array(row, "landmarks_3d", 68, 3)
    return np.asarray((points[CORNERS].mean(axis=0) + points[NOSE].mean(axis=0)) / 2)


@pytest.fixture(scope="module")
def pairs(exported: Export) -> list[tuple[Record, Row]]:
    """Records of a rendered set and its annotations."""
    made = exported("xgaze")
    found = outcomes(Raw(made.out))
    assert [len(outcome.records) for outcome in found] == [1] * len(made.rows)
    return [(outcome.records[0], row) for outcome, row in zip(found, _by_person(made), strict=True)]


def _by_person(made: Exported) -> list[Row]:
    """Test people's label files come before those of the training people, by name of the folder."""
    return sorted(made.rows, key=lambda row: row["split"])


def test_a_rendered_set_comes_back(pairs: list[tuple[Record, Row]]) -> None:
    for record, row in pairs:
        assert record.gaze is not None
        assert angle_deg(record.gaze, array(row, "gaze_target_mm", 3) - exact_center(row)) < 1e-4
        assert np.allclose(record.face.face_center_mm, exact_center(row), atol=1e-3)
        eyes = project(array(row, "camera", 3, 3), array(row, "eyes_mm", 2, 3))
        assert np.abs(project(record.face.camera, record.face.eyes_mm) - eyes).max() < 0.03 * row["size_px"][0]
        assert record.split == row["split"]
        assert record.group == {"train": "subject0000", "test": "subject0001"}[row["split"]]
        assert (record.known, record.center, record.eyes) == ("measured", "eyes_and_nose", "annotated")
        assert (record.labels["frame"], record.labels["camera"]) == (row["frame"], row["camera_id"])
        assert np.allclose(record.labels["landmarks_px"], array(row, "landmarks_2d", 68, 2), atol=6e-3)
        assert to_row(from_row(to_row(record))) == to_row(record)
    assert len({record.key for record, _ in pairs}) == len(pairs)
    assert pairs[0][0].key == "test/subject0001/frame0000/cam00"


def test_the_crops_of_all_cameras_show_the_eyes(
    exported: Export, pairs: list[tuple[Record, Row]], spec: CropSpec
) -> None:
    """The middle of an eye's crop lies by the eye, and the crop is that of the rendered photo, however it hangs."""
    made = exported("xgaze")
    for record, row in pairs[:18]:
        face, original = record.face, cv2.imread(str(made.source / row["photo"]))
        assert original is not None
        crops = crop(picture(Raw(made.out), record.photo), face, spec)
        expected = crop(np.asarray(original, np.uint8), face, spec)
        assert np.abs(crops.face.astype(float) - expected.face).mean() < 1.5, record.key
        scale = float(np.linalg.norm(face.face_center_mm)) / spec.distance_mm
        for eye in range(2):
            focal, size = spec.focal_px * spec.eye_zoom, spec.eye_square_px
            warp = homography(face.camera, crops.rotation, face.eyes_mm[eye], focal, size, scale)
            corners = array(row, "landmarks_2d", 68, 2)[CORNERS[2 * eye : 2 * eye + 2]]
            middle = cv2.perspectiveTransform(corners[None], warp)[0].mean(axis=0)
            assert np.linalg.norm(middle - size / 2) < 0.12 * size, record.key


def bent(image: Image, camera: Array, lens: Array) -> Image:
    """What a lens makes of a picture without distortion."""
    height, width = image.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2).astype(np.float64)
    ends = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-9)
    plain = cv2.undistortPointsIter(grid, camera, lens, np.eye(3), camera, ends).reshape(height, width, 2)
    x, y = plain.astype(np.float32)[..., 0], plain.astype(np.float32)[..., 1]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR), np.uint8)


def bent_points(points: Array, camera: Array, lens: Array) -> Array:
    """Where a lens puts pixels (N, 2)."""
    rays = (np.column_stack([points, np.ones(len(points))]) @ np.linalg.inv(camera).T)[:, None]
    return np.asarray(cv2.projectPoints(rays, np.zeros(3), np.zeros(3), camera, lens)[0][:, 0])


@pytest.mark.parametrize("number", [0, 3])
def test_lenses_are_undone_before_a_photo_is_turned(
    exported: Export, pairs: list[tuple[Record, Row]], spec: CropSpec, tmp_path: Path, number: int
) -> None:
    """A photo seen through a strong lens, of a camera upside down turned too, gives the crops of the plain photo."""
    made = exported("xgaze")
    (clean, row), *_ = [pair for pair in pairs if pair[1]["camera_id"] == number and pair[0].split == "train"]
    upside_down, size = number in TURNED, (int(row["size_px"][0]), int(row["size_px"][1]))
    matrix, last = clean.face.camera, np.array(size) - 1.0
    wide = LENS * [60, 0, 4, 4, 0]  # these photos show few degrees
    shown = picture(Raw(made.out), clean.photo)
    stored = np.asarray(cv2.rotate(shown, cv2.ROTATE_180), np.uint8) if upside_down else shown
    photo = tmp_path / clean.photo
    photo.parent.mkdir(parents=True)
    assert cv2.imwrite(str(photo), bent(stored, matrix, wide), [cv2.IMWRITE_JPEG_QUALITY, 100])
    landmarks = array(row, "landmarks_2d", 68, 2)
    seen = last - landmarks if upside_down else landmarks
    seen = bent_points(seen, matrix, wide)
    assert np.abs(seen - (last - landmarks if upside_down else landmarks)).max() > 1.0
    source = (made.out / "data/annotation_train/subject0000.csv").read_text().splitlines()
    (fields,) = [text.split(",") for text in source if f"cam{number:02d}" in text]
    fields[13:] = [f"{value:.4f}" for value in (last - seen if upside_down else seen).ravel()]
    (tmp_path / "data/annotation_train").mkdir()
    (tmp_path / "data/annotation_train/subject0000.csv").write_text(",".join(fields))
    (tmp_path / "face_model.txt").write_bytes((made.out / "face_model.txt").read_bytes())
    write_xml(tmp_path / f"avg_cams_final/subject0000/cam{number:02d}.xml", camera=matrix, lens=wide, size=size)
    record = only(Raw(tmp_path))
    assert record.face.distortion.any() == (not upside_down)
    expected = crop(shown, clean.face, spec)
    found = crop(picture(Raw(tmp_path), record.photo), record.face, spec)
    ignored = crop(np.asarray(cv2.imread(str(photo)), np.uint8), clean.face, spec)
    off, off_ignored = (np.abs(c.face.astype(float) - expected.face).mean() for c in (found, ignored))
    assert off < 4 and off_ignored > 3 * off
    wanted = landmarks if upside_down else seen  # of the picture that the record names, before the crop undoes its lens
    assert np.abs(np.array(record.labels["landmarks_px"]) - wanted).max() < 0.05


def test_the_middle_of_the_face_is_that_of_the_authors() -> None:
    """Rows count from 0; half of the weight lies on the eyes, half on the nose. By hand: rows i at (i, 0, 0)."""
    assert (MODEL_ROWS, CENTER_WEIGHTS.tolist()) == (layout.CENTER_ROWS, layout.CENTER_WEIGHTS.tolist())
    assert CENTER_WEIGHTS @ np.arange(50.0)[list(MODEL_ROWS)] == (20 + 23 + 26 + 29) / 8 + (15 + 19) / 4


@pytest.mark.parametrize(
    ("target", "pitch", "yaw"),
    [
        ("0,-3,0", 0, 0),
        ("-601,-3,0", 0, 45),
        ("601,-3,0", 0, -45),
        ("0,-604,0", 45, 0),
        ("0,598,0", -45, 0),
    ],
)
def test_signs(tmp_path: Path, target: str, pitch: float, yaw: float) -> None:
    """A target image-left of a face before the camera is a yaw above 0, one above it a pitch above 0."""
    record = only(make(tmp_path, line(target=target)))
    assert np.allclose(record.face.face_center_mm, [0, -3, 601]) and record.gaze is not None
    assert np.allclose(np.rad2deg(pitchyaw_from_vector(record.gaze)), [pitch, yaw], atol=1e-6)
    assert np.allclose(record.face.eyes_mm, [[-31.5, -20, 607], [31.5, -20, 607]])  # the subject's right eye first


def test_lines_as_people_have_them(tmp_path: Path) -> None:
    """A byte order mark, Windows ends, spaces and tabs, empty lines, a lower suffix, the same photo twice, a unicode
    root, the columns of the updated files."""
    wide = line() + ",1,2" * 50
    text = f"\ufeff{line()} \r\n\r\n{line('cam17.jpg').replace(',', ' ,  ')}\t\r\n{wide}\r\n"
    first, second, third = outcomes(make(tmp_path / "Gesichter äöü 顔", text))
    assert first.records[0].photo == "data/train/subject0000/frame0007/cam00.JPG" == third.records[0].photo
    assert second.records[0].photo == "data/train/subject0000/frame0007/cam17.jpg"
    assert second.records[0].key == "train/subject0000/frame0007/cam17"
    for outcome in (first, second, third):
        assert outcome.records[0].labels["landmarks_px"] == LANDMARKS.tolist()
        assert outcome.records[0].labels["target_px"] == [960, 540]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (line(target="nan,0,0"), "not finite"),
        (line(target="0,0,0"), "zeros in place of numbers"),
        (line(target="0,-3,601"), "no direction"),
        (line(pose="0,0,x,0,0,605"), "could not convert"),
        (line(pose="0,0,0,0,0,inf"), "not finite"),
        (line() + ",1", "150 fields, not 149 or 249"),
        (line(screen="960"), "148 fields"),
        ("frame0007", "1 fields"),
        (line("cam18.JPG"), "no frame and camera"),  # a writer that counts from 1
        (line("../cam00.JPG"), "no frame and camera"),
        (line().replace("frame0007", "frame"), "no frame and camera"),
    ],
)
def test_wrong_lines_are_told_and_the_others_read(tmp_path: Path, wrong: str, told: str) -> None:
    first, second, third = outcomes(make(tmp_path, f"{line()}\n{wrong}\n{line()}\n"))
    assert first.records and third.records
    assert second.reason == "bad_label" and second.photo.startswith("data/train/subject0000/frame")
    assert "annotation_train/subject0000.csv, line 2" in second.detail and told in second.detail


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\r\n\n"])
def test_a_person_without_labels(tmp_path: Path, content: bytes) -> None:
    make(tmp_path, "")
    (tmp_path / "data/annotation_train/subject0000.csv").write_bytes(content)
    found = outcomes(make(tmp_path, line(), "subject0001"))
    assert found[-1].records[0].group == "subject0001"
    assert [outcome.reason for outcome in found[:-1]] == (["bad_label"] if content.strip() or not content else [])


@pytest.mark.parametrize("target", [",,", "nan,NaN,nan", "0,0,0.000", None])
@pytest.mark.parametrize("kind", ["test", "test_person_specific"])
def test_test_people_may_have_no_gaze(tmp_path: Path, target: str | None, kind: str) -> None:
    text = line(target=target or "a,b,c")
    if target is None:  # not even the columns
        text = text.replace(",960,540,a,b,c", "")
    record = only(make(tmp_path, text, kind=kind))
    assert record.gaze is None and record.split == "test" and "target_px" not in record.labels
    assert record.labels["landmarks_px"] == LANDMARKS.tolist()
    assert record.tags == (("person_specific",) if kind == "test_person_specific" else ())
    assert record.photo == f"data/{kind}/subject0000/frame0007/cam00.JPG"


def test_a_wrong_target_of_a_test_person_is_told(tmp_path: Path) -> None:
    (outcome,) = outcomes(make(tmp_path, line(target="0,x,0"), kind="test"))
    assert outcome.reason == "bad_label" and "could not convert" in outcome.detail


def test_updated_annotations_replace_the_first(tmp_path: Path) -> None:
    make(tmp_path, line(target="100,0,0"), kind="train")
    make(tmp_path, line(target="100,0,0"), "subject0001")
    raw = make(tmp_path, line(target="-100,0,0") + ",0,0" * 50, kind="updated")
    first, second = sorted((o.records[0] for o in outcomes(raw)), key=lambda record: record.group)
    assert (first.group, first.photo) == ("subject0000", "data/train/subject0000/frame0007/cam00.JPG")
    assert first.gaze is not None and first.gaze[0] < 0
    assert second.gaze is not None and second.gaze[0] > 0


def test_the_order_of_the_list_is_kept_and_both_names_of_a_part_are_known(tmp_path: Path) -> None:
    lists = {"test": ["subject0087.h5", "subject0049.h5"], "test_specific": ["subject0012.h5"]}
    (tmp_path / "train_test_split.json").write_text(json.dumps(lists))
    assert listed(Raw(tmp_path))["test"] == ["subject0087", "subject0049"]
    assert people(Raw(tmp_path))["test_person_specific"] == {"subject0012"}


def test_the_list_decides_who_trains(tmp_path: Path) -> None:
    """Who is listed as a test person never trains, wherever the labels lie; who is not listed follows the folder."""
    for number, kind in enumerate(["train", "updated", "train", "train", "test"]):
        make(tmp_path, line(), f"subject{number:04d}", kind)
    everybody = [f"subject{number:04d}.h5" for number in range(3)]
    lists = {"train": everybody, "test": everybody[:2], "test_person_specific": [everybody[2]]}
    (tmp_path / "train_test_split.json").write_text(json.dumps(lists))
    records = {o.records[0].group: o.records[0] for o in outcomes(Raw(tmp_path))}
    assert [records[group].split for group in sorted(records)] == ["test", "test", "test", "train", "test"]
    assert records["subject0002"].tags == ("person_specific",)
    assert records["subject0000"].photo.startswith("data/train/") and records["subject0001"].photo.startswith(
        "data/test/"
    )


def test_targets_off_the_screen_are_tagged(tmp_path: Path) -> None:
    found = outcomes(make(tmp_path, "\n".join([line(), line(screen="-1,5"), line(screen="0,-0.5")])))
    assert [o.records[0].tags for o in found] == [(), ("off_screen",), ("off_screen",)]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"annotation_train/subject0000\.csv"):
        units(["data/train/subject0000/frame0000/cam00.JPG", "face_model.txt"])
    (tmp_path / "a").mkdir()
    raw = make(tmp_path / "a", line())
    (tmp_path / "a/face_model.txt").unlink()
    with pytest.raises(DataMissingError, match=r"face_model\.txt not found.*github\.com/xucong-zhang/ETH-XGaze"):
        outcomes(raw)
    (tmp_path / "a/face_model.txt").write_text("1 2 3\n4 5\n")
    with pytest.raises(DataMissingError, match="holds no 50 points"):
        outcomes(raw)
    make(tmp_path / "a", line("cam05.JPG"))
    with pytest.raises(DataMissingError, match=r"subject0000/cam05\.xml"):
        outcomes(raw)
    (tmp_path / "a/train_test_split.json").write_text("[]")
    with pytest.raises(DataMissingError, match=r"train_test_split\.json does not list files of test"):
        outcomes(raw)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[:300], "cannot be read"),
        (lambda text: "no storage at all", "cannot be read"),
        (lambda text: text.replace("Camera_Matrix", "Matrix"), "lacks"),
        (lambda text: text.replace("image_Width", "width"), "lacks"),
        (lambda text: text.replace("1000.", ".Nan"), "lacks"),
    ],
)
def test_damaged_calibrations_are_named(tmp_path: Path, damage: Callable[[str], str], told: str) -> None:
    raw = make(tmp_path, line())
    path = tmp_path / "avg_cams_final/subject0000/cam00.xml"
    assert damage(path.read_text()) != path.read_text()
    path.write_text(damage(path.read_text()))
    with pytest.raises(DataMissingError, match=rf"subject0000/cam00\.xml {told}"):
        outcomes(raw)


def test_a_photo_that_was_scaled_is_refused(tmp_path: Path) -> None:
    raw = make(tmp_path, line())
    name = only(raw).photo
    (tmp_path / name).parent.mkdir(parents=True)
    for width, height in (SIZE_PX, (100, 60)):
        assert cv2.imwrite(str(tmp_path / name), np.zeros((height, width, 3), np.uint8))
        if (width, height) == SIZE_PX:
            assert picture(raw, name).shape == (120, 200, 3)
    with pytest.raises(PhotoError, match=r"wrong_size.*\(100, 60\) px, its calibration \(200, 120\)"):
        picture(raw, name)
    with pytest.raises(PhotoError, match="not_found"):
        picture(raw, name.replace("cam00", "cam01"))


def test_real_calibrations(tmp_path: Path) -> None:
    """The real lenses bend little before the middle; the real face model is symmetric about the centre."""
    folder = REAL_DATA / "calibrations/eth-xgaze"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set SLYK_REAL_DATA")
    raw = make(tmp_path, "\n".join(line(f"cam{number:02d}.JPG", pose="0,0,0,0,0,1000") for number in range(18)))
    (tmp_path / "face_model.txt").write_bytes((folder / "face_model.txt").read_bytes())
    for path in folder.glob("cam*.xml"):
        (tmp_path / "avg_cams_final/subject0000" / path.name).write_bytes(path.read_bytes())
    found = outcomes(raw)
    assert len(found) == 18
    for number, outcome in enumerate(found):
        (record,) = outcome.records
        face, camera = record.face, xgaze.camera_of(raw.root, "subject0000", number)
        assert sorted(camera.size_px) == [4000, 6000]
        assert 12000 < face.camera[0, 0] < 15000 and face.distortion.size == (0 if number in TURNED else 5)
        assert np.abs(face.camera[:2, 2] - (np.array(camera.size_px) - 1) / 2).max() == 0
        assert abs(face.face_center_mm[0]) < 0.5 and face.eyes_mm[0, 0] < -25 and face.eyes_mm[1, 0] > 25
        assert np.allclose(face.face_center_mm[2] - 1000, face.eyes_mm[:, 2].mean() / 2 - 500 + 10.86, atol=0.01)
        pixels = project(face.camera, face.eyes_mm)
        moved = np.linalg.norm(bent_points(pixels, camera.matrix, camera.distortion) - pixels, axis=1)
        assert 0 < moved.max() < 5  # of a face 1700 px wide


def test_real_lenses_turn_with_the_photo(tmp_path: Path) -> None:
    """Real principal points are the photos' middles, so a lens that is turned is one whose p1 and p2 change sign."""
    folder = REAL_DATA / "calibrations/eth-xgaze"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set SLYK_REAL_DATA")
    far = np.random.default_rng(3).uniform(500, 3500, (68, 2))
    raw = make(tmp_path, "\n".join(line(f"cam{number:02d}.JPG", landmarks=far) for number in TURNED))
    for number in TURNED:
        name = f"cam{number:02d}.xml"
        (tmp_path / "avg_cams_final/subject0000" / name).write_bytes((folder / name).read_bytes())
    for number, outcome in zip(TURNED, outcomes(raw), strict=True):
        camera = xgaze.camera_of(raw.root, "subject0000", number)
        turned = camera.distortion * [1, 1, -1, -1, 1]
        plain = np.array(outcome.records[0].labels["landmarks_px"])
        given = np.array([[float(f"{value:g}") for value in point] for point in far])
        assert np.abs(bent_points(plain, camera.matrix, turned) - given).max() < 0.05
        assert np.abs(plain - given).max() > 5
