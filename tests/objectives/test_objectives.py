"""Every objective but `masked`: two networks, one of which only follows; what they learn, what they leave."""

import pytest
import torch
from torch import Tensor

from slyk.errors import ParamsError
from slyk.losses.cosine import symmetric_negative_cosine
from slyk.losses.regions import instance_loss, region_loss, relation_loss
from slyk.models.encoder import Encoder
from slyk.objectives import OBJECTIVES
from slyk.objectives.bootstrap import Bootstrap
from slyk.objectives.byol import BYOL
from slyk.objectives.objective import Objective, ObjectiveConfig, Pair
from slyk.objectives.pretraining import Pretraining
from slyk.objectives.region_awareness import RegionAwareness, pixels
from slyk.training.batches import Batch
from slyk.training.loop import adamw
from tests.models.test_encoder import CONFIG, random_images

OF_FACES_ONLY = {"byol", "region_awareness"}


@pytest.fixture(params=sorted(set(OBJECTIVES) - {"masked"}))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(name: str, **more: object) -> Objective:
    torch.manual_seed(0)
    return OBJECTIVES[name](Encoder(CONFIG), ObjectiveConfig(32, 16, momentum=0.9, **more))  # type: ignore[arg-type]


def turns(num: int) -> Tensor:
    """Turns about any angle, every other one of a mirror image."""
    angle = torch.linspace(-3, 3, num)
    mirror = torch.tensor([1.0, -1.0]).repeat(num)[:num]
    return torch.stack(
        [torch.stack([mirror * angle.cos(), angle.sin()], -1), torch.stack([-mirror * angle.sin(), angle.cos()], -1)], 1
    )


def pair(num: int = 8) -> Pair:
    return Pair(random_images(num, seed=1), random_images(num, seed=2), turns(num))


def targets(module: Objective) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters() if name.startswith("target_")}


def online(module: Objective, name: str) -> Tensor:
    """The parameter that one of the target follows."""
    followed = dict(module.named_parameters())
    own = name.removeprefix("target_")
    if isinstance(module, BYOL) and own.startswith("encoder."):
        own = own.replace("encoder.", "face.")
    return followed[own if own in followed else f"encoder.{own}"]


def test_it_starts_with_equal_networks(name: str) -> None:
    module = made(name)
    found = targets(module)
    assert found and all(torch.equal(value, online(module, one)) for one, value in found.items())


def test_who_gets_a_gradient(name: str) -> None:
    """Not the target; of objectives on faces alone, neither eyes nor attention."""
    module = made(name)
    loss, *_ = module(pair())
    loss.backward()
    for one, parameter in module.named_parameters():
        left = one.startswith("encoder.") and not one.startswith("encoder.face.") and name in OF_FACES_ONLY
        assert (parameter.grad is None) == (one.startswith("target_") or left), one
        assert parameter.requires_grad == (parameter.grad is not None), one


def test_loss_embeddings_and_what_is_compared(name: str) -> None:
    """The last two of the first view, as the online network sees it in training."""
    module = made(name)
    views = pair()
    loss, embeddings, compared = module(views)
    assert loss.ndim == 0 and torch.isfinite(loss)
    assert embeddings.shape == (8, module.encoder.face.num_channels if name in OF_FACES_ONLY else CONFIG.width)
    assert not embeddings.requires_grad and not compared.requires_grad
    torch.testing.assert_close(embeddings, module.embed(views.first).detach())
    if isinstance(module, RegionAwareness):
        again = module.regions(views.first).face
    else:
        assert isinstance(module, Bootstrap)
        again = module.projector(embeddings)
    torch.testing.assert_close(compared, again.detach())


def test_the_loss_is_symmetric_in_the_views(name: str) -> None:
    module = made(name).eval()
    a, b, turn, _ = pair()
    assert module(Pair(a, b, turn))[0].item() == pytest.approx(module(Pair(b, a, turn.mT))[0].item(), abs=1e-5)


def test_the_moving_average_by_hand(name: str) -> None:
    module = made(name)
    before = targets(module)
    with torch.no_grad():
        for one in before:
            online(module, one).add_(1.0)
    module.after_step(0.9)
    for one, value in targets(module).items():
        torch.testing.assert_close(value, before[one] + 0.1)
    before = targets(module)
    module.after_step(1.0)
    assert all(torch.equal(value, before[one]) for one, value in targets(module).items())
    module.after_step(0.0)
    for one, value in targets(module).items():
        torch.testing.assert_close(value, online(module, one))


def test_byol_is_what_its_parts_say() -> None:
    module = made("byol").eval()
    assert isinstance(module, BYOL)
    views = pair()
    seen = [module.encoder.face(module.encoder.normalize(view.face)).mean(dim=(2, 3)) for view in views[:2]]
    predictions = [module.predictor(module.projector(part), views.turn) for part in seen]
    found = [module.target_projector(part) for part in seen]  # networks are equal at first
    torch.testing.assert_close(module(views)[0], symmetric_negative_cosine(*predictions, *found))


def test_region_awareness_is_what_its_parts_say() -> None:
    """L_cons of both directions, half for faces and half for regions, and a tenth of the mean relation."""
    module = made("region_awareness").eval()
    assert isinstance(module, RegionAwareness)
    views = pair()
    one, two = (module.regions(view) for view in views[:2])
    expected = torch.zeros(())
    for seen, other in ((one, two), (two, one)):
        regions = module.region_predictor(seen.regions.flatten(0, 1)).reshape(seen.regions.shape)
        expected = expected + 0.5 * instance_loss(module.face_predictor(seen.face), other.face)
        expected = expected + 0.5 * region_loss(regions, other.regions)
        expected = expected + 0.1 * 0.5 * relation_loss(pixels(seen.scores), pixels(seen.scores))
    torch.testing.assert_close(module(views)[0], expected)


def test_pixels_are_rows() -> None:
    scores = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    rows = pixels(scores)
    assert rows.shape == (40, 3)
    assert rows[20 + 2 * 5 + 3].tolist() == scores[1, :, 2, 3].tolist()


@pytest.mark.slow
def test_pretraining_drives_it_and_the_loss_falls(name: str) -> None:
    module = made(name)
    trainable = Pretraining(module)
    optimizer = adamw([(module, 3e-3)], weight_decay=0.0)
    first, second, turn, _ = pair(8)
    batch = Batch((first, second), turn, torch.full((8, 2), torch.nan), [])
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
    metrics = trainable.metrics(watched)
    assert set(metrics) == {"embedding_std", "embedding_rank", "compared_std"}
    assert metrics["embedding_rank"] > 1


@pytest.mark.parametrize("name", ["byol", "mbyol"])
def test_a_told_turn_changes_the_prediction(name: str) -> None:
    """And the wrong one that the control is told is that of another sample."""
    views = pair()
    other = views._replace(turn=views.turn.flip(0))
    plain, told, wrong = (made(name, equivariance=kind).eval() for kind in ("none", "conditioned", "shuffled"))
    assert torch.equal(plain(views)[0], plain(other)[0])
    assert not torch.equal(told(views)[0], told(other)[0])
    rolled = views._replace(turn=views.turn.roll(1, 0))
    assert isinstance(wrong, Bootstrap) and isinstance(told, Bootstrap)
    assert [p.shape for p in wrong.parameters()] == [p.shape for p in told.parameters()]
    torch.testing.assert_close(wrong(views)[0], told(rolled)[0])


def test_each_view_is_told_the_turn_to_the_other() -> None:
    module = made("byol", equivariance="conditioned").eval()
    assert isinstance(module, BYOL)
    views = pair()
    seen = [module.projector(module.embed(view)) for view in views[:2]]
    predictions = [module.predictor(seen[0], views.turn), module.predictor(seen[1], views.turn.mT)]
    found = [module.target_projector(module.embed(view)) for view in views[:2]]
    torch.testing.assert_close(module(views)[0], symmetric_negative_cosine(*predictions, *found))


def test_views_together_share_statistics_only(name: str) -> None:
    """In evaluation, where statistics are fixed, nothing changes; in training they are those of both views."""
    apart, together = made(name), made(name, together=True)
    views = pair()
    assert not torch.equal(apart.train()(views)[0], together.train()(views)[0])
    for module in (apart, together):
        module.load_state_dict(made(name).state_dict())
        module.eval()
    torch.testing.assert_close(apart(views)[0], together(views)[0])


def test_probes_read_what_is_trained(name: str) -> None:
    module = made(name).eval()
    views = pair()
    torch.testing.assert_close(module.embed(views.first).detach(), module(views)[1])


def test_a_width_that_heads_cannot_share_says_so() -> None:
    with pytest.raises(ParamsError, match=r"projector_out 20 .* a multiple of 8"):
        OBJECTIVES["region_awareness"](Encoder(CONFIG), ObjectiveConfig(32, 20))
