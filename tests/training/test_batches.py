"""Plans and batches as functions of (seed, epoch, step)."""

import math
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slyk.config import Params
from slyk.errors import ParamsError
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.shards.read import ShardSet
from slyk.training.batches import Augmented, Batch, Plan, Samples, Seeing, Unseen, loader, stack
from slyk.views.augmentation import NUM_DRAWS, Augmentation, draw, numbers
from slyk.views.single import center
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
    return Augmented(Samples([samples]), Seeing(48, (views, views), seed=1))


def seen(augmented: Augmented, places: list[tuple[int, int]]) -> Batch:
    batch = augmented[places]
    assert isinstance(batch, Batch)
    return batch


def test_views_are_functions_of_seed_epoch_sample_and_number(augmented: Augmented) -> None:
    one = seen(augmented, [(0, 3), (0, 5)])
    again = seen(augmented, [(0, 5), (1, 3), (0, 3)])
    assert one.keys == [augmented.samples[i][0].key for i in (3, 5)]
    for view, same in zip(one.views, again.views, strict=True):
        for images, others in zip(view, same, strict=True):
            assert torch.equal(images[0], others[2]) and torch.equal(images[1], others[0])
            assert not torch.equal(images[0], others[1])
    assert not torch.equal(one.views[0].face, one.views[1].face)
    assert torch.equal(one.gaze[0], again.gaze[2]) and torch.equal(one.turn[1], again.turn[0])


def test_the_turn_carries_the_first_view_into_the_second(samples: ShardSet) -> None:
    """As the label of the one goes to that of the other; it is orthogonal, of either determinant."""
    views = Augmentation(rotate=1.0, rotate_deg=30.0, flip=0.5)
    dataset = Augmented(Samples([samples]), Seeing(48, (views, views), seed=1))
    places = [(0, i) for i in range(16)]
    batch = seen(dataset, places)
    second = draw(views, numbers(1, places, 1), SMALL_SPEC, 48).of_gaze(samples.gaze)
    first = torch.from_numpy(vector_from_pitchyaw(batch.gaze.numpy())[:, :2]).float()
    found = torch.einsum("bij,bj->bi", batch.turn, first)
    np.testing.assert_allclose(found, vector_from_pitchyaw(second)[:, :2], atol=1e-6)
    torch.testing.assert_close(batch.turn @ batch.turn.mT, torch.eye(2).expand(16, 2, 2))
    assert set(torch.det(batch.turn).round().tolist()) == {-1.0, 1.0}


def test_after_one_mirror_angles_add() -> None:
    """g2 g1^-1 of a mirror image turned by a and a picture turned by b is the mirror image turned by a + b."""
    turns = draw(Augmentation(rotate=1.0, rotate_deg=30.0, flip=0.5), chosen_draws(), SMALL_SPEC, 48).turn
    a, b = math.radians(30 * 0.6), math.radians(30 * -0.2)
    expected = np.array([[-math.cos(a + b), math.sin(a + b)], [math.sin(a + b), math.cos(a + b)]])
    np.testing.assert_allclose(turns[1] @ turns[0].T, expected, atol=1e-12)


def chosen_draws() -> Array:
    """Of a mirror image turned by 0.6 of the range, and of a picture turned by -0.2 of it."""
    uniform = np.full((2, NUM_DRAWS), 0.5)
    uniform[:, 0] = 0.0
    uniform[:, 1] = 0.8, 0.4
    uniform[:, 2] = 0.0, 1.0
    return uniform


def test_sets_of_other_sizes_share_a_batch(samples: ShardSet, params: Params) -> None:
    """What is seen of a sample does not depend on its company, nor on which engine's batch it comes with."""
    augmented = Augmented(Samples([samples, samples]), Seeing(48, (Augmentation(), Augmentation()), seed=1))
    batch = seen(augmented, [(0, 20), (0, 3), (0, 17)])
    assert batch.keys == [samples.key(i) for i in (4, 3, 1)]
    for row, index in enumerate((4, 3, 1)):
        expected = center(samples[index], SMALL_SPEC, 48)
        np.testing.assert_array_equal(batch.views[1].face[row].permute(1, 2, 0).numpy(), expected.face)
        np.testing.assert_array_equal(batch.views[1].left[row].permute(1, 2, 0).numpy(), expected.left)
        np.testing.assert_allclose(batch.gaze[row].numpy(), samples.gaze[index], rtol=1e-6)


def test_a_batch_seen_on_a_device_is_the_same_batch(augmented: Augmented) -> None:
    """Up to what the engines' interpolations differ by."""
    both = Augmented(Samples([augmented.samples.sets[0]] * 2), replace(augmented.seeing, on_device=True))
    places = [(0, 20), (0, 3), (1, 17), (0, 0)]
    unseen = both[places]
    assert isinstance(unseen, Unseen)
    there, here = unseen.seen(torch.device("cpu")), seen(Augmented(both.samples, augmented.seeing), places)
    assert there.keys == here.keys and torch.equal(there.turn, here.turn) and torch.equal(there.gaze, here.gaze)
    for one, other in zip(chain(*there.views), chain(*here.views), strict=True):
        difference = (one.int() - other.int()).abs().float()
        assert one.shape == other.shape and difference.mean() < 2 and difference.mean(dim=(1, 2, 3)).max() < 2


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loader_hands_on_what_is_still_to_be_seen(augmented: Augmented, num_workers: int) -> None:
    """Arrays stay arrays."""
    unseen = Augmented(augmented.samples, replace(augmented.seeing, on_device=True))
    plan = Plan(16, 4, 1, seed=1)
    (batch, *_), (expected, *_) = (
        loader(unseen, plan, start=0, num_workers=num_workers),
        loader(augmented, plan, start=0),
    )
    assert isinstance(batch, Unseen) and isinstance(expected, Batch)
    there = batch.seen(torch.device("cpu"))
    assert there.keys == expected.keys and there.views[0].face.shape == expected.views[0].face.shape


def test_without_eyes_none_are_cut(augmented: Augmented) -> None:
    places = [(0, 1), (0, 2)]
    with_eyes = seen(augmented, places)
    blind = seen(Augmented(augmented.samples, replace(augmented.seeing, eyes=False)), places)
    assert torch.equal(blind.views[0].face, with_eyes.views[0].face)
    assert blind.views[0].right.shape == blind.views[1].left.shape == (2, 3, 0, 0)
    unseen = Augmented(augmented.samples, replace(augmented.seeing, eyes=False, on_device=True))[places]
    assert isinstance(unseen, Unseen)
    assert unseen.stored[0].pictures.left.untyped_storage().nbytes() == 0
    assert unseen.seen(torch.device("cpu")).views[0].right.shape == (2, 3, 0, 0)


def test_chance_is_of_sample_and_epoch(augmented: Augmented) -> None:
    one = Augmented(augmented.samples, replace(augmented.seeing, places=9))
    whole, part = seen(one, [(0, 1), (0, 2), (1, 1)]).chance, seen(one, [(0, 2)]).chance
    assert whole.shape == (3, 9) and torch.equal(whole[1:2], part) and len({*whole.flatten().tolist()}) == 27
    assert float(whole.min()) >= 0 and float(whole.max()) < 1
    unseen = Augmented(one.samples, replace(one.seeing, on_device=True))[[(0, 2)]]
    assert isinstance(unseen, Unseen) and torch.equal(unseen.seen(torch.device("cpu")).chance, part)
    assert seen(augmented, [(0, 1)]).part(slice(0, 1)).chance.shape == (1, 0)


def test_parts_of_a_batch(augmented: Augmented) -> None:
    """Every second sample from the first: what the first of two workers would have taken."""
    plan = Plan(16, 8, 1, seed=1)
    whole = next(iter(loader(augmented, plan, start=0)))
    worker = next(iter(loader(augmented, replace(plan, num_ranks=2), start=0)))
    assert isinstance(whole, Batch) and isinstance(worker, Batch)
    assert_same(whole.part(slice(0, None, 2)), worker)
    assert plan.parts(None) == plan.parts(8) == plan.parts(99) == 1 and plan.parts(2) == 4
    assert replace(plan, num_ranks=2).parts(2) == 2
    with pytest.raises(ParamsError, match="micro_batch 3 does not divide the 8 samples"):
        plan.parts(3)
    with pytest.raises(ParamsError, match="batch_size 8 leaves one sample to each of 8 workers"):
        replace(plan, num_ranks=8).parts(None)


def assert_same(a: Batch | Unseen, b: Batch | Unseen) -> None:
    assert isinstance(a, Batch) and isinstance(b, Batch)
    assert a.keys == b.keys
    assert torch.equal(a.gaze, b.gaze) and torch.equal(a.turn, b.turn)
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
    assert len(found) == plan.num_steps - start
    for a, places in zip(found, plan.batches(start), strict=True):
        assert_same(a, augmented[places])


def test_stacking(samples: ShardSet) -> None:
    one = center(samples[0], SMALL_SPEC, 48)
    images = stack([one, one])
    assert images.face.shape == (2, 3, 48, 48) and images.face.dtype == torch.uint8
    assert images.right.shape == images.left.shape == (2, 3, 36, 60)
    assert images.face.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(images.face[0].permute(1, 2, 0).numpy(), one.face)
