"""`slyk data scan`: the listing of a raw set, which is what `dvc repro` watches in place of the photos."""

from collections.abc import Sequence
from itertools import chain

from pipelines.index import raw_root
from slyk.config import load_params
from slyk.datasets import listing
from slyk.datasets.registry import reader
from slyk.errors import DataMissingError
from slyk.files import resolve


def scan_datasets(names: Sequence[str]) -> None:
    """Writes `data/index/NAME.files` of the named sets, of all where none is named.

    Rendered sets list themselves. Raises ParamsError for names of sets and readers that are not known, DataMissingError
    saying where to put a set that is not there.
    """
    params = load_params(resolve("params.yaml"))
    datasets = params.datasets
    for name in names:
        params.dataset(name)
    for name in names or datasets:
        if name in params.render:
            print(f"{name}: rendered and listed by `dvc repro`, nothing to scan")
            continue
        reader(datasets[name].reader)
        path, root = resolve(f"data/index/{name}.files"), raw_root(name, datasets[name]).root
        entries = listing.scan(root)
        first = next(entries, None)
        if first is None:  # perhaps a disk that is not mounted: the listing of the last time stays
            raise DataMissingError(f"{root} holds no files: put {name} there and scan again (docs/datasets.md)")
        count = listing.write(path, chain([first], entries))
        print(f"{name}: {count} files listed in {path}")
        print(f"next: dvc repro normalize@{name} (crops and a report of the set), or dvc repro (all, training too)")
