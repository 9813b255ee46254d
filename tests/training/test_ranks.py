"""Two workers and one: the same gradients from the same samples."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from slyk import ranks
from slyk.errors import TrainingError
from slyk.models.encoder import Encoder
from slyk.objectives import OBJECTIVES
from slyk.objectives.objective import ObjectiveConfig
from slyk.objectives.pretraining import Pretraining
from slyk.shards.read import ShardSet
from slyk.training.batches import Augmented, Plan, Samples, Seeing, loader
from slyk.training.loop import Settings, _Losses, adamw, fit
from slyk.views.augmentation import Augmentation
from tests.models.test_encoder import CONFIG

VIEWS = Augmentation(flip=0.5, rotate=0.5, rotate_deg=30.0)


def trained(shards: Path, *, rank: int, num_ranks: int, parts: int) -> dict[str, Tensor]:
    """The parameters after three steps of eight samples, in all, of BYOL."""
    torch.manual_seed(0)
    module = OBJECTIVES["byol"](Encoder(CONFIG), ObjectiveConfig(32, 16, momentum=0.9))
    wrapped = torch.nn.parallel.DistributedDataParallel(module) if num_ranks > 1 else module
    plan = Plan(16, 8, 2, 1, rank, num_ranks)
    batches = loader(Augmented(Samples([ShardSet.open(shards)]), Seeing(32, (VIEWS, VIEWS), 1)), plan, start=0)
    settings = Settings(3, 1, lambda step: 1.0, "fp32", None, torch.device("cpu"), parts)
    some = (batch for batch, _ in zip(batches, range(3), strict=False))
    optimizer = adamw([(module, 1e-4)], weight_decay=0.0)
    (report,) = fit(Pretraining(module, wrapped), optimizer, some, settings, start=0, report_at={3})
    found = {name: p.detach().clone() for name, p in module.named_parameters()}
    return found | {"loss": torch.tensor(report.metrics["loss"])}


def in_a_worker(rank: int, shards: Path, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    assert ranks.count() == 2
    assert ranks.total(torch.tensor([1.0 + rank])).item() == 3.0
    assert ranks.gathered(["second"] * rank) == ["second"]
    with pytest.raises(TrainingError, match=r"loss is nan at step 3; samples of the batch: second\. Lower"):
        _Losses(torch.device("cpu")).add(torch.tensor(math.nan if rank else 1.0), 3, ["second" if rank else "first"])
    value = torch.tensor([1.0 + rank], requires_grad=True)
    mean = ranks.mean(value)
    (mean * (rank + 1)).backward()  # type: ignore[no-untyped-call]
    assert mean.item() == 1.5 and value.grad is not None and value.grad.item() == 1.5  # half of 1 + 2
    torch.save(trained(shards, rank=rank, num_ranks=2, parts=1), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_the_global_batch_stays_where_workers_change(shards: Path, tmp_path: Path) -> None:
    """Two workers of four samples each learn what one learns that takes eight, four at a time."""
    spawn(in_a_worker, (shards, tmp_path), nprocs=2)  # type: ignore[no-untyped-call]
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    alone = trained(shards, rank=0, num_ranks=1, parts=2)
    whole = trained(shards, rank=0, num_ranks=1, parts=1)
    assert all(torch.equal(one[name], other[name]) for name in one)
    for name, value in alone.items():
        torch.testing.assert_close(one[name], value, rtol=1e-3, atol=2e-6)
    assert not torch.allclose(whole["loss"], alone["loss"])  # statistics are of four samples, not of eight


def test_alone_there_is_nothing_to_add() -> None:
    value = torch.tensor([2.0], requires_grad=True)
    assert ranks.count() == 1 and ranks.mean(value) is value
    total = ranks.total(value)
    assert total.item() == 2.0 and not total.requires_grad
