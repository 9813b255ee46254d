"""Reads samples of shards at any position, after the shards were checked against their manifest."""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slyk.errors import CorruptShardError, DataMissingError
from slyk.shards.crops import CropSpec
from slyk.shards.manifest import Manifest, ShardEntry, load
from slyk.shards.sample import MEMBERS, Sample, decode
from slyk.shards.write import sidecar_path

Keep = Callable[[Mapping[str, Any]], bool]
"""Whether a sample takes part, by what its shard's sidecar says of it (`measures`)."""


class ShardSet(Sequence[Sample]):
    """The samples of chosen groups that `keep` takes, in the manifest's order. Loader workers may have it: files open
    on first use."""

    def __init__(
        self, folder: Path, manifest: Manifest, groups: Collection[str] | None = None, keep: Keep | None = None
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self._files: dict[str, int] = {}
        self._places: list[tuple[str, str, dict[str, tuple[int, int]]]] = []
        for shard in manifest.shards:
            if groups is None or shard.group in groups:
                self._places += _samples(folder, shard, keep)

    @classmethod
    def open(cls, folder: Path, groups: Collection[str] | None = None, keep: Keep | None = None) -> "ShardSet":
        """Raises DataMissingError without a manifest, CorruptShardError naming file and member that differ."""
        manifest = load(folder)
        for shard in manifest.shards:
            if groups is None or shard.group in groups:
                verify(folder, shard)
        return cls(folder, manifest, groups, keep)

    @property
    def spec(self) -> CropSpec:
        return CropSpec(**self.manifest.crops)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]  # slices are of no use here
        shard, key, members = self._places[index]
        file = self._files.get(shard)
        if file is None:
            file = self._files[shard] = os.open(self.folder / f"{shard}.tar", os.O_RDONLY)
        return decode(key, {name: os.pread(file, size, offset) for name, (offset, size) in members.items()})

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_files": {}}

    def key(self, index: int) -> str:
        return self._places[index][1]

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def __del__(self) -> None:
        self.close()


def verify(folder: Path, shard: ShardEntry) -> None:
    """Compares one shard with its manifest entry; on a difference names the first member that is not as written."""
    path = folder / f"{shard.name}.tar"
    advice = "restore it with `dvc checkout`, or delete it and run `dvc repro`"
    if not path.is_file():
        raise DataMissingError(f"{path} is named in the manifest but not there: {advice}")
    data = path.read_bytes()
    for name, offset, size, crc in _sidecar(folder, shard)[0]:
        part = data[offset : offset + size]
        if len(part) < size or zlib.crc32(part) != crc:
            raise CorruptShardError(f"{path}: member {name} differs from what was written: {advice}")
    if hashlib.sha256(data).hexdigest() != shard.sha256:
        raise CorruptShardError(f"{path}: differs from its manifest outside of its members: {advice}")


def _sidecar(folder: Path, shard: ShardEntry) -> tuple[list[tuple[str, int, int, int]], dict[str, Mapping[str, Any]]]:
    sidecar = sidecar_path(folder, shard.name)
    if not sidecar.is_file():
        raise DataMissingError(f"{sidecar} not found: run `dvc checkout` or `dvc repro normalize@{folder.name}`")
    try:
        told = json.loads(sidecar.read_bytes())
        return [(name, offset, size, crc) for name, offset, size, crc in told["members"]], told["measures"]
    except (ValueError, KeyError, TypeError):
        raise CorruptShardError(f"{sidecar} is not as it was written: run `dvc checkout` or `dvc repro`") from None


def _samples(
    folder: Path, shard: ShardEntry, keep: Keep | None
) -> Iterator[tuple[str, str, dict[str, tuple[int, int]]]]:
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    written, measures = _sidecar(folder, shard)
    for name, offset, size, _ in written:
        key, _, member = name.partition(".")
        samples.setdefault(key, {})[member] = (offset, size)
    for key, members in samples.items():
        if set(members) != set(MEMBERS):
            raise CorruptShardError(f"{folder / shard.name}.tar: sample {key} has members {sorted(members)}")
        if keep is None or keep(measures[key]):
            yield shard.name, key, members
