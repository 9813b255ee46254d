"""The reader of rendered faces, on a set in their layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slyk.datasets import listing, synthetic, teyed
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, Record, from_row, to_row
from slyk.datasets.synthetic import ANNOTATIONS
from slyk.errors import DataMissingError
from slyk.synthetic.annotate import COLUMNS
from tests.drawn import RawSet
from tests.layouts.rendered import Export, Rendered, Row, angle_deg, annotated, array


def test_photos_are_those_of_the_renderer() -> None:
    listed = ["README.md", "annotations.parquet", "photos/p000/000.jpg", "photos/notes.txt", "other/000.jpg"]
    assert synthetic.units(listed) == ["photos/p000/000.jpg"]


def test_what_is_read_is_rendered() -> None:
    assert {*synthetic._COLUMNS, *synthetic._NEAR_COLUMNS} <= {column.name for column in COLUMNS}


def test_annotations_become_records(raw_set: RawSet) -> None:
    chosen = [record.photo for record in reversed(raw_set.records)]
    outcomes = list(synthetic.read(Raw(raw_set.root), chosen, ReadOptions()))
    assert [outcome.photo for outcome in outcomes] == chosen
    for outcome, expected in zip(outcomes, reversed(raw_set.records), strict=True):
        (record,) = outcome.records
        assert (record.key, record.group, record.split) == (expected.key, expected.group, expected.split)
        assert record.eyes == "annotated" and record.labels == expected.labels
        for name, value in vars(expected.geometry).items():
            np.testing.assert_array_equal(getattr(record.geometry, name), value)
        assert record.gaze is not None and expected.gaze is not None
        np.testing.assert_array_equal(record.gaze, expected.gaze)
        assert np.linalg.norm(record.gaze) == pytest.approx(1.0)


def test_a_photo_without_annotation_is_rejected(raw_set: RawSet) -> None:
    known = raw_set.records[0].photo
    first, second = synthetic.read(Raw(raw_set.root), ["photos/p000/999.jpg", known], ReadOptions())
    assert first.reason == "no_annotation" and first.records == ()
    assert second.records[0].photo == known


@pytest.mark.parametrize(("flag", "reason"), [("blinking", "eyes_closed"), ("sunglasses", "eyes_covered")])
def test_photos_that_show_no_gaze_are_rejected(tmp_path: Path, raw_set: RawSet, flag: str, reason: str) -> None:
    table = pq.read_table(raw_set.root / "annotations.parquet")
    flags = pa.array([index == 1 for index in range(len(table))])
    pq.write_table(table.set_column(table.column_names.index(flag), flag, flags), tmp_path / "annotations.parquet")
    photos = table["photo"].to_pylist()[:3]
    outcomes = list(synthetic.read(Raw(tmp_path), photos, ReadOptions()))
    assert [outcome.reason for outcome in outcomes] == ["", reason, ""]
    assert [len(outcome.records) for outcome in outcomes] == [1, 0, 1]


def test_an_emotion_that_is_none_is_rejected(tmp_path: Path, raw_set: RawSet) -> None:
    table = pq.read_table(raw_set.root / "annotations.parquet")
    emotions = pa.array([8 if index == 1 else 7 for index in range(len(table))])
    pq.write_table(table.set_column(table.column_names.index("emotion"), "emotion", emotions), tmp_path / ANNOTATIONS)
    first, second = synthetic.read(Raw(tmp_path), table["photo"].to_pylist()[:2], ReadOptions())
    assert first.records[0].labels == {"expression": "neutral"}
    assert (second.reason, second.detail) == ("bad_label", "emotion 8, known are 1 to 7")


def test_without_annotations_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="dvc repro --force render"):
        list(synthetic.read(Raw(tmp_path), ["photos/p000/000.jpg"], ReadOptions()))


@pytest.fixture(scope="module")
def close_ups(rendered: Callable[[str], Rendered]) -> list[tuple[Record, Row]]:
    """Records of the rendered close-ups, with their rows."""
    root, rows = rendered("near_eye")
    outcomes = synthetic.read(Raw(root), [row["photo"] for row in rows], ReadOptions())
    return [(outcome.records[0], row) for outcome, row in zip(outcomes, rows, strict=True)]


def test_close_ups_become_records_of_one_eye(close_ups: list[tuple[Record, Row]]) -> None:
    for number, (record, row) in enumerate(close_ups):
        assert record.geometry is None and (record.known, record.center) == ("guessed", "unknown")
        assert (record.photo, record.group, record.split) == (row["photo"], row["person"], row["split"])
        assert to_row(from_row(to_row(record))) == to_row(record)
        side = ("right", "left")[number // 10]  # people of even number show the right eye
        assert record.labels["lid_px"] == array(row, f"lid_{side}_2d", 34, 2).tolist()


def test_close_ups_read_as_teyed_reads_them(close_ups: list[tuple[Record, Row]], exported: Export) -> None:
    """The same frames through the files of TEyeD: the same labels of the same names, the same gaze, to their digits."""
    made = Raw(exported("teyed").out)
    outcomes = teyed.read(made, teyed.units([entry.path for entry in listing.scan(made.root)]), ReadOptions())
    theirs = [outcome.records[0] for outcome in outcomes]
    assert len(theirs) == len(close_ups) == 20
    num_gaze = 0
    for (ours, _), other in zip(close_ups, theirs, strict=True):
        assert set(ours.labels) == set(other.labels)
        for name, value in ours.labels.items():
            if isinstance(value, list):
                np.testing.assert_allclose(value, other.labels[name], rtol=1e-5, atol=1e-4, err_msg=name)
            else:
                assert value == other.labels[name], name
        assert (ours.gaze is None) == (other.gaze is None)
        if ours.gaze is not None and other.gaze is not None:
            assert angle_deg(ours.gaze, other.gaze) < 1e-4
            num_gaze += 1
        assert (ours.known, ours.center, ours.eyes) == (other.known, other.center, other.eyes)
    assert num_gaze > 10


def test_closed_lids_keep_their_contour_and_lose_their_gaze(
    tmp_path: Path, rendered: Callable[[str], Rendered]
) -> None:
    """A blink is no reject here: half of the pupil's points hidden, as TEyeD's VALIDITY has it."""
    _, rows = rendered("near_eye")
    hidden = rows[0] | {"pupil_right_visible": [True] * 3 + [False] * 5, "blinking": True, "eye_movement": 2}
    annotated(tmp_path, [hidden])
    (outcome,) = synthetic.read(Raw(tmp_path), [hidden["photo"]], ReadOptions())
    (record,) = outcome.records
    assert record.gaze is None and record.labels["eye_movement"] == "blink"
    assert (record.labels["pupil_valid"], record.labels["pupil_inaccuracy"]) == (False, None)
    assert record.labels["pupil_ellipse"] is None and record.labels["pupil_in_iris_ellipse"] is None
    assert record.labels["lid_valid"] and len(record.labels["pupil_px"]) == 8 and record.labels["iris_ellipse"]
