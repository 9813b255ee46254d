"""Self-supervised objectives: a module each, a line each."""

from typing import Protocol

from slyk.models.encoder import Encoder
from slyk.objectives.byol import BYOL
from slyk.objectives.mbyol import MBYOL
from slyk.objectives.objective import Objective
from slyk.objectives.region_awareness import RegionAwareness


class Make(Protocol):
    """projector_hidden, projector_out: widths of projectors and predictors; momentum: of the target at first."""

    def __call__(
        self, encoder: Encoder, *, projector_hidden: int, projector_out: int, momentum: float
    ) -> Objective: ...


OBJECTIVES: dict[str, Make] = {
    "byol": BYOL,  # the control
    "mbyol": MBYOL,  # SLYKLatent's
    "region_awareness": RegionAwareness,  # FRA's
}
