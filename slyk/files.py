"""Files that are whole or absent, digests of files and of source code, and the folder that paths resolve against."""

import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from slyk.errors import SlykError


def root() -> Path:
    """SLYK_ROOT, or the current folder: what every relative path argument stands against, on any machine."""
    return Path(os.environ.get("SLYK_ROOT", ".")).resolve()


def resolve(path: str | Path) -> Path:
    """`path` below the root, or itself where absolute."""
    return root() / path


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes a folder and keeps other processes that ask for it out, until the block or this process ends.

    Raises SlykError where another has it. Storage that knows no locks is used without.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SlykError(f"another run is writing {folder}: wait for it, or end it") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF):
                raise
        yield
    finally:
        os.close(handle)


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the target's place, synced, when the block ends well: a reader sees the old file or
    the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = error.filename or str(path)  # a full disk names no file
        raise


def write_atomic(path: Path, data: bytes) -> None:
    """These bytes as a file, see `atomic`."""
    with atomic(path) as file:
        file.write(data)


def write_json(path: Path, value: Any) -> None:
    """JSON with sorted keys: the same value gives the same bytes."""
    write_atomic(path, (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of a value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def code_digest(packages: Iterable[str]) -> str:
    """sha256 over the source of `slyk` packages or modules ("geometry", "metrics.py"): what a result depends on.

    Raises FileNotFoundError for one that is not there.
    """
    base = Path(__file__).parent
    hasher = hashlib.sha256()
    for package in sorted(packages):
        files = sorted((base / package).rglob("*.py")) if (base / package).is_dir() else [base / package]
        for file in files:
            hasher.update(f"{file.relative_to(base)}\0".encode() + file.read_bytes())
    return hasher.hexdigest()
