"""Attention of every token to every other. Shapes: B batch, N tokens, D width, d width of a head."""

from typing import Any

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def attended(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v of (B, heads, N, d) each."""
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16:
        # here the fused kernel, mostly its backward pass, takes two to five times as long as two products
        shares = (queries * queries.shape[3] ** -0.5 @ keys.mT).softmax(dim=3)
        return torch.matmul(shares.to(values.dtype), values)
    return scaled_dot_product_attention(queries, keys, values)


class PatchAttention(nn.Module):
    """Multi-head self-attention (B, N, D) -> (B, N, D), its tensors named as timm's."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        draw_evenly(self)

    def forward(self, tokens_BND: Tensor, **masks: None) -> Tensor:
        """timm's blocks hand over masks, of which there are none."""
        q, k, v = self.qkv(tokens_BND).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return torch.as_tensor(self.proj(attended(q, k, v).transpose(1, 2).flatten(2)))


def attend_so(blocks: Any) -> None:
    """Gives blocks of timm this attention, with new weights."""
    for block in blocks:
        block.attn = PatchAttention(block.attn.qkv.in_features, block.attn.num_heads)


def blocks(width: int, heads: int, layers: int) -> nn.Sequential:
    """Blocks of a vision transformer: attention, then a perceptron of 4 D, each added to what is normalized before."""
    made = nn.Sequential(*(Block(width, heads, qkv_bias=True) for _ in range(layers)))
    attend_so(made)
    return made


def draw_evenly(module: nn.Module) -> None:
    """The start of linear layers in MAE: weights uniform after Glorot, biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
