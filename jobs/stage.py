"""How a stage ends when a user can mend the cause: one message and exit status 2, no traceback."""

import errno
import os
import re
import sys
from collections.abc import Callable

from slyk.errors import SlykError

OUTSIDE = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
        *(errno.EEXIST, errno.EISDIR, errno.ENOTDIR),
    }
)
"""Disks that are full, folders that may not be written, files where folders should be: the user's to mend."""
_OURS_IN_WORKER = re.compile(r"^slyk\.errors\.\w+: (.*?)(?:\n\nThe above exception|\s*\Z)", re.MULTILINE | re.DOTALL)
_IN_WORKER = re.compile(r"^\w+: \[Errno (\d+)\] .*?(?:: '(.*)')?$", re.MULTILINE)


def stage(main: Callable[[], None]) -> None:
    """Runs an entry point."""
    try:
        main()
    except SlykError as error:
        print(f"error: {error_of_worker(error) or error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted: what is complete stays; the same command goes on from there", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        outside = outside_error(error)
        message = error_of_worker(error) if outside is None else told(outside)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(2) from None


def outside_error(error: BaseException) -> OSError | None:
    """The error of OUTSIDE that this one is or, from a Ray task, tells of: only its text comes through the pickle."""
    if isinstance(error, OSError):
        return error if error.errno in OUTSIDE else None
    if not _is_of_worker(error):
        return None
    for number, name in _IN_WORKER.findall(str(error)):
        if int(number) in OUTSIDE:
            return OSError(int(number), os.strerror(int(number)), name or None)
    return None


def error_of_worker(error: BaseException) -> str | None:
    """The message of the SlykError that ended a Ray task."""
    found = _OURS_IN_WORKER.search(str(error)) if _is_of_worker(error) else None
    return found and found[1]


def _is_of_worker(error: BaseException) -> bool:
    return any(kind.__name__ == "RayTaskError" for kind in type(error).__mro__)


def told(error: OSError) -> str:
    return f"{error.filename or 'writing'}: {error.strerror}; mend it and run again"
