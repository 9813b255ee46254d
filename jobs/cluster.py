"""Ray, on this machine or on the cluster that RAY_ADDRESS names; always with token authentication."""

import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from slyk.errors import ParamsError, SlykError

TOKEN = Path("~/.ray/auth_token").expanduser()


def ensure_token() -> None:
    """Sets the authentication mode and makes a private token where there is none (Ray alone would make it readable)."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    if os.environ["RAY_AUTH_MODE"] != "token" or "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ:
        return
    try:
        TOKEN.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise SlykError(
            f"{TOKEN} cannot be written ({error.strerror}): set HOME to a folder of yours, or RAY_AUTH_TOKEN"
        ) from None
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(32))


def num_cpus() -> int:
    """Cores for a Ray of this machine: SLYK_NUM_CPUS, or those that this process may use."""
    return whole_number("SLYK_NUM_CPUS", len(os.sched_getaffinity(0)), least=1)


def whole_number(variable: str, usual: int, *, least: int) -> int:
    """Of an environment variable, or the usual one where it is not set. Raises ParamsError for anything else."""
    text = os.environ.get(variable, str(usual))
    if not text.isdecimal() or int(text) < least:
        raise ParamsError(f"{variable} is {text!r}: set it to a whole number from {least} on, or unset it")
    return int(text)


@contextmanager
def connect() -> Iterator[Any]:
    """A connected `ray`. Without RAY_ADDRESS a private Ray starts here and ends with the block.

    Raises SlykError where none starts, or where a program imported ray too early for its authentication.
    """
    late = "ray" in sys.modules and "RAY_AUTH_MODE" not in os.environ  # ray reads it once, when it is imported
    if late and not sys.modules["ray"].is_initialized():
        raise SlykError("ray was imported without authentication: set RAY_AUTH_MODE=token before Python starts")
    ensure_token()
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    os.environ.setdefault("RAY_TRAIN_COLLECTIVE_TIMEOUT_S", "600")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # at 15, any other process starves the workers
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():  # the caller's Ray: tests, notebooks
        yield ray
        return
    _start(ray)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: Ray's own prints addresses and aborts
    configure_data()
    try:
        yield ray
    finally:
        ray.shutdown()


def map_rows(
    function: Callable[[dict[str, Any]], dict[str, Any]], rows: Sequence[dict[str, Any]], *, plain: bool
) -> Iterator[dict[str, Any]]:
    """`function` of each row: one after the other in this process where that is `plain`ly faster than starting Ray,
    else a task of Ray Data each, in the order in which they end.

    With RAY_ADDRESS, or SLYK_PLAIN=0, it is always Ray.
    """
    if plain and not os.environ.get("RAY_ADDRESS") and os.environ.get("SLYK_PLAIN", "1") != "0":
        yield from map(function, rows)
        return
    if not rows:
        return

    def task(row: dict[str, Any]) -> dict[str, Any]:
        cv2.setNumThreads(1)  # a task has one core
        return function(row)

    with connect() as ray:
        yield from ray.data.from_items(list(rows), override_num_blocks=len(rows)).map(task).iter_rows()


def _start(ray: Any) -> None:
    """Joins the cluster of RAY_ADDRESS or starts a Ray of our own. Raises SlykError saying what to look at."""
    address = os.environ.get("RAY_ADDRESS")
    private = Path(f"/tmp/slyk-{os.getuid()}")  # Ray makes its own folder open to all; socket paths must be short
    private.mkdir(mode=0o700, exist_ok=True)
    folder = str(private / "ray")
    settings = {
        "address": "local",
        "num_cpus": num_cpus(),
        "object_store_memory": 512 * 2**20,
        "include_dashboard": False,
        "_temp_dir": folder,
    }
    try:
        ray.init(
            **({"address": address} if address else settings),  # a cluster has settings of its own
            logging_level="warning",
            log_to_driver=False,
        )
    except Exception as error:  # Ray raises plain ones too
        first = (str(error).splitlines() or [type(error).__name__])[0]
        advice = (
            f"is the cluster of RAY_ADDRESS={address} up, and the token its own?"
            if address
            else f"perhaps the machine is too busy: try again; its logs are below {folder}"
        )
        raise SlykError(f"Ray did not start: {first} ({advice})") from None


def configure_data() -> None:
    """Ray Data: progress bars only where somebody watches, since stages print their own lines; all cores at work."""
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = sys.stderr.isatty()
    context.print_on_execution_start = False
    # it keeps cores back for operators after the first, which our flows of one operator never have: a third of the
    # first second and a tenth of each task (benchmarks/normalize.py)
    context.op_resource_reservation_enabled = False
