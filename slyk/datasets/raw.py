"""A raw data set as it was downloaded, a folder, a link to one or a URL: nothing outside its root is ever opened."""

import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from slyk.errors import OF_THE_MACHINE, DataMissingError, ParamsError, PhotoError, SlykError, StorageError
from slyk.photos import MAX_BYTES

MAX_TEXT_BYTES = 2**28
"""Of a label file, or of the part of it that is read at once; AffectNet's is the largest, some 100 MB."""
MAX_LINE_BYTES = 2**20
"""Of its lines; a row of FER2013 takes 10 kB."""
PAUSES_S = (1.0, 4.0)
"""Before each further try of a storage that does not answer; most try some times by themselves before that."""
_OF_ONE_NAME = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""What a storage says of a name. Everything else it raises is about the storage."""


class Raw:
    """Files below `root` by names with `/`. root: a path, absolute or below the current folder, or an fsspec URL.

    Behind a URL, a storage that does not answer, or refuses, fails whatever asks with StorageError: it says nothing
    about a photo. Addresses and credentials of storages come from the environment. Raises ParamsError for a URL that
    holds a password.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root).removeprefix("file://").rstrip("/") or "/"
        self.is_local = "://" not in self.root
        if not self.is_local and urlsplit(self.root).password is not None:
            raise ParamsError(
                f"root {self.root.split(':')[0]}://...: take the password out and set it where its "
                "storage looks for credentials: in the environment"
            )
        self._fs: tuple[Any, str] | None = None
        self._folders: dict[str, Path] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, "is_local": self.is_local, "_fs": None, "_folders": {}}

    def exists(self) -> bool:
        """Whether there is a folder at the root."""
        return Path(self.root).is_dir() if self.is_local else self._type("") == "directory"

    def has(self, name: str) -> bool:
        """Whether there is such a file, inside of the root."""
        try:
            return self._path(name).is_file() if self.is_local else self._type(name) == "file"
        except (PhotoError, OSError):
            return False

    def read(self, name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """The bytes of a file. Raises PhotoError `not_found`, `empty_file`, `too_large_file`, `outside_root`,
        `unreadable`."""
        try:
            path = self._path(name) if self.is_local else None
            size = int(self._ask("size", name)) if path is None else _size(path, name)
            if size > max_bytes:
                raise PhotoError("too_large_file", f"{name}: {size} bytes, at most {max_bytes}")
            data = bytes(self._ask("cat_file", name)) if path is None else path.read_bytes()
        except FileNotFoundError:
            raise PhotoError("not_found", name) from None
        except OSError as error:
            if error.errno in OF_THE_MACHINE:
                raise
            raise PhotoError("unreadable", f"{name}: {error.strerror or error}") from None
        if not data:
            raise PhotoError("empty_file", name)
        return data

    def stretch(self, name: str, start: int, end: int | None) -> bytes:
        """The bytes of a label file from `start` to `end`, or its own. Raises PhotoError `not_found`, `outside_root`,
        `too_large_file`, `unreadable`."""
        try:
            size = self._path(name).stat().st_size if self.is_local else int(self._ask("size", name))
            end = size if end is None else min(end, size)
            if end - start > MAX_TEXT_BYTES:
                raise PhotoError("too_large_file", f"{name}: {end - start} bytes, at most {MAX_TEXT_BYTES}")
            if end <= start:  # S3 knows no empty part
                return b""
            if self.is_local:
                with self._path(name).open("rb") as file:
                    file.seek(start)
                    data = file.read(end - start)
            else:
                data = bytes(self._ask("cat_file", name, start=start, end=end))
        except FileNotFoundError:
            raise PhotoError("not_found", name) from None
        except OSError as error:
            if error.errno in OF_THE_MACHINE:
                raise
            raise PhotoError("unreadable", f"{name}: {error.strerror or error}") from None
        _check_lines(data, name)
        return data

    def text(self, name: str) -> str:
        r"""A label file as text: UTF-8 with or without a byte order mark; line ends, of any kind, become `\n`.

        Raises DataMissingError where it is missing, empty, too large or not UTF-8.
        """
        try:
            data = self.read(name, max_bytes=MAX_TEXT_BYTES)
            _check_lines(data, name)
            text = data.decode("utf-8-sig")
        except PhotoError as error:
            raise DataMissingError(f"{self.root}/{name}: {error} (docs/datasets.md says what belongs there)") from None
        except UnicodeDecodeError as error:
            raise DataMissingError(f"{self.root}/{name} is not UTF-8 text: {error}") from None
        return text.replace("\r\n", "\n").replace("\r", "\n")

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
                self._ask("get_file", name, str(path))
            except _OF_ONE_NAME:
                raise PhotoError("not_found", name) from None
            yield path

    def entries(self) -> Iterator[tuple[str, int, str]]:
        """(name, size, version) of every regular file, by name. Left out are what leads out of the root, links or
        names with `..`, and what storages keep in place of folders."""
        if not self.is_local:
            found = self._ask("find", "", detail=True)
            base = self._storage()[1] + "/"
            for path, info in sorted(found.items()):
                name, version = (
                    path.removeprefix(base),
                    info.get("ETag") or info.get("mtime") or info.get("LastModified"),
                )
                if not _leads_out(name) and not name.endswith("/"):
                    yield name, int(info["size"]), str(version or "").strip('"')
            return
        base_path = Path(self.root).resolve()
        yield from sorted(_below(str(base_path), "", base_path))

    def _path(self, name: str) -> Path:
        """Raises PhotoError `outside_root`, `not_found` for what cannot be a name."""
        folder, _, file = name.rpartition("/")
        if file in ("", ".", "..") or "\0" in name:
            return self._resolved(name)
        if folder not in self._folders:  # asked once: following the links of all parts takes longer than reading
            self._folders[folder] = self._resolved(folder)
        path = self._folders[folder] / file
        return self._resolved(name) if path.is_symlink() else path

    def _resolved(self, name: str) -> Path:
        """With all links followed. Raises PhotoError, likewise."""
        base = Path(self.root).resolve()
        try:
            path = (base / name).resolve()
        except (RuntimeError, ValueError) as error:  # links in a circle, a null in the name
            raise PhotoError("not_found", f"{name}: {error}") from None
        if not path.is_relative_to(base):
            raise PhotoError("outside_root", name)
        return path

    def _type(self, name: str) -> str:
        """`file`, `directory`, or nothing."""
        try:
            return str(self._ask("info", name)["type"])
        except _OF_ONE_NAME:
            return ""

    def _ask(self, question: str, name: str, *arguments: Any, **options: Any) -> Any:
        """What the storage behind the URL answers, a method of fsspec's, about a name; the root is "".

        Raises PhotoError `outside_root`, FileNotFoundError and its like for the name, StorageError for all else, after
        some tries.
        """
        if _leads_out(name):
            raise PhotoError("outside_root", name)
        for pause in (*PAUSES_S, None):
            try:
                storage, base = self._storage()
                return getattr(storage, question)(f"{base}/{name}" if name else base, *arguments, **options)
            except (*_OF_ONE_NAME, SlykError):
                raise
            except Exception as error:  # every storage has kinds of its own
                if pause is None or isinstance(error, PermissionError):
                    raise StorageError(_advice(self.root, error)) from None
                time.sleep(pause)

    def _storage(self) -> tuple[Any, str]:
        """fsspec's file system and the root in it. Raises ParamsError for a kind of URL that is not known."""
        if self._fs is None:
            import fsspec

            try:
                storage, base = fsspec.core.url_to_fs(self.root)
            except (ImportError, ValueError) as error:
                advice = "pip install 'slyk[s3]' brings s3://"
                raise ParamsError(f"root {self.root} cannot be read: {error} ({advice})") from None
            self._fs = storage, base.rstrip("/")
        return self._fs


def _advice(root: str, error: Exception) -> str:
    told = next(iter(str(error).splitlines()), "") or type(error).__name__
    return (
        f"{root} cannot be read: {told}. Is its server up, the network there, the address right, the access granted? "
        "They come from the environment (S3: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_PROFILE). "
        "What is complete stays: run it again"
    )


def _check_lines(data: bytes, name: str) -> None:
    """Raises PhotoError `too_large_file` for a line that takes much memory, and its cells far more."""
    start = 0
    while len(data) - start > MAX_LINE_BYTES:
        window = data.rfind(b"\n", start, start + MAX_LINE_BYTES), data.rfind(b"\r", start, start + MAX_LINE_BYTES)
        if max(window) < start:
            raise PhotoError(
                "too_large_file", f"{name}: a line of more than {MAX_LINE_BYTES} bytes, from byte {start} on"
            )
        start = max(window) + 1


def _size(path: Path, name: str) -> int:
    """Bytes of a file. Raises PhotoError `unreadable` for a pipe, which one may wait for forever."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise PhotoError("unreadable", f"{name}: not a regular file")
    return status.st_size


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in PurePosixPath(name).parts


def _is_file(entry: "os.DirEntry[str]", base: Path) -> bool:
    """Whether it is a regular file, or a link to one inside of the root."""
    if not entry.is_symlink():
        return entry.is_file()
    try:
        path = Path(entry.path).resolve(strict=True)
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        return False
    return path.is_relative_to(base) and path.is_file()


def _below(folder: str, prefix: str, base: Path) -> Iterator[tuple[str, int, str]]:
    """What `Raw.entries` gives of a folder, in any order. Links to folders are not followed: they may go in circles."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, f"{prefix}{entry.name}/", base)
            elif _is_file(entry, base):
                status = entry.stat()
                yield f"{prefix}{entry.name}", status.st_size, str(status.st_mtime_ns)
