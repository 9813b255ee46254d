"""Outcomes in any order -> the index, sorted and cut into shards, in little memory: a merge sort on disk.

Outcomes are gathered until they take RUN_BYTES, sorted by group and key and written down: a run. In memory stay the
columns that rows are sorted by. In the end these say whose row comes next, and each run gives its own in turn.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from slyk.datasets.index_table import INDEX, OUTCOMES
from slyk.errors import SplitError
from slyk.files import alone_in, atomic
from slyk.photos import PHOTO_SUFFIXES

RUN_BYTES = 2**26
BATCH_ROWS = 512
"""Of a run that are read at a time."""
GROUP_ROWS = 2500
"""Of the index, at least, that make a row group; it ends where a shard does."""
_ORDER = ("group", "key", "chunk", "place")
_KEPT = (*_ORDER, "split")
_ROWS = pa.schema([field for field in INDEX if field.name != "shard"])
_REJECTS = pa.schema([OUTCOMES.field(name) for name in ("photo", "reason", "detail", "chunk", "place")])
Places = NDArray[np.int64]


class IndexWriter:
    """Takes outcomes, tells the rejects among them, writes the index of the others.

    A context manager: its runs lie in `folder`, which no other may use meanwhile and which is deleted after. versions:
    file -> size and version as listed; file_of: from the name of a photo to that of its file, see
    `slyk.datasets.registry`.
    """

    def __init__(self, folder: Path, versions: Mapping[str, str], file_of: Callable[[str], str]) -> None:
        self._folder, self._versions, self._file_of = folder, versions, file_of
        self._alone = ExitStack()
        self._unnamed = {file for file in versions if PurePosixPath(file).suffix.lower() in PHOTO_SUFFIXES}
        self._waiting: list[pa.Table] = []
        self._bytes = 0
        self._keys: list[pa.Table] = []
        self._rejects: list[pa.Table] = []

    def __enter__(self) -> "IndexWriter":
        self._alone.enter_context(alone_in(self._folder))
        for path in self._folder.iterdir():  # what a killed stage left
            path.unlink()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._alone.close()

    def add(self, table: pa.Table) -> None:
        """Outcomes, with the columns of `OUTCOMES`. A record of a file that is not listed is a reject."""
        self._rejects.append(table.filter(pc.is_null(table["key"])).select(_REJECTS.names))
        self._unnamed.difference_update(map(self._file_of, table["photo"].to_pylist()))
        faces = table.filter(pc.is_valid(table["key"]))
        files = [self._file_of(photo) for photo in faces["photo"].to_pylist()]
        versions = pa.array([self._versions.get(file) for file in files], pa.large_string())
        if versions.null_count:
            lost = faces.filter(pc.is_null(versions)).select(_REJECTS.names)
            told = [f"{file} is labelled, but not there" for file in files if file not in self._versions]
            lost = lost.set_column(1, "reason", pa.array(["photo_missing"] * len(lost), pa.large_string()))
            self._rejects.append(lost.set_column(2, "detail", pa.array(told, pa.large_string())))
        faces = faces.append_column("photo_version", versions).filter(pc.is_valid(versions))
        self._waiting.append(faces)
        self._bytes += faces.nbytes
        if self._bytes > RUN_BYTES:
            self._write_run()

    @property
    def num_faces(self) -> int:
        """Rows that the index will have."""
        return sum(map(len, (*self._keys, *self._waiting)))

    @property
    def num_photos(self) -> int:
        """Outcomes so far, with records and without."""
        tables = (*self._keys, *self._waiting, *self._rejects)
        return len(np.unique(np.concatenate([_reading_order(table) for table in tables])))

    def rejects(self) -> pa.Table:
        """photo, reason and detail of each photo that has no record, in the order of reading."""
        every = pa.concat_tables([_REJECTS.empty_table(), *self._rejects])
        _, first = np.unique(_reading_order(every), return_index=True)
        return every.take(pa.array(first)).select(["photo", "reason", "detail"])

    def unnamed(self) -> list[str]:
        """The listed photos of which no outcome tells, by name."""
        return sorted(self._unnamed)

    def write(self, path: Path, photos_per_shard: int) -> None:
        """Writes the index: rows by group, then key, then in the order of reading; a shard is of one group and has at
        most so many. A key that is there again ends in `-2`, `-3` ...

        The bytes depend on what the outcomes are, not on the order and the tables in which they came. Raises SplitError
        where a group has photos of two splits.
        """
        self._write_run()
        keys = pa.concat_tables([OUTCOMES.empty_table().select(_KEPT), *self._keys]).combine_chunks()
        _check_splits(keys)
        order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in _ORDER])
        names, in_group = _unique(keys).take(order), _count_before(_array(keys["group"].take(order)))
        runs = [_Run(self._path(number)) for number in range(len(self._keys))]
        run_of = np.searchsorted(np.cumsum([len(run) for run in self._keys]), order.to_numpy(), side="right")
        with atomic(path) as file, pq.ParquetWriter(file, INDEX) as writer:
            for start, end in _row_groups(in_group % photos_per_shard == 0):
                rows = _gathered(runs, run_of[start:end])
                numbers = (in_group[start:end] // photos_per_shard).tolist()
                shards = [f"{g}-{n:05d}" for g, n in zip(rows["group"].to_pylist(), numbers, strict=True)]
                rows = rows.set_column(0, "key", names.slice(start, end - start))
                rows = rows.append_column("shard", pa.array(shards, pa.large_string()))
                writer.write_table(rows.combine_chunks(), row_group_size=len(rows))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05d}.arrow"

    def _write_run(self) -> None:
        rows = pa.concat_tables([pa.schema([*OUTCOMES, _ROWS.field("photo_version")]).empty_table(), *self._waiting])
        rows = rows.sort_by([(name, "ascending") for name in _ORDER]).combine_chunks()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(str(self._path(len(self._keys))), _ROWS, options=options) as file:
            file.write_table(rows.select(_ROWS.names), max_chunksize=BATCH_ROWS)
        self._keys.append(rows.select(_KEPT))
        self._waiting, self._bytes = [], 0


class _Run:
    """Rows on disk that are given out from the first to the last. The file is open only while a batch is read."""

    def __init__(self, path: Path) -> None:
        self._path, self._batch, self._held = path, 0, _ROWS.empty_table()

    def give(self, count: int) -> pa.Table:
        while len(self._held) < count:
            with pa.OSFile(str(self._path)) as file, pa.ipc.open_file(file) as reader:
                batch = pa.Table.from_batches([reader.get_batch(self._batch)])
            self._held, self._batch = pa.concat_tables([self._held, batch]), self._batch + 1
        given, self._held = self._held.slice(0, count), self._held.slice(count)
        return given


def _gathered(runs: Sequence[_Run], run_of: Places) -> pa.Table:
    """The next rows, of which run_of (N,) says who gives each."""
    numbers, counts = np.unique(run_of, return_counts=True)
    rows = pa.concat_tables([runs[number].give(int(count)) for number, count in zip(numbers, counts, strict=True)])
    places = np.empty(len(run_of), np.int64)
    places[np.argsort(run_of, kind="stable")] = np.arange(len(run_of))
    return rows.take(pa.array(places))


def _check_splits(keys: pa.Table) -> None:
    """Raises SplitError where a group has photos of two splits: one person would be trained on and tested on."""
    splits = keys.group_by("group").aggregate([("split", "distinct")])
    mixed = splits.filter(pc.greater(pc.list_value_length(splits["split_distinct"]), 1)).sort_by("group")
    if len(mixed):
        parts = [" and ".join(sorted(found)) for found in mixed["split_distinct"].to_pylist()]
        groups = mixed["group"].to_pylist()
        named = "; ".join(f"{group} in {part}" for group, part in zip(groups[:3], parts[:3], strict=True))
        raise SplitError(
            f"{len(mixed)} of {len(splits)} groups (people or recordings) have photos in two splits ({named}): "
            "give each one split, or tell people apart that share a name"
        )


def _row_groups(starts_shard: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First row and end of each row group."""
    shards, start = np.flatnonzero(starts_shard), 0
    while start < len(starts_shard):
        place = int(np.searchsorted(shards, start + GROUP_ROWS))
        end = int(shards[place]) if place < len(shards) else len(starts_shard)
        yield start, end
        start = end


def _unique(keys: pa.Table) -> pa.Array:
    """The keys, each of them once: where one comes again in the order of reading, with its number."""
    names = _array(keys["key"])
    while True:
        order = pc.sort_indices(keys.set_column(1, "key", names), sort_keys=[(n, "ascending") for n in _ORDER[1:]])
        in_order = names.take(order)
        number = _count_before(in_order)
        again = number > 0
        if not again.any():
            return names
        told = zip(in_order.filter(pa.array(again)).to_pylist(), number[again], strict=True)
        fresh = pa.array([f"{key}-{count + 1}" for key, count in told], pa.large_string())
        places = order.to_numpy()[again].astype(np.int64)
        is_fresh = np.zeros(len(names), dtype=bool)
        is_fresh[places] = True
        names = pc.replace_with_mask(names, pa.array(is_fresh), fresh.take(pa.array(np.argsort(places))))


def _count_before(values: pa.Array) -> Places:
    """How many equal ones stand directly before each of sorted values (N,)."""
    changed = np.ones(len(values), dtype=bool)
    changed[1:] = pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(changed)
    return np.arange(len(values)) - np.repeat(starts, np.diff([*starts, len(values)]))


def _reading_order(table: pa.Table) -> Places:
    """A number (N,) that is larger the later a row's outcome was read."""
    return np.asarray(table["chunk"].to_numpy().astype(np.int64) << 32 | table["place"].to_numpy().astype(np.int64))


def _array(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)
