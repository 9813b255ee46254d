"""Whole or absent files, digests and the root."""

import hashlib
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slyk import files
from slyk.errors import SlykError


def test_the_root_is_the_current_folder_or_slyk_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLYK_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert files.resolve("a/b") == tmp_path.resolve() / "a" / "b"
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path / "elsewhere"))
    assert files.resolve("a") == tmp_path.resolve() / "elsewhere" / "a"
    assert files.resolve("/a") == Path("/a")


def test_writing_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    files.write_atomic(path, b"one")
    files.write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_atomic(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_atomic(path, b"old")
    with pytest.raises(TypeError):
        files.write_atomic(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


ENDLESS = """
import sys, itertools
from pathlib import Path
from slyk.files import write_atomic
for i in itertools.count():
    write_atomic(Path(sys.argv[1]), bytes([i % 256]) * 3_000_000)
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writer = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)])
    try:
        while not path.is_file():
            assert writer.poll() is None
            time.sleep(0.01)
        time.sleep(0.1)
    finally:
        writer.kill()
        writer.wait()
    data = path.read_bytes()
    assert len(data) == 3_000_000 and len(set(data)) == 1


def test_json_bytes_do_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a", {"x": 1, "y": [2.5, None]})
    files.write_json(tmp_path / "b", {"y": [2.5, None], "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "c", float("nan"))
    assert not (tmp_path / "c").exists()


def test_digests(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert files.sha256(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    assert files.digest({"a": 1, "b": 2}) == files.digest({"b": 2, "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 2})


def test_the_digest_of_code_depends_on_the_chosen_parts() -> None:
    both = files.code_digest(["geometry", "metrics.py"])
    assert both == files.code_digest(["metrics.py", "geometry"])
    assert both != files.code_digest(["geometry"])
    assert files.code_digest(["_jpeg_region.c"]) != files.code_digest(["photos.py"])
    with pytest.raises(FileNotFoundError):
        files.code_digest(["no_such_package"])


def test_one_run_in_a_folder(tmp_path: Path) -> None:
    """Also of two processes; the folder is free again once the first has ended."""
    code = f"from pathlib import Path; from slyk.files import alone_in\nwith alone_in(Path({str(tmp_path)!r})): pass"
    with files.alone_in(tmp_path / "new"), files.alone_in(tmp_path):
        with pytest.raises(SlykError, match="another run is writing"), files.alone_in(tmp_path / "new"):
            raise AssertionError
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "another run is writing" in other.stderr
    with files.alone_in(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    with (
        pytest.raises(OSError, match="No space left") as error,
        files.atomic(path),
        Path("/dev/full").open("wb", 0) as full,
    ):
        full.write(b"x")
    assert error.value.filename == str(path) and not list(tmp_path.iterdir())
