"""The alarm of a collapse, on networks that do collapse and on networks that do not."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from slyk.errors import TrainingError
from slyk.models.encoder import Encoder, EncoderConfig
from slyk.objectives import OBJECTIVES
from slyk.objectives.objective import Objective, ObjectiveConfig, Outcome, Pair
from slyk.objectives.pretraining import Pretraining
from slyk.training.batches import Batch
from slyk.training.loop import adamw
from tests.models.test_encoder import CONFIG, random_images

LEAST = 0.1


class Unchanged(nn.Module):
    """No predictor."""

    def forward(self, projections: Tensor, turns: Tensor) -> Tensor:
        return projections


def batch(step: int) -> Batch:
    """Views that have nothing in common: nothing but a constant predicts the other."""
    views = random_images(16, seed=step), random_images(16, seed=10_000 + step)
    return Batch(views, torch.eye(2).expand(16, 2, 2), torch.zeros(16, 2), [f"{i}" for i in range(16)])


def made(name: str, *, sound: bool) -> Pretraining:
    torch.manual_seed(0)
    config = ObjectiveConfig(projector_hidden=32, projector_out=16, momentum=0.99 if sound else 0.0)
    module = OBJECTIVES[name](Encoder(CONFIG), config).train()
    if not sound:
        module.predictor = Unchanged()
    return Pretraining(module, least_deviation=LEAST)


def trained(pretraining: Pretraining, steps: int) -> Tensor:
    """Some steps, the target standing still or, without momentum, being the online network; the last embeddings."""
    optimizer = adamw([(pretraining.module, 1e-2)], weight_decay=0.0)
    watched = torch.empty(0)
    for step in range(steps):
        loss, watched = pretraining.forward(batch(step))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        pretraining.after_step(step, 1_000_000)
    return watched


@pytest.mark.slow
@pytest.mark.parametrize("name", ["byol", "mbyol"])
def test_a_collapse_is_told_with_what_to_do(name: str) -> None:
    """Without predictor and moving average all faces become one; embeddings, kept apart by batch norm, do not."""
    pretraining = made(name, sound=False)
    watched = trained(pretraining, 24)
    told = (
        r"after step 24 what the loss compares deviates by 0\.0\d+, less than pretrain\.watch\.least_deviation, 0\.1 "
    )
    with pytest.raises(TrainingError, match=told) as caught:
        pretraining.metrics([watched])
    assert "Lower learning_rate" in str(caught.value)
    pretraining.least_deviation = 0.0
    told_numbers = pretraining.metrics([watched])
    assert told_numbers["compared_std"] < LEAST < 0.5 < told_numbers["embedding_std"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["byol", "mbyol"])
def test_a_sound_objective_goes_on(name: str) -> None:
    pretraining = made(name, sound=True)
    assert pretraining.metrics([trained(pretraining, 24)])["compared_std"] > 0.4


def test_what_cannot_collapse_is_not_judged() -> None:
    """A masked autoencoder is held against the picture itself."""
    torch.manual_seed(0)
    module = OBJECTIVES["masked"](
        Encoder(EncoderConfig("vit_tiny", 32, 4, 1)), ObjectiveConfig(32, 16, decoder_width=32)
    )
    pretraining = Pretraining(module.train(), least_deviation=1e6)
    pretraining.forward(batch(0))
    told = pretraining.metrics([torch.randn(8, 4)])
    assert set(told) == {"embedding_std", "embedding_rank"}


def test_the_rank_does_not_hang_on_how_often_it_is_told() -> None:
    pretraining = made("byol", sound=True)
    watched = list(torch.randn(12, 64, 512))
    often, seldom = (pretraining.metrics(some)["embedding_rank"] for some in (watched[-4:], watched))
    assert often == seldom > 100


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - {"masked"}))
def test_nobody_is_alarmed_at_the_start(name: str) -> None:
    """Random weights, before and after a first step; looking leaves no trace."""
    pretraining = made(name, sound=True)
    module = pretraining.module
    for step in range(2):
        watched = trained(pretraining, step + 1)
        before = {key: value.clone() for key, value in module.state_dict().items()}
        assert pretraining.metrics([watched])["compared_std"] > 2 * LEAST
        assert module.training and all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def worker(rank: int, folder: str, least: float) -> None:
    """One of two workers: alike within each, different between them."""
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.manual_seed(rank)
    pretraining = Pretraining(_Constant(), least_deviation=least)
    pretraining.forward(batch(rank))
    try:
        told = f"{pretraining.metrics([torch.randn(8, 4)])['compared_std']:.6f}"
    except TrainingError as error:
        told = f"stopped: {error}"
    (Path(folder) / str(rank)).write_text(told)
    dist.destroy_process_group()


class _Constant(Objective):
    """Compares the same unit vector of every face, another one in each worker."""

    def __init__(self) -> None:
        super().__init__(Encoder(CONFIG), ObjectiveConfig(2, 2))

    def forward(self, pair: Pair) -> Outcome:
        return Outcome(torch.zeros(()), torch.zeros(16, 2), torch.eye(2)[dist.get_rank()].expand(16, 2))


@pytest.mark.slow
def test_workers_judge_together(tmp_path: Path) -> None:
    """Each alone has collapsed; of both together half the faces are (1, 0), half (0, 1): sqrt(2 * 32 / 31 / 4)."""
    for least, expected in ((0.1, "0.718421"), (0.8, "stopped: pretraining collapsed")):
        folder = tmp_path / f"{least}"
        folder.mkdir()
        spawn(partial(worker, folder=str(folder), least=least), nprocs=2)  # type: ignore[no-untyped-call]
        told = [(folder / f"{rank}").read_text() for rank in range(2)]
        assert told[0] == told[1] and told[0].startswith(expected), told
