"""Imports point downwards, nothing happens on import, and one word names a stage everywhere."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from slyk.config import Params
from tests.drawn import REPOSITORY

EDGE = {"ray", "mlflow", "dvc", "jobs", "pipelines", "tests"}

LAYERS: dict[str, set[str]] = {  # a part of slyk -> the parts that it may import besides itself
    "__init__": {"_torchvision"},
    "_torchvision": set(),
    "errors": set(),
    "bounds": set(),
    "ranks": set(),
    "yaml_file": {"errors"},
    "config": {"bounds", "errors", "yaml_file"},
    "files": {"errors"},
    "tables": {"files"},
    "geometry": set(),
    "metrics": {"geometry"},
    "matlab": set(),
    "calibration": {"errors", "geometry", "matlab"},
    "photos": {"errors"},
    "synthetic": {"geometry"},
    "layouts": {"errors", "files", "geometry", "photos", "synthetic"},
    "landmarks": {"errors", "geometry", "photos"},
    "datasets": {"calibration", "errors", "files", "geometry", "landmarks", "matlab", "photos"},
    "shards": {"datasets", "errors", "files", "geometry", "photos"},
    "duplicates": {"errors", "shards"},
    "audit": {"duplicates", "geometry"},
    "models": {"errors", "ranks"},
    "views": {"geometry", "models", "shards"},
    "losses": {"ranks"},
    "training": {"errors", "geometry", "metrics", "models", "ranks", "shards", "views"},
    "objectives": {"errors", "geometry", "losses", "models", "shards", "training", "views"},
    "tasks": {"geometry", "losses", "models", "training"},
    "bundle": {"errors", "files", "models", "shards"},
    "inference": {"bundle", "datasets", "geometry", "landmarks", "models", "photos", "shards", "training", "views"},
}


def sources(package: str) -> dict[str, Path]:
    """Dotted module name -> file."""
    files = sorted((REPOSITORY / package).rglob("*.py"))
    names = [".".join(file.relative_to(REPOSITORY).with_suffix("").parts) for file in files]
    return {name.removesuffix(".__init__"): file for name, file in zip(names, files, strict=True)}


@cache
def imports(file: Path) -> set[str]:
    """Every dotted name that a file imports, also inside functions; `from a import b` gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{file}: relative import in line {node.lineno}"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


SLYK = sources("slyk")
ALL = SLYK | sources("jobs") | sources("pipelines")


def part_of(module: str) -> str:
    """`slyk.shards.read` -> `shards`."""
    return [*module.split("."), "__init__"][1]


@pytest.mark.parametrize("module", SLYK)
def test_the_library_knows_nothing_of_the_edge(module: str) -> None:
    tops = {name.split(".")[0] for name in imports(SLYK[module])}
    assert not tops & EDGE
    assert not tops & {"pickle", "cloudpickle", "joblib", "dill"}
    assert "yaml" not in tops or module == "slyk.yaml_file"


@pytest.mark.parametrize("module", SLYK)
def test_imports_point_downwards(module: str) -> None:
    part = part_of(module)
    assert part in LAYERS, f"name what slyk/{part} may import in LAYERS"
    used = {part_of(name) for name in imports(SLYK[module]) if name in SLYK and name != "slyk"}
    assert used <= LAYERS[part] | {part}


def test_layers_and_modules_have_no_circles() -> None:
    assert list(TopologicalSorter(LAYERS).static_order())
    graph = {name: {other for other in imports(file) if other in ALL} - {name} for name, file in ALL.items()}
    assert list(TopologicalSorter(graph).static_order())


def test_every_file_is_read_in_one_sitting() -> None:
    long = {name: len(file.read_text().splitlines()) for name, file in ALL.items()}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


IMPORT_ALL = """
import importlib, json, os, sys, threading
before = dict(os.environ)
for name in sys.argv[1:]:
    importlib.import_module(name)
changed = sorted(k for k in before.keys() | os.environ.keys() if before.get(k) != os.environ.get(k))
print(json.dumps({"modules": sorted(sys.modules), "environment": changed, "threads": threading.active_count()}))
"""


def import_afresh(modules: list[str], folder: Path) -> dict[str, Any]:
    """Imports in a new interpreter within an empty folder and tells what came of it."""
    command = [sys.executable, "-W", "error", "-c", IMPORT_ALL, *modules]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    *said, answer = done.stdout.splitlines()
    assert said == []
    return dict(json.loads(answer))


@pytest.mark.slow
def test_importing_any_module_does_nothing_else(tmp_path: Path) -> None:
    told = import_afresh(sorted(set(ALL) - {"jobs.pyfunc"}), tmp_path)  # jobs.pyfunc is run by MLflow, not by us
    assert told["threads"] == 1
    assert [name for name in told["environment"] if name.startswith(("RAY", "MLFLOW", "SLYK"))] == []
    assert not {"ray", "mlflow", "dvc"} & set(told["modules"])


def test_the_command_starts_without_the_heavy_libraries(tmp_path: Path) -> None:
    told = import_afresh(["jobs.cli"], tmp_path)
    assert not {"torch", "timm", "ray", "mlflow", "dvc", "pandas", "cv2"} & set(told["modules"])


def stages() -> dict[str, dict[str, Any]]:
    """Stage -> its definition in dvc.yaml, with the variables of `foreach` stages under `items`."""
    raw = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    names = {"${datasets}": ["synthetic"], "${render}": ["synthetic"]}
    found = {}
    for name, stage in raw.items():
        items = stage.get("foreach", [])
        found[name] = stage.get("do", stage) | {"items": names[items] if isinstance(items, str) else items}
    return found


@pytest.mark.parametrize("name", stages())
def test_a_stage_is_the_module_of_its_name(name: str) -> None:
    (module,) = re.findall(r"python -m (\S+)", stages()[name]["cmd"])
    assert module in (f"pipelines.{name}", f"jobs.{name}")
    assert module in ALL


@pytest.mark.parametrize("name", stages())
def test_a_stage_depends_on_params_and_code_that_exist(name: str) -> None:
    stage = stages()[name]
    for item in stage["items"] or [""]:
        for path in (re.sub(r"\$\{(item|key)\}", item, p) for p in stage.get("params", [])):
            section: Any = Params
            for part in path.split("."):
                if section is Params and part in ("datasets", "render"):
                    break
                assert issubclass(section, BaseModel) and part in section.model_fields, path
                section = section.model_fields[part].annotation
    for dependency in stage.get("deps", []):
        if dependency.startswith(("slyk/", "jobs/", "pipelines/")):
            assert (REPOSITORY / dependency).exists(), dependency


def test_sections_are_stages_in_stage_order() -> None:
    written = list(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    assert written == list(Params.model_fields)
    shared = {"seed", "datasets", "protocol", "promote"}  # of all stages, and of `slyk promote`
    flow = [name for name in stages() if name in written]
    assert [name for name in written if name not in shared] == flow


def test_dependencies_carry_reasons() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    for wanted in project["dependencies"] + project["optional-dependencies"]["dev"]:
        (line,) = (line for line in text.splitlines() if line.strip().startswith(f'"{wanted}"'))
        assert re.search(r'",\s+# \S.{4,}', line), line
