"""What shards may hold, whoever made them: plain files and names, finite numbers, pictures and texts of bounded size.

Hashes that agree say nothing of a folder that somebody else made: its manifest, sidecars and tars may all be hostile.
Everything that is read of them goes through here, before memory is taken for it. No number here is near what slyk
writes: 250 samples of some 60 kB a shard, 1 kB of sidecar each.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from slyk.errors import CorruptShardError
from slyk.geometry.camera import Array
from slyk.shards.crops import CropSpec, Image

MAX_TAR_BYTES = 2**30
MAX_JSON_BYTES = 32 * 2**20
"""Of a manifest or a sidecar. Parsed, empty lists take twenty times their text: 0.7 GB at most."""
MAX_MEMBER_BYTES = 16 * 2**20
MAX_SAMPLE_BYTES = 64 * 2**20
"""From the first byte of a sample's first member to the last of its last."""
MAX_META_BYTES = 2**20
MAX_SIDE_PX = 4096
"""Of a picture: 50 MB of pixels."""
MAX_TEXT = 4096
_MEMBER = re.compile(r"[a-z0-9_-]+(?:/[a-z0-9_-]+)*\.[a-z]+(?:\.jpg)?")
_CROPS = frozenset(CropSpec.__dataclass_fields__)


def open_file(path: Path) -> int:
    """A descriptor of a plain file. Raises FileNotFoundError; CorruptShardError for links, which may lead anywhere, and
    for pipes and devices, which may never end."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if not path.is_symlink():
            raise
        raise CorruptShardError(
            f"{path} is a link: shards are plain files; where it is DVC's, "
            "`dvc config cache.type reflink,hardlink,copy && dvc checkout --relink` makes it one"
        ) from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise CorruptShardError(f"{path} is no plain file")
    return file


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The bytes of a plain file. Raises as `open_file`, and CorruptShardError where there are more than `max_bytes`."""
    with os.fdopen(open_file(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise CorruptShardError(f"{path}: {size} bytes, at most {max_bytes}")
        return file.read(size)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file. Raises as `read_bytes`, and CorruptShardError where there is none."""
    data = read_bytes(path, MAX_JSON_BYTES)
    try:
        return parse(data)
    except ValueError as error:
        raise CorruptShardError(f"{path} is not as it was written: {error}") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def parse(data: bytes) -> dict[str, Any]:
    """The JSON object in some bytes, strictly. Raises ValueError."""
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError:
        raise ValueError("lists in lists without end") from None
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__} in place of an object")
    return value


def meta(data: bytes) -> dict[str, Any]:
    """What a sample tells of itself. Raises ValueError."""
    if len(data) > MAX_META_BYTES:
        raise ValueError(f"json: {len(data)} bytes, at most {MAX_META_BYTES}")
    return parse(data)


def picture(name: str, data: bytes) -> Image:
    """BGR uint8 (H, W, 3) of a member's JPEG. Raises ValueError, before memory is taken for too large a one."""
    height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    if max(height, width) > MAX_SIDE_PX:
        raise ValueError(f"{name} measures {width} x {height} pixels, at most {MAX_SIDE_PX} a side")
    return np.asarray(simplejpeg.decode_jpeg(data, "BGR"), dtype=np.uint8)


def numbers(values: Any, *shape: int) -> Array:
    """Numbers of JSON as an array. Raises ValueError for others, or another count of them, or what is not finite."""
    if not isinstance(values, list) or not all(type(value) in (float, int) for value in values):
        raise ValueError(f"{str(values)[:60]} is no list of numbers")
    try:
        array = np.array(values, dtype=np.float64).reshape(shape)
    except OverflowError as error:
        raise ValueError(str(error)) from None
    if not np.isfinite(array).all():
        raise ValueError(f"{values[:9]} holds a number that is not finite")
    return array


def whole(value: Any, most: int) -> int:
    """A whole number from 0 to `most`. Raises ValueError."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:40]} is no whole number from 0 to {most}")
    return value


def text(value: Any) -> str:
    """A text that a terminal, a log and a table can show. Raises ValueError."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"{str(value)[:60]!r} is no plain text")
    return value


def entry(value: Any) -> dict[str, Any]:
    """One shard as the manifest has it, each field of its kind. Raises ValueError."""
    if not isinstance(value, dict) or not all(isinstance(value.get(name), dict) for name in ("eyes", "tags")):
        raise ValueError("no object for a shard")
    for name in ("num_samples", "num_labelled"):
        whole(value[name], MAX_TAR_BYTES)
    whole(value["size"], MAX_TAR_BYTES)
    for word in (
        *(value[name] for name in ("name", "group", "split", "sha256", "seal")),
        *value["eyes"],
        *value["tags"],
    ):
        text(word)
    for count in (*value["eyes"].values(), *value["tags"].values()):
        whole(count, MAX_TAR_BYTES)
    return value


def crops(value: Any) -> dict[str, Any]:
    """The sizes of a set's pictures, by name. Raises ValueError."""
    if not isinstance(value, dict) or not all(numbers([number], 1)[0] > 0 for number in value.values()):
        raise ValueError(f"crops {str(value)[:60]} are not names and numbers above 0")
    return value


def spec(sizes: Mapping[str, Any]) -> CropSpec:
    """The crops of a set of faces. Raises CorruptShardError for other fields, or squares too large to hold."""
    if set(sizes) != _CROPS:
        raise CorruptShardError(f"crops are {', '.join(sizes)}, not those of faces: {', '.join(sorted(_CROPS))}")
    found = CropSpec(**sizes)
    if max(found.face_px, found.eye_px, found.face_square_px, found.eye_square_px) > MAX_SIDE_PX:
        raise CorruptShardError(f"crops of more than {MAX_SIDE_PX} px: {found}")
    return found


def members(values: Any, tar_bytes: int) -> list[tuple[str, int, int, int]]:
    """name, offset, size, crc32 of each member of a tar, all inside of it. Raises ValueError naming the first that is
    not, or whose name is not `key.suffix` with a key of `[a-z0-9_/-]+`."""
    found = []
    for value in values if isinstance(values, list) else [values]:
        name, offset, size, crc = value if isinstance(value, list) and len(value) == 4 else (None,) * 4
        if not isinstance(name, str) or len(name) > MAX_TEXT or not _MEMBER.fullmatch(name):
            raise ValueError(f"member {str(name)[:60]!r} has no name of a sample's member")
        if type(offset) is not int or type(size) is not int or type(crc) is not int:
            raise ValueError(f"member {name}: offset, size and crc32 are not whole numbers")
        if not (0 <= offset <= offset + size <= tar_bytes and 0 <= size <= MAX_MEMBER_BYTES):
            raise ValueError(
                f"member {name}: {size} bytes from {offset} on, in a tar of {tar_bytes}, at most {MAX_MEMBER_BYTES}"
            )
        found.append((name, offset, size, crc))
    return found


def together(spans: Iterable[Sequence[int]]) -> None:
    """Whether the members of a sample, (offset, size) each, lie side by side. Raises ValueError."""
    places = list(spans)
    reach = max(offset + size for offset, size in places) - min(offset for offset, _ in places)
    if reach > MAX_SAMPLE_BYTES:
        raise ValueError(f"members lie {reach} bytes apart, at most {MAX_SAMPLE_BYTES}")


def angles(found: Any) -> list[float]:
    """Pitch and yaw as a row of the sidecar's `measures` has them, NaN where it has none. Raises ValueError."""
    return [np.nan, np.nan] if found is None else numbers(found, 2).tolist()
