"""Rendered sets in the on-disk layouts of the real data sets that they resemble (docs/layouts.md).

A layout is a module with `DOMAIN`, the domain whose photos it takes, `TITLE`, the real set's name, and `write`, which
fills an empty folder and yields after each group of photos how many there were. It converts what is on disk and draws
nothing: the same set gives the same bytes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from slyk.layouts import gaze360, mpiifacegaze, raf_db, teyed, xgaze, xgaze_224


class Layout(Protocol):
    DOMAIN: str
    TITLE: str

    def write(self, source: Path, out: Path, table: pa.Table) -> Iterator[int]:
        """source: root of the rendered set; table: its annotations (`slyk.synthetic.annotate.COLUMNS`)."""
        ...


LAYOUTS: dict[str, Layout] = {
    "mpiifacegaze": mpiifacegaze,  # people before their laptops
    "gaze360": gaze360,  # far people from any side
    "xgaze": xgaze,  # a studio's rig of cameras, whole photos
    "xgaze_224": xgaze_224,  # the same, faces normalized
    "teyed": teyed,  # videos of one eye
    "raf_db": raf_db,  # aligned faces with one of seven emotions
}
