"""Attention: the formula, whatever the kernel."""

import pytest
import torch
from timm.models.vision_transformer import Block
from torch.nn.functional import scaled_dot_product_attention

from slyk.models.attention import PatchAttention, attend_so, attended, blocks

KEYS = {"norm1", "attn", "norm2", "mlp"}


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_attended_by_hand() -> None:
    """One head of one number: weights exp(q k) over their sum."""
    queries, keys = torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0])
    values = torch.tensor([1.0, 5.0])
    found = attended(*(part.view(1, 1, 2, 1) for part in (queries, keys, values))).flatten()
    share = torch.tensor(2.0).exp() / (1 + torch.tensor(2.0).exp())
    torch.testing.assert_close(found, torch.stack([torch.tensor(3.0), 1 + 4 * share]))


def test_both_ways_agree() -> None:
    """In bf16 the products, in fp32 the fused kernel: values and gradients."""
    parts = [drawn(2, 3, 9, 8, seed=n).bfloat16() for n in range(3)]
    results = []
    for dtype in (torch.bfloat16, torch.float32):
        own = [part.to(dtype, copy=True).requires_grad_() for part in parts]
        out = attended(*own)
        assert out.dtype == dtype
        out.float().square().sum().backward()  # type: ignore[no-untyped-call]
        results.append([out.float(), *(part.grad.float() for part in own if part.grad is not None)])
    for rough, fine in zip(*results, strict=True):
        assert (rough - fine).abs().max() < 0.03 * fine.abs().max()


def test_it_is_timms_with_its_weights() -> None:
    torch.manual_seed(0)
    theirs = Block(24, 3, qkv_bias=True)
    (ours,) = blocks(24, 3, 1)
    assert {name.split(".")[0] for name, _ in ours.named_parameters()} == KEYS
    ours.load_state_dict(theirs.state_dict())
    tokens = drawn(2, 7, 24)
    torch.testing.assert_close(ours(tokens), theirs(tokens))


def test_blocks_of_others_get_it() -> None:
    row = torch.nn.Sequential(Block(24, 3), Block(24, 3))
    attend_so(row)
    assert all(isinstance(block.attn, PatchAttention) and block.attn.heads == 3 for block in row)


@pytest.mark.parametrize("heads", [1, 4])
def test_heads_attend_apart(heads: int) -> None:
    layer = PatchAttention(16, heads)
    tokens = drawn(2, 5, 16)
    q, k, v = (p.unflatten(2, (heads, -1)).transpose(1, 2) for p in layer.qkv(tokens).chunk(3, dim=2))
    expected = layer.proj(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(layer(tokens), expected)
