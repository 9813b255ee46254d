"""Parquet files that are whole or absent and hold the same bytes for the same table."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from slyk.files import write_atomic


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Columns as they are, without the pandas index and without anything that depends on the day."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None), buffer)
    write_atomic(path, buffer.getvalue())
