"""Each reader on a small set in its layout, clean and damaged in each way that downloaded sets are.

A new reader needs a module of its name in `tests/datasets/small`: it says for each kind of damage what must come of it,
or why it cannot befall the set.
"""

import shutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from slyk.datasets.raw import Raw
from slyk.datasets.registry import DATASETS, reader
from slyk.errors import PhotoError, SlykError
from tests.datasets.damage import DAMAGE, ODD, Case, Cases
from tests.datasets.trees import Indexed, index_tree

SET = f"set {ODD}"
Clean = Callable[[str], tuple[Path, Indexed]]


def cases(name: str) -> Cases:
    found: Cases = import_module(f"tests.datasets.small.{name}").CASES
    return found


def applicable() -> list[tuple[str, str]]:
    return [(name, damage) for name in DATASETS for damage, case in cases(name).items() if isinstance(case, Case)]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """Reader -> the root of a clean set, not to be changed, and its index."""

    @cache
    def make(name: str) -> tuple[Path, Indexed]:
        folder = tmp_path_factory.mktemp(name)
        (folder / SET).mkdir()
        import_module(f"tests.datasets.small.{name}").clean(folder / SET)
        return folder / SET, index_tree(name, folder / SET, folder)

    return make


def unread(name: str, root: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Photo -> why its picture does not come."""
    found = {}
    for row in rows:
        try:
            assert reader(name).picture(Raw(root), row["photo"]).ndim == 3
        except PhotoError as error:
            found[row["photo"]] = error.reason
    return found


@pytest.mark.parametrize("name", DATASETS)
def test_each_reader_reads_a_clean_set(name: str, clean: Clean) -> None:
    """And answers for each kind of damage."""
    assert sorted(cases(name)) == sorted(DAMAGE)
    root, index = clean(name)
    assert len(index.rows) >= 2 and index.rejects == [] and unread(name, root, index.rows) == {}


@pytest.mark.parametrize(("name", "damage"), applicable())
def test_each_damage_has_its_consequence_and_no_other(name: str, damage: str, clean: Clean, tmp_path: Path) -> None:
    source, before = clean(name)
    root, case = tmp_path / SET, cases(name)[damage]
    assert isinstance(case, Case)
    shutil.copytree(source, root)
    case.step(root)
    if case.error:
        with pytest.raises(SlykError, match=case.error):
            index_tree(name, root, tmp_path)
        return
    after = index_tree(name, root, tmp_path)
    assert after.rejects == list(case.rejects)
    assert unread(name, root, after.rows) == case.unread
    old, new = ({row["key"]: row for row in index.rows} for index in (before, after))
    assert len(new) == len(after.rows)
    for photo, now in case.renamed.items():
        (was,), (row,) = (
            [row for row in rows if row["photo"] == at] for rows, at in ((before.rows, photo), (after.rows, now))
        )
        assert differing(was, row) <= {"key", "photo", "group", "shard"}
        del old[was["key"]], new[row["key"]]
    assert set(new) == (set(old) - set(case.lost)) | set(case.new)
    for key in case.new:  # a second one of its kind
        assert differing(new[key], old[key.removesuffix("-2")]) <= {"key", "photo"}, key
    for key in set(old) & set(new):
        wanted = case.changed.get(key, {})
        assert differing(old[key], new[key]) == set(wanted), key
        assert all(value in (..., new[key][column]) for column, value in wanted.items()), key


def differing(a: dict[str, Any], b: dict[str, Any]) -> set[str]:
    return {column for column in a if a[column] != b[column]} - {"photo_version"}
