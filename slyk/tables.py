"""Parquet files that are whole or absent and hold the same bytes for the same table."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from slyk.files import write_atomic

TIMINGS = ("samples_per_second", "waiting_share")
"""Columns that equal runs differ in."""


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Columns as they are, without the pandas index and without anything that depends on the day."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None), buffer)
    write_atomic(path, buffer.getvalue())


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """A row a mapping; timings are left out and eight digits told, or equal runs would write unequal files: the last
    digits of a probe are those of the machine's linear algebra."""
    table = pd.DataFrame(rows).drop(columns=list(TIMINGS), errors="ignore")
    write_atomic(path, table.to_csv(index=False, lineterminator="\n", float_format="%.8g").encode())
