"""Recipes of pretraining: overlays on params.yaml that are listed, printed, or laid over the file in place."""

import difflib
import io
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import CommentMark
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.tokens import CommentToken

from slyk.config import load_params
from slyk.config.training import Pretrain
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
    """The text of params.yaml with the values of an overlay, without what only other objectives read; comments, order
    and style of what was there stay."""
    yaml = _yaml()
    whole, chosen = yaml.load(params), yaml.load(overlay)
    for key in _of_others(chosen["pretrain"]) & set(whole["pretrain"]):
        _remove(whole["pretrain"], key)
    _lay(whole, chosen)
    out = io.StringIO()
    yaml.dump(whole, out)
    return out.getvalue()


def _of_others(overlay: CommentedMap) -> set[str]:
    """Keys that other recipes name and this one does not, unless params.yaml needs them."""
    named = {key for name in names() for key in _yaml().load(read(name))["pretrain"]}
    return {key for key in named - set(overlay) if not Pretrain.model_fields[key].is_required()}


def _lay(target: CommentedMap, overlay: CommentedMap) -> None:
    """A mapping written in a line, such as `views`, is replaced whole; of others each key. New keys follow the one
    that they follow in the overlay."""
    place = -1
    for key, value in overlay.items():
        if key not in target:
            before = list(target)[place] if place >= 0 else None
            place += 1
            lines = _take_lines(target, before) if before else ""
            target.insert(place, key, _without_comments(value))
            _put_lines(target, key, lines)
            continue
        place = list(target).index(key)
        if isinstance(value, CommentedMap) and isinstance(target[key], CommentedMap) and not value.fa.flow_style():
            _lay(target[key], value)
        elif target[key] != value:
            lines = _take_lines(target, key)
            target[key] = _without_comments(value)
            _put_lines(target, key, lines)


def _remove(target: CommentedMap, key: str) -> None:
    """With the comment in its own line; those below it are about what follows."""
    before = list(target)[list(target).index(key) - 1]
    lines = _take_lines(target, key)
    del target[key]
    if before in target:
        _put_lines(target, before, lines)


def _take_lines(target: CommentedMap, key: str) -> str:
    """Takes the whole lines of blanks and comments below an entry, which ruamel keeps with it, at its last word."""
    target, key = _last_word(target, key)
    if (token := target.ca.items.get(key, [None] * 3)[2]) is None:
        return ""
    beside, _, lines = token.value.partition("\n")
    if beside:
        token.value = f"{beside}\n"
    else:
        del target.ca.items[key]
    return str(lines)


def _put_lines(target: CommentedMap, key: str, lines: str) -> None:
    target, key = _last_word(target, key)
    if not lines:
        return
    if (token := target.ca.items.get(key, [None] * 3)[2]) is None:
        target.ca.items[key] = [None, None, CommentToken(f"\n{lines}", CommentMark(0)), None]
    else:
        token.value += lines


def _last_word(target: CommentedMap, key: str) -> tuple[CommentedMap, str]:
    value = target[key]
    while isinstance(value, CommentedMap) and value and not value.fa.flow_style():
        target, key = value, list(value)[-1]
        value = target[key]
    return target, key


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
