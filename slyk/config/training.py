"""Sections of params.yaml about training: views, encoder, pretraining, fine-tuning."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from slyk.bounds import Count, Fraction, NotNegative, Positive, Real, Rising, SetNames, Whole
from slyk.config.section import Section

Precision = Literal["auto", "fp32", "bf16"]
MIN_FACE_PX, MAX_FACE_PX = 16, 1024
MAX_SIGMA_PX = 5.0
"""Of a blur: its kernel of +-3 sigma must fit a face of MIN_FACE_PX."""


def _narrow(sigma: tuple[float, float]) -> tuple[float, float]:
    if sigma[1] > MAX_SIGMA_PX:
        raise ValueError(f"at most {MAX_SIGMA_PX:g} px are blurred")
    return sigma


def _warmed_up(warmup_epochs: float, epochs: int) -> None:
    """Raises ValueError where the learning rate would never be what it says."""
    if warmup_epochs > epochs:
        raise ValueError(f"warmup_epochs {warmup_epochs:g} are more than all epochs, {epochs}: lower them")


class Views(Section):
    flip: Fraction = 0.0
    """Probability of a mirror image: eyes swap, yaw changes sign."""
    rotate: Fraction = 0.0
    """Probability of a turn by up to +-rotate_deg."""
    rotate_deg: Annotated[Real, Field(ge=0.0, le=45.0)] = 0.0
    blur: Fraction = 0.0
    """Probability of a Gaussian blur."""
    blur_sigma: Annotated[Rising, AfterValidator(_narrow)] = (0.1, 2.0)
    """px, least and most, to MAX_SIGMA_PX; uniform."""
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
    width: Annotated[Count, Field(ge=2)]
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
    face_px: Annotated[Count, Field(ge=MIN_FACE_PX, le=MAX_FACE_PX)]
    """Side of the face that the network sees."""
    encoder: Encoder
    projector_hidden: Count
    projector_out: Annotated[Count, Field(ge=2)]
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
    adamw_beta2: Annotated[Fraction, Field(lt=1.0)] = 0.999
    """How long AdamW remembers squared gradients."""
    learning_rate: Positive
    weight_decay: NotNegative
    """On weight matrices only."""
    warmup_epochs: NotNegative
    precision: Precision
    """auto: bf16 where the processor has it, else fp32."""
    compile: bool = False
    """Through torch.compile: a minute at the start, pays on GPUs."""
    checkpoints_per_epoch: Annotated[Count, Field(le=1000)]
    """Reports too: probes are fitted at each."""
    watch: Watch = Watch()

    @model_validator(mode="after")
    def _told_turns(self) -> Self:
        if self.equivariance != "none" and self.objective not in ("byol", "mbyol"):
            raise ValueError(f"equivariance is for byol and mbyol, not for {self.objective}: say none")
        return self

    @model_validator(mode="after")
    def _warm_up_ends(self) -> Self:
        _warmed_up(self.warmup_epochs, self.epochs)
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
    checkpoints_per_epoch: Annotated[Count, Field(le=1000)]

    @model_validator(mode="after")
    def _warm_up_ends(self) -> Self:
        _warmed_up(self.warmup_epochs, self.epochs)
        return self


class Finetune(Section):
    gaze: FinetuneGaze
