"""MATLAB files: what SciPy reads, and nothing that a small file blows up to."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from slyk import matlab
from slyk.calibration import read_camera
from tests.photos import REAL_DATA

MOST = 16 * 2**20
CELLS = np.empty(3, object)
CELLS[:] = ["rec_000", "val", np.arange(3.0)]
CONTENT: dict[str, Any] = {
    "numbers": np.arange(12.0).reshape(3, 4),
    "cells": CELLS,
    "nested": {"x": 1, "y": {"z": "text"}},
    "yes": True,
    "bytes": np.zeros((2, 3), np.uint8),
    "nothing": np.zeros((0, 3)),
    "complex": np.array([1 + 2j]),
    "letters": "взгляд",
    "records": np.zeros(2, dtype=[("p", float), ("q", object)]),
}


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * MOST, f"{peak / 2**20:.0f} MiB"


def saved(content: dict[str, Any], **how: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, content, **how)
    return file.getvalue()


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(kind: int, sides: tuple[int, ...], *content: bytes) -> bytes:
    """An array as version 5 has it: flags, shape, name, what follows."""
    head = (
        element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(sides)}i", *sides)) + element(1, b"a")
    )
    return element(14, head + b"".join(content))


def deflated(content: bytes) -> bytes:
    """Not filled up to eight bytes, unlike others."""
    data = zlib.compress(content)
    return struct.pack("<II", 15, len(data)) + data


HEADER = saved({})[:128]


@pytest.mark.parametrize("how", [{}, {"do_compression": True}, {"format": "4"}], ids=str)
def test_what_scipy_reads(how: dict[str, Any]) -> None:
    content = {"numbers": CONTENT["numbers"]} if "format" in how else CONTENT
    data = saved(content, **how)
    found, expected = matlab.variables(data), loadmat(io.BytesIO(data))
    assert found.keys() == expected.keys() >= content.keys()
    for name in expected:
        assert repr(found[name]) == repr(expected[name])


def test_real_calibrations() -> None:
    files = sorted((REAL_DATA / "calibrations" / "mpiifacegaze").glob("*.mat"))
    if not files:
        pytest.skip(f"no calibrations in {REAL_DATA}: set SLYK_REAL_DATA")
    for file in files:
        assert matlab.variables(file.read_bytes()).keys() == loadmat(file).keys()
        assert read_camera(file).shape == (3, 3)


def test_objects_are_left_out() -> None:
    data = HEADER + matrix(17, (1, 1)) + saved({"number": 3.0})[128:]
    assert [name for name in matlab.variables(data) if not name.startswith("__")] == ["number"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (deflated(bytes(MOST + 1)), "variables of more than"),
        (deflated(bytes(MOST // 2 + 1)) * 2, "variables of more than"),
        (deflated(bytes(MOST)), "an element of type 0 where an array should be"),
        (struct.pack("<II", 15, 12) + b"not deflated", "deflated variable is damaged"),
        (matrix(1, (2**31 - 1, 2**31 - 1)), "cells in 0 bytes"),
        (matrix(1, (10_000,), bytes(800)), r"\(10000,\) cells in 800 bytes"),
        (matrix(2, (2**30,), element(5, struct.pack("<i", 8)), element(1, b"x" * 8)), "cells in 0 bytes"),
        (matrix(2, (1,), element(5, struct.pack("<i", 0)), element(1, b"x" * 8)), "names of 0 bytes"),
        (matrix(1, (1_001,), element(14, b"") * 1_001), "more than 1000 arrays"),
        (matrix(1, (1_001,), matrix(6, (1, 1), element(9, bytes(8))) * 1_001), "more than 1000 arrays"),
        (matrix(6, (2**20, 2**20), element(9, bytes(8))), "more than 67108864 values"),
        (matrix(1, (1,), matrix(17, (1, 1))), "class 17"),
        (struct.pack("<II", 14, 2**31) + matrix(6, (1, 1), element(9, bytes(8)))[8:], "2147483648 bytes where"),
        (matrix(6, (1, 1), struct.pack("<II", 9, 2**31)), "2147483648 bytes where"),
    ],
)
def test_small_files_of_much(part: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "MAX_INFLATED", MOST)
    monkeypatch.setattr(matlab, "MAX_ARRAYS", 1_000)
    with pytest.raises(ValueError, match=message):
        matlab.variables(HEADER + part)


def test_cells_in_cells_without_end() -> None:
    inner = matrix(6, (1, 1), element(9, bytes(8)))
    for _ in range(2 * matlab.MAX_DEPTH):
        inner = matrix(1, (1,), inner)
    with pytest.raises(ValueError, match="arrays in arrays 32 deep"):
        matlab.variables(HEADER + inner)


@pytest.mark.parametrize("cut", [100, 140, 160, 180, 200, -8, -1])
def test_files_that_end_early(cut: int) -> None:
    with pytest.raises(Exception) as caught:  # SciPy raises many kinds
        matlab.variables(saved({"a": np.arange(9.0)})[:cut])
    assert not isinstance(caught.value, MemoryError)
