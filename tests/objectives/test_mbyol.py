"""mBYOL: two networks, one of which only follows."""

import pytest
import torch
from torch import Tensor

from slyk.models.encoder import Encoder
from slyk.objectives import OBJECTIVES
from slyk.objectives.mbyol import MBYOL, Pair
from slyk.objectives.pretraining import Pretraining
from slyk.training.batches import Batch
from slyk.training.loop import adamw
from tests.models.test_encoder import CONFIG, random_images


@pytest.fixture
def module() -> MBYOL:
    torch.manual_seed(0)
    return OBJECTIVES["mbyol"](Encoder(CONFIG), projector_hidden=32, projector_out=16, momentum=0.9)


def pair(num: int = 8) -> Pair:
    return Pair(random_images(num, seed=1), random_images(num, seed=2))


def target_state(module: MBYOL) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters() if name.startswith("target_")}


def test_it_starts_with_equal_networks(module: MBYOL) -> None:
    online = dict(module.named_parameters())
    for name, value in target_state(module).items():
        assert torch.equal(value, online[name.removeprefix("target_")])


def test_the_target_gets_no_gradient(module: MBYOL) -> None:
    loss, _ = module(pair())
    loss.backward()
    for name, parameter in module.named_parameters():
        assert (parameter.grad is None) == name.startswith("target_"), name


def test_loss_and_embeddings(module: MBYOL) -> None:
    loss, embeddings = module(pair())
    assert -1 <= loss.item() <= 1
    assert embeddings.shape == (8, CONFIG.width) and not embeddings.requires_grad


def test_the_loss_is_symmetric_in_the_views(module: MBYOL) -> None:
    module.eval()
    a, b = pair()
    assert module(Pair(a, b))[0].item() == pytest.approx(module(Pair(b, a))[0].item(), abs=1e-6)


def test_the_moving_average_by_hand(module: MBYOL) -> None:
    before = target_state(module)
    with torch.no_grad():
        for parameter in [*module.encoder.parameters(), *module.projector.parameters()]:
            parameter.add_(1.0)
    module.after_step(0.9)
    for name, value in target_state(module).items():
        torch.testing.assert_close(value, before[name] + 0.1)
    before = target_state(module)
    module.after_step(1.0)
    assert all(torch.equal(value, before[name]) for name, value in target_state(module).items())
    module.after_step(0.0)
    online = dict(module.named_parameters())
    for name, value in target_state(module).items():
        torch.testing.assert_close(value, online[name.removeprefix("target_")])


@pytest.mark.slow
def test_pretraining_drives_it_and_the_loss_falls(module: MBYOL) -> None:
    trainable = Pretraining(module)
    optimizer = adamw([(module, 3e-3)], weight_decay=0.0)
    batch = Batch(tuple(pair(8)), torch.full((8, 2), torch.nan), [])
    losses, watched = [], []
    for step in range(10):
        result = trainable.forward(batch)
        optimizer.zero_grad()
        result.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        trainable.after_step(step, 10)
        losses.append(result.loss.item())
        watched.append(result.watched)
    assert losses[-1] < losses[0] - 0.3
    metrics = trainable.metrics(watched, batch)
    assert set(metrics) == {"embedding_std", "embedding_rank"}
    assert metrics["embedding_rank"] > 1
