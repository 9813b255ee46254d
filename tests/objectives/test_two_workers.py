"""FRA on two workers with half of the batch each, and on one with all of it: the same loss, the same gradients.

In float64, without dropout and with batch norms as they were: all that is left to differ is what workers tell another.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn

from slyk.losses.regions import relation_loss, sinkhorn
from slyk.models.encoder import Encoder, Images
from slyk.objectives import OBJECTIVES
from slyk.objectives.objective import Objective, ObjectiveConfig, Pair
from tests.models.test_encoder import CONFIG, random_images

NUM = 8
Found = dict[str, Tensor]


def made() -> Objective:
    """A network whose statistics were seen once, and that has moved away from its target."""
    torch.manual_seed(0)
    module = OBJECTIVES["region_awareness"](Encoder(CONFIG), ObjectiveConfig(32, 16)).double()
    module(pair(slice(None)))
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn(parameter.shape).double())
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout | nn.MultiheadAttention):
            part.eval()
    return module


def pair(which: slice) -> Pair:
    views = (random_images(NUM, 64, seed) for seed in (1, 2))
    first, second = (Images(*(part[which] for part in images)) for images in views)
    return Pair(first, second, torch.eye(2).expand(len(first.face), 2, 2))


def scores(which: slice) -> tuple[Tensor, Tensor]:
    """Cosines of the online and the target network, some regions liked more than others."""
    g = torch.Generator().manual_seed(3)
    both = torch.randn(2, 24, 5, generator=g, dtype=torch.float64) + torch.arange(5) / 2
    online, target = torch.tanh(both)[:, which]
    return online, target


def of_objective(module: nn.Module, which: slice) -> Found:
    loss, *_ = module(pair(which))
    loss.backward()
    own = module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module
    grads = {name: p.grad for name, p in own.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), "usual": own.get_buffer("neck.usual").clone(), **grads}


def of_relation(which: slice) -> Found:
    online, target = scores(which)
    online.requires_grad_()
    loss = relation_loss(online, target)
    loss.backward()  # type: ignore[no-untyped-call]
    assert online.grad is not None
    return {"even": sinkhorn(torch.softmax(target / 0.3, dim=1)), "relation": loss.detach(), "pixels": online.grad}


def in_a_worker(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    module = made()  # alike in both, before they meet
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    found = of_objective(nn.parallel.DistributedDataParallel(module), slice(rank, None, 2))
    found |= of_relation(slice(rank, None, 2))
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found]:
    folder = tmp_path_factory.mktemp("workers")
    spawn(in_a_worker, (folder,), nprocs=2)  # type: ignore[no-untyped-call]
    one, other = (torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2))
    return one, other


@pytest.mark.slow
def test_two_halves_teach_what_the_whole_does(workers: tuple[Found, Found]) -> None:
    alone = of_objective(made(), slice(None))
    one, other = workers
    torch.testing.assert_close((one["loss"] + other["loss"]) / 2, alone["loss"], rtol=1e-10, atol=0.0)
    assert abs(one["loss"] - other["loss"]) > 1e-6
    assert sum(name.startswith("neck.queries") for name in alone) > 20
    largest = max(value.abs().max().item() for value in alone.values())
    for name, value in alone.items():
        if name != "loss":
            for mine in (one[name], other[name]):
                assert torch.allclose(mine, value, rtol=1e-8, atol=1e-12 * largest), name


@pytest.mark.slow
def test_pixels_of_two_workers_are_made_even_together(workers: tuple[Found, Found]) -> None:
    """Sinkhorn of halves is half of that of all; each worker's gradient is twice its share of the mean's."""
    alone = of_relation(slice(None))
    for rank, found in enumerate(workers):
        torch.testing.assert_close(found["even"], alone["even"][rank::2], rtol=1e-12, atol=0.0)
        torch.testing.assert_close(found["pixels"] / 2, alone["pixels"][rank::2], rtol=1e-9, atol=1e-14)
    mean = (workers[0]["relation"] + workers[1]["relation"]) / 2
    torch.testing.assert_close(mean, alone["relation"], rtol=1e-12, atol=0.0)
    _, target = scores(slice(0, None, 2))
    assert not torch.allclose(sinkhorn(torch.softmax(target / 0.3, dim=1)), alone["even"][::2], rtol=1e-3)
