"""Tables on disk: equal tables, equal bytes."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from slyk.tables import write_csv, write_parquet


def test_parquet_holds_the_columns_alone(tmp_path: Path) -> None:
    table = pd.DataFrame({"key": ["a", "b"], "point": [[1.0, 2.0], [3.0, 4.0]]}, index=[7, 5])
    write_parquet(tmp_path / "a.parquet", table)
    read = pq.read_table(tmp_path / "a.parquet")
    assert read.to_pydict() == {"key": ["a", "b"], "point": [[1.0, 2.0], [3.0, 4.0]]}
    assert read.schema.metadata is None


def test_equal_tables_have_equal_bytes(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": range(1000), "name": [f"n{i % 7}" for i in range(1000)]})
    for name in ("a", "b"):
        write_parquet(tmp_path / name, table.copy())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_csv_leaves_timings_and_last_digits_out(tmp_path: Path) -> None:
    for probe in (21.918273645501, 21.918273645504):
        rows = [{"step": 1.0, "loss": 0.5, "samples_per_second": 81.2}, {"step": 2e6 + 1, "probe": probe}]
        write_csv(tmp_path / "h.csv", rows)
        assert (tmp_path / "h.csv").read_bytes() == b"step,loss,probe\n1,0.5,\n2000001,,21.918274\n"
