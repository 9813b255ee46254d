"""Records through rows and the index."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slyk.datasets.record import Record, from_row, to_row
from slyk.datasets.registry import reader
from slyk.errors import ParamsError
from tests.drawn import RawSet, shards_of, write_index


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
    first, second = raw_set.records[:2]
    write_index(tmp_path / "i.parquet", [replace(first, gaze=None), second], 250)
    read = [from_row(row) for _, rows in shards_of(tmp_path / "i.parquet") for row in rows]
    assert_equal(read[0], replace(first, gaze=None))
    assert_equal(read[1], second)


def test_an_unknown_reader_lists_the_known_ones() -> None:
    assert reader("synthetic").LICENCE == "Apache-2.0"
    with pytest.raises(ParamsError, match="known: synthetic"):
        reader("gaze9000")
