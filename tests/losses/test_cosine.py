"""BYOL's loss by hand."""

import pytest
import torch

from slyk.losses.cosine import negative_cosine, symmetric_negative_cosine


def test_values_by_hand() -> None:
    a = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    b = torch.tensor([[2.0, 0.0], [4.0, 3.0]])
    assert negative_cosine(a, b).item() == pytest.approx(-(1.0 + 24 / 25) / 2)
    assert negative_cosine(a, -a).item() == pytest.approx(1.0)


def test_lengths_do_not_matter_and_the_range_is_kept() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(64, 16), torch.randn(64, 16)
    loss = negative_cosine(a, b)
    assert negative_cosine(5 * a, 0.1 * b).item() == pytest.approx(loss.item(), abs=1e-6)
    assert -1 <= loss.item() <= 1


def test_no_gradient_reaches_the_target() -> None:
    prediction, target = (torch.randn(4, 8, requires_grad=True) for _ in range(2))
    negative_cosine(prediction, target).backward()  # type: ignore[no-untyped-call]
    assert target.grad is None
    assert prediction.grad is not None and prediction.grad.abs().max() > 0


def test_the_gradient() -> None:
    torch.manual_seed(0)
    prediction = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    target = torch.randn(3, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: negative_cosine(p, target), (prediction,))


def test_the_symmetric_loss_takes_the_other_views_target() -> None:
    p1, p2, z1, z2 = (torch.randn(4, 8, generator=torch.Generator().manual_seed(s)) for s in range(4))
    expected = (negative_cosine(p1, z2) + negative_cosine(p2, z1)) / 2
    assert symmetric_negative_cosine(p1, p2, z1, z2) == expected
    assert symmetric_negative_cosine(p2, p1, z2, z1) == expected
    assert symmetric_negative_cosine(p1, p2, p2, p1).item() == pytest.approx(-1.0)
