"""Sections of params.yaml: frozen, no unknown key, and errors that name every wrong place."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def explained(whole: type[Section], raw: Any, error: ValidationError) -> list[str]:
    """A line for each wrong entry of `raw`: where, what, and the keys allowed there."""
    return [_explain(whole, raw, e["loc"], e["type"], e["msg"]) for e in error.errors()]


def _explain(whole: type[Section], raw: Any, location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(str(part) for part in location)
    section = _section_at(whole, location[:-1])
    if not location and kind == "value_error":
        return message.removeprefix("Value error, ")
    if section is None or kind not in ("extra_forbidden", "missing"):
        found, told = _at(raw, location), f"{name or 'the whole file'}: {message.removeprefix('Value error, ')}"
        of_several = kind == "value_error" and isinstance(found, Mapping)  # which, the message says
        return told if of_several else f"{told}, found {found!r}"
    allowed = ", ".join(section.model_fields)
    what = "unknown key" if kind == "extra_forbidden" else "missing key"
    return f"{name}: {what}; allowed there: {allowed}"


def _at(raw: Any, location: tuple[int | str, ...]) -> Any:
    for part in location:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            return location[-2] if part == "[key]" else None
    return raw


def _section_at(whole: type[Section], location: tuple[int | str, ...]) -> type[Section] | None:
    section: Any = whole
    for part in location:
        if isinstance(section, type) and issubclass(section, Section):
            section = section.model_fields[str(part)].annotation if str(part) in section.model_fields else None
        else:  # a mapping name -> section
            kinds = [kind for kind in getattr(section, "__args__", ()) if isinstance(kind, type)]
            section = next((kind for kind in kinds if issubclass(kind, Section)), None)
    return section if isinstance(section, type) and issubclass(section, Section) else None


def as_flat(section: BaseModel, prefix: str = "") -> dict[str, Any]:
    """`{"views.flip": 0.5, ...}`: one value a name, as MLflow logs params."""
    flat: dict[str, Any] = {}
    for name, value in section:
        if isinstance(value, BaseModel):
            flat |= as_flat(value, f"{prefix}{name}.")
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                flat |= as_flat(inner, f"{prefix}{name}.{key}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
