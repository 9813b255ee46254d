"""Numbers and texts that params.yaml may hold: kinds of fields of `slyk.config`, with their bounds."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field


def _not_yes_or_no(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is expected")
    return value


def printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("one line of printable text is expected")
    return text


def rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("the smaller number comes first")
    return pair


Whole = Annotated[int, Field(ge=0, le=10**6, strict=True)]
Count = Annotated[Whole, Field(ge=1)]
Real = Annotated[float, Field(le=1e6), BeforeValidator(_not_yes_or_no)]
"""YAML takes 1e-3 for a text, which is a number here."""
Fraction = Annotated[Real, Field(ge=0.0, le=1.0)]
Positive = Annotated[Real, Field(gt=1e-9)]
NotNegative = Annotated[Real, Field(ge=0.0)]
Line = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(printable)]
Rising = Annotated[tuple[Positive, Positive], AfterValidator(rising)]
SetName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""Of a data set: also the name of its files and of its DVC stages."""


def _without_repeats(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("names a data set twice")
    return names


SetNames = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_without_repeats)]
