"""The Patch Module Network."""

import pytest
import torch
from torch import nn

from slyk.models.encoder import EncoderConfig, Images
from slyk.models.pmn import PMN, WIDTH, PMNConfig
from tests.models.test_encoder import CONFIG, random_images

SMALL = PMNConfig(CONFIG, hidden=(16,), dropout=0.0)


def test_shape_and_type() -> None:
    angles = PMN(SMALL)(random_images(2))
    assert angles.shape == (2, 2) and angles.dtype == torch.float32
    assert PMN(PMNConfig(CONFIG, (), 0.0, num_out=5))(random_images(2)).shape == (2, 5)


def test_bottlenecks_end_in_512() -> None:
    network = PMN(SMALL)
    features = network.encoder(random_images(2))
    assert network.face_bottleneck(features.face).shape == (2, WIDTH)
    assert network.right_bottleneck(features.right).shape == (2, WIDTH)
    assert sum(isinstance(m, nn.Conv2d) for m in network.face_bottleneck) == 3


@pytest.mark.parametrize("backbone", ["mobilenetv3_small", "vit_tiny"])
def test_every_parameter_is_used(backbone: str) -> None:
    network = PMN(PMNConfig(EncoderConfig(backbone, 32, 4, 1), hidden=(16,), dropout=0.0))
    network(random_images(3)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_the_place_of_an_iris_is_not_pooled_away() -> None:
    """Two eyes that differ only by where the dark spot is give different features."""
    torch.manual_seed(0)
    network = PMN(SMALL).eval()
    images = random_images(1)
    eyes = []
    for column in (10, 40):
        eye = torch.full((1, 3, 36, 60), 255, dtype=torch.uint8)
        eye[..., 14:22, column : column + 8] = 0
        eyes.append(network.right_bottleneck(network.encoder(Images(images.face, eye, eye)).right))
    assert (eyes[0] - eyes[1]).abs().max() > 0.1 * eyes[0].abs().max()
