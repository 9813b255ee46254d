"""Records through tables and JSON."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slyk.datasets.record import (
    Outcome,
    Record,
    from_row,
    outcome_from_json,
    outcome_to_json,
    to_row,
    to_table,
)
from slyk.datasets.registry import reader
from slyk.errors import ParamsError
from slyk.tables import write_parquet
from tests.drawn import RawSet


def assert_equal(a: Record, b: Record) -> None:
    for one, other in zip(a.__dict__ | vars(a.geometry), b.__dict__ | vars(b.geometry), strict=True):
        assert one == other
    for name in ("key", "photo", "group", "split", "eyes"):
        assert getattr(a, name) == getattr(b, name)
    for name in vars(a.geometry):
        np.testing.assert_array_equal(getattr(a.geometry, name), getattr(b.geometry, name))
    if a.gaze is None or b.gaze is None:
        assert a.gaze is b.gaze
    else:
        np.testing.assert_array_equal(a.gaze, b.gaze)


@pytest.mark.parametrize("labelled", [True, False])
def test_rows_round_trip_to_the_last_bit(raw_set: RawSet, labelled: bool) -> None:
    record = raw_set.records[0] if labelled else replace(raw_set.records[0], gaze=None)
    assert_equal(from_row(json.loads(json.dumps(to_row(record)))), record)
    assert_equal(from_row(to_row(record) | {"shard": "p000-00000"}), record)


def test_tables_round_trip_through_parquet(raw_set: RawSet, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    first, second = raw_set.records[:2]
    write_parquet(tmp_path / "t.parquet", to_table([replace(first, gaze=None), second]))
    read = [from_row(row) for row in pq.read_table(tmp_path / "t.parquet").to_pylist()]
    assert_equal(read[0], replace(first, gaze=None))
    assert_equal(read[1], second)


def test_the_order_of_a_table_is_not_that_of_reading(raw_set: RawSet) -> None:
    table = to_table(reversed(raw_set.records))
    assert table["key"].tolist() == sorted(record.key for record in raw_set.records)
    assert table.equals(to_table(raw_set.records))


def test_outcomes_round_trip(raw_set: RawSet) -> None:
    good = Outcome("a.jpg", raw_set.records[:2])
    back = outcome_from_json(json.loads(json.dumps(outcome_to_json(good))))
    assert back.photo == "a.jpg" and len(back.records) == 2
    assert_equal(back.records[1], raw_set.records[1])
    bad = Outcome("b.jpg", reason="no_face", detail="b.jpg")
    assert outcome_from_json(outcome_to_json(bad)) == bad


def test_an_unknown_reader_lists_the_known_ones() -> None:
    assert reader("synthetic").LICENCE == "Apache-2.0"
    with pytest.raises(ParamsError, match="known: synthetic"):
        reader("gaze9000")
