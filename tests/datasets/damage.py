"""What befalls downloaded sets, and what must come of it: small sets tell it of themselves, `test_damage` tries it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import EllipsisType
from typing import Any

ODD = "ä\u2028\u0085顔#2"
"""A part of a name: other scripts, signs that some functions take for line ends, and the one before a PLACE."""
DAMAGE = {
    "missing_image": "a photo, or the file that holds pictures, is gone",
    "truncated_jpeg": "it was cut in half",
    "nan_label": "a number of a label is none",
    "windows_ends": "lines end with \\r\\n",
    "trailing_spaces": "lines end with spaces and a tab",
    "unicode_path": "a photo has an odd name; the set's folder always has",
    "duplicate_key": "a label is there twice",
    "empty_person": "of a person there are no labels",
    "off_screen": "a target lies beside the screen",
    "camera_from_1": "an index counts from 1 where the original counts from 0",
}
Step = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """What is done to a set, and all that then differs from what a clean one gives.

    rejects: (photo, reason) of each. Of the index: lost and new keys; changed, key -> column -> value, or ... for any;
    renamed, photo -> its name now, which alone changes key, group and shard. unread: photo of a row -> why its picture
    does not come. error: what the set as a whole is refused with.
    """

    step: Step
    rejects: Sequence[tuple[str, str]] = ()
    lost: Sequence[str] = ()
    new: Sequence[str] = ()
    changed: Mapping[str, Mapping[str, Any | EllipsisType]] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


Cases = Mapping[str, Case | str]
"""Each of `DAMAGE` -> what comes of it, or why it cannot befall the set."""
NOT_LABELLED: Cases = {"nan_label": "nothing is labelled", "duplicate_key": "nothing names a photo"}
NO_PEOPLE: Cases = {"empty_person": "nobody is named"}
NO_SCREEN: Cases = {"off_screen": "no screens"}
NO_CAMERAS: Cases = {"camera_from_1": "no numbered cameras"}
FIXED_NAMES: Cases = {"unicode_path": "names are fixed"}


def steps(*several: Step) -> Step:
    def step(root: Path) -> None:
        for one in several:
            one(root)

    return step


def gone(name: str) -> Step:
    return lambda root: (root / name).unlink()


def cut(name: str) -> Step:
    """Half of the file."""
    return lambda root: (root / name).write_bytes((data := (root / name).read_bytes())[: len(data) // 2])


def emptied(name: str) -> Step:
    return lambda root: (root / name).write_bytes(b"")


def moved(name: str, new: str) -> Step:
    return lambda root: (root / name).rename(root / new)


def edited(name: str, old: str, new: str) -> Step:
    """A text that is there once."""

    def step(root: Path) -> None:
        text = (root / name).read_bytes().decode()
        assert text.count(old) == 1, (name, old, text.count(old))
        (root / name).write_bytes(text.replace(old, new).encode())

    return step


def doubled(name: str, told: str) -> Step:
    """The line that holds this text comes twice."""

    def step(root: Path) -> None:
        (line,) = (line for line in (root / name).read_text().split("\n") if told in line)
        edited(name, line, f"{line}\n{line}")(root)

    return step


def _texts(root: Path) -> list[Path]:
    found = [path for path in root.rglob("*") if path.suffix in {".txt", ".csv", ".label", ".json", ".pts", ".xml"}]
    assert found
    return found


def _windows_ends(root: Path) -> None:
    for path in _texts(root):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def _trailing_spaces(root: Path) -> None:
    for path in _texts(root):
        path.write_bytes(path.read_bytes().rstrip(b"\n").replace(b"\n", b"  \t\n") + b" \t\n")


TEXTS: Cases = {"windows_ends": Case(_windows_ends), "trailing_spaces": Case(_trailing_spaces)}
NO_TEXTS: Cases = {"windows_ends": "no text files", "trailing_spaces": "no text files"}
