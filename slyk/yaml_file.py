"""YAML files as people write them: read, and refused with where and why."""

from pathlib import Path
from typing import Any

import yaml

from slyk.errors import ParamsError


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping; YAML would silently take the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise ParamsError(f"line {line} repeats the key {key.value!r} of line {lines[key.value]}: keep one")
            lines[key.value] = line
        return node


def read(path: Path) -> Any:
    """The content of a file. Raises ParamsError where it is missing, no YAML, or has a key twice."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except ParamsError as error:
        raise ParamsError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise ParamsError(f"{path} not found: run from the project folder or set SLYK_ROOT") from None
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from None
