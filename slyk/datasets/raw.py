"""A raw data set as it was downloaded, a folder, a link to one or a URL: nothing outside its root is ever opened."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from slyk.errors import DataMissingError, PhotoError
from slyk.photos import MAX_BYTES

MAX_TEXT_BYTES = 2**30
"""Of a label file; AffectNet's and Gaze360's are the largest, some 100 MB."""


class Raw:
    """Files below `root` by names with `/`. root: a path, absolute or below the current folder, or an fsspec URL."""

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).rstrip("/") or "/"
        self.is_local = "://" not in self.root
        self._fs: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "is_local": self.is_local, "_fs": None}

    def exists(self) -> bool:
        """Whether there is a folder at the root."""
        return Path(self.root).is_dir() if self.is_local else bool(self._files().isdir(self.root))

    def has(self, name: str) -> bool:
        """Whether there is such a file, inside of the root."""
        try:
            return self._path(name).is_file() if self.is_local else bool(self._files().isfile(self._url(name)))
        except PhotoError:
            return False

    def read(self, name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """The bytes of a file. Raises PhotoError `not_found`, `empty_file`, `too_large_file`, `outside_root`,
        `unreadable`."""
        try:
            size = self._path(name).stat().st_size if self.is_local else int(self._files().size(self._url(name)))
            if size > max_bytes:
                raise PhotoError("too_large_file", f"{name}: {size} bytes, at most {max_bytes}")
            data = self._path(name).read_bytes() if self.is_local else bytes(self._files().cat_file(self._url(name)))
        except FileNotFoundError:
            raise PhotoError("not_found", name) from None
        except OSError as error:
            raise PhotoError("unreadable", f"{name}: {error.strerror or error}") from None
        if not data:
            raise PhotoError("empty_file", name)
        return data

    def stretch(self, name: str, start: int, end: int | None) -> bytes:
        """The bytes of a label file from `start` to `end`, or its own. Raises PhotoError `not_found`, `outside_root`,
        `too_large_file`, `unreadable`."""
        try:
            if not self.is_local:
                return bytes(self._files().cat_file(self._url(name), start=start, end=end))
            with self._path(name).open("rb") as file:
                file.seek(start)
                data = file.read(MAX_TEXT_BYTES + 1 if end is None else end - start)
        except FileNotFoundError:
            raise PhotoError("not_found", name) from None
        except OSError as error:
            raise PhotoError("unreadable", f"{name}: {error.strerror or error}") from None
        if len(data) > MAX_TEXT_BYTES:
            raise PhotoError("too_large_file", f"{name}: more than {MAX_TEXT_BYTES} bytes")
        return data

    def text(self, name: str) -> str:
        r"""A label file as text: UTF-8 with or without a byte order mark; line ends, of any kind, become `\n`.

        Raises DataMissingError where it is missing, empty, too large or not UTF-8.
        """
        try:
            data = self.read(name, max_bytes=MAX_TEXT_BYTES).decode("utf-8-sig")
        except PhotoError as error:
            raise DataMissingError(f"{self.root}/{name}: {error} (docs/datasets.md says what belongs there)") from None
        except UnicodeDecodeError as error:
            raise DataMissingError(f"{self.root}/{name} is not UTF-8 text: {error}") from None
        return data.replace("\r\n", "\n").replace("\r", "\n")

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A file for libraries that open files by name; of a URL a copy that ends with the block."""
        if self.is_local:
            path = self._path(name)
            if not path.is_file():
                raise PhotoError("not_found", name)
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / PurePosixPath(name).name
            try:
                with self._files().open(self._url(name), "rb") as source, path.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
            except FileNotFoundError:
                raise PhotoError("not_found", name) from None
            yield path

    def entries(self) -> Iterator[tuple[str, int, str]]:
        """(name, size, version) of every regular file, by name; links that lead out of a local root are left out."""
        if not self.is_local:
            found = self._files().find(self.root, detail=True)
            base = self._files()._strip_protocol(self.root).rstrip("/") + "/"
            for path, info in sorted(found.items()):
                version = info.get("ETag") or info.get("mtime") or info.get("LastModified") or ""
                yield path.removeprefix(base), int(info["size"]), str(version).strip('"')
            return
        base_path = Path(self.root).resolve()
        yield from sorted(_below(str(base_path), "", base_path))

    def _path(self, name: str) -> Path:
        """Raises PhotoError `outside_root`."""
        base = Path(self.root).resolve()
        path = (base / name).resolve()
        if not path.is_relative_to(base):
            raise PhotoError("outside_root", name)
        return path

    def _url(self, name: str) -> str:
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise PhotoError("outside_root", name)
        return f"{self.root}/{name}"

    def _files(self) -> Any:
        if self._fs is None:
            import fsspec

            self._fs = fsspec.core.url_to_fs(self.root)[0]
        return self._fs


def _below(folder: str, prefix: str, base: Path) -> Iterator[tuple[str, int, str]]:
    """What `Raw.entries` gives of a folder, in any order. Links to folders are not followed: they may go in circles."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, f"{prefix}{entry.name}/", base)
            elif entry.is_file() and (not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(base)):
                status = entry.stat()
                yield f"{prefix}{entry.name}", status.st_size, str(status.st_mtime_ns)
