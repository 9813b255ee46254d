"""Plans and batches as functions of (seed, epoch, step)."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slyk.config import Params
from slyk.errors import ParamsError
from slyk.shards.read import ShardSet
from slyk.training.batches import Augmented, Batch, Plan, Samples, collate, loader
from slyk.views import Augmentation, center
from tests.drawn import SMALL_SPEC


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    num_ranks = draw(st.integers(1, 9))
    batch_size = num_ranks * draw(st.integers(1, 5))
    num_samples = batch_size + draw(st.integers(0, 60))
    return Plan(num_samples, batch_size, draw(st.integers(1, 4)), draw(st.integers(0, 2**31 - 1)), 0, num_ranks)


def ranks_of(plan: Plan, start: int = 0) -> list[list[list[tuple[int, int]]]]:
    return [list(replace(plan, rank=rank).batches(start)) for rank in range(plan.num_ranks)]


@given(plans())
def test_every_sample_comes_once_an_epoch(plan: Plan) -> None:
    """Over all ranks; after the last epoch less than a batch is left out."""
    places = sorted(chain.from_iterable(chain.from_iterable(ranks_of(plan))))
    assert len(places) == len(set(places)) == plan.num_steps * plan.batch_size
    every = {(epoch, index) for epoch in range(plan.epochs) for index in range(plan.num_samples)}
    left_out = every - set(places)
    assert set(places) <= every and len(left_out) < plan.batch_size
    assert {epoch for epoch, _ in left_out} <= {plan.epochs - 1}


@given(plans())
def test_epochs_follow_each_other(plan: Plan) -> None:
    whole = list(chain.from_iterable(replace(plan, num_ranks=1).batches(0)))
    assert [epoch for epoch, _ in whole] == [place // plan.num_samples for place in range(len(whole))]


@given(plans())
def test_ranks_share_a_batch_evenly(plan: Plan) -> None:
    whole = list(replace(plan, num_ranks=1).batches(0))
    ranks = ranks_of(plan)
    assert len(whole) == plan.num_steps
    for step, batch in enumerate(whole):
        parts = [rank[step] for rank in ranks]
        assert {len(part) for part in parts} == {plan.batch_size // plan.num_ranks}
        assert [parts[place % plan.num_ranks][place // plan.num_ranks] for place in range(len(batch))] == batch


@given(plans(), st.data())
def test_resuming_at_any_step_gives_the_same_rest(plan: Plan, data: st.DataObject) -> None:
    """On as many ranks, or on others: the global order knows nothing of them."""
    start = data.draw(st.integers(0, plan.num_steps))
    assert ranks_of(plan, start) == [rank[start:] for rank in ranks_of(plan)]


@given(plans(), st.floats(0, 4))
def test_steps_at_epochs(plan: Plan, epochs: float) -> None:
    assert plan.steps_at(plan.epochs) == plan.num_steps and plan.steps_at(0.0) == 0
    assert abs(plan.steps_at(epochs) - min(plan.num_steps, epochs * plan.num_samples / plan.batch_size)) <= 0.5


def test_epochs_and_seeds_differ() -> None:
    first = list(Plan(64, 64, 2, seed=1).batches(0))
    assert [i for _, i in first[0]] != [i for _, i in first[1]]
    assert first[0] != next(Plan(64, 64, 2, seed=2).batches(0))


def test_impossible_plans_say_why() -> None:
    with pytest.raises(ParamsError, match="10 cannot be shared evenly by 4 workers"):
        Plan(100, 10, 1, 0, 0, 4)
    with pytest.raises(ParamsError, match="5 training samples fill no batch of 6: lower batch_size"):
        Plan(5, 6, 1, 0)


def test_several_sets_are_one_sequence(samples: ShardSet) -> None:
    both = Samples([samples, samples])
    assert len(both) == 32 and len(Samples([])) == 0
    for index in (0, 15, 16, 31):
        sample, spec = both[index]
        assert sample.key == samples.key(index % 16) and spec == SMALL_SPEC


@pytest.fixture(scope="module")
def augmented(samples: ShardSet, params: Params) -> Augmented:
    views = Augmentation(**params.pretrain.views.model_dump())
    return Augmented(Samples([samples]), face_px=48, augmentation=views, num_views=2, seed=1)


def test_views_are_functions_of_seed_epoch_sample_and_number(augmented: Augmented) -> None:
    (first, second), key = augmented[0, 3]
    again, _ = augmented[0, 3]
    assert key == augmented.samples[3][0].key
    np.testing.assert_array_equal(first.face, again[0].face)
    assert np.any(first.face != second.face)
    assert np.any(first.face != augmented[1, 3][0][0].face)


def assert_same(a: Batch, b: Batch) -> None:
    assert a.keys == b.keys
    assert torch.equal(a.gaze, b.gaze)
    for one, other in zip(chain(*a.views), chain(*b.views), strict=True):
        assert torch.equal(one, other)


def test_batches_resume_exactly(augmented: Augmented) -> None:
    plan = Plan(16, 4, 2, seed=1)
    whole = list(loader(augmented, plan, start=0))
    assert len(whole) == 8
    rest = list(loader(augmented, plan, start=5))
    for a, b in zip(rest, whole[5:], strict=True):
        assert_same(a, b)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than cores
@settings(max_examples=12)
@given(st.data())
def test_loader_workers_and_ranks_change_nothing(augmented: Augmented, data: st.DataObject) -> None:
    """0 to 4 workers, any rank of 1 to 9, from any step: the same pixels, labels and keys."""
    num_ranks = data.draw(st.integers(1, 9), "ranks")
    plan = Plan(16, num_ranks, 2, 1, data.draw(st.integers(0, num_ranks - 1), "rank"), num_ranks)
    start = data.draw(st.integers(0, plan.num_steps - 1), "start")
    num_workers = data.draw(st.integers(0, 4), "workers")
    found = list(loader(augmented, plan, start=start, num_workers=num_workers))
    expected = [collate([augmented[place] for place in batch]) for batch in plan.batches(start)]
    assert len(found) == plan.num_steps - start
    for a, b in zip(found, expected, strict=True):
        assert_same(a, b)


def test_collating(samples: ShardSet) -> None:
    one = center(samples[0], SMALL_SPEC, 48)
    batch = collate([([one], "a"), ([one._replace(gaze=None)], "b")])
    (images,) = batch.views
    assert images.face.shape == (2, 3, 48, 48) and images.face.dtype == torch.uint8
    assert images.right.shape == images.left.shape == (2, 3, 36, 60)
    assert images.face.is_contiguous(memory_format=torch.channels_last)
    assert one.gaze is not None
    np.testing.assert_array_equal(images.face[0].permute(1, 2, 0).numpy(), one.face)
    np.testing.assert_allclose(batch.gaze[0].numpy(), one.gaze, rtol=1e-6)
    assert torch.isnan(batch.gaze[1]).all() and batch.keys == ["a", "b"]
