"""The tar in memory: the bytes of stock writers, places that stock readers agree with."""

import io
import tarfile
import zlib

import numpy as np
import pytest
from webdataset import TarWriter

from slyk.shards.tar import Tar

KEYS = ["p000/000", "p000/001", "k" * 90, "d/" * 45 + "k", "k" * 150, "d/" * 140 + "k", "ключ/ä"]
"""Short ones, and names of more than 100 bytes or of other letters, which need further headers."""


@pytest.fixture(scope="module")
def samples() -> dict[str, dict[str, bytes]]:
    rng = np.random.default_rng(3)
    return {key: {name: rng.bytes(int(rng.integers(0, 3000))) for name in ("a.jpg", "json")} for key in KEYS}


def written(samples: dict[str, dict[str, bytes]]) -> tuple[bytes, Tar]:
    tar = Tar()
    for key, members in samples.items():
        for name in sorted(members):
            tar.add(f"{key}.{name}", members[name])
    return tar.closed(), tar


def test_the_bytes_are_those_of_webdatasets_writer(samples: dict[str, dict[str, bytes]]) -> None:
    theirs = io.BytesIO()
    with TarWriter(theirs, encoder=False, mtime=0, user="slyk", group="slyk", compress=False) as writer:
        for key, members in samples.items():
            writer.write({"__key__": key, **members})
    assert written(samples)[0] == theirs.getvalue()


def test_tarfile_finds_the_members_where_they_were_put(samples: dict[str, dict[str, bytes]]) -> None:
    data, tar = written(samples)
    with tarfile.open(fileobj=io.BytesIO(data)) as read:
        found = [[m.name, m.offset_data, m.size] for m in read]
    assert found == [place[:3] for place in tar.places]
    for name, offset, size, crc in tar.places:
        assert isinstance(offset, int) and isinstance(size, int)
        part = data[offset : offset + size]
        key, _, member = str(name).partition(".")
        assert part == samples[key][member] and zlib.crc32(part) == crc


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 10239, 10240])
def test_contents_of_any_length_end_at_a_block(size: int) -> None:
    tar = Tar()
    tar.add("a.bin", b"x" * size)
    tar.add("b.bin", b"y")
    data = tar.closed()
    assert len(data) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as read:
        assert [(m.name, m.size) for m in read] == [("a.bin", size), ("b.bin", 1)]


def test_no_members() -> None:
    with tarfile.open(fileobj=io.BytesIO(Tar().closed())) as read:
        assert read.getnames() == []
