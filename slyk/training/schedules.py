"""Learning rate and momentum as functions of the step."""

import math


def warmup_cosine(step: int, *, num_steps: int, num_warmup: int) -> float:
    """Factor of the learning rate: linear to 1 over the warm-up, then half a cosine to 0 at `num_steps`."""
    if step < num_warmup:
        return (step + 1) / num_warmup
    return 0.5 * (1 + math.cos(math.pi * (step - num_warmup) / max(1, num_steps - num_warmup)))


def ema_momentum(step: int, *, num_steps: int, base: float) -> float:
    """BYOL's target momentum: `base` at step 0, 1 at the end (arXiv:2006.07733, section 3.3)."""
    return 1 - (1 - base) * (1 + math.cos(math.pi * step / num_steps)) / 2
