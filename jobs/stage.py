"""How a stage ends when a user can mend the cause: one message and exit status 2, no traceback."""

import errno
import sys
from collections.abc import Callable

from slyk.errors import SlykError

OUTSIDE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
"""Disks that are full and folders that may not be written: none of our errors, but the user's to mend."""


def stage(main: Callable[[], None]) -> None:
    """Runs an entry point."""
    try:
        main()
    except SlykError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno not in OUTSIDE:
            raise
        print(f"error: {error.filename or 'writing'}: {error.strerror}; mend it and run again", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted: what is complete stays; the same command goes on from there", file=sys.stderr)
        raise SystemExit(130) from None
