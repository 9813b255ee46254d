"""MPIIFaceGaze: a rendered set in its layout, and lines as they should not be."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from slyk.datasets import mpiifacegaze, synthetic
from slyk.datasets.mpiifacegaze import units
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, from_row, to_row
from slyk.errors import DataMissingError
from slyk.geometry.angles import pitchyaw_from_vector
from slyk.geometry.camera import project
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.mpiifacegaze import CAMERA, LINE, STRAIGHT, make
from tests.datasets.trees import read_tree
from tests.layouts.rendered import Export, angle_deg, array, unit
from tests.photos import REAL_DATA

outcomes = partial(read_tree, mpiifacegaze)


def test_a_rendered_set_comes_back(exported: Export) -> None:
    made = exported("mpiifacegaze")
    found = outcomes(Raw(made.out))
    assert len(found) == len(made.rows) and all(len(o.records) == 1 for o in found)
    for outcome, row in zip(found, made.rows, strict=True):
        (record,) = outcome.records
        assert record.gaze is not None
        assert angle_deg(record.gaze, array(row, "gaze", 3)) < 1e-4
        assert np.allclose(record.face.face_center_mm, array(row, "face_center_mm", 3), atol=1e-3)
        eyes = project(array(row, "camera", 3, 3), array(row, "eyes_mm", 2, 3))
        assert np.abs(project(record.face.camera, record.face.eyes_mm) - eyes).max() < 4  # of a width of 192 px
        assert record.group in ("p00", "p01") and record.known == "measured" and record.center == "six_points"
        assert to_row(from_row(to_row(record))) == to_row(record)


def test_the_crop_shows_the_eyes(exported: Export, spec: CropSpec) -> None:
    """The same pictures as from the exact geometry of the rendered set, but for a model of six points."""
    made = exported("mpiifacegaze")
    source = Raw(made.source)
    for outcome, row in list(zip(outcomes(Raw(made.out)), made.rows, strict=True))[:4]:
        (exact,) = (o.records[0] for o in synthetic.read(source, [row["photo"]], ReadOptions()))
        found = crop(mpiifacegaze.picture(Raw(made.out), outcome.records[0].photo), outcome.records[0].face, spec)
        wanted = crop(synthetic.picture(source, exact.photo), exact.face, spec)
        for name in ("face", "right", "left"):
            a, b = (getattr(crops, name).astype(float).ravel() for crops in (found, wanted))
            assert np.corrcoef(a, b)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("target", "pitch", "yaw"),
    [("0 23 0", 0, 0), ("-600 23 0", 0, 45), ("600 23 0", 0, -45), ("0 -577 0", 45, 0), ("0 623 0", -45, 0)],
)
def test_signs(tmp_path: Path, target: str, pitch: float, yaw: float) -> None:
    """A target image-left of a face before the camera is a yaw above 0, one above it a pitch above 0."""
    (outcome,) = outcomes(make(tmp_path, LINE.format(head="0 0 0", target=target)))
    gaze = outcome.records[0].gaze
    assert gaze is not None
    assert np.allclose(np.rad2deg(pitchyaw_from_vector(gaze)), [pitch, yaw], atol=1e-6)


def test_the_right_eye_comes_first(tmp_path: Path) -> None:
    (outcome,) = outcomes(make(tmp_path, LINE.format(**STRAIGHT)))
    right, left = outcome.records[0].face.eyes_mm
    assert right[0] < 0 < left[0]  # the subject's right eye is image-left


def test_lines_as_people_have_them(tmp_path: Path) -> None:
    """Windows ends, trailing and double spaces, empty lines, a unicode name, a second line of the same photo."""
    good = LINE.format(**STRAIGHT)
    text = f"{good} \r\n\r\n{good.replace(' 640 400', '  640  400')}\r\n{good.replace('0005', 'ä')}"
    first, second, third = outcomes(make(tmp_path, text))
    assert first.records[0].photo == second.records[0].photo == "p00/day01/0005.jpg"
    assert third.records[0].photo == "p00/day01/ä.jpg"
    assert first.records[0].labels["landmarks_px"][0] == [500.0, 300.0]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (LINE.format(**STRAIGHT).replace("0 23 0 left", "nan 23 0 left"), "not finite"),
        (LINE.format(**STRAIGHT).replace("640 400", "640 x"), "could not convert"),
        (" ".join(LINE.format(**STRAIGHT).split()[:20]), "20 fields, not 28"),
        (LINE.format(head="0 0 0", target="0 23 600"), "no direction"),
    ],
)
def test_wrong_lines_are_told_and_the_others_read(tmp_path: Path, wrong: str, told: str) -> None:
    good = LINE.format(**STRAIGHT)
    first, second, third = outcomes(make(tmp_path, f"{good}\n{wrong}\n{good}\n"))
    assert first.records and third.records
    assert (second.reason, second.photo) == ("bad_label", "p00/day01/0005.jpg")
    assert "p00/p00.txt, line 2" in second.detail and told in second.detail


def test_an_empty_person(tmp_path: Path) -> None:
    make(tmp_path, "\n")
    raw = make(tmp_path, LINE.format(**STRAIGHT), person="p01")
    assert [o.records[0].group for o in outcomes(raw)] == ["p01"]


def test_targets_off_the_screen_and_the_evaluation_subset_are_tagged(tmp_path: Path) -> None:
    good = LINE.format(**STRAIGHT)
    lines = [good, good.replace("0005.jpg 640 400", "0006.jpg 1281 400"), good.replace("0005.jpg 640", "0007.jpg -1")]
    raw = make(tmp_path, "\n".join(lines))
    lists = tmp_path / "Evaluation Subset/sample list for eye image"
    lists.mkdir(parents=True)
    (lists / "p00.txt").write_text("day01/0006.jpg right \r\n")
    tags = [o.records[0].tags for o in outcomes(raw)]
    assert tags == [(), ("off_screen", "evaluation", "evaluation_right"), ("off_screen",)]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"p00/p00\.txt"):
        units(["photos/1.jpg"])
    raw = make(tmp_path, LINE.format(**STRAIGHT))
    (tmp_path / "p00/Calibration/Camera.mat").write_bytes(b"MATLAB 5.0, cut short")
    with pytest.raises(DataMissingError, match=r"Camera\.mat cannot be read"):
        outcomes(raw)
    savemat(tmp_path / "p00/Calibration/Camera.mat", {"cameraMatrix": CAMERA})
    with pytest.raises(DataMissingError, match=r"distCoeffs.*it holds: cameraMatrix"):
        outcomes(raw)


def test_real_calibrations(tmp_path: Path) -> None:
    folder = REAL_DATA / "calibrations/mpiifacegaze"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set SLYK_REAL_DATA")
    raw = make(tmp_path, LINE.format(**STRAIGHT))
    for path in sorted(folder.glob("Camera*.mat")):
        (tmp_path / "p00/Calibration/Camera.mat").write_bytes(io.BytesIO(path.read_bytes()).getvalue())
        (outcome,) = outcomes(raw)
        geometry = outcome.records[0].face
        assert 900 < geometry.camera[0, 0] < 1100 and abs(geometry.distortion[0]) > 1e-4
        assert angle_deg(unit(geometry.face_center_mm), np.array([0, 23, 600]) / np.hypot(23, 600)) < 1e-6
