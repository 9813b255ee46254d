"""The encoder of mBYOL: a global face branch, two local eye branches, attention over their features.

Shapes: B batch, N tokens, D width. The paper (arXiv:2402.01555) names the branches and the attention; their sizes are
our choice (docs/methods.md).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from slyk.models.attention import attended
from slyk.models.backbones import NUM_EYE_CHANNELS, EyeBranch, trunk

MEAN_RGB, STD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Images(NamedTuple):
    """face (B, 3, P, P), right and left (B, 3, 36, 60), uint8 BGR."""

    face: Tensor
    right: Tensor
    left: Tensor


class Features(NamedTuple):
    """face map (B, C, h, w), eye maps (B, 128, 5, 8), embedding (B, D)."""

    face: Tensor
    right: Tensor
    left: Tensor
    embedding: Tensor


@dataclass(frozen=True)
class EncoderConfig:
    backbone: str
    width: int
    heads: int
    layers: int
    stride: int = 32


class Normalize(nn.Module):
    """uint8 BGR -> float RGB with ImageNet's mean and deviation."""

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        mean, std = torch.tensor(MEAN_RGB), torch.tensor(STD_RGB)
        self.register_buffer("scale", (1 / (255 * std)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", (-mean / std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return torch.addcmul(self.shift, images.flip(1).float(), self.scale)  # one pass over fresh memory, not two

    def back(self, normalized: Tensor) -> Tensor:
        """uint8 BGR of what was normalized, to the nearest level."""
        return ((normalized - self.shift) / self.scale).flip(1).round().clamp(0, 255).byte()


class AttentionLayer(nn.Module):
    """Multi-head self-attention with residual and layer norm: tokens (B, N, D) -> (B, N, D).

    nn.MultiheadAttention turns batch and tokens around, which costs a third of a CPU step in copies.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(tokens_BND).chunk(3, dim=2))
        mixed = attended(q, k, v).transpose(1, 2).flatten(2)
        return torch.as_tensor(self.norm(tokens_BND + self.out(mixed)))


class Encoder(nn.Module):
    """Images -> Features. Section "mBYOL" of arXiv:2402.01555; widths, heads and depth ours."""

    def __init__(self, config: EncoderConfig, weights: str | None = None) -> None:
        super().__init__()
        self.config = config
        self.normalize = Normalize()
        self.face = trunk(config.backbone, weights, config.stride)
        self.right, self.left = EyeBranch(), EyeBranch()
        self.face_tokens = nn.Linear(self.face.num_channels, config.width)
        self.right_tokens = nn.Linear(NUM_EYE_CHANNELS[-1], config.width)
        self.left_tokens = nn.Linear(NUM_EYE_CHANNELS[-1], config.width)
        self.attention = nn.Sequential(*(AttentionLayer(config.width, config.heads) for _ in range(config.layers)))

    def forward(self, images: Images) -> Features:
        maps = (
            self.face(self.normalize(images.face)),
            self.right(self.normalize(images.right)),
            self.left(self.normalize(images.left)),
        )
        projections = (self.face_tokens, self.right_tokens, self.left_tokens)
        places = [m.permute(0, 2, 3, 1).flatten(1, 2) for m in maps]  # (B, h w, C), free of copies in channels-last
        tokens_BND = torch.cat([p(m) for p, m in zip(projections, places, strict=True)], dim=1)
        return Features(*maps, embedding=self.attention(tokens_BND).mean(dim=1))
