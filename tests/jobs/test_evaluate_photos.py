"""The end-to-end report: by hand on made-up measurements, and on a tiny rendered set with a constant model."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.evaluate_photos import Measured, end_to_end, measure, print_report, split_records, summarize
from slyk.errors import DataMissingError
from slyk.geometry.angles import angular_error, vector_from_pitchyaw
from slyk.geometry.normalize import normalizing_rotation
from slyk.inference import GazeEstimator
from slyk.synthetic.annotate import schema
from slyk.synthetic.render import render_person
from tests.test_inference import ANSWER, save_constant_model

AHEAD = np.array([0.0, 0.0, -1.0])
NOT_FOUND = Measured(AHEAD, 30.0, float("nan"), "", float("nan"), float("nan"), 1)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos of a test person and one of a training person, and a file that is no photo."""
    root, rows = tmp_path_factory.mktemp("raw"), []
    for person, split, num_photos in (("p000", "train", 1), ("p001", "test", 3)):
        folder = root / "photos" / person
        folder.mkdir(parents=True)
        shots = render_person(
            1, int(person[1:]), domain="wide", num_photos=num_photos, photo_px=200, eye_supersampling=1
        )
        for number, shot in enumerate(shots):
            (folder / f"{number:03d}.jpg").write_bytes(shot.photo)
            known = {"photo": f"photos/{person}/{number:03d}.jpg", "person": person, "split": split, "domain": "wide"}
            rows.append(known | shot.annotation)
    (root / "README.md").write_text("columns")
    pq.write_table(pa.Table.from_pylist(rows, schema=schema()), root / "annotations.parquet")
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_constant_model(tmp_path_factory.mktemp("model"))


def test_a_summary_by_hand() -> None:
    found = [Measured(AHEAD, 4.0, 6.0, "found", 0.05, 3.0, 0), Measured(AHEAD, 6.0, 10.0, "found", 0.07, 5.0, 1)]
    assumed = Measured(AHEAD, 8.0, 20.0, "assumed", 0.2, 12.0, 0)
    report = summarize([*found, assumed, NOT_FOUND])
    assert report["num_photos"] == 4 and report["detected_share"] == 0.75 and report["other_faces"] == 2
    assert report["end_to_end_error_deg"] == 12.0 and report["end_to_end_median_deg"] == 10.0
    assert report["crop_error_deg"] == 12.0 and report["crop_error_of_detected_deg"] == 6.0
    assert report["found"]["eye_error_mm"] == 4.0 and report["found"]["share"] == 0.5
    assert report["assumed"]["end_to_end_error_deg"] == 20.0


def test_nothing_found_is_a_report_too(capsys: pytest.CaptureFixture[str]) -> None:
    report = summarize([NOT_FOUND, NOT_FOUND])
    assert report["detected_share"] == 0.0 and report["end_to_end_error_deg"] is None
    print_report(report)
    out = capsys.readouterr().out
    assert "0.0%" in out and "no face found" in out and "100.0%" in out


def test_only_people_of_the_split_count(raw: Path, tmp_path: Path) -> None:
    assert [r.photo for r in split_records(raw, "test")] == [f"photos/p001/{i:03d}.jpg" for i in range(3)]
    with pytest.raises(DataMissingError, match="nobody split"):
        split_records(raw, "nobody")


def test_the_crop_error_uses_the_annotations(raw: Path, model: Path) -> None:
    estimator = GazeEstimator.load(model)
    for record in split_records(raw, "test"):
        rotation = normalizing_rotation(record.face.face_center_mm, record.face.head_rotation)
        assert record.gaze is not None
        expected = np.degrees(angular_error(rotation.T @ vector_from_pitchyaw(np.array(ANSWER)), record.gaze))
        assert measure(estimator, raw, record).crop_error_deg == pytest.approx(float(expected), abs=1e-4)


def test_a_face_elsewhere_is_not_the_person_s(raw: Path, model: Path, tmp_path: Path) -> None:
    """A photo whose face was painted over is one that was not found, whatever else is on it."""
    record = split_records(raw, "test")[0]
    (tmp_path / record.photo).parent.mkdir(parents=True)
    wall = np.full((200, 200, 3), 120, np.uint8)
    cv2.imwrite(str(tmp_path / record.photo), wall)
    measured = measure(GazeEstimator.load(model), tmp_path, record)
    assert measured.eyes == "" and np.isnan(measured.error_deg) and np.isfinite(measured.crop_error_deg)


def test_the_whole_report(raw: Path, model: Path) -> None:
    report = end_to_end(model, raw)
    assert report["num_photos"] == 3 and report["detected_share"] >= 1 / 3
    assert report["found"]["share"] + report["assumed"]["share"] == pytest.approx(report["detected_share"])
    # one answer for all: detection can change it by the guessed camera and the eyes, not by more
    assert abs(report["end_to_end_error_deg"] - report["crop_error_of_detected_deg"]) < 15
