"""Small drawn sets that many tests read; whoever changes files copies them first."""

import contextlib
import ctypes
import gc
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from jobs.export import export
from slyk.config import Params, load_params
from slyk.layouts import LAYOUTS
from slyk.shards.crops import CropSpec
from slyk.shards.read import ShardSet
from tests.drawn import REPOSITORY, RawSet, draw_raw_set, write_shards
from tests.layouts.rendered import Export, Exported, Rendered, render

os.environ.setdefault("RAY_AUTH_MODE", "token")  # before a test imports ray, which reads it then
os.environ.setdefault("OMP_NUM_THREADS", "1")  # more threads than free cores make small networks crawl
settings.register_profile("slyk", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("slyk")
gc.disable()  # until all tests are collected: what is imported stays


def pytest_collection_finish() -> None:
    """Keeps memory, which costs ten seconds a run to give back and get anew, and spares the garbage collector the
    million objects of the libraries."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()
    with contextlib.suppress(AttributeError, OSError):  # not every C library has it
        libc, trim_threshold, mmap_threshold = ctypes.CDLL(None), -1, -3
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_threshold, 2**30)


@pytest.fixture(scope="session")
def params() -> Params:
    """The params.yaml of the repository."""
    return load_params(REPOSITORY / "params.yaml")


@pytest.fixture(scope="session")
def spec(params: Params) -> CropSpec:
    """The crops that params.yaml asks for."""
    return CropSpec(**params.normalize.model_dump(include=set(CropSpec.__dataclass_fields__)))


@pytest.fixture(scope="session")
def raw_set(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    """Three training people and one test person, four photos each."""
    return draw_raw_set(tmp_path_factory.mktemp("raw"), num_train=3, num_test=1, num_photos=4)


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory, raw_set: RawSet) -> Path:
    """The folder of shards of `raw_set`; not to be changed."""
    folder = tmp_path_factory.mktemp("shards") / "synthetic"
    write_shards(folder, raw_set)
    return folder


@pytest.fixture
def shards_copy(tmp_path: Path, shards: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(shards, tmp_path / "synthetic"))


@pytest.fixture(scope="session")
def samples(shards: Path) -> ShardSet:
    return ShardSet.open(shards)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Rendered]:
    """Domain -> a rendered set; not to be changed."""
    return cache(lambda domain: render(tmp_path_factory.mktemp(domain), domain))


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, rendered: Callable[[str], Rendered]) -> Export:
    """Layout -> the set in that layout; not to be changed."""

    @cache
    def make(layout: str) -> Exported:
        root, rows = rendered(LAYOUTS[layout].DOMAIN)
        out = tmp_path_factory.mktemp("out") / layout
        assert export(root, layout, out) == len(rows)
        return Exported(out, root, rows)

    return make
