"""FRA's losses, term by term: values worked by hand, an independent formula in float64, gradients."""

import math

import pytest
import torch
from torch import Tensor

from slyk.losses.regions import instance_loss, region_loss, relation_loss, sinkhorn


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def test_instances_by_hand() -> None:
    a, b = torch.tensor([[1.0, 0.0], [3.0, 4.0]]), torch.tensor([[2.0, 0.0], [4.0, 3.0]])
    assert instance_loss(a, b).item() == pytest.approx(2 - (1 + 24 / 25))
    assert instance_loss(a, a).item() == pytest.approx(0.0, abs=1e-6)
    assert instance_loss(a, -a).item() == pytest.approx(4.0)


def test_regions_by_hand() -> None:
    """Two regions of one face: cosines 1 and 0.6 to themselves, 0 and 0.8 to each other."""
    prediction = torch.tensor([[[2.0, 0.0], [4.0, 3.0]]])
    target = torch.tensor([[[1.0, 0.0], [0.0, 5.0]]])
    assert region_loss(prediction, target).item() == pytest.approx(2 - (1 + 0.6) + 0.02 * (0.0 + 0.8**2) / 2 / 2)


def test_regions_by_a_formula() -> None:
    prediction, target = drawn(3, 4, 5), drawn(3, 4, 5, seed=1)
    p, z = prediction.tolist(), target.tolist()
    positive = 2 - 2 * sum(cosine(p[b][k], z[b][k]) for b in range(3) for k in range(4)) / 12
    others = [cosine(p[b][k], z[b][j]) ** 2 for b in range(3) for k in range(4) for j in range(4) if j != k]
    expected = positive + 0.02 * sum(others) / 4 / 12
    assert region_loss(prediction, target).item() == pytest.approx(expected, rel=1e-12)


def sinkhorn_by_loops(shares: list[list[float]]) -> list[list[float]]:
    n, k = len(shares), len(shares[0])
    total = sum(map(sum, shares))
    plan = [[value / total for value in row] for row in shares]
    for _ in range(3):
        columns = [sum(row[j] for row in plan) for j in range(k)]
        plan = [[row[j] / columns[j] / k for j in range(k)] for row in plan]
        plan = [[value / sum(row) / n for value in row] for row in plan]
    return [[value * n for value in row] for row in plan]


def test_sinkhorn_by_loops() -> None:
    shares = torch.softmax(3 * drawn(7, 3), dim=1)
    expected = torch.tensor(sinkhorn_by_loops(shares.tolist()), dtype=torch.float64)
    torch.testing.assert_close(sinkhorn(shares), expected, rtol=1e-12, atol=0.0)


def test_sinkhorn_makes_regions_even() -> None:
    """Of shares that all prefer one region, each pixel's stay a distribution and each region gets its part."""
    shares = torch.softmax(drawn(400, 8) + torch.tensor([3.0] + [0.0] * 7), dim=1)
    even = sinkhorn(shares)
    torch.testing.assert_close(even.sum(dim=1), torch.ones(400, dtype=torch.float64))
    assert shares.sum(dim=0).max() > 150 and (even.sum(dim=0) - 50).abs().max() < 1


def test_relations_by_a_formula() -> None:
    online, target = torch.tanh(drawn(6, 3)), torch.tanh(drawn(6, 3, seed=1))

    def soft(row: list[float], temperature: float) -> list[float]:
        weights = [math.exp(value / temperature) for value in row]
        return [weight / sum(weights) for weight in weights]

    shares = [soft(row, 0.1) for row in online.tolist()]
    wanted = sinkhorn_by_loops([soft(row, 0.04) for row in target.tolist()])
    cross = -sum(wanted[n][j] * math.log(shares[n][j]) for n in range(6) for j in range(3)) / 6
    use = [sum(share[j] for share in shares) / 6 for j in range(3)]
    expected = cross + math.log(3) + sum(u * math.log(u) for u in use)
    assert relation_loss(online, target).item() == pytest.approx(expected, rel=1e-7)


def test_regions_that_all_pixels_share_alike_cost_least() -> None:
    """Pixels that agree, evenly among the regions: neither term is left; all in one region: log K."""
    sure = torch.eye(4, dtype=torch.float64).repeat(5, 1) * 2 - 1
    assert relation_loss(sure, sure).item() == pytest.approx(0.0, abs=1e-6)
    one = sure[:1].repeat(20, 1)
    shares = torch.softmax(one / 0.1, dim=1).mean(dim=0)
    regulariser = math.log(4) + (shares * shares.log()).sum().item()
    assert regulariser == pytest.approx(math.log(4), abs=1e-6)
    assert relation_loss(one, one).item() > math.log(4) - 1e-6


def test_no_gradient_reaches_the_targets() -> None:
    for loss, shape in ((instance_loss, (4, 6)), (region_loss, (2, 3, 6)), (relation_loss, (8, 3))):
        prediction, target = drawn(*shape).requires_grad_(), drawn(*shape, seed=1).requires_grad_()
        loss(prediction, target).backward()  # type: ignore[no-untyped-call]
        assert target.grad is None
        assert prediction.grad is not None and prediction.grad.abs().max() > 0


def test_gradients() -> None:
    for loss, shape in ((instance_loss, (3, 5)), (region_loss, (2, 3, 4)), (relation_loss, (6, 3))):
        target = torch.tanh(drawn(*shape, seed=1))
        prediction = torch.tanh(drawn(*shape)).requires_grad_()
        assert torch.autograd.gradcheck(lambda p, loss=loss, target=target: loss(p, target), (prediction,))


def test_autocast_takes_nothing_from_the_losses() -> None:
    for loss, shape in ((instance_loss, (3, 5)), (region_loss, (2, 3, 4)), (relation_loss, (6, 3))):
        prediction, target = torch.tanh(drawn(*shape)).float(), torch.tanh(drawn(*shape, seed=1)).float()
        with torch.autocast("cpu", torch.bfloat16):
            rough = loss(prediction, target)
        assert rough.item() == pytest.approx(loss(prediction.double(), target.double()).item(), rel=1e-6)
