"""The strengths that an expression is made of."""

from typing import NamedTuple


class Expression(NamedTuple):
    """smile, mouth_open, squint (both lids nearer), frown (corners of the mouth down), inner_brow (inner ends of the
    brows up), wrinkle (nose and upper lip drawn up), widen (upper lids up): 0-1; brow: -0.6 (lowered) to 1 (raised);
    one_sided: share -1 (the subject's right only) to 1 (left only) of a smile that one side shows more."""

    smile: float = 0.0
    mouth_open: float = 0.0
    brow: float = 0.0
    squint: float = 0.0
    frown: float = 0.0
    inner_brow: float = 0.0
    wrinkle: float = 0.0
    widen: float = 0.0
    one_sided: float = 0.0
