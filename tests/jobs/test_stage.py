"""How stages end: what a user can mend is one line and a status, a fault of ours stays a traceback."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs import cluster
from jobs.stage import stage
from slyk.errors import DataMissingError, SlykError, StorageError


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (DataMissingError("no photos"), 2, "error: no photos\n"),
        (OSError(errno.ENOSPC, "No space left on device", "a.tar"), 2, "error: a.tar: No space left on device"),
        (OSError(errno.EFBIG, "File too large", "a.tar"), 2, "error: a.tar: File too large; mend it and run again"),
        (FileExistsError(errno.EEXIST, "File exists", "out"), 2, "error: out: File exists"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "out"), 2, "error: out: Not a directory"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), 2, "error: out: Permission denied"),
        (KeyboardInterrupt(), 130, "goes on from there"),
    ],
)
def test_what_a_user_can_mend(error: BaseException, status: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        stage(raising(error))
    assert ended.value.code == status
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(errno.ENOENT, "No such file", "x")])
def test_our_own_faults_keep_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        stage(raising(error))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # Ray Data sets what it deprecates
@pytest.mark.parametrize("through", ["data", "task"])
def test_what_a_user_can_mend_in_a_worker(through: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Ray wraps it in tracebacks of its own, Ray Data even in another exception."""

    def fail(row: object = None) -> None:
        raise StorageError("s3://set cannot be read\nin two lines")

    def main() -> None:
        with cluster.connect() as ray:
            if through == "data":
                ray.data.range(1).map(fail).take_all()
            ray.get(ray.remote(fail).remote())

    with pytest.raises(SystemExit) as ended:
        stage(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("error: s3://set cannot be read\nin two lines\n")


def test_a_token_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").write_text("a file, no folder")
    monkeypatch.setattr(cluster, "TOKEN", tmp_path / "home" / ".ray" / "auth_token")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(SlykError, match="set HOME to a folder of yours"):
        cluster.ensure_token()
