"""Numbers that come from the environment, and authentication, which ray reads there once."""

import os
import subprocess
import sys

import pytest

from jobs.cluster import num_cpus
from jobs.train import num_workers
from slyk.errors import ParamsError


@pytest.mark.parametrize("text", ["x", "", "-1", "1.5"])
def test_no_number_of_workers(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLYK_NUM_WORKERS", text)
    with pytest.raises(ParamsError, match=f"SLYK_NUM_WORKERS is '{text}': set it to a whole number from 0 on"):
        num_workers()


def test_numbers_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, 3):
        monkeypatch.setenv("SLYK_NUM_WORKERS", str(number))
        assert num_workers() == number
    monkeypatch.delenv("SLYK_NUM_WORKERS")
    assert num_workers() >= 1
    monkeypatch.setenv("SLYK_NUM_CPUS", "0")
    with pytest.raises(ParamsError, match="SLYK_NUM_CPUS is '0': set it to a whole number from 1 on, or unset it"):
        num_cpus()


def test_ray_imported_without_authentication_is_told() -> None:
    code = "import ray; from jobs import cluster; cluster.connect().__enter__()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "SlykError: ray was imported without authentication: set RAY_AUTH_MODE=token before Python starts\n"
    )


@pytest.mark.slow
def test_sigterm_ends_a_stage_as_ctrl_c_does() -> None:
    """As batch schedulers end what ran out of time."""
    code = """
import os, signal
from jobs.cluster import connect
from jobs.stage import stage

def main():
    with connect():
        os.kill(os.getpid(), signal.SIGTERM)

stage(main)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130
    assert done.stderr == "interrupted: what is complete stays; the same command goes on from there\n"
