"""Each set is rendered once, each layout written once; whoever changes annotations renders none anew."""

from collections.abc import Callable
from functools import cache

import pytest

from jobs.export import export
from slyk.layouts import LAYOUTS
from tests.layouts.rendered import Export, Exported, Rendered, render


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
