"""The neck of FRA: shapes, what is a mean over what, positions."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from slyk.models.regions import QueryLayer, RegionNeck, sine_positions

CHANNELS, WIDTH, REGIONS = 12, 16, 5


@pytest.fixture
def neck() -> RegionNeck:
    torch.manual_seed(0)
    neck = RegionNeck(CHANNELS, hidden=24, width=WIDTH, num_regions=REGIONS)
    neck(features(8, seed=9))  # what regions usually look like is known from training
    return neck.eval()


def features(batch: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, CHANNELS, 4, 6, generator=torch.Generator().manual_seed(seed))


def test_shapes_and_shares(neck: RegionNeck) -> None:
    seen = neck(features())
    assert seen.face.shape == (3, WIDTH) and seen.regions.shape == (3, REGIONS, WIDTH)
    assert seen.scores.shape == seen.heatmaps.shape == (3, REGIONS, 4, 6)
    assert seen.scores.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(seen.heatmaps.sum(dim=1), torch.ones(3, 4, 6))
    assert seen.heatmaps.max() < math.e / (math.e + (REGIONS - 1) / math.e)  # cosines at temperature 1 stay soft


def test_what_is_embedded_of_a_region_is_the_weighted_mean_of_the_map(neck: RegionNeck) -> None:
    given = features()
    seen = neck(given)
    for face in range(3):
        for region in range(REGIONS):
            weights = seen.heatmaps[face, region]
            pooled = (given[face] * weights).sum(dim=(1, 2)) / weights.sum()
            torch.testing.assert_close(neck.regions(pooled[None])[0], seen.regions[face, region], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(neck.face(given.mean(dim=(2, 3))), seen.face)


def test_faces_of_a_batch_share_the_embeddings_of_regions(neck: RegionNeck) -> None:
    """A face alone has other heatmaps than in company; scores are cosines with the mean of all."""
    given = features()
    neck.train()
    for part in (neck.queries, neck.places, neck.face, neck.regions):
        part.eval()
    together, alone = neck(given), neck(given[:1])
    assert not torch.allclose(together.scores[0], alone.scores[0])
    shared = normalize(neck.queries(given).mean(dim=0), dim=-1)
    places = normalize(neck.places(given[0].flatten(1).mT), dim=-1)
    torch.testing.assert_close(shared @ places.mT, together.scores[0].flatten(1))


def test_queries_start_empty_and_know_where_they_look(neck: RegionNeck) -> None:
    """The embeddings follow the queries, and a mirrored map gives others: positions count."""
    given = features()
    found = neck.queries(given)
    assert found.shape == (3, REGIONS, WIDTH)
    assert not torch.allclose(neck.queries(given.flip(3)), found)
    with torch.no_grad():
        neck.queries.queries.copy_(neck.queries.queries.flip(0))
    torch.testing.assert_close(neck.queries(given).flip(1), found)


def test_positions_by_the_formula() -> None:
    found = sine_positions(3, 5, 8)
    assert found.shape == (15, 8)
    row, column = 1, 4
    for axis, (index, size) in enumerate(((row, 3), (column, 5))):
        angle = (index + 1) / size * 2 * math.pi
        for pair in range(2):
            wave = 10_000 ** (2 * pair / 4)
            expected = [math.sin(angle / wave), math.cos(angle / wave)]
            assert found[row * 5 + column, 4 * axis + 2 * pair :][:2].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_layer_ends_normalized() -> None:
    torch.manual_seed(0)
    layer = QueryLayer(WIDTH)
    content = layer(torch.zeros(2, 4, WIDTH), torch.randn(2, 4, WIDTH), *torch.randn(2, 2, 9, WIDTH))
    torch.testing.assert_close(content.mean(dim=2), torch.zeros(2, 4), rtol=0, atol=1e-5)
    torch.testing.assert_close(content.var(dim=2, unbiased=False), torch.ones(2, 4), rtol=0, atol=1e-3)


def test_evaluation_knows_regions_by_a_moving_average(neck: RegionNeck) -> None:
    """Of momentum 0.9; a face then looks the same alone as in company, and looking changes nothing."""
    given, before = features(), neck.usual.clone()
    torch.testing.assert_close(neck(given).scores[0], neck(given[:1]).scores[0])
    assert torch.equal(neck.usual, before)
    neck.train()
    neck.queries.eval()
    wanted = neck.queries(given).mean(dim=0)
    neck(given)
    torch.testing.assert_close(neck.usual, 0.9 * before + 0.1 * wanted.detach())


def test_cosines_keep_their_precision_in_bf16(neck: RegionNeck) -> None:
    """Of places as autocast gives them; bf16 would be wrong by up to 0.004."""
    given = features()
    with torch.autocast("cpu", torch.bfloat16):
        seen = neck(given)
        places = neck.places(given.flatten(2).mT.flatten(0, 1))
    assert places.dtype == torch.bfloat16 and seen.scores.dtype == torch.float32
    expected = normalize(places.double(), dim=1) @ normalize(neck.usual.double(), dim=1).T
    found = seen.scores.permute(0, 2, 3, 1).flatten(0, 2).double()
    assert (found - expected).abs().max() < 1e-6
