"""Learning rate and momentum at steps that can be worked by hand."""

import pytest

from slyk.training.schedules import ema_momentum, warmup_cosine


def test_warmup_then_half_a_cosine() -> None:
    factors = [warmup_cosine(step, num_steps=14, num_warmup=4) for step in range(15)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4] == 1.0
    assert factors[9] == pytest.approx(0.5)
    assert factors[14] == pytest.approx(0.0)
    assert factors[4:] == sorted(factors[4:], reverse=True)


@pytest.mark.parametrize(("num_steps", "num_warmup"), [(1, 0), (1, 1), (5, 5), (5, 9)])
def test_short_runs_stay_in_range(num_steps: int, num_warmup: int) -> None:
    factors = [warmup_cosine(s, num_steps=num_steps, num_warmup=num_warmup) for s in range(num_steps)]
    assert all(0 < factor <= 1 for factor in factors)


def test_momentum_rises_from_base_to_one() -> None:
    values = [ema_momentum(step, num_steps=10, base=0.9) for step in range(11)]
    assert values[0] == pytest.approx(0.9)
    assert values[5] == pytest.approx(0.95)
    assert values[10] == pytest.approx(1.0)
    assert values == sorted(values)
