"""The listing: what is named, and that any name survives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.datasets import listing
from slyk.datasets.listing import Entry
from slyk.errors import DataMissingError


def test_scan_names_files_by_path_size_and_time(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    (root / "b").mkdir(parents=True)
    (root / "b" / "two.jpg").write_bytes(b"22")
    (root / "a.jpg").write_bytes(b"1")
    found = list(listing.scan(root))
    assert [(e.path, e.size) for e in found] == [("a.jpg", 1), ("b/two.jpg", 2)]
    assert found[0].version == str((root / "a.jpg").stat().st_mtime_ns)


def test_links_out_of_the_set_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    root.mkdir()
    (tmp_path / "secret").write_text("s")
    (root / "in.jpg").write_text("i")
    (root / "out.jpg").symlink_to(tmp_path / "secret")
    (root / "same.jpg").symlink_to(root / "in.jpg")
    (root / "gone.jpg").symlink_to(root / "nowhere")
    assert [e.path for e in listing.scan(root)] == ["in.jpg", "same.jpg"]


def test_the_set_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.jpg").write_text("a")
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    assert [e.path for e in listing.scan(tmp_path / "raw")] == ["a.jpg"]


@given(st.lists(st.tuples(st.text(), st.integers(0, 2**60), st.text()), max_size=5))
def test_any_names_come_back_sorted(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, str]]) -> None:
    path = tmp_path_factory.mktemp("listing") / "set.files"
    entries = [Entry(*row) for row in rows]
    assert listing.write(path, entries) == len(rows)
    assert listing.read(path) == sorted(entries)


def test_names_that_are_no_unicode_come_back(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    name = b"caf\xe9.jpg".decode(errors="surrogateescape")
    (tmp_path / "raw" / name).write_text("x")
    listing.write(tmp_path / "set.files", listing.scan(tmp_path / "raw"))
    assert [e.path for e in listing.read(tmp_path / "set.files")] == [name]


def test_a_set_that_was_never_scanned(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="slyk data scan mine"):
        listing.read(tmp_path / "mine.files")
