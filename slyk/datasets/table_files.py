"""The file of one's own table, csv or parquet: its rows as text, all or those of a part that a task reads."""

import csv
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from slyk.datasets.lines import Part, divided, head_of, opened, part_of
from slyk.datasets.raw import Raw
from slyk.errors import DataMissingError, PhotoError

PART_ROWS = 2000
"""Of a task: minutes where faces have to be detected."""
MAX_PARTS = 100
"""Of a parquet file, since its parts share row groups, and each part decodes all that it touches."""


def divided_table(raw: Raw, unit: str) -> list[str]:
    """The table itself where it is short, else its parts; of a parquet file START and END are rows, not bytes."""
    if unit.endswith(".csv"):
        return divided(raw, unit, csv.reader, per_part=PART_ROWS)
    try:
        with raw.local(unit) as path:
            num_rows = int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException, PhotoError):  # who reads it tells
        return [unit]
    per_part = max(PART_ROWS, -(-num_rows // MAX_PARTS))
    starts = range(0, num_rows, per_part)
    found = [Part(unit, start + 1, start, min(start + per_part, num_rows)).unit for start in starts]
    return found if len(found) > 1 else [unit]


def cells_of(raw: Raw, unit: str) -> Iterator[tuple[int, list[str]]]:
    """Numbers of lines (csv) or rows (parquet) and cells without the spaces about them, the header first.

    Raises DataMissingError for what is no table.
    """
    return _csv(raw, unit) if part_of(unit).file.endswith(".csv") else _parquet(raw, unit)


def _csv(raw: Raw, unit: str) -> Iterator[tuple[int, list[str]]]:
    part = part_of(unit)
    where = f"{raw.root}/{part.file}"
    for wanted, count in ((head_of(unit), 1), (unit, None)) if part.start else ((unit, None),):
        with opened(raw, wanted, newline="") as text:
            lines, before = csv.reader(text), part_of(wanted).line - 1
            try:
                for cells in islice(lines, count):
                    yield before + lines.line_num, [cell.strip() for cell in cells]
            except csv.Error as error:
                raise DataMissingError(f"{where}, line {before + lines.line_num}: {error}") from None
            except UnicodeDecodeError as error:
                raise DataMissingError(f"{where} is not UTF-8 text: {error}") from None


def _parquet(raw: Raw, unit: str) -> Iterator[tuple[int, list[str]]]:
    name, _, start, end = part_of(unit)
    try:
        with raw.local(name) as path, pq.ParquetFile(path) as file:
            yield 0, [name.strip() for name in file.schema_arrow.names]
            stop = file.metadata.num_rows if end is None else end
            first, groups = _row_groups(file.metadata, start, stop)
            for batch in file.iter_batches(batch_size=1000, row_groups=groups):
                rows = batch.slice(max(start - first, 0), max(stop - max(start, first), 0))
                cells = zip(*(column.to_pylist() for column in rows.columns), strict=True)
                for number, row in enumerate(cells, start=max(start, first) + 1):
                    yield number, ["" if cell is None else str(cell).strip() for cell in row]
                first += len(batch)
    except (OSError, pa.ArrowException, PhotoError) as error:
        raise DataMissingError(f"{raw.root}/{name} cannot be read as parquet: {error}") from None


def _row_groups(metadata: pq.FileMetaData, start: int, stop: int) -> tuple[int, list[int]]:
    """The row groups that hold rows of start <= row < stop, and the first row of the first of them."""
    ends = np.cumsum([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)])
    groups = [i for i, end in enumerate(ends) if end > start and end - metadata.row_group(i).num_rows < stop]
    return int(ends[groups[0] - 1]) if groups and groups[0] else 0, groups
