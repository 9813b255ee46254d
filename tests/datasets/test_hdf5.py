"""HDF5 files of a kilobyte that claim terabytes, or hide them in a chunk."""

import resource
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from slyk.datasets import mpiifacegaze_norm, xgaze_224
from slyk.datasets.hdf5 import read
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions
from slyk.errors import DataMissingError, PhotoError


def bomb() -> bytes:
    """A gigabyte of zeros, by deflate: a megabyte that refers to nothing before it, again and again."""
    deflate = zlib.compressobj(9)
    first, again = (deflate.compress(bytes(2**20)) + deflate.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    end = deflate.flush()[:-4] + ((2**30 % 65521) << 16 | 1).to_bytes(4)  # Adler-32 of so many zeros
    return first + again * (2**10 - 1) + end


BOMB = bomb()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.h5"


def opened(path: Path, shape: tuple[int, ...], **how: Any) -> Any:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", shape, np.uint8, **how)
    return h5py.File(path, "r+")["a"]


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.parametrize("chunks", [None, (1, 8, 8), (3, 4, 5), (2, 8, 8)])
@pytest.mark.parametrize(
    "how", [{}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf", "fletcher32": True}]
)
def test_what_is_in_a_file(path: Path, chunks: tuple[int, ...] | None, how: dict[str, Any]) -> None:
    if chunks is None:
        how = {}
    values = np.random.default_rng(0).integers(0, 255, (5, 8, 8), dtype=np.uint8)
    found = opened(path, values.shape, data=values, chunks=chunks, **how)
    np.testing.assert_array_equal(read(found), values)
    for index in range(5):
        np.testing.assert_array_equal(read(found, index), values[index])


def test_large_chunks_that_are_what_they_claim(path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (2, 1000, 1000), dtype=np.uint8)
    found = opened(path, values.shape, data=values, chunks=(1, 1000, 1000), compression="gzip")
    assert found.id.get_chunk_info(0).size * 1032 > 2**29  # looked at more closely
    np.testing.assert_array_equal(read(found, 1), values[1])


@pytest.mark.parametrize(
    ("shape", "how", "message"),
    [
        ((10**12,), {}, "1000000000000 bytes to read"),
        ((10**9, 16), {"chunks": (1000, 16)}, "16000000000 bytes to read"),
        ((3, 8), {"chunks": (2**28, 8), "maxshape": (None, 8)}, "too large"),
        ((2**23,), {"chunks": (1,)}, "too large"),
    ],
)
def test_claims_that_nobody_wrote(path: Path, shape: tuple[int, ...], how: dict[str, Any], message: str) -> None:
    found = opened(path, shape, **how)
    assert path.stat().st_size < 5000
    with pytest.raises(ValueError, match=message):
        read(found)


def test_a_chunk_that_holds_more_than_it_claims(path: Path) -> None:
    before = peak_mb()
    found = opened(path, (4, 8, 8), chunks=(1, 8, 8), compression="gzip")
    found.id.write_direct_chunk((2, 0, 0), BOMB)
    for index in (None, 2):
        with pytest.raises(ValueError, match="holds more than its 64 bytes"):
            read(found, index)
    assert read(found, 1).sum() == 0
    assert peak_mb() - before < 200


def test_bombs_in_the_sets_that_are_hdf5(tmp_path: Path) -> None:
    before = peak_mb()
    (tmp_path / "train").mkdir()
    with h5py.File(tmp_path / "train/subject0000.h5", "w") as file:
        patches = file.create_dataset("face_patch", (3, 32, 32, 3), np.uint8, chunks=(1, 32, 32, 3), compression="gzip")
        patches.id.write_direct_chunk((1, 0, 0, 0), BOMB)
        file.create_dataset("face_gaze", (3, 2), np.float32)
    (outcome, *_) = xgaze_224.read(Raw(tmp_path), ["train/subject0000.h5"], ReadOptions())
    assert outcome.records
    assert xgaze_224.picture(Raw(tmp_path), "train/subject0000.h5#0").sum() == 0
    with pytest.raises(PhotoError, match=r"unreadable: .* holds more than its 3072 bytes"):
        xgaze_224.picture(Raw(tmp_path), "train/subject0000.h5#1")
    with h5py.File(tmp_path / "p00.mat", "w") as file:
        file.create_dataset("Data/data", (10**9, 3, 16, 16), np.uint8, chunks=(1, 3, 16, 16))
        file.create_dataset("Data/label", (10**9, 16), np.float64, chunks=(1, 16))
    with pytest.raises(DataMissingError, match="128000000000 bytes to read"):
        list(mpiifacegaze_norm.read(Raw(tmp_path), ["p00.mat"], ReadOptions()))
    assert peak_mb() - before < 200
