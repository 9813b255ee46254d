"""The raw data sets that slyk reads, a line each. docs/datasets.md says how to add one."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from slyk.datasets import (
    affectnet,
    celeba,
    ferplus,
    folder,
    gaze360,
    gazehub,
    mpiifacegaze,
    mpiifacegaze_norm,
    raf_db,
    synthetic,
    table,
    teyed,
    unityeyes,
    w300,
    wflw,
    xgaze,
    xgaze_224,
)
from slyk.datasets.pictures import Image
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions
from slyk.errors import ParamsError
from slyk.photos import Canvas


class Reader(Protocol):
    """What a module of this package offers.

    TITLE: the set's name for people; LICENCE, short; SOURCE: where it is to be had.
    PER_TASK: units read in one task.
    """

    TITLE: str
    LICENCE: str
    SOURCE: str
    PER_TASK: int

    def units(self, listed: Sequence[str]) -> list[str]:
        """Of all files below the root those that are read by themselves: photos, or what lists or holds photos.

        Raises DataMissingError naming what of the layout is not there.
        """
        ...

    def read(self, raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
        """The outcomes of some units, in their order. Whether photo files exist is not asked here: `index` knows."""
        ...

    def picture(self, raw: Raw, name: str, canvas: Canvas | None = None) -> Image:
        """BGR uint8 (H, W, 3) of the photo that a record names, perhaps on `canvas`. Raises PhotoError."""
        ...


@runtime_checkable
class Container(Protocol):
    """Besides, the module of a set whose files hold many pictures each."""

    def file_of(self, name: str) -> str:
        """The file that holds the picture that a record names."""
        ...


@runtime_checkable
class Divisible(Protocol):
    """Besides, the module of a set with label files so long that several tasks share one."""

    def parts(self, raw: Raw, unit: str) -> list[str]:
        """The units that stand for this one in `read`: itself, or parts of it, in their order."""
        ...


DATASETS: dict[str, Reader] = {
    "synthetic": synthetic,  # the embedded rendered set
    "folder": folder,  # any directory of photos, no annotations
    "table": table,  # one's own labels in documented columns
    "mpiifacegaze": mpiifacegaze,  # as released, whole photos
    "mpiifacegaze_norm": mpiifacegaze_norm,  # the released normalized faces
    "gaze360": gaze360,
    "xgaze": xgaze,  # ETH-XGaze, whole photos
    "xgaze_224": xgaze_224,  # ETH-XGaze, normalized faces
    "gazehub": gazehub,  # several sets as GazeHub's scripts leave them
    "raf_db": raf_db,
    "affectnet": affectnet,
    "ferplus": ferplus,
    "celeba": celeba,
    "w300": w300,
    "wflw": wflw,
    "teyed": teyed,  # videos of one eye
    "unityeyes": unityeyes,  # renders of one eye
}


def reader(name: str) -> Reader:
    """The reader of a name."""
    if name not in DATASETS:
        raise ParamsError(f"unknown reader {name!r}; known: {', '.join(DATASETS)}")
    return DATASETS[name]


def file_of(name: str) -> Callable[[str], str]:
    """For a reader: from the photo of a record to the listed file, itself or the container that holds it."""
    module = reader(name)
    return module.file_of if isinstance(module, Container) else str


def parts_of(name: str) -> Callable[[Raw, str], list[str]]:
    """For a reader: the units that stand for one of its units, so that none takes long."""
    module = reader(name)
    return module.parts if isinstance(module, Divisible) else lambda raw, unit: [unit]
