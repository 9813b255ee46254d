"""Reads samples of shards at any position, after the shards were checked against their manifest."""

import hashlib
import os
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from slyk.errors import CorruptShardError, DataMissingError
from slyk.geometry.camera import Array
from slyk.shards import limits, sidecar
from slyk.shards.crops import CropSpec, Image
from slyk.shards.manifest import Manifest, ShardEntry, load
from slyk.shards.sample import DECODERS, MEMBERS, S

Keep = Callable[[Mapping[str, Any]], bool]
"""Whether a sample takes part, by its row of the sidecar's `measures`: gaze, head, tags and more."""


class Pictures(NamedTuple):
    """The pictures of B samples, BGR uint8: face (B, S, S, 3), right and left (B, E, E, 3)."""

    face: Image
    right: Image
    left: Image


class ShardSet(Sequence[S]):
    """The samples of chosen groups, in the manifest's order. Loader workers may have it: files open on first use.

    They are faces, or of sets that show one eye EyeSamples: `ShardSet[EyeSample].open(folder)`, which has no `spec` and
    no `pictures`. gaze, head (N, 2): pitch and yaw of all samples in radians, in the frame of the samples, gaze NaN
    without a label, head without a face; expressions and groups (N,): texts, an expression "" without a label.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, groups: Collection[str] | None = None, keep: Keep | None = None
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self._files: dict[int, int] = {}
        self._shards = chosen(manifest, groups)
        parts = [_contents(folder, shard, manifest.members, keep) for shard in self._shards]
        self._keys = [key for part in parts for key in part.keys]
        self._shard_of = np.repeat(np.arange(len(parts)), [len(part.keys) for part in parts])
        self._spans = np.concatenate(
            [np.empty((0, len(manifest.members), 2), np.int64), *(part.spans for part in parts)]
        )
        self.gaze = np.concatenate([np.empty((0, 2)), *(part.gaze for part in parts)])
        self.head = np.concatenate([np.empty((0, 2)), *(part.head for part in parts)])
        self.expressions = np.array([name for part in parts for name in part.expressions], np.str_)
        names = [shard.group for shard in self._shards]
        self.groups = np.array(names, np.str_)[self._shard_of] if names else np.empty(0, np.str_)

    @classmethod
    def open(cls, folder: Path, groups: Collection[str] | None = None, keep: Keep | None = None) -> "ShardSet[S]":
        """Raises DataMissingError without a manifest, CorruptShardError naming file and member that differ."""
        manifest = load(folder)
        for shard in chosen(manifest, groups):
            verify(folder, shard)
        return cls(folder, manifest, groups, keep)

    @property
    def spec(self) -> CropSpec:
        """How faces were cut. Raises ParamsError where none show."""
        return limits.spec(self.manifest.faces().crops)

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> S:  # type: ignore[override]  # slices are of no use here
        key, names = self._keys[index], self.manifest.members
        try:
            sample: S = DECODERS[names](key, dict(zip(names, map(bytes, self._read(index)), strict=True)))
            return sample
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptShardError(f"{self._path(index)}: sample {key} cannot be read: {error}") from None

    def __iter__(self) -> Iterator[S]:
        return (self[i] for i in range(len(self)))

    def pictures(self, indices: Sequence[int], out: Pictures | None = None, *, eyes: bool = True) -> Pictures:
        """The pictures of some samples, into `out` where it is given: memory that is used again costs no clearing.
        Without `eyes` those are not decoded.

        Raises ValueError for memory unlike that of `empty`.
        """
        found = self.empty(len(indices)) if out is None else out
        if any(len(part) != len(indices) or part.dtype != np.uint8 or not part.flags.c_contiguous for part in found):
            raise ValueError(f"memory for {len(indices)} samples is what empty({len(indices)}) gives")
        for row, index in enumerate(indices):
            for name, pictures, data in zip(MEMBERS[: 3 if eyes else 1], found, self._read(index), strict=False):
                try:
                    shape = simplejpeg.decode_jpeg(data, "BGR", buffer=pictures[row]).shape
                except ValueError as error:
                    raise CorruptShardError(
                        f"{self._path(index)}: member {self._keys[index]}.{name}: {error}"
                    ) from None
                if shape != pictures[row].shape:
                    expected = f"{shape} pixels, expected {pictures[row].shape}"
                    raise CorruptShardError(f"{self._path(index)}: member {self._keys[index]}.{name}: {expected}")
        return found

    def empty(self, count: int) -> Pictures:
        """Memory for the pictures of so many samples."""
        face, eye = self.spec.face_square_px, self.spec.eye_square_px
        return Pictures(*(np.empty((count, side, side, 3), np.uint8) for side in (face, eye, eye)))

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_files": {}}

    def key(self, index: int) -> str:
        return self._keys[index]

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def __del__(self) -> None:
        self.close()

    def _read(self, index: int) -> list[memoryview]:
        """The members of a sample, which lie side by side: one access to the file."""
        number = int(self._shard_of[index])
        if number not in self._files:
            self._files[number] = limits.open_file(self._path(index))
        spans = self._spans[index].tolist()
        first, end = min(offset for offset, _ in spans), max(offset + size for offset, size in spans)
        data = memoryview(os.pread(self._files[number], end - first, first))
        return [data[offset - first : offset - first + size] for offset, size in spans]

    def _path(self, index: int) -> Path:
        return self.folder / f"{self._shards[self._shard_of[index]].name}.tar"


def chosen(manifest: Manifest, groups: Collection[str] | None) -> list[ShardEntry]:
    """The shards of some groups, or all."""
    return [shard for shard in manifest.shards if groups is None or shard.group in groups]


def verify(folder: Path, shard: ShardEntry) -> None:
    """Compares one shard with its manifest entry; on a difference names the first member that is not as written."""
    path = folder / f"{shard.name}.tar"
    advice = "restore it with `dvc checkout`, or delete it and run `dvc repro`"
    try:
        data = limits.read_bytes(path, limits.MAX_TAR_BYTES)
    except FileNotFoundError:
        raise DataMissingError(f"{path} is named in the manifest but not there: {advice}") from None
    for name, offset, size, crc in _members(folder, shard, about_shard(folder, shard)):
        part = data[offset : offset + size]
        if len(part) < size or zlib.crc32(part) != crc:
            raise CorruptShardError(f"{path}: member {name} differs from what was written: {advice}")
    if hashlib.sha256(data).hexdigest() != shard.sha256:
        raise CorruptShardError(f"{path}: differs from its manifest outside of its members: {advice}")


def about_shard(folder: Path, shard: ShardEntry) -> dict[str, Any]:
    """The sidecar of a shard. Raises DataMissingError where there is none, CorruptShardError for another one."""
    path, todo = sidecar.path_of(folder, shard.name), f"run `dvc checkout` or `dvc repro normalize@{folder.name}`"
    try:
        found = sidecar.read(path)
    except FileNotFoundError:
        raise DataMissingError(f"{path} not found: {todo}") from None
    except CorruptShardError as error:
        raise CorruptShardError(f"{error}: {todo}") from None
    if found[sidecar.SEAL] != shard.seal:
        raise CorruptShardError(f"{path} is not the one that the manifest was written with: {todo}")
    return found


def _members(folder: Path, shard: ShardEntry, about: Mapping[str, Any]) -> list[tuple[str, int, int, int]]:
    try:
        return limits.members(about["members"], shard.size)
    except (ValueError, KeyError) as error:
        raise CorruptShardError(f"{sidecar.path_of(folder, shard.name)} is not as we write it: {error}") from None


class _Contents(NamedTuple):
    """keys: N samples; spans (N, M, 2): offset and size of each member; gaze, head (N, 2), NaN where there is none;
    expressions, "" likewise."""

    keys: list[str]
    spans: NDArray[np.int64]
    gaze: Array
    head: Array
    expressions: list[str]


def _contents(folder: Path, shard: ShardEntry, names: Sequence[str], keep: Keep | None) -> _Contents:
    """What a shard holds, by its sidecar."""
    about = about_shard(folder, shard)
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    for name, offset, size, _ in _members(folder, shard, about):
        key, _, member = name.partition(".")
        samples.setdefault(key, {})[member] = (offset, size)
    for key, members in samples.items():
        if set(members) != set(names):
            raise CorruptShardError(f"{folder / shard.name}.tar: sample {key} has members {sorted(members)}")
    try:
        for members in samples.values():
            limits.together(members.values())
        rows = about["measures"]
        keys = [key for key in samples if keep is None or keep(rows[key])]
        gaze = np.array([limits.angles(rows[key]["gaze"]) for key in keys]).reshape(-1, 2)
        shows_faces = tuple(names) == MEMBERS
        head = np.array([limits.angles(rows[key]["head"] if shows_faces else None) for key in keys]).reshape(-1, 2)
        expressions = [limits.text(rows[key]["expression"] or "") for key in keys]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptShardError(f"{sidecar.path_of(folder, shard.name)} is not as we write it: {error!r}") from None
    spans = np.array([[samples[key][name] for name in names] for key in keys], np.int64).reshape(-1, len(names), 2)
    return _Contents(keys, spans, gaze, head, expressions)
