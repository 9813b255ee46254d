"""Self-supervised objectives: a module each, a line each."""

from slyk.objectives.mbyol import MBYOL

OBJECTIVES = {"mbyol": MBYOL}
