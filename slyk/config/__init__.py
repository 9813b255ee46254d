"""params.yaml as frozen, typed sections: unknown keys are errors, each field has its meaning and unit."""

import posixpath
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from slyk.bounds import Count, NotNegative, SetName, SetNames
from slyk.config.data import Dataset, Index, Normalize, Protocol, Render
from slyk.config.section import Section, explained
from slyk.config.training import Finetune, Pretrain
from slyk.errors import ParamsError
from slyk.yaml_file import read


class Evaluate(Section):
    datasets: SetNames | None = None
    """Sets to test on; null: those of finetune.gaze. docs/protocols.md: what of a set that nobody learns from."""
    batch_size: Count
    bootstrap_samples: Annotated[Count, Field(ge=100)]
    """Draws of people for the 95 % interval."""


class Promote(Section):
    margin_deg: NotNegative
    """The challenger passes when the upper end of the paired 95 % interval of its extra error stays below."""
    worst_person_margin_deg: NotNegative
    """The worst gate person may lose at most this."""


class Params(Section):
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)]
    datasets: dict[SetName, Dataset]
    render: dict[SetName, Render] = Field(default_factory=dict)
    """Sets to render, each into data/raw/<name>."""
    index: Index
    normalize: Normalize
    protocol: Protocol
    pretrain: Pretrain
    finetune: Finetune
    evaluate: Evaluate
    promote: Promote

    def dataset(self, name: str) -> Dataset:
        """The set of a name. Raises ParamsError naming those that there are."""
        if name not in self.datasets:
            raise ParamsError(f"unknown data set {name}; params.yaml holds: {', '.join(self.datasets)}")
        return self.datasets[name]

    @model_validator(mode="after")
    def _known_sets(self) -> Self:
        for name, used in (
            ("pretrain.datasets", self.pretrain.datasets),
            ("finetune.gaze.datasets", self.finetune.gaze.datasets),
            ("evaluate.datasets", self.evaluate.datasets or ()),
            ("protocol.sets", tuple(self.protocol.sets)),
        ):
            unknown = [repr(part) for part in used if part not in self.datasets]
            if unknown:
                known = ", ".join(self.datasets) or "none"
                raise ValueError(f"{name} holds {', '.join(unknown)}; known under datasets: {known}")
        return self

    @model_validator(mode="after")
    def _rendered_sets(self) -> Self:
        for name, dataset in self.datasets.items():
            root = posixpath.normpath(dataset.root)
            ours = dataset.reader == "synthetic" and root == f"data/raw/{name}"
            if dataset.reader != "synthetic" and root in {f"data/raw/{made}" for made in self.render}:
                raise ValueError(
                    f"datasets.{name} reads {dataset.root} by reader {dataset.reader}, but render makes that folder: "
                    "give the set to render another name, or read it as synthetic"
                )
            if ours and name not in self.render:
                known = ", ".join(self.render) or "none"
                raise ValueError(f"datasets.{name} is rendered, but render holds no {name!r}; known there: {known}")
            if not ours and name in self.render:
                raise ValueError(
                    f"render.{name} makes data/raw/{name}, but datasets.{name} is another set of that name "
                    f"(reader {dataset.reader}, root {dataset.root}): rename one"
                )
        return self


def load_params(path: Path) -> Params:
    """Reads and checks params.yaml. Raises ParamsError naming every wrong path and the keys allowed there."""
    raw = read(path)
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        lines = explained(Params, raw, error)
        wrong = "1 wrong entry" if len(lines) == 1 else f"{len(lines)} wrong entries"
        raise ParamsError(f"{path}: {wrong}\n" + "\n".join(f"  {line}" for line in lines)) from None
