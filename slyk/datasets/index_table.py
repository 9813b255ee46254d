"""What `index` tells of photos as columns: compact enough for sets of millions, read back one shard at a time."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slyk.datasets.record import Outcome, to_row

Row = dict[str, Any]
_TEXT, _NUMBERS = pa.large_string(), pa.list_(pa.float64())
RECORD = pa.schema(
    [
        *((name, _TEXT) for name in ("key", "photo", "group", "split", "eyes", "known", "center")),
        ("tags", pa.list_(pa.string())),
        ("labels", _TEXT),
        *((name, _NUMBERS) for name in ("camera", "head_rotation", "face_center_mm", "eyes_mm", "distortion", "gaze")),
    ]
)
"""The columns of `slyk.datasets.record.to_row`."""
INDEX = pa.schema([*RECORD, ("photo_version", _TEXT), ("shard", _TEXT)])
"""Those of the index: also size and version of the photo's file as listed, so that a shard depends on its photos and
not on annotations alone, and the shard's name."""
OUTCOMES = pa.schema([("chunk", pa.int32()), ("place", pa.int32()), ("reason", _TEXT), ("detail", _TEXT), *RECORD])
"""Those of outcomes on their way from tasks: a row a record, or one without a key for a photo that has none. chunk and
place say which outcome it is, in the order of reading, whoever reads first."""
TABLE_ROWS = 1000
"""Of a table of outcomes: one with many landmarks takes some 3 MB."""


def tables_of(chunk: int, outcomes: Iterable[Outcome]) -> Iterator[pa.Table]:
    """The outcomes of a chunk of the work, as tables with the columns of `OUTCOMES`: at least one, perhaps empty.

    No outcome lies in two of them.
    """
    rows: list[Row] = []
    for place, outcome in enumerate(outcomes):
        if len(rows) >= TABLE_ROWS:
            yield pa.Table.from_pylist(rows, schema=OUTCOMES)
            rows = []
        about = {"chunk": chunk, "place": place, "reason": outcome.reason, "detail": outcome.detail}
        rows += [about | to_row(record) for record in outcome.records] or [about | {"photo": outcome.photo}]
    yield pa.Table.from_pylist(rows, schema=OUTCOMES)


def rows_of(index: Path, shard: str) -> list[Row]:
    """The rows of one shard, in the order of the index. What was read with them stays for the shard that comes next."""
    status = index.stat()
    file = index, status.st_ino, status.st_mtime_ns
    near = [_row_group(*file, n) for n, (first, last) in enumerate(_reaches(*file)) if first <= shard <= last]
    return [row for table in near for row in table.filter(pc.equal(table["shard"], shard)).to_pylist()]


@lru_cache(maxsize=1)
def _reaches(index: Path, inode: int, mtime_ns: int) -> list[tuple[str, str]]:
    """The least and the greatest name of a shard in each row group of a file."""
    about = pq.read_metadata(index)
    column = about.schema.names.index("shard")
    found = [about.row_group(number).column(column).statistics for number in range(about.num_row_groups)]
    return [(statistics.min, statistics.max) for statistics in found]


@lru_cache(maxsize=1)
def _row_group(index: Path, inode: int, mtime_ns: int, number: int) -> pa.Table:
    with pq.ParquetFile(index) as file:
        return file.read_row_group(number)
