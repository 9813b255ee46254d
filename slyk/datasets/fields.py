"""What readers of label files share: numbers that are finite, keys, MATLAB files, units."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from slyk.datasets.raw import Raw
from slyk.errors import DataMissingError, PhotoError
from slyk.geometry.camera import Array
from slyk.matlab import variables


def numbers(fields: Sequence[str], what: str) -> Array:
    """Fields of text as finite numbers (N,). Raises PhotoError `bad_label` naming what they should have been."""
    try:
        values = np.array([float(field) for field in fields], dtype=np.float64)
    except ValueError as error:
        raise PhotoError("bad_label", f"{what}: {error}") from None
    if not np.isfinite(values).all():
        raise PhotoError("bad_label", f"{what}: {' '.join(fields[:6])} ... holds a value that is not finite")
    return values


def unit(vector: Array, what: str) -> Array:
    """The vector (3,) at length 1. Raises PhotoError `bad_label` where it has none."""
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < 1e-6:
        raise PhotoError("bad_label", f"{what} has no direction: {np.asarray(vector).tolist()}")
    return np.asarray(vector / length, dtype=np.float64)


def key_of(path: str) -> str:
    """A key `[a-z0-9_/-]+` from a name; other signs become `-`. Unique where the names differ in more than such."""
    return re.sub(r"[^a-z0-9_/-]+", "-", path.lower()).strip("-/")


def matlab(raw: Raw, name: str) -> dict[str, Any]:
    """Variables of a MATLAB file (up to version 7). Raises DataMissingError where it is missing, damaged or claims too
    much."""
    try:
        data = raw.read(name)
    except PhotoError as error:
        raise DataMissingError(f"{raw.root}/{name}: {error} (docs/datasets.md says what belongs there)") from None
    try:
        return variables(data)
    except Exception as error:  # SciPy raises many kinds on damaged files
        raise DataMissingError(f"{raw.root}/{name} cannot be read as a MATLAB file: {error}") from None


def variable(content: dict[str, Any], names: Sequence[str], shape: tuple[int, ...], where: str) -> Array:
    """The first of the named variables, in a shape. Raises DataMissingError listing what is there."""
    for name in names:
        if name in content and np.asarray(content[name]).size == int(np.prod(shape)):
            return np.asarray(content[name], dtype=np.float64).reshape(shape)
    known = ", ".join(sorted(key for key in content if not key.startswith("__")))
    raise DataMissingError(f"{where} holds no {' or '.join(names)} of shape {shape}; it holds: {known or 'nothing'}")


def require(found: Sequence[str], what: str, example: str) -> list[str]:
    """The units, or DataMissingError saying which files the layout has."""
    if not found:
        raise DataMissingError(f"no {what} found: expected files such as {example} below the root (docs/datasets.md)")
    return list(found)
