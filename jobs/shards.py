"""`slyk shards verify` and `slyk shards show`: are the shards as they were written, and what is in them."""

import gc
import os
import warnings
from collections import Counter
from pathlib import Path

from jobs.data_report import contact_sheet
from jobs.roles import roles_of, told
from pipelines.normalize import counted
from slyk.config import Params, load_params
from slyk.errors import CorruptShardError, DataMissingError, ParamsError, SlykError, SplitError
from slyk.files import resolve, write_atomic
from slyk.shards import manifest
from slyk.shards.read import ShardSet, verify

NUM_NAMED = 20
KEPT = {manifest.NAME, "rejects.parquet"}


def verify_shards(name: str) -> None:
    """Checks every byte of a set's shards against manifest and sidecars, and that nothing else lies there.

    Raises CorruptShardError naming all shards that differ and all files that do not belong.
    """
    folder = _named(name)[1]
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
    """Prints what is in a set's shards and who takes part in what; writes a contact sheet where asked to."""
    params, folder = _named(name)
    about = manifest.load(folder)
    print(f"{name}: {about.num_samples} samples in {len(about.shards)} shards; licence {about.licence}")
    for split in sorted({shard.split for shard in about.shards}):
        chosen = [shard for shard in about.shards if shard.split == split]
        groups = {shard.group for shard in chosen}
        eyes = sum((Counter(shard.eyes) for shard in chosen), Counter[str]())
        counts = sum(shard.num_samples for shard in chosen), sum(shard.num_labelled for shard in chosen)
        print(f"  {split}: {counts[0]} samples of {len(groups)} groups, {counts[1]} with gaze, eyes {counted(eyes)}")
    print(f"  crops: {', '.join(f'{key} {value}' for key, value in about.crops.items())}")
    _show_roles(params, about)
    if pictures is not None:
        if pictures.suffix != ".png":
            raise SlykError(f"{pictures}: the sheet is a PNG, give it a name that ends in .png")
        sheet = contact_sheet(ShardSet.open(folder))
        try:
            write_atomic(pictures, sheet)
        except OSError as error:
            raise SlykError(f"{pictures} cannot be written: {error.strerror}") from None
        print(f"  sheet: {pictures}")


def _show_roles(params: Params, about: manifest.Manifest) -> None:
    """Who takes part in what under the protocol of params.yaml."""
    print(f"  protocol {told(params, about.dataset)}")
    try:
        people = roles_of(params, about)
    except (ParamsError, SplitError) as error:
        print(f"    not possible: {error}")
        return
    for role, groups in ("train", people.train), ("gate", people.gate), ("test", people.test):
        more = f", ... and {len(groups) - NUM_NAMED} more" if len(groups) > NUM_NAMED else ""
        print(f"    {role}: {', '.join(groups[:NUM_NAMED]) or 'nobody'}{more}")


def _named(name: str) -> tuple[Params, Path]:
    """params.yaml and the folder of a set's shards. Raises ParamsError."""
    params = load_params(resolve("params.yaml"))
    params.dataset(name)
    return params, resolve("data/shards") / name
