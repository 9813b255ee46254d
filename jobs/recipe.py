"""Recipes of pretraining: overlays on params.yaml that are listed, printed, or laid over the file in place."""

import difflib
import io
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.representer import RoundTripRepresenter

from slyk.config import load_params
from slyk.errors import ParamsError
from slyk.files import atomic

RECIPES = files("slyk") / "recipes"


def recipe_command(path: Path, name: str | None, *, write: bool) -> None:
    """Lists the recipes; prints one; or lays it over the params.yaml at `path` and prints which lines changed.

    Raises ParamsError for an unknown name, for a file that is wrong, or that would be wrong with the recipe.
    """
    if name is None:
        if write:
            raise ParamsError(f"name a recipe to write; known: {', '.join(names())}")
        for known in names():
            print(f"{known:<24} {read(known).splitlines()[0].removeprefix('# ')}")
        return
    overlay = read(name)
    if not write:
        print(overlay, end="")
        return
    load_params(path)
    written = path.read_bytes()
    before = path.read_text(encoding="utf-8")
    after = laid(before, overlay)
    _check(after, path, name)
    with atomic(path.resolve()) as file:  # of a link, what it leads to
        file.write((after.replace("\n", "\r\n") if b"\r\n" in written else after).encode())
    changed = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    lines = [line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    print("\n".join(lines) if lines else f"{path}: this is {name} already")


def names() -> list[str]:
    return sorted(entry.name.removesuffix(".yaml") for entry in RECIPES.iterdir() if entry.name.endswith(".yaml"))


def read(name: str) -> str:
    """The text of a recipe. Raises ParamsError for an unknown one."""
    if name not in names():
        raise ParamsError(f"unknown recipe {name!r}; known: {', '.join(names())}")
    return (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")


def laid(params: str, overlay: str) -> str:
    """The text of params.yaml with the values of an overlay; comments, order and style of what was there stay."""
    yaml = _yaml()
    whole = yaml.load(params)
    _lay(whole, yaml.load(overlay))
    out = io.StringIO()
    yaml.dump(whole, out)
    return out.getvalue()


def _lay(target: CommentedMap, overlay: CommentedMap) -> None:
    """A mapping written in a line, such as `views`, is replaced whole; of others each key. New keys follow the one
    that they follow in the overlay; before the last of a section where blank lines and comments after it are its own.
    """
    place = -1
    for key, value in overlay.items():
        known = list(target)
        if key not in target:
            place = min(place + 1, len(known) - (known[-1] in target.ca.items))
            target.insert(place, key, _without_comments(value))
            continue
        place = known.index(key)
        if isinstance(value, CommentedMap) and isinstance(target[key], CommentedMap) and not value.fa.flow_style():
            _lay(target[key], value)
        elif target[key] != value:
            target[key] = _without_comments(value)


def _without_comments(value: Any) -> Any:
    """A recipe's comments say where its numbers are from; in params.yaml others may take their place."""
    if isinstance(value, CommentedMap):
        copied = CommentedMap((key, _without_comments(inner)) for key, inner in value.items())
        (copied.fa.set_flow_style if value.fa.flow_style() else copied.fa.set_block_style)()
        return copied
    return value


def _check(text: str, path: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        trial.write_text(text, encoding="utf-8")
        try:
            load_params(trial)
        except ParamsError as error:
            reasons = str(error).partition("\n")[2] or str(error)
            raise ParamsError(f"{path} is left as it is: with {name} it would be wrong\n{reasons}") from None


class _Representer(RoundTripRepresenter):
    def represent_none(self, data: None) -> Any:
        """As params.yaml spells it; else it would be an empty place."""
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 4096
    yaml.preserve_quotes = True
    return yaml
