"""Measured figures beside their targets: a table to read, JSON to keep, an exit status to act on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from slyk.files import write_json


class Line(NamedTuple):
    """One figure. target: in words, with the unit; ok: whether it is met, None where there is no target."""

    name: str
    measured: float
    target: str
    ok: bool | None
    note: str = ""


def at_least(name: str, measured: float, limit: float, unit: str = "", note: str = "") -> Line:
    """A figure that must not be below `limit`."""
    return Line(name, float(measured), f">= {limit:g} {unit}".rstrip(), bool(measured >= limit), note)


def at_most(name: str, measured: float, limit: float, unit: str = "", note: str = "") -> Line:
    """A figure that must not be above `limit`."""
    return Line(name, float(measured), f"<= {limit:g} {unit}".rstrip(), bool(measured <= limit), note)


def figure(name: str, measured: float, unit: str = "", note: str = "") -> Line:
    """A figure without a target."""
    return Line(name, float(measured), f"({unit})" if unit else "-", None, note)


def format_line(line: Line) -> str:
    """The line as a row of the table."""
    verdict = {True: "ok", False: "MISSED", None: ""}[line.ok]
    return f"{line.name:<58} {line.measured:>9.3f}  {line.target:<20} {verdict:<7} {line.note}".rstrip()


def summary(lines: Sequence[Line]) -> str:
    """The last line of a table: how many targets are met."""
    judged = [line for line in lines if line.ok is not None]
    return f"{sum(line.ok is True for line in judged)} of {len(judged)} targets met"


def status(lines: Sequence[Line]) -> int:
    """Exit status: 1 where a target is missed."""
    return int(any(line.ok is False for line in lines))


def write(path: Path, lines: Sequence[Line]) -> None:
    """The lines as JSON."""
    write_json(path, [line._asdict() for line in lines])
