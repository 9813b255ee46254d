"""`slyk shards verify` and `slyk shards show`: are the shards as they were written, and what is in them."""

import gc
import os
import warnings
from collections import Counter
from pathlib import Path

from jobs.data_report import contact_sheet
from slyk.config import load_params
from slyk.errors import CorruptShardError, DataMissingError, ParamsError, SlykError
from slyk.files import resolve, write_atomic
from slyk.shards import manifest
from slyk.shards.read import ShardSet, verify

KEPT = {manifest.NAME, "rejects.parquet"}


def verify_shards(name: str) -> None:
    """Checks every byte of a set's shards against manifest and sidecars, and that nothing else lies there.

    Raises CorruptShardError naming all shards that differ and all files that do not belong.
    """
    folder = _folder(name)
    about = manifest.load(folder)
    wrong = []
    for shard in about.shards:
        try:
            verify(folder, shard)
        except (CorruptShardError, DataMissingError) as error:
            wrong.append(str(error))
    known = KEPT | {f"{shard.name}.{suffix}" for shard in about.shards for suffix in ("tar", "json")}
    wrong += [f"{path} is not of this set" for path in sorted(folder.iterdir()) if path.name not in known]
    if wrong:
        raise CorruptShardError(f"{len(wrong)} findings in {folder}:\n" + "\n".join(wrong))
    stock = _count_by_webdataset([folder / f"{shard.name}.tar" for shard in about.shards])
    if stock != about.num_samples:
        raise CorruptShardError(f"{folder}: webdataset finds {stock} samples, the manifest names {about.num_samples}")
    print(
        f"{name}: {len(about.shards)} shards, {about.num_samples} samples, every byte as written; webdataset reads all"
    )


def _count_by_webdataset(tars: list[Path]) -> int:
    """Samples as others read them; without a decoder nothing that they hold is run."""
    os.environ["WDS_SECURE"] = "1"
    from webdataset import WebDataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the closing of files to the garbage collector
        count = sum(1 for _ in WebDataset([str(tar) for tar in tars], shardshuffle=False)) if tars else 0
        gc.collect()
    return count


def show_shards(name: str, pictures: Path | None) -> None:
    """Prints what is in a set's shards; writes a contact sheet of faces and eyes where asked to."""
    folder = _folder(name)
    about = manifest.load(folder)
    print(f"{name}: {about.num_samples} samples in {len(about.shards)} shards; licence {about.licence}")
    for split in sorted({shard.split for shard in about.shards}):
        chosen = [shard for shard in about.shards if shard.split == split]
        groups = {shard.group for shard in chosen}
        eyes = sum((Counter(shard.eyes) for shard in chosen), Counter[str]())
        counts = sum(shard.num_samples for shard in chosen), sum(shard.num_labelled for shard in chosen)
        print(f"  {split}: {counts[0]} samples of {len(groups)} groups, {counts[1]} with gaze, eyes {dict(eyes)}")
    print(f"  crops: {', '.join(f'{key} {value}' for key, value in about.crops.items())}")
    if pictures is not None:
        if pictures.suffix != ".png":
            raise SlykError(f"{pictures}: the sheet is a PNG, give it a name that ends in .png")
        sheet = contact_sheet(ShardSet.open(folder))
        try:
            write_atomic(pictures, sheet)
        except OSError as error:
            raise SlykError(f"{pictures} cannot be written: {error.strerror}") from None
        print(f"  sheet: {pictures}")


def _folder(name: str) -> Path:
    params = load_params(resolve("params.yaml"))
    if name not in params.datasets:
        raise ParamsError(f"unknown data set {name}; params.yaml holds: {', '.join(params.datasets)}")
    return resolve("data/shards") / name
