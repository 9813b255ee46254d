"""params.yaml as frozen, typed sections: unknown keys are errors, each field has its meaning and unit."""

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from slyk.bounds import Count, Fraction, Line, NotNegative, Positive, Real, Rising, SetName, SetNames, Whole
from slyk.errors import ParamsError
from slyk.yaml_file import read

Precision = Literal["auto", "fp32", "bf16"]
Domain = Literal["wide", "webcam", "wild", "studio", "near_eye"]
"""A name of `slyk.synthetic.domains.DOMAINS`."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Dataset(Section):
    reader: str
    """A name of `slyk.datasets.registry.DATASETS`."""
    root: Line
    """Where the raw set lives: a folder or a link to one, below SLYK_ROOT or absolute, or a URL (docs/datasets.md)."""
    camera: tuple[Positive, Positive, Positive, Positive] | None = None
    """focal x, focal y, centre x, centre y in px for photos without a camera; None: focal = longer side."""
    licence: Line = "unknown"
    """Travels into manifest, run and model."""


FIRST_TEST_PERSON = 10_000
Many = Annotated[Count, Field(le=100_000)]


class Render(Section):
    domain: Domain
    """What is drawn: gaze independent of the head (wide), or photos as of MPIIFaceGaze (webcam), Gaze360 (wild),
    ETH-XGaze (studio), TEyeD (near_eye)."""
    num_train_people: Annotated[Count, Field(le=FIRST_TEST_PERSON)]
    """Identities 0, 1, ... of the seed, the same heads in all sets."""
    num_test_people: Many
    """Identities from FIRST_TEST_PERSON on, so that no set trains on people whom another tests on."""
    photos_per_person: Many
    photo_px: Annotated[Count, Field(ge=64, le=4096)] | None = None
    """Width of the photos; None: the usual of the domain."""
    eye_supersampling: Annotated[Count, Field(le=4)]
    """Rays a pixel and axis inside the eye boxes."""

    @property
    def num_people(self) -> int:
        return self.num_train_people + self.num_test_people

    def identity(self, person: int) -> int:
        """The renderer's number of the set's person, who counts from 0, training people first."""
        test = person - self.num_train_people
        return person if test < 0 else FIRST_TEST_PERSON + test


class Index(Section):
    photos_per_shard: Annotated[Count, Field(le=250)]
    min_face_px: Count
    """Detected faces with a narrower box are rejected as too small."""
    max_reject_fraction: Fraction
    """The stage fails when more photos than this are rejected."""


MAX_SQUARE_PX = 4094
"""Larger pictures are not read from shards (`slyk.shards.limits`)."""


class Normalize(Section):
    focal_px: Positive
    """Focal length of the virtual camera at the stored face resolution."""
    distance_mm: Positive
    """Virtual distance of the face centre."""
    face_px: Annotated[Count, Field(ge=16)]
    """Side of the face square at margin 1."""
    face_margin: Annotated[Real, Field(ge=1.0)]
    eye_px: Annotated[Count, Field(ge=16)]
    """Side of the eye square at margin 1 (the width of an eye patch)."""
    eye_margin: Annotated[Real, Field(ge=1.6)]
    eye_zoom: Annotated[Positive, Field(le=100.0)]
    """Eye px/mm over face px/mm."""
    one_eye_px: Annotated[Count, Field(ge=16, le=1024)]
    """Longer side of the stored picture, in sets that show one eye and no face."""
    jpeg_quality: Annotated[Count, Field(ge=50, le=100)]
    max_reject_fraction: Fraction

    @model_validator(mode="after")
    def _small_enough(self) -> Self:
        for name, side in ("face", self.face_px * self.face_margin), ("eye", self.eye_px * self.eye_margin):
            if side > MAX_SQUARE_PX:
                raise ValueError(f"{name}_px times {name}_margin is {side:g}, at most {MAX_SQUARE_PX}")
        return self


ProtocolName = Literal[
    "as_shipped", "official", "leave_one_out", "leave_one_out_evaluation", "folds", "own_split",
    "all", "front_180", "front_20_band", "front_20_cone", "face_detected", "affectnet_7", "affectnet_8",
]  # fmt: skip
"""A name of `slyk.datasets.protocols.PROTOCOLS`."""


class SetProtocol(Section):
    name: ProtocolName
    fold: Whole | None = None
    """Of leave_one_out and folds: which group or part is tested, from 0."""
    num_folds: Annotated[Count, Field(ge=2)] | None = None
    """Of folds: how many parts."""
    num_gate_people: Whole | None = None
    """In place of protocol.num_gate_people for this set; 0 leaves it without a gate."""
    without: tuple[str, ...] = ()
    """Photos with one of these tags take part in nothing; docs/datasets.md names the tags."""


class Protocol(Section):
    num_gate_people: Count
    """People who would train kept apart for `slyk promote`; never trained or reported on."""
    default: ProtocolName = "as_shipped"
    """Who trains and who is tested of the sets not named below (docs/protocols.md)."""
    sets: dict[SetName, SetProtocol] = {}
    """Data set -> its protocol."""

    def of(self, dataset: str) -> dict[str, Any]:
        """The arguments of `slyk.datasets.protocols.roles` for a set."""
        chosen = self.sets.get(dataset, SetProtocol(name=self.default)).model_dump()
        if chosen["num_gate_people"] is None:
            chosen["num_gate_people"] = self.num_gate_people
        return chosen


class Views(Section):
    flip: Fraction = 0.0
    """Probability of a mirror image: eyes swap, yaw changes sign."""
    rotate: Fraction = 0.0
    """Probability of a turn by up to +-rotate_deg."""
    rotate_deg: Annotated[Real, Field(ge=0.0, le=45.0)] = 0.0
    blur: Fraction = 0.0
    """Probability of a Gaussian blur."""
    blur_sigma: Rising = (0.1, 2.0)
    """px, least and most; uniform."""
    gray: Fraction = 0.0
    """Probability of losing colour."""
    shift_mm: Annotated[Real, Field(ge=0.0, le=10.0)] = 0.0
    """Each square moves by up to this in x and y: detectors are not exact."""
    scale: Annotated[Real, Field(ge=0.0, le=0.3)] = 0.0
    """Each square grows or shrinks by up to this share."""
    light: Annotated[Real, Field(ge=0.0, le=0.9)] = 0.0
    """Contrast and brightness change by up to this share."""
    jitter: Fraction = 0.0
    """Probability of changed colours."""
    jitter_strength: tuple[Fraction, Fraction, Fraction, Annotated[Real, Field(ge=0.0, le=0.5)]] = (0.4, 0.4, 0.2, 0.1)
    """Brightness, contrast, saturation up to these shares, hue up to this part of a full turn."""
    solarize: Fraction = 0.0
    """Probability that levels from 128 on become dark."""
    crop: Fraction = 0.0
    """Probability that the face is cropped at random, of aspect 3:4 to 4:3, and enlarged; eyes are not."""
    crop_area: tuple[Positive, Annotated[Positive, Field(le=1.0)]] = (0.2, 1.0)
    """Least and most of the face's area that a crop shows."""

    @model_validator(mode="after")
    def _rising_area(self) -> Self:
        if self.crop_area[0] > self.crop_area[1]:
            raise ValueError("crop_area must rise")
        return self


class Encoder(Section):
    backbone: str
    """A name of `slyk.models.backbones.BACKBONES`."""
    weights: str | None
    """A local file of timm weights to start from, or null."""
    width: Count
    """Width of the tokens and of the embedding."""
    heads: Count
    """Attention heads."""
    layers: Count
    """Attention layers."""
    stride: Literal[16, 32] = 32
    """px of the face to a place of the trunk's map; 16: twice as fine, for region_awareness below 160 px."""

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        if self.width % self.heads:
            raise ValueError("width must be a multiple of heads")
        return self


class Watch(Section):
    people: Whole = 6
    """Training groups of each set that pretraining leaves out, to be probed; fine-tuning takes them. 0: no probes."""
    photos: Annotated[Count, Field(ge=8, le=20_000)] = 300
    """At most so many photos of people whom pretraining sees, to fit probes, and as many of the others, to judge."""
    least_deviation: NotNegative = 0.1
    """Pretraining ends where what its loss compares deviates less (1: an even spread, 0: all alike); 0: never."""


class Pretrain(Section):
    datasets: SetNames
    """Shards to read, training groups only."""
    objective: Literal["byol", "mbyol", "region_awareness", "masked"]
    """A name of `slyk.objectives.OBJECTIVES`."""
    face_px: Count
    """Side of the face that the network sees."""
    encoder: Encoder
    projector_hidden: Count
    projector_out: Count
    momentum: Fraction
    """First EMA momentum; rises to 1 over training on a half cosine."""
    equivariance: Literal["none", "conditioned", "shuffled"] = "none"
    """Of byol and mbyol. conditioned: the predictor is told the turn between the views; shuffled: a wrong one."""
    num_regions: Annotated[Count, Field(ge=2)] = 8
    """Of region_awareness."""
    hidden_share: Annotated[Fraction, Field(gt=0.0, lt=1.0)] = 0.75
    """Of masked: the share of patches that the encoder does not see."""
    decoder_width: Annotated[Count, Field(multiple_of=32)] = 128
    decoder_layers: Count = 2
    """Of masked; an attention head for each 32 of the width."""
    views: Views
    second_views: Views | None = None
    """Of the second view; null: as the first."""
    epochs: Count
    batch_size: Annotated[Count, Field(ge=2)]
    """Samples a step over all workers."""
    micro_batch: Annotated[Count, Field(ge=2)] | None = None
    """At most so many samples pass a network at once, and share batch-norm statistics; gradients of more are added up.
    null: each worker's share of batch_size."""
    together: bool | None = None
    """Both views in one batch, with common statistics; null: where batch_size is below 32."""
    optimizer: Literal["adamw", "lars"] = "adamw"
    learning_rate: Positive
    weight_decay: NotNegative
    """On weight matrices only."""
    warmup_epochs: NotNegative
    precision: Precision
    """auto: bf16 where the processor has it, else fp32."""
    compile: bool = False
    """Through torch.compile: a minute at the start, pays on GPUs."""
    checkpoints_per_epoch: Count
    """Reports too: probes are fitted at each."""
    watch: Watch = Watch()

    @model_validator(mode="after")
    def _told_turns(self) -> Self:
        if self.equivariance != "none" and self.objective not in ("byol", "mbyol"):
            raise ValueError(f"equivariance is for byol and mbyol, not for {self.objective}: say none")
        return self


class FinetuneGaze(Section):
    datasets: SetNames
    views: Views
    dropout: Annotated[Fraction, Field(lt=1.0)]
    hidden: tuple[Count, ...]
    """Widths of the MLP behind the three bottlenecks."""
    ev_scope: Literal["batch", "output", "sample"]
    """Over what the inverse explained variance is taken (docs/methods.md)."""
    epochs: Count
    batch_size: Annotated[Count, Field(ge=2)]
    learning_rate: Positive
    """Of bottlenecks and MLP."""
    encoder_learning_rate: NotNegative
    """Of the pretrained trunk; 0 freezes it."""
    weight_decay: NotNegative
    warmup_epochs: NotNegative
    clip_norm: Positive
    precision: Precision
    checkpoints_per_epoch: Count


class Finetune(Section):
    gaze: FinetuneGaze


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
    render: dict[SetName, Render] = {}
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
        lines = [_explain(raw, e["loc"], e["type"], e["msg"]) for e in error.errors()]
        raise ParamsError(f"{path}: {len(lines)} wrong entries\n" + "\n".join(f"  {line}" for line in lines)) from None


def _explain(raw: Any, location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(str(part) for part in location)
    section = _section_at(location[:-1])
    if not location and kind == "value_error":
        return message.removeprefix("Value error, ")
    if section is None or kind not in ("extra_forbidden", "missing"):
        return f"{name or 'the whole file'}: {message.removeprefix('Value error, ')}, found {_at(raw, location)!r}"
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


def _section_at(location: tuple[int | str, ...]) -> type[Section] | None:
    section: Any = Params
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
