"""The raw data sets that slyk reads: a module each, a line each. docs/datasets.md says how to add one."""

from types import ModuleType

from slyk.datasets import folder, synthetic
from slyk.errors import ParamsError

DATASETS: dict[str, ModuleType] = {
    "synthetic": synthetic,  # the embedded rendered set
    "folder": folder,  # any directory of photos, no annotations
}


def reader(name: str) -> ModuleType:
    """The module of a reader: `photos(listed)`, `read(root, chosen, options)` and `LICENCE`."""
    if name not in DATASETS:
        raise ParamsError(f"unknown reader {name!r}; known: {', '.join(DATASETS)}")
    return DATASETS[name]
