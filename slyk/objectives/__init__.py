"""Self-supervised objectives: a module each, a line each."""

from collections.abc import Callable

from slyk.models.encoder import Encoder
from slyk.objectives.byol import BYOL
from slyk.objectives.masked import Masked
from slyk.objectives.mbyol import MBYOL
from slyk.objectives.objective import Objective, ObjectiveConfig
from slyk.objectives.region_awareness import RegionAwareness

OBJECTIVES: dict[str, Callable[[Encoder, ObjectiveConfig], Objective]] = {
    "byol": BYOL,  # the control
    "mbyol": MBYOL,  # SLYKLatent's
    "region_awareness": RegionAwareness,  # FRA's
    "masked": Masked,  # MAE's
}
