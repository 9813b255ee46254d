"""Files of a raw set: by name below the root, from a folder or a URL, never from elsewhere."""

import errno
import os
import pickle
import resource
from pathlib import Path

import fsspec
import pytest

from slyk.datasets import listing
from slyk.datasets.lines import divided
from slyk.datasets.raw import MAX_LINE_BYTES, Raw
from slyk.errors import DataMissingError, PhotoError
from tests.datasets.trees import in_memory


@pytest.fixture(params=["folder", "link", "file", "url"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> Raw:
    """The same three files behind each kind of root."""
    root = tmp_path / "set"
    (root / "a").mkdir(parents=True)
    (root / "a/one.txt").write_bytes(b"\xef\xbb\xbf1 2\r\n\r\n3 \xc3\xa4\r\n")
    (root / "empty.txt").write_bytes(b"")
    (root / "big.bin").write_bytes(bytes(100))
    (tmp_path / "secret.txt").write_text("outside")
    if request.param == "folder":
        return Raw(root)
    if request.param == "link":
        (tmp_path / "link").symlink_to(root)
        return Raw(tmp_path / "link")
    return Raw(f"file://{root}/") if request.param == "file" else in_memory(root)


def test_the_same_files_behind_any_root(raw: Raw) -> None:
    assert raw.exists()
    assert [(name, size) for name, size, _ in raw.entries()] == [("a/one.txt", 16), ("big.bin", 100), ("empty.txt", 0)]
    assert raw.has("a/one.txt") and not raw.has("a/two.txt") and not raw.has("a")
    assert raw.text("a/one.txt") == "1 2\n\n3 ä\n"
    with raw.local("big.bin") as path:
        assert path.read_bytes() == bytes(100)
    assert pickle.loads(pickle.dumps(raw)).read("big.bin") == bytes(100)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.txt", "not_found"),
        ("empty.txt", "empty_file"),
        ("big.bin", "too_large_file"),
        ("../secret.txt", "outside_root"),
    ],
)
def test_what_cannot_be_read_has_a_reason(raw: Raw, name: str, reason: str) -> None:
    with pytest.raises(PhotoError) as caught:
        raw.read(name, max_bytes=50)
    assert caught.value.reason == reason
    assert not raw.has("../secret.txt")


def test_label_files_that_are_missing_or_no_text(raw: Raw) -> None:
    with pytest.raises(DataMissingError, match=r"none\.txt.*not_found"):
        raw.text("none.txt")
    with pytest.raises(DataMissingError, match="empty_file"):
        raw.text("empty.txt")


def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"outside")
    (root / "in.jpg").write_bytes(b"inside")
    (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "again.jpg").symlink_to(root / "in.jpg")
    raw = Raw(root)
    assert [entry.path for entry in listing.scan(root)] == ["again.jpg", "in.jpg"]
    assert raw.read("again.jpg") == b"inside" and not raw.has("out.jpg")
    with pytest.raises(PhotoError, match="outside_root"):
        raw.read("out.jpg")
    with pytest.raises(PhotoError, match="outside_root"), raw.local("out.jpg"):
        pass
    with pytest.raises(PhotoError, match="outside_root"):
        Raw(f"file://{root}").read("out.jpg")


@pytest.mark.parametrize("name", ["null\0.txt", "circle.txt", "long" * 100, "a" + "/a" * 5000, "file.txt/below"])
def test_names_of_no_file(tmp_path: Path, name: str) -> None:
    """As a label file may hold them; none ends a stage."""
    (tmp_path / "circle.txt").symlink_to(tmp_path / "circle.txt")
    (tmp_path / "file.txt").write_text("x")
    raw = Raw(tmp_path)
    assert not raw.has(name) and [entry.path for entry in listing.scan(tmp_path)] == ["file.txt"]
    with pytest.raises(PhotoError, match=r"not_found|unreadable"):
        raw.read(name)


def test_a_url_in_memory() -> None:
    fsspec.filesystem("memory").pipe("/photos/b/x.jpg", b"bytes")
    raw = Raw("memory://photos")
    assert [entry.path for entry in listing.scan("memory://photos")] == ["b/x.jpg"]
    assert raw.read("b/x.jpg") == b"bytes" and not Raw("memory://nothing").exists()


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_without_end(tmp_path: Path, end: bytes) -> None:
    """A label file of one line of a gigabyte would take ten of memory."""
    most = MAX_LINE_BYTES - len(end)
    (tmp_path / "long.txt").write_bytes(end.join([b"a" * most, b"b" * most, b"c" * MAX_LINE_BYTES]))
    (tmp_path / "longer.txt").write_bytes(end.join([b"a" * most, b"b" * (MAX_LINE_BYTES + 1), b"c" * most]))
    raw = Raw(tmp_path)
    assert raw.text("long.txt")[-1] == "c" and len(raw.stretch("long.txt", 0, None)) > 3 * most
    with pytest.raises(DataMissingError, match=r"longer\.txt: a line of more than 1048576 bytes"):
        raw.text("longer.txt")
    with pytest.raises(PhotoError, match="a line of more than"):
        raw.stretch("longer.txt", 0, None)
    assert divided(raw, "longer.txt", per_part=1) == ["longer.txt"]  # who reads it tells
    os.truncate(tmp_path / "longer.txt", 2**40)
    with pytest.raises(PhotoError, match=f"too_large_file: .* {2**40} bytes"):
        raw.stretch("longer.txt", 0, None)


def test_too_many_open_files_say_nothing_about_a_photo(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    raw = Raw(tmp_path)
    assert raw.read("a.jpg") == b"a"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError) as caught:
            raw.read("a.jpg")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.errno == errno.EMFILE
