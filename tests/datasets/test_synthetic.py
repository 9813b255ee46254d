"""The reader of rendered faces, on a set in their layout."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slyk.datasets import synthetic
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions
from slyk.errors import DataMissingError, ParamsError
from slyk.synthetic.annotate import COLUMNS
from tests.drawn import RawSet


def test_photos_are_those_of_the_renderer() -> None:
    listed = ["README.md", "annotations.parquet", "photos/p000/000.jpg", "photos/notes.txt", "other/000.jpg"]
    assert synthetic.units(listed) == ["photos/p000/000.jpg"]


def test_what_is_read_is_rendered() -> None:
    assert set(synthetic._COLUMNS) <= {column.name for column in COLUMNS}


def test_annotations_become_records(raw_set: RawSet) -> None:
    chosen = [record.photo for record in reversed(raw_set.records)]
    outcomes = list(synthetic.read(Raw(raw_set.root), chosen, ReadOptions()))
    assert [outcome.photo for outcome in outcomes] == chosen
    for outcome, expected in zip(outcomes, reversed(raw_set.records), strict=True):
        (record,) = outcome.records
        assert (record.key, record.group, record.split) == (expected.key, expected.group, expected.split)
        assert record.eyes == "annotated"
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


def test_without_annotations_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="dvc repro --force render"):
        list(synthetic.read(Raw(tmp_path), ["photos/p000/000.jpg"], ReadOptions()))


def test_close_ups_of_an_eye_are_refused(tmp_path: Path, raw_set: RawSet) -> None:
    table = pq.read_table(raw_set.root / "annotations.parquet")
    near = pa.array(["near_eye"] * len(table))
    pq.write_table(
        table.set_column(table.column_names.index("domain"), "domain", near), tmp_path / "annotations.parquet"
    )
    with pytest.raises(ParamsError, match="take the set out of `datasets`"):
        list(synthetic.read(Raw(tmp_path), [raw_set.records[0].photo], ReadOptions()))
