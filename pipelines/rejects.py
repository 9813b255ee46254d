"""What was kept out and why: the table, its summary in the terminal, and the limit beyond which a stage fails."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd

from slyk.errors import SlykError
from slyk.shards.write import Reject
from slyk.tables import write_parquet


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """A row a reject, sorted; an empty table keeps its columns."""
    rows = sorted((asdict(reject) for reject in rejects), key=lambda row: (row["photo"], row["key"]))
    write_parquet(path, pd.DataFrame(rows, columns=[field.name for field in fields(Reject)], dtype="str"))


def print_reasons(rejects: Sequence[Reject]) -> None:
    for reason, count in sorted(Counter(reject.reason for reject in rejects).items()):
        print(f"  {count} x {reason}, first: {next(r.photo for r in rejects if r.reason == reason)}")


def check_fraction(num_rejected: int, num_all: int, limit: float, rejects: Path) -> None:
    """Raises SlykError when more than `limit` of all were rejected."""
    if num_rejected > limit * num_all:
        raise SlykError(
            f"{num_rejected} of {num_all} rejected, more than max_reject_fraction = {limit}: see {rejects}, "
            "mend the data or raise the limit in params.yaml"
        )
