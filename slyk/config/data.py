"""Sections of params.yaml about data: sets, rendering, index, normalization, who trains and who is tested."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from slyk.bounds import Count, Fraction, Line, Positive, Real, SetName, Whole
from slyk.config.section import Section

Domain = Literal["wide", "webcam", "wild", "studio", "near_eye"]
"""A name of `slyk.synthetic.domains.DOMAINS`."""


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
    sets: dict[SetName, SetProtocol] = Field(default_factory=dict)
    """Data set -> its protocol."""

    def of(self, dataset: str) -> dict[str, Any]:
        """The arguments of `slyk.datasets.protocols.roles` for a set."""
        chosen = self.sets.get(dataset, SetProtocol(name=self.default)).model_dump()
        if chosen["num_gate_people"] is None:
            chosen["num_gate_people"] = self.num_gate_people
        return chosen
