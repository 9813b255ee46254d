"""The encoder: what goes in, what comes out, what attention does."""

import pytest
import torch
from torch import nn

from slyk.models.encoder import AttentionLayer, Encoder, EncoderConfig, Images, Normalize
from slyk.models.heads import byol_mlp, regression_mlp

CONFIG = EncoderConfig("mobilenetv3_small", width=32, heads=4, layers=2)


def random_images(num: int, face_px: int = 32, seed: int = 0) -> Images:
    g = torch.Generator().manual_seed(seed)
    sizes = ((face_px, face_px), (36, 60), (36, 60))
    return Images(*(torch.randint(0, 256, (num, 3, *size), dtype=torch.uint8, generator=g) for size in sizes))


def test_shapes() -> None:
    features = Encoder(CONFIG)(random_images(2))
    assert features.face.shape == (2, 1024, 1, 1)
    assert features.right.shape == features.left.shape == (2, 128, 5, 8)
    assert features.embedding.shape == (2, 32)


def test_bytes_are_normalized_by_hand() -> None:
    """Pure blue in BGR: R = G = 0, B = 255."""
    pixel = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = [-0.485 / 0.229, -0.456 / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(Normalize()(pixel).flatten(), torch.tensor(expected))
    assert Normalize().state_dict() == {}


def test_attention_is_that_of_torch() -> None:
    """The same weights in nn.MultiheadAttention give the same tokens."""
    torch.manual_seed(0)
    layer, reference = AttentionLayer(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    reference.load_state_dict(
        {
            "in_proj_weight": layer.qkv.weight,
            "in_proj_bias": layer.qkv.bias,
            "out_proj.weight": layer.out.weight,
            "out_proj.bias": layer.out.bias,
        }
    )
    tokens = torch.randn(2, 7, 32)
    expected = layer.norm(tokens + reference(tokens, tokens, tokens)[0])
    torch.testing.assert_close(layer(tokens), expected, rtol=1e-4, atol=1e-5)


def test_every_branch_reaches_the_embedding() -> None:
    encoder = Encoder(CONFIG)
    encoder(random_images(3)).embedding.square().sum().backward()
    for branch in (encoder.face, encoder.right, encoder.left, encoder.attention):
        assert max(p.grad.abs().max().item() for p in branch.parameters() if p.grad is not None) > 0


def test_right_and_left_have_weights_of_their_own() -> None:
    encoder = Encoder(CONFIG).eval()
    images = random_images(1)
    swapped = Images(images.face, images.left, images.right)
    assert not torch.allclose(encoder(images).embedding, encoder(swapped).embedding)


def test_samples_do_not_mix_in_evaluation() -> None:
    encoder = Encoder(CONFIG).eval()
    both = random_images(2)
    alone = Images(*(part[1:] for part in both))
    torch.testing.assert_close(encoder(both).embedding[1:], encoder(alone).embedding, rtol=1e-4, atol=1e-5)


def test_heads() -> None:
    assert byol_mlp(8, 16, 4)(torch.zeros(3, 8)).shape == (3, 4)
    head = regression_mlp(8, (16, 6), 2, 0.5)
    assert head(torch.zeros(3, 8)).shape == (3, 2)
    assert [m.out_features for m in head if isinstance(m, nn.Linear)] == [16, 6, 2]
    assert regression_mlp(8, (), 2, 0.0)(torch.zeros(3, 8)).shape == (3, 2)


def test_an_unfit_number_of_heads_is_an_error() -> None:
    with pytest.raises(RuntimeError):
        AttentionLayer(30, 4)(torch.zeros(1, 2, 30))
