"""The manifest of a data set's shards: written last, so a folder without one is incomplete."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slyk.errors import CorruptShardError, DataMissingError, ParamsError, SlykError
from slyk.files import digest, write_json
from slyk.shards import limits
from slyk.shards.sample import CONVENTION, DECODERS, EYE_MEMBERS, MEMBERS

NAME = "manifest.json"
FORMAT = 3
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class ShardEntry:
    name: str
    group: str
    split: str
    num_samples: int
    num_labelled: int
    eyes: dict[str, int]
    tags: dict[str, int]
    size: int
    sha256: str
    seal: str


@dataclass(frozen=True)
class Manifest:
    """dataset: its name in params.yaml; crops: arguments of CropSpec or EyeSpec; members: of each sample, MEMBERS or
    EYE_MEMBERS; digest: over everything else here."""

    dataset: str
    licence: str
    crops: dict[str, Any]
    shards: tuple[ShardEntry, ...]
    digest: str
    members: tuple[str, ...] = MEMBERS

    @property
    def shows_faces(self) -> bool:
        return self.members == MEMBERS

    @property
    def num_samples(self) -> int:
        return sum(shard.num_samples for shard in self.shards)

    def faces(self) -> "Manifest":
        """This manifest, for those who need faces. Raises ParamsError for a set that shows none."""
        if not self.shows_faces:
            raise ParamsError(
                f"{self.dataset} shows one eye a photo and no face; it is for landmarks: take it out of the `datasets` "
                "of pretrain and finetune in params.yaml"
            )
        return self

    def groups(self, split: str | None = None, *, labelled: bool = False) -> list[str]:
        """Names of the groups of a split (or of all), sorted; `labelled` keeps those with gaze labels."""
        return sorted(
            {s.group for s in self.shards if split in (None, s.split) and (s.num_labelled > 0 or not labelled)}
        )

    def tagged(self, tag: str) -> dict[str, float]:
        """Group -> the share of its samples that have a tag; groups without such a sample are left out."""
        found, total = Counter[str](), Counter[str]()
        for shard in self.shards:
            found[shard.group] += shard.tags.get(tag, 0)
            total[shard.group] += shard.num_samples
        return {group: count / total[group] for group, count in sorted(found.items()) if count}


def write(
    folder: Path,
    dataset: str,
    licence: str,
    crops: dict[str, Any],
    sidecars: Iterable[dict[str, Any]],
    members: Sequence[str] = MEMBERS,
) -> None:
    """Writes `manifest.json` from the shards' sidecars. Raises SlykError for one that `load` would refuse."""
    names = ShardEntry.__dataclass_fields__
    shards = [{name: s[name] for name in names} for s in sorted(sidecars, key=lambda s: str(s["name"]))]
    body = {
        "format": FORMAT,
        "dataset": dataset,
        "licence": licence,
        "convention": CONVENTION,
        "members": list(members),
        "crops": crops,
        "shards": shards,
        "num_samples": sum(s["num_samples"] for s in shards),
    }
    body["digest"] = digest(body)
    try:
        _of(body)
    except ValueError as error:
        raise SlykError(f"shards of {dataset} cannot be told in a manifest: {error}") from None
    write_json(folder / NAME, body)


def load(folder: Path) -> Manifest:
    """Raises DataMissingError where the folder has no manifest: it was never finished; CorruptShardError on changes."""
    try:
        body = limits.read_json(folder / NAME)
        if body.get("digest") != digest({name: value for name, value in body.items() if name != "digest"}):
            raise CorruptShardError(f"{folder / NAME} is not as it was written")
        if body["format"] != FORMAT:
            raise DataMissingError(
                f"{folder / NAME} was written by another slyk (format {body['format']}, this one reads {FORMAT}): "
                f"run `dvc repro normalize@{folder.name}`"
            )
        return _of(body)
    except FileNotFoundError:
        raise DataMissingError(f"{folder / NAME} not found: run `dvc repro normalize@{folder.name}`") from None
    except (CorruptShardError, KeyError, TypeError, ValueError, RecursionError) as error:
        told = str(error) if isinstance(error, CorruptShardError) else f"{folder / NAME} is not as we write it: {error}"
        raise CorruptShardError(
            f"{told}; restore it with `dvc checkout`, or delete it and run `dvc repro normalize@{folder.name}`"
        ) from None


def _of(body: Mapping[str, Any]) -> Manifest:
    """Raises KeyError, TypeError or ValueError where a field is missing or not as we write it."""
    members = tuple(map(limits.text, body["members"]))
    if members not in DECODERS:
        raise ValueError(f"samples of {members}, expected {MEMBERS} or {EYE_MEMBERS}")
    shards = tuple(ShardEntry(**limits.entry(shard)) for shard in body["shards"])
    for shard in shards:
        if not _NAME.fullmatch(shard.name):
            raise ValueError(f"a shard is named {shard.name!r}, which is no plain file name")
    about = limits.text(body["dataset"]), limits.text(body["licence"]), limits.crops(body["crops"])
    return Manifest(*about, shards, body["digest"], members)
