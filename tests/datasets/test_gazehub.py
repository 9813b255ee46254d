"""GazeHub's processed layout: rendered people processed as its scripts do, lines of each set, and wrong ones."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from slyk.datasets import gazehub
from slyk.datasets.gazehub import picture, read, units
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, Record, from_row, to_row
from slyk.errors import DataMissingError
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import project
from slyk.geometry.normalize import homography, normalizing_rotation
from slyk.layouts.common import read_image, rotation_vector
from slyk.shards.crops import CropSpec, Image, crop
from slyk.shards.sample import from_crops
from tests.datasets.small.gazehub import DIAP, ETH, G360, LINES, MPII, RT, VECTOR, YAW_PITCH, ZEROS, make
from tests.datasets.trees import only_record, read_tree, shown_at
from tests.layouts.rendered import Array, Export, angle_deg, array, unit

outcomes = partial(read_tree, gazehub)
only = partial(only_record, gazehub)


def gaze_deg(record: Record) -> Array:
    """(pitch, yaw)."""
    assert record.gaze is not None
    return np.rad2deg(pitchyaw_from_vector(record.gaze))


def text(values: Array) -> str:
    return ",".join(str(value) for value in values)


def save(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imencode(".jpg", image)[1].tofile(path)


def process_mpii(exported: Export, root: Path) -> tuple[list[Array], list[Array]]:
    """MPIIFaceGaze in this layout, gaze scaled, right eyes mirrored. The true gaze and eyes of each picture."""
    made, gazes, eyes = exported("mpiifacegaze"), [], []
    for person in ("p000", "p001"):
        lines, folder = [MPII], person.replace("p0", "p")
        for i, row in enumerate([row for row in made.rows if row["person"] == person], start=1):
            camera, center = array(row, "camera", 3, 3), array(row, "face_center_mm", 3)
            head, gaze = array(row, "head_rotation", 3, 3), array(row, "gaze", 3)
            turn, scale = normalizing_rotation(center, head), 600 / float(np.linalg.norm(center))
            warp = homography(camera, turn, center, 960.0, 224, 1 / scale)
            image = np.asarray(cv2.warpPerspective(read_image(made.source / row["photo"]), warp, (224, 224)), np.uint8)
            pixels = cv2.perspectiveTransform(project(camera, array(row, "eyes_mm", 2, 3))[None], warp)[0]
            true, angles = turn @ gaze, head_pitchyaw(turn @ head)
            scaled, which = unit(np.diag([1, 1, scale]) @ true), ("left", "right")[i % 2]
            if which == "right":
                image, mirror = image[:, ::-1], np.array([-1.0, 1.0, 1.0])
                true, scaled, angles = true * mirror, scaled * mirror, angles * np.array([1.0, -1.0])
                pixels = np.array([223, 0]) + pixels[::-1] * np.array([-1, 1])
            face = f"{folder}/face/{i}.jpg"
            save(root / "Image" / face, image)
            gaze2d, head2d = pitchyaw_from_vector(scaled)[::-1], angles[::-1]
            fields = [face, "left", "right", row["photo"], which, text(scaled), ZEROS, text(gaze2d), text(head2d)]
            lines.append(
                " ".join([*fields, text(rotation_vector(turn)), text(np.array([1, 1, scale])), "0.0,0.0,600.0"])
            )
            gazes.append(true)
            eyes.append(pixels)
        make(root, "\n".join(lines) + "\n", f"Label/{folder}.label")
    return gazes, eyes


@pytest.mark.slow
def test_rendered_people_processed_as_mpiifacegaze(exported: Export, tmp_path: Path, spec: CropSpec) -> None:
    gazes, eyes = process_mpii(exported, tmp_path)
    raw = Raw(tmp_path)
    found = outcomes(raw)
    assert len(found) == len(gazes)
    assert [o.records[0].photo for o in found[:2]] == ["Image/p00/face/1.jpg", "Image/p00/face/2.jpg"]
    for outcome, gaze, pixels in zip(found, gazes, eyes, strict=True):
        (record,) = outcome.records
        crops = crop(picture(raw, record.photo), record.face, spec)
        sample = from_crops(record, crops)
        assert sample.gaze is not None and np.allclose(sample.rotation, np.eye(3), atol=1e-12)
        assert angle_deg(vector_from_pitchyaw(sample.gaze), gaze) < 1e-4
        assert ("mirrored" in record.tags) == (record.labels["eye"] == "right")
        assert np.abs(project(record.face.camera, record.face.eyes_mm) - pixels).max() < 14  # of 224; assumed
        assert (record.eyes, record.known, record.center) == ("assumed", "normalized", "six_points")
        assert record.group in ("p00", "p01") and record.key.startswith(record.group) and record.split == "train"
        assert to_row(from_row(to_row(record))) == to_row(record)
        for eye in (0, 1):  # assumed eyes: within their squares, on their side
            place = shown_at(pixels[eye], (224, 224, 3), record, spec, eye)
            assert np.abs(place - spec.eye_square_px / 2).max() < spec.eye_square_px / 4
    assert any(abs(o.records[0].labels["scale"] - 1) > 0.02 for o in found)


@pytest.mark.slow
def test_rendered_people_processed_as_gaze360(exported: Export, tmp_path: Path) -> None:
    made = exported("gaze360")
    data = loadmat(made.out / "metadata.mat")
    gazes = {}
    lines: dict[str, list[str]] = {name: [G360] for name in ("train", "val", "test", "unused")}
    for i, gaze in enumerate(data["gaze_dir"]):
        split, origin = ("train", "val", "test", "unused")[data["split"][0, i]], f"rec_{data['recording'][0, i]:03d}"
        angles = np.array([np.arctan2(gaze[0], -gaze[2]), np.arcsin(gaze[1])])
        face, source = f"{split}/Face/{i + 1}.jpg", f"{origin}/head/000000/{data['frame'][0, i]:06d}.jpg"
        lines[split].append(f"{face} Left Right {source} {text(gaze)} {text(angles)}")
        gazes[f"Image/{face}"] = (gaze * np.array([-1, -1, 1]), split, origin)
    for split, content in lines.items():
        make(tmp_path, "\n".join(content), f"Label/{split}.label")
    found = outcomes(Raw(tmp_path))
    assert len(found) == len(gazes)
    for outcome in found:
        gaze, split, origin = gazes[outcome.photo]
        if split == "unused":
            assert outcome.reason == "unused_by_the_set"
            continue
        (record,) = outcome.records
        assert record.gaze is not None and angle_deg(record.gaze, gaze) < 1e-4
        assert (record.split, record.group) == ("test" if split == "test" else "train", origin)
        assert record.tags == (("validation",) if split == "val" else ()) and record.center == "eyes"


@pytest.mark.parametrize("header", LINES, ids=["mpii", "eyediap", "rtgene", "eth", "gaze360"])
@pytest.mark.parametrize("with_header", [True, False])
def test_signs_of_each_set(tmp_path: Path, header: str, with_header: bool) -> None:
    """10 degrees image-left, 5 degrees down, whatever the order of the angles and the frame of the vector."""
    record = only(make(tmp_path, f"{header}\n{LINES[header]}\n" if with_header else LINES[header]))
    assert np.allclose(gaze_deg(record), [-5, 10], atol=1e-4) and record.gaze is not None
    assert record.gaze[0] < 0 < record.gaze[1] and record.gaze[2] < 0
    head = np.zeros(2) if header == G360 else np.array([0.2, 0.1])  # pitch, yaw
    assert np.allclose(head_pitchyaw(record.face.head_rotation), head)
    centers = {MPII: "six_points", ETH: "eyes_and_nose", G360: "eyes"}
    assert record.center == centers.get(header, "unknown")
    assert record.group == {MPII: "p00", DIAP: "p1", RT: "s001", ETH: "subject0059", G360: "rec_001"}[header]


def test_the_name_of_a_column_decides(tmp_path: Path) -> None:
    names, fields = MPII.split(), LINES[MPII].split()
    record = only(make(tmp_path, f"{' '.join(names[::-1])}\n{' '.join(fields[::-1])}"))
    assert np.allclose(gaze_deg(record), [-5, 10], atol=1e-4) and record.photo == "Image/p00/face/1.jpg"
    two = only(make(tmp_path, f"2dGAZE face\n{YAW_PITCH} p00/face/1.jpg"))
    assert np.allclose(gaze_deg(two), [-5, 10], atol=1e-4)


def test_the_scaling_of_2014_is_undone_where_it_was_done(tmp_path: Path) -> None:
    """A face at 400 mm: z was stretched by 600 / 400. True: 30 degrees image-left, tan 30 = 0.577; scaled: 0.385."""
    scaled = unit(np.array([-np.tan(np.deg2rad(30)), 0, -1.5]))
    angles = text(pitchyaw_from_vector(scaled)[::-1])
    line = LINES[MPII].replace(VECTOR, text(scaled)).replace(YAW_PITCH, angles)
    record = only(make(tmp_path, f"{MPII}\n{line.replace('1.0,1.0,1.0', '1.0,1.0,1.5')}"))
    assert np.allclose(gaze_deg(record), [0, 30], atol=1e-6) and record.labels["scale"] == 1.5
    line = LINES[DIAP].replace(VECTOR, text(scaled)).replace(YAW_PITCH, angles)
    record = only(make(tmp_path, f"{DIAP}\n{line.replace('1,1,0.5', '1,1,1.5')}"))
    assert np.allclose(gaze_deg(record), np.rad2deg([0, np.arctan(0.57735 / 1.5)]), atol=1e-3)
    assert "scale" not in record.labels


def test_mirrored_pictures_are_tagged(tmp_path: Path) -> None:
    left, right = (LINES[MPII].replace(" left ", f" {eye} ") for eye in ("left", "Right"))
    first, second = outcomes(make(tmp_path, f"{MPII}\n{left}\n{right}"))
    assert first.records[0].tags == () and second.records[0].tags == ("mirrored",)
    assert second.records[0].labels == {"origin": "day01/0005.jpg", "eye": "right", "scale": 1.0}


def test_order_of_eth_angles_and_its_twin(tmp_path: Path) -> None:
    """The file whose name ends in YP holds (yaw, pitch) of the same photos: it is read only without the other."""
    twisted = LINES[ETH].replace("-0.08726646,0.17453293 0.2,0.1", "0.17453293,-0.08726646 0.1,0.2")
    raw = make(tmp_path, f"{ETH}\n{twisted}", "Label/trainYP.label")
    alone = only(raw)
    make(tmp_path, f"{ETH}\n{LINES[ETH]}", "Label/train.label")
    beside = only(raw)
    assert to_row(alone) == to_row(beside)
    assert np.allclose(gaze_deg(alone), [-5, 10], atol=1e-4)


def test_eth_test_labels_hold_no_gaze(tmp_path: Path) -> None:
    lines = "face head origin cam_index frame_index normmat\nsubject0001/9.jpg 0.2,0.1 subject0001/8.jpg 3 0 1,0,0"
    record = only(make(tmp_path, lines, "Label/test.label"))
    assert record.gaze is None and record.split == "test" and record.group == "subject0001"
    assert np.allclose(head_pitchyaw(record.face.head_rotation), [0.2, 0.1])


@pytest.mark.parametrize(
    ("header", "name", "place"),
    [
        (MPII, "Label/p00.label", "Image/"),
        (ETH, "Label/train.label", "Image/train/"),
        (RT, "Label/test/train1.label", ""),
        (MPII, "MPIIFaceGaze/Label/p00.label", "MPIIFaceGaze/Image/"),
    ],
)
def test_photos_are_found_where_each_set_has_them(tmp_path: Path, header: str, name: str, place: str) -> None:
    face = LINES[header].split()[0]
    image = np.full((224, 224, 3), 77, np.uint8)
    save(tmp_path / place / face.replace("1", "2"), image)
    missing, there = LINES[header], LINES[header].replace(face, face.replace("1", "2"))
    raw = make(tmp_path, f"{header}\n{missing}\n{there}", name)
    first, second = outcomes(raw)
    assert first.records[0].photo == place + face  # a reject once the listing is known
    assert picture(raw, second.records[0].photo).shape == (224, 224, 3)
    assert second.records[0].split == "train"


def test_lines_as_people_have_them(tmp_path: Path) -> None:
    """A byte order mark, Windows ends and paths, tabs, double and trailing spaces, empty lines, a unicode path."""
    good = LINES[MPII]
    lines = [
        MPII,
        good + " ",
        "",
        good.replace(" ", "  ").replace("/", "\\"),
        good.replace("p00/face/1", "p00/face/ä\t"),
    ]
    found = outcomes(make(tmp_path, "\ufeff" + "\r\n".join(lines) + "\r\n"))
    assert [o.photo for o in found[:2]] == ["Image/p00/face/1.jpg"] * 2
    assert [len(o.records) for o in found] == [1, 1, 0] and "13 fields" in found[2].detail
    unicode = only(make(tmp_path, f"{MPII}\n{good.replace('face/1', 'face/ä')}"))
    assert unicode.photo == "Image/p00/face/ä.jpg" and unicode.key == "p00/face"
    assert outcomes(make(tmp_path, f"{MPII}\n")) == outcomes(make(tmp_path, "\n")) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (VECTOR, "nan,0,-1", "not finite"),
        (VECTOR, "0,0,0", "no direction"),
        (VECTOR, "1,2", "3DGaze has 2 numbers, not 3"),
        (YAW_PITCH, "0.1,x", "could not convert"),
        (YAW_PITCH, "-0.08726646,0.17453293", "3DGaze and 2DGaze are 21.2 degrees apart"),  # (pitch, yaw)
        (YAW_PITCH, "0.2,-0.08726646", "1.5 degrees apart"),
        ("0.1,0.2", "nan,nan", "not finite"),
        (" 1.0,1.0,1.0", " 1.0,1.0,0.0", "Smat"),
        (" 0,0,600", "", "11 fields, not 12"),
    ],
)
def test_wrong_lines_are_told_and_the_others_read(tmp_path: Path, old: str, new: str, told: str) -> None:
    good = LINES[MPII]
    assert old in good
    first, second, third = outcomes(make(tmp_path, f"{MPII}\n{good}\n{good.replace(old, new)}\n{good}"))
    assert first.records and third.records
    assert (second.reason, second.photo) == ("bad_label", "Image/p00/face/1.jpg")
    assert second.detail.startswith("Label/p00.label, line 3: ") and told in second.detail


def test_a_vector_in_the_wrong_frame_is_told(tmp_path: Path) -> None:
    """Gaze360's vector has x left and y up; with x right and y down it disagrees with the angles."""
    (outcome,) = outcomes(
        make(tmp_path, f"{G360}\n{LINES[G360].replace('0.1729874,-0.0871557', '-0.1729874,0.0871557')}")
    )
    assert outcome.reason == "bad_label" and "22.3 degrees apart" in outcome.detail


def test_where_nobody_is_named_a_hash_does(tmp_path: Path) -> None:
    lines = "\n".join(f"faces/{i}.jpg {YAW_PITCH}" for i in range(40))
    found = outcomes(make(tmp_path, f"Face 2DGaze\n{lines}", "Label/train.label"))
    groups = [outcome.records[0].group for outcome in found]
    assert 5 < len(set(groups)) <= 10 and all(group.startswith("bucket") for group in groups)
    assert groups == [outcome.records[0].group for outcome in outcomes(Raw(tmp_path))]
    for part, name in (("val", "validation"), ("test", "test")):  # no bucket holds photos of two parts
        found = outcomes(make(tmp_path / part, f"Face 2DGaze\n{lines}", f"Label/{part}.label"))
        assert [outcome.records[0].group for outcome in found] == [f"{name}-{group}" for group in groups]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"Label/p00\.label"):
        units(["Image/p00/face/1.jpg", "p00.label"])
    for lines in ("name gaze\n1.jpg 0,0", "Face Left\n1.jpg 2.jpg"):
        with pytest.raises(DataMissingError, match=r"unknown fields.*known are: face left"):
            outcomes(make(tmp_path, lines))
    with pytest.raises(DataMissingError, match=r"Label/p01\.label: not_found"):
        list(read(Raw(tmp_path), ["Label/p01.label"], ReadOptions()))


def test_bytes_that_are_no_text_spoil_their_line_only(tmp_path: Path) -> None:
    good = f"1.jpg {YAW_PITCH}\n".encode()
    raw = make(tmp_path, "")
    (tmp_path / "Label/p00.label").write_bytes(b"Face 2DGaze\n" + good + b"\xff\xfe\n" + good)
    assert [outcome.reason for outcome in outcomes(raw)] == ["", "bad_label", ""]
