"""FRA's neck (arXiv:2403.02138): regions of a face found without labels, and what is embedded of face and regions.

Shapes: B faces, C channels of the trunk's map, h x w its places, K regions, D width of embeddings.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from slyk import ranks

NUM_LAYERS, NUM_HEADS, DROPOUT = 2, 8, 0.1
POSITION_TEMPERATURE = 10_000.0
USUAL_MOMENTUM = 0.9


class Regions(NamedTuple):
    """What a network sees in faces. face (B, D); regions (B, K, D); scores (B, K, h, w): cosines of places and regions;
    heatmaps (B, K, h, w): at each place shares that sum to 1."""

    face: Tensor
    regions: Tensor
    scores: Tensor
    heatmaps: Tensor


def place_mlp(num_in: int, num_hidden: int, num_out: int) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear, without biases: projections and predictors, for rows (N, num_in)."""
    return nn.Sequential(
        nn.Linear(num_in, num_hidden, bias=False),
        nn.BatchNorm1d(num_hidden),
        nn.ReLU(inplace=True),
        nn.Linear(num_hidden, num_out, bias=False),
    )


def sine_positions(height: int, width: int, channels: int) -> Tensor:
    """(h w, channels): sines and cosines of row, then of column, each scaled to (0, 2 pi], at falling frequencies.

    The encoding of DETR (arXiv:2005.12872): channels / 2 for each axis.
    """
    half = channels // 2
    wave = POSITION_TEMPERATURE ** (2 * torch.arange(half).div(2, rounding_mode="floor") / half)

    def axis(size: int) -> Tensor:
        angles = (torch.arange(1, size + 1) / size * 2 * math.pi)[:, None] / wave
        return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)

    rows = axis(height)[:, None].expand(height, width, half)
    columns = axis(width)[None].expand(height, width, half)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)


class QueryLayer(nn.Module):
    """A decoder layer, normalized after each step: queries look at each other, at the places of the face, then think.

    content, query (B, K, D); places, keys (B, h w, D), keys being places with their positions.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.among = nn.MultiheadAttention(width, NUM_HEADS, DROPOUT, batch_first=True)
        self.across = nn.MultiheadAttention(width, NUM_HEADS, DROPOUT, batch_first=True)
        self.think = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(width, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, content: Tensor, query: Tensor, places: Tensor, keys: Tensor) -> Tensor:
        asked = content + query
        content = self.norms[0](content + self.drop(self.among(asked, asked, content, need_weights=False)[0]))
        seen = self.across(content + query, keys, places, need_weights=False)[0]
        content = self.norms[1](content + self.drop(seen))
        return torch.as_tensor(self.norms[2](content + self.drop(self.think(content))))


class RegionQueries(nn.Module):
    """Map (B, C, h, w) -> an embedding of each region in each face (B, K, D)."""

    def __init__(self, num_channels: int, width: int, num_regions: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(num_channels, width, 1)
        self.queries = nn.Parameter(torch.randn(num_regions, width))
        self.layers = nn.ModuleList(QueryLayer(width) for _ in range(NUM_LAYERS))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(self, features: Tensor) -> Tensor:
        places = self.reduce(features).flatten(2).mT
        keys = places + sine_positions(features.shape[2], features.shape[3], places.shape[2]).to(places)
        query = self.queries.expand(len(features), -1, -1)
        content = torch.zeros_like(query)
        for layer in self.layers:
            content = layer(content, query, places, keys)
        return torch.as_tensor(self.head(self.norm(content)))


class RegionNeck(nn.Module):
    """Map (B, C, h, w) of a trunk -> Regions.

    All faces of a batch, over all workers, share the mean of their regions' embeddings; in evaluation they share the
    moving average of these means. What is embedded of a region is the mean of the map weighted by its heatmap.
    """

    usual: Tensor

    def __init__(self, num_channels: int, *, hidden: int, width: int, num_regions: int) -> None:
        super().__init__()
        self.face = place_mlp(num_channels, hidden, width)
        self.places = place_mlp(num_channels, hidden, width)
        self.regions = place_mlp(num_channels, hidden, width)
        self.queries = RegionQueries(num_channels, width, num_regions)
        self.register_buffer("usual", torch.zeros(num_regions, width))

    def forward(self, features: Tensor) -> Regions:
        batch, _, height, width = features.shape
        rows = features.flatten(2).mT
        places = self.places(rows.flatten(0, 1)).unflatten(0, (batch, -1))
        scores = _cosines(self._wanted(features), places)
        heatmaps = scores.softmax(dim=1) + 1e-7
        pooled = (heatmaps @ rows) / heatmaps.sum(dim=2, keepdim=True)
        shape = (batch, -1, height, width)
        return Regions(
            self.face(rows.mean(dim=1)),
            self.regions(pooled.flatten(0, 1)).unflatten(0, (batch, -1)),
            scores.reshape(shape),
            heatmaps.reshape(shape),
        )

    def _wanted(self, features: Tensor) -> Tensor:
        """What each region looks like in all faces alike: (K, D)."""
        if not self.training:
            return self.usual
        wanted = ranks.mean(self.queries(features).mean(dim=0))
        self.usual.lerp_(wanted.detach().to(self.usual.dtype), 1 - USUAL_MOMENTUM)
        return wanted


def _cosines(regions: Tensor, places: Tensor) -> Tensor:
    """(K, D) and (B, h w, D) -> (B, K, h w), in float32 at least: bf16 tells cosines near 1 apart by 0.004, which at
    the target's temperature is a tenth of a logit."""
    with torch.autocast(places.device.type, enabled=False):
        regions, places = in_full(regions), in_full(places)
        return normalize(regions, dim=-1) @ normalize(places, dim=-1).mT


def in_full(values: Tensor) -> Tensor:
    """In float32, or float64 as it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
