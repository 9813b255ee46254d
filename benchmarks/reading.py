"""Reading shards to batches of uint8 on one core: slyk beside the barest loop, webdataset and torch's DataLoader.

    python -m benchmarks.reading [--samples N] [--json PATH] [--cache DIR]

Ends with exit status 1 where a target is missed. Takes about two minutes, the first time half a minute more.
"""

import argparse
import io
import json
import mmap
import sys
import tarfile
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import webdataset
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch.utils.data import DataLoader, Dataset

from benchmarks import table
from benchmarks.normalizing import SPEC, normalize, pin, prepare, remove, write_index
from benchmarks.table import Line, at_least, figure
from slyk.shards import manifest
from slyk.shards.read import Pictures, ShardSet

BATCH = 256
REPEATS = 3
FLOOR = "floor: mmap, index, simplejpeg"
SIDES = {"face.jpg": SPEC.face_square_px, "right.jpg": SPEC.eye_square_px, "left.jpg": SPEC.eye_square_px}
Decoder = Callable[[bytes], NDArray[np.uint8]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--json", type=Path, help="write the lines there too")
    parser.add_argument("--cache", type=Path, default=Path("out/benchmarks/frames"), help="where the frames stay")
    args = parser.parse_args()
    folder = args.cache / "shards"
    prepare(args.cache)
    pin()
    remove(folder)
    normalize(args.cache, write_index(args.cache, args.samples), folder)
    unpack(folder, args.cache / "files")
    lines = measure(folder, args.cache / "files")
    for line in lines:
        print(table.format_line(line), flush=True)
    remove(folder)
    remove(args.cache / "files")
    if args.json:
        table.write(args.json, lines)
    print(table.summary(lines))
    sys.exit(table.status(lines))


def measure(folder: Path, files: Path) -> list[Line]:
    """Samples a second of every way, in turn, and their ratios; medians."""
    shards, tars = ShardSet.open(folder), sorted(map(str, folder.glob("*.tar")))
    found = members(folder)
    ways: dict[str, Callable[[], int]] = {
        FLOOR: lambda: floor(found),
        "slyk": lambda: ours(shards, np.arange(len(shards))),
        "slyk, shuffled": lambda: ours(shards, np.random.default_rng(0).permutation(len(shards))),
        "slyk, sample by sample": lambda: sum(1 for _ in shards),
        "webdataset, simplejpeg": lambda: by_webdataset(tars, decode_simplejpeg),
        "webdataset, Pillow": lambda: by_webdataset(tars, decode_pillow),
        "DataLoader over files, simplejpeg": lambda: by_loader(files, decode_simplejpeg),
        "DataLoader over files, Pillow": lambda: by_loader(files, decode_pillow),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS + 1):  # the first pass fills caches
        for name, way in ways.items():
            start = time.perf_counter()
            assert way() == len(shards), name
            rates[name].append(len(shards) / (time.perf_counter() - start))
    floors, stock = (np.array(rates[name][1:]) for name in (FLOOR, "webdataset, simplejpeg"))
    kilobytes = np.mean([sum(sizes) for sizes in found["sizes"]]) / 1024
    sides = f"face {SPEC.face_square_px} px, eyes {SPEC.eye_square_px} px"
    print(f"{len(shards)} samples, {sides}, {kilobytes:.1f} KB of JPEG each; medians of {REPEATS} passes in turn")
    start = time.perf_counter()
    ShardSet(folder, manifest.load(folder))
    lines = [figure("slyk, opening (sidecars), samples/s", len(shards) / (time.perf_counter() - start), "1/s")]
    for name, values in rates.items():
        beside = f"{np.median(values[1:] / floors):.2f} of the floor"
        lines.append(figure(f"{name}, samples/s", float(np.median(values[1:])), "1/s", beside))
    slyk = np.array(rates["slyk"][1:])
    return [
        *lines,
        at_least("slyk over the floor", float(np.median(slyk / floors)), 0.85),
        at_least("slyk over webdataset with the same decoder", float(np.median(slyk / stock)), 1.25),
    ]


def members(folder: Path) -> dict[str, list[Any]]:
    """A flat index of all pictures: mapped file, offset and size, three of each sample."""
    index: dict[str, list[Any]] = {"files": [], "offsets": [], "sizes": []}
    for path in sorted(folder.glob("*.tar")):
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with tarfile.open(path) as tar:
            pictures = [member for member in tar if member.name.endswith(".jpg")]
        pictures.sort(key=lambda member: member.name.partition(".")[0])
        for first in range(0, len(pictures), 3):
            by_name = {member.name.partition(".")[2]: member for member in pictures[first : first + 3]}
            index["files"].append(memoryview(mapped))
            index["offsets"].append([by_name[name].offset_data for name in SIDES])
            index["sizes"].append([by_name[name].size for name in SIDES])
    return index


def floor(index: dict[str, list[Any]]) -> int:
    """The barest loop."""
    batch = [np.empty((BATCH, side, side, 3), np.uint8) for side in SIDES.values()]
    for number, (file, offsets, sizes) in enumerate(zip(*index.values(), strict=True)):
        row = number % BATCH
        for pictures, offset, size in zip(batch, offsets, sizes, strict=True):
            simplejpeg.decode_jpeg(file[offset : offset + size], "BGR", buffer=pictures[row])
    return len(index["files"])


def ours(shards: ShardSet, order: NDArray[np.int64]) -> int:
    """Batches of pictures and labels, in memory that is used again."""
    memory, count = shards.empty(BATCH), 0
    for first in range(0, len(order), BATCH):
        chosen = order[first : first + BATCH]
        pictures = shards.pictures(chosen.tolist(), Pictures(*(part[: len(chosen)] for part in memory)))
        count += len(pictures.face)
        assert len(shards.gaze[chosen]) == len(chosen)
    return count


def decode_simplejpeg(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(simplejpeg.decode_jpeg(data, "BGR"))


def decode_pillow(data: bytes) -> NDArray[np.uint8]:
    with Pillow.open(io.BytesIO(data)) as picture:
        return np.array(picture.convert("RGB"))


def stacked(samples: Iterator[list[NDArray[np.uint8]]]) -> int:
    """Samples stacked to batches, counted."""
    count = 0
    while kept := list(islice(samples, BATCH)):
        face, _, _ = (np.stack(part) for part in zip(*kept, strict=True))
        count += len(face)
    return count


def by_webdataset(tars: list[str], decode: Decoder) -> int:
    """webdataset in this process, pictures and labels decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves closing to the garbage collector
        samples = webdataset.WebDataset(tars, shardshuffle=False)
        return stacked([decode(s[name]) for name in SIDES] for s in samples if json.loads(s["json"]))


def by_loader(files: Path, decode: Decoder) -> int:
    """torch's DataLoader without workers over files of one folder."""

    class Files(Dataset[list[NDArray[np.uint8]]]):
        keys = sorted(path.name.removesuffix(".face.jpg") for path in files.glob("*.face.jpg"))

        def __len__(self) -> int:
            return len(self.keys)

        def __getitem__(self, number: int) -> list[NDArray[np.uint8]]:
            json.loads((files / f"{self.keys[number]}.json").read_bytes())
            return [decode((files / f"{self.keys[number]}.{name}").read_bytes()) for name in SIDES]

    batches = DataLoader(Files(), batch_size=BATCH)
    return sum(len(batch[0]) for batch in batches)


def unpack(folder: Path, files: Path) -> None:
    """The members of all shards as files of one folder."""
    remove(files)
    files.mkdir()
    for path in folder.glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                (files / member.name.replace("/", "-")).write_bytes(content.read())


if __name__ == "__main__":
    main()
