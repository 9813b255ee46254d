"""How a stage ends when a user can mend the cause: one message and exit status 2, no traceback."""

import sys
from collections.abc import Callable

from slyk.errors import SlykError


def stage(main: Callable[[], None]) -> None:
    """Runs an entry point."""
    try:
        main()
    except SlykError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted: what is complete stays; the same command goes on from there", file=sys.stderr)
        raise SystemExit(130) from None
