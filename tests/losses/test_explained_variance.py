"""The inverse-explained-variance loss by hand on three samples, in all three readings."""

from typing import Literal, get_args

import pytest
import torch

from slyk.losses.explained_variance import MAX_WEIGHT, Scope, inverse_explained_variance_loss

TARGET = torch.tensor([[0.0, 0.0], [0.1, 0.3], [0.2, 0.6]], dtype=torch.float64)
PREDICTION = torch.tensor([[0.1, 0.0], [0.1, 0.3], [0.2, 0.3]], dtype=torch.float64)
# squared errors: 0.01, 0; 0, 0; 0, 0.09.  SST about (0.1, 0.3): 0.02 and 0.18.  Mean absolute error: 0.4 / 6
BY_HAND: dict[Scope, float] = {
    "batch": 0.4 * (1 + 0.10 / 0.20) / 6,
    "output": (0.1 * (1 + 0.01 / 0.02) + 0.3 * (1 + 0.09 / 0.18)) / 6,
    "sample": (0.1 * (1 + 0.01 / (0.20 / 3)) + 0.3 * (1 + 0.09 / (0.20 / 3))) / 6,
}
scopes = pytest.mark.parametrize("scope", get_args(Scope))


def loss(prediction: torch.Tensor, target: torch.Tensor, scope: Scope) -> float:
    return inverse_explained_variance_loss(prediction, target, scope=scope).item()


@scopes
def test_three_samples_by_hand(scope: Scope) -> None:
    assert set(BY_HAND) == set(get_args(Scope))
    assert loss(PREDICTION, TARGET, scope) == pytest.approx(BY_HAND[scope], rel=1e-4)


@pytest.mark.parametrize("scope", ["batch", "output"])
def test_predicting_the_mean_doubles_the_error(scope: Literal["batch", "output"]) -> None:
    target = torch.randn(32, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mean = target.mean(dim=0).expand_as(target)
    assert loss(mean, target, scope) == pytest.approx(2 * (mean - target).abs().mean().item(), rel=1e-4)


@scopes
def test_a_perfect_prediction_costs_nothing(scope: Scope) -> None:
    assert loss(TARGET.clone(), TARGET, scope) == 0.0


@scopes
def test_constant_labels_give_no_nan(scope: Scope) -> None:
    target = torch.full((8, 2), 0.3)
    prediction = target.clone().requires_grad_()
    value = inverse_explained_variance_loss(prediction + 0.1, target, scope=scope)
    value.backward()  # type: ignore[no-untyped-call]
    assert 0.1 <= value.item() <= 0.1 * (1 + MAX_WEIGHT) + 1e-6
    assert prediction.grad is not None and torch.isfinite(prediction.grad).all()
    assert loss(torch.zeros(1, 2), torch.ones(1, 2), scope) == pytest.approx(1 + MAX_WEIGHT)


@scopes
def test_the_weight_does_not_see_a_common_scale(scope: Scope) -> None:
    """Scaling labels and predictions scales the loss alone, so w is free of units."""
    assert loss(5 * PREDICTION, 5 * TARGET, scope) == pytest.approx(5 * loss(PREDICTION, TARGET, scope), rel=1e-3)


@scopes
def test_the_weight_does_not_see_a_common_shift(scope: Scope) -> None:
    assert loss(PREDICTION + 0.7, TARGET + 0.7, scope) == pytest.approx(loss(PREDICTION, TARGET, scope), rel=1e-6)


@scopes
def test_the_weight_is_capped(scope: Scope) -> None:
    far = TARGET + 100.0
    assert loss(far, TARGET, scope) == pytest.approx(100.0 * (1 + MAX_WEIGHT))


@scopes
def test_the_gradient_takes_the_weight_as_a_constant(scope: Scope) -> None:
    """d/dp mean(|p - t| (1 + w)) with w fixed: sign(p - t) (1 + w) / 6."""
    prediction = PREDICTION.clone().requires_grad_()
    inverse_explained_variance_loss(prediction, TARGET, scope=scope).backward()  # type: ignore[no-untyped-call]
    weights = {"batch": (0.5, 0.5), "output": (0.5, 0.5), "sample": (0.15, 1.35)}[scope]
    expected = torch.zeros(3, 2, dtype=torch.float64)
    expected[0, 0], expected[2, 1] = (1 + weights[0]) / 6, -(1 + weights[1]) / 6
    torch.testing.assert_close(prediction.grad, expected, rtol=1e-4, atol=1e-9)
