"""MAE: what is hidden, what the loss is made of, what learns."""

import copy

import pytest
import torch
from torch import Tensor

from slyk.errors import ParamsError
from slyk.losses.reconstruction import moments, patches
from slyk.models.backbones import PatchTrunk, taken
from slyk.models.encoder import Encoder, EncoderConfig, Images
from slyk.objectives import OBJECTIVES
from slyk.objectives.masked import Decoder, Masked, Split, split
from slyk.objectives.objective import ObjectiveConfig, Pair
from slyk.objectives.pretraining import Pretraining
from slyk.training.batches import Batch
from slyk.training.loop import adamw
from tests.models.test_encoder import random_images

CONFIG = ObjectiveConfig(32, 16, hidden_share=0.7, decoder_width=64, decoder_layers=1)


@pytest.fixture(scope="module")
def trained() -> Masked:
    torch.manual_seed(0)
    module = OBJECTIVES["masked"](Encoder(EncoderConfig("vit_tiny", 32, 4, 1)), CONFIG)
    assert isinstance(module, Masked)
    return module


@pytest.fixture
def module(trained: Masked) -> Masked:
    return copy.deepcopy(trained)


def pair(num: int = 4, face_px: int = 32) -> Pair:
    images = random_images(num, face_px, seed=1)
    return Pair(images, images, torch.eye(2).expand(num, 2, 2))


def trunk(module: Masked) -> PatchTrunk:
    assert isinstance(module.encoder.face, PatchTrunk)
    return module.encoder.face


@pytest.mark.parametrize(("share", "num", "hidden"), [(0.75, 144, 108), (0.7, 16, 11), (0.01, 4, 1), (0.99, 4, 3)])
def test_each_sample_hides_as_many(share: float, num: int, hidden: int) -> None:
    torch.manual_seed(0)
    which = split(torch.rand(8, num), share)
    assert which.hidden.shape == (8, hidden) and which.seen.shape == (8, num - hidden)
    both = torch.cat(which, dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(num).expand(8, -1))


def test_what_is_hidden_is_a_samples_own(module: Masked) -> None:
    """Whatever the generator, and whoever else is in the batch: workers and micro-batches change nothing."""
    chance, whole = torch.rand(4, module.num_places(32)), pair()
    embeddings = []
    for seed, rows in ((3, slice(0, 4)), (4, slice(2, 4)), (4, slice(0, 2))):
        torch.manual_seed(seed)
        images = Images(*(part[rows] for part in whole.first))
        embeddings.append(module(Pair(images, images, whole.turn[rows], chance[rows])).embeddings)
    torch.testing.assert_close(embeddings[0], torch.cat([embeddings[2], embeddings[1]]))
    hidden = split(chance, 0.7).hidden
    assert not torch.equal(hidden[0].sort().values, hidden[1].sort().values)
    other = Pair(whole.first, whole.second, whole.turn, chance.flip(0))
    assert not torch.allclose(module(other).embeddings, embeddings[0])


def test_every_patch_is_hidden_as_often() -> None:
    torch.manual_seed(0)
    counts = split(torch.rand(4000, 16), 0.75).hidden.flatten().bincount(minlength=16)
    assert (counts - 3000).abs().max() < 5 * (4000 * 0.75 * 0.25) ** 0.5


def test_the_loss_is_what_its_parts_say(module: Masked) -> None:
    """From the tokens of seen patches, by a decoder that is given all patches in their places."""
    views = pair()
    torch.manual_seed(5)
    loss, embeddings, _ = module(views)
    torch.manual_seed(5)
    which = split(torch.rand(4, 16), 0.7)
    images = module.encoder.normalize(views.first.face)
    tokens = trunk(module).tokens(images, which.seen)
    squares = []
    for face in range(4):
        own = Split(which.seen[face : face + 1], which.hidden[face : face + 1])
        drawn = module.decoder(tokens[face : face + 1], own, (4, 4))[0]
        for place, pixels in zip(own.hidden[0].tolist(), drawn, strict=True):
            row, column = divmod(place, 4)
            square = images[face, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].permute(1, 2, 0).flatten()
            squares.append((pixels - (square - square.mean()) / square.std(correction=0)).square().mean())
    torch.testing.assert_close(loss, torch.stack(squares).mean(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(embeddings, tokens.mean(dim=1))
    assert not embeddings.requires_grad


def test_hidden_pixels_do_not_reach_the_encoder(module: Masked) -> None:
    """Other pixels in hidden patches change what is wanted, not what is drawn."""
    torch.manual_seed(5)
    which = split(torch.rand(1, 16), 0.7)
    face = random_images(1, 32).face
    other = patches(face, 8).scatter(1, which.hidden[..., None].expand(-1, -1, 192), 0)
    changed = other.reshape(1, 4, 4, 8, 8, 3).permute(0, 5, 1, 3, 2, 4).reshape(1, 3, 32, 32)
    assert not torch.equal(face, changed)
    embeddings = []
    for one in (face, changed):
        torch.manual_seed(5)
        images = Images(one, *random_images(1)[1:])
        embeddings.append(module(Pair(images, images, torch.eye(2)[None]))[1])
    assert torch.equal(*embeddings)


def test_the_decoder_knows_places_not_order() -> None:
    torch.manual_seed(0)
    decoder = Decoder(24, CONFIG, 12)
    which, tokens = split(torch.rand(2, 6), 0.5), torch.randn(2, 3, 24)
    drawn = decoder(tokens, which, (2, 3))
    assert drawn.shape == (2, 3, 12)
    turned = decoder(tokens.flip(1), Split(which.seen.flip(1), which.hidden.flip(1)), (2, 3))
    torch.testing.assert_close(turned.flip(1), drawn)
    moved = decoder(tokens, Split(which.seen.flip(1), which.hidden), (2, 3))
    assert not torch.allclose(moved, drawn, atol=1e-3)


def test_who_learns(module: Masked) -> None:
    """All of the trunk and of the decoder; neither eyes nor attention. Nothing follows."""
    module(pair())[0].backward()
    for name, parameter in module.named_parameters():
        left = name.startswith("encoder.") and not name.startswith("encoder.face.")
        assert (parameter.grad is None) == left and parameter.requires_grad != left, name
    assert list(module.followed()) == []
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.after_step(0.0)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_what_probes_read_sees_the_whole_face(module: Masked) -> None:
    images = random_images(2, 32)
    found = module.embed(images)
    expected = trunk(module).tokens(module.encoder.normalize(images.face)).mean(dim=1)
    torch.testing.assert_close(found, expected)
    assert found.shape == (2, 192) and torch.equal(found, module.embed(images))


def test_nothing_is_compared_between_faces(module: Masked) -> None:
    """So that faces which are alike are no collapse."""
    assert module(pair()).compared is None


def test_pictures_keep_what_is_seen(module: Masked) -> None:
    """Grey or drawn is what is hidden alone; a perfect network would draw the face itself."""
    faces = pair().first.face
    torch.manual_seed(5)
    which = split(torch.rand(4, 16), 0.7)
    torch.manual_seed(5)
    seen, whole = (patches(shown, 8) for shown in module.pictures(faces))
    true = patches(faces, 8)
    assert torch.equal(taken(seen, which.seen), taken(true, which.seen))
    assert torch.equal(taken(whole, which.seen), taken(true, which.seen))
    grey = taken(seen, which.hidden)
    assert torch.equal(grey, grey[:, :1].expand_as(grey)) and not torch.equal(
        taken(whole, which.hidden), taken(true, which.hidden)
    )


def test_a_perfect_network_draws_the_face(module: Masked, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = pair().first.face

    def perfect(tokens: Tensor, which: Split, grid: tuple[int, int]) -> Tensor:
        true = taken(patches(module.encoder.normalize(faces), 8), which.hidden)
        mean, deviation = moments(true)
        return (true - mean) / deviation

    monkeypatch.setattr(module.decoder, "forward", perfect)
    assert torch.equal(module.pictures(faces)[1], faces)


def test_a_trunk_without_patches_says_which_to_take() -> None:
    with pytest.raises(ParamsError, match=r"mobilenetv3_small has none: choose .* of vit_tiny, vit_small, vit_base"):
        OBJECTIVES["masked"](Encoder(EncoderConfig("mobilenetv3_small", 32, 4, 1)), CONFIG)


def test_bf16_comes_close(module: Masked) -> None:
    losses = []
    for enabled in (True, False):
        torch.manual_seed(5)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss, *_ = module(pair())
        assert loss.dtype == torch.float32
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=0.02) and losses[0] != losses[1]


def steps(module: Masked, num: int, start: int = 0) -> list[float]:
    trainable, images = Pretraining(module), smooth_faces(8)
    optimizer = adamw([(module, 1e-3)], weight_decay=0.0)
    batch = Batch((images,), torch.eye(2).expand(8, 2, 2), torch.full((8, 2), torch.nan), [])
    losses = []
    for step in range(start, start + num):
        torch.manual_seed(step)
        result = trainable.forward(batch)
        optimizer.zero_grad()
        result.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        trainable.after_step(step, num)
        losses.append(result.loss.item())
    return losses


def smooth_faces(num: int) -> Images:
    """Slopes of light: what lies in a patch can be told from its neighbours."""
    x, y = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="xy")
    g = torch.Generator().manual_seed(0)
    slopes: Tensor = torch.randn(num, 3, 2, generator=g)
    light = 128 + 40 * (slopes[..., :1, None] * x + slopes[..., 1:, None] * y)
    return Images(light.clamp(0, 255).to(torch.uint8), *random_images(num)[1:])


def test_steps_repeat_to_the_bit(module: Masked) -> None:
    assert steps(copy.deepcopy(module), 2) == steps(module, 2)


@pytest.mark.slow
def test_the_loss_falls(module: Masked) -> None:
    """From more than 1, the loss of who says nothing, to well below."""
    losses = steps(module, 60)
    assert losses[0] > 1.0 and sum(losses[-5:]) / 5 < 0.7
