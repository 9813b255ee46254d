"""The sidecar of a shard: what lies where in its tar and what was measured of it, sealed by a digest of its bytes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slyk.errors import CorruptShardError
from slyk.shards import limits

SEAL = "seal"
"""The sidecar's last field: sha256 of the file without it. The manifest repeats it."""
_SEAL_BYTES = len(f', "{SEAL}": "{"0" * 64}"}}\n')


def path_of(folder: Path, name: str) -> Path:
    """Where the sidecar of a shard lies."""
    return folder / f"{name}.json"


def sealed(body: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The sidecar with its seal, and its bytes: on one line, since Python's encoder takes four times as long to indent.
    Not empty."""
    rest = json.dumps(body, sort_keys=True, allow_nan=False).encode()
    seal = hashlib.sha256(rest).hexdigest()
    return {**body, SEAL: seal}, rest[:-1] + f', "{SEAL}": "{seal}"}}\n'.encode()


def read(path: Path) -> dict[str, Any]:
    """A sidecar as it was written. Raises FileNotFoundError, CorruptShardError for anything else."""
    data = limits.read_bytes(path, limits.MAX_JSON_BYTES)
    try:
        found = limits.parse(data)
    except ValueError as error:
        raise CorruptShardError(f"{path} is not as it was written: {error}") from None
    if found.get(SEAL) != hashlib.sha256(data[:-_SEAL_BYTES] + b"}").hexdigest():
        raise CorruptShardError(f"{path} is not as it was written: its seal does not fit")
    return found
