"""The loss of MAE: values by hand, an independent formula in float64, gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor

from slyk.losses.reconstruction import patches, picture, reconstruction_loss


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_patches_by_loops() -> None:
    images = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    found = patches(images, 2)
    assert found.shape == (2, 6, 12)
    for face in range(2):
        for row in range(2):
            for column in range(3):
                square = images[face, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
                assert found[face, 3 * row + column].tolist() == square.permute(1, 2, 0).flatten().tolist()


def test_a_picture_of_its_patches_is_the_picture() -> None:
    images = drawn(2, 3, 4, 6)
    assert torch.equal(picture(patches(images, 2), 2, 2), images)


def test_the_loss_by_hand() -> None:
    """Pixels 0, 2, 4, 6: mean 3, variance 5. A prediction of their scores costs nothing, of zeros 1."""
    pixels = torch.tensor([[[0.0, 2.0, 4.0, 6.0]]], dtype=torch.float64)
    scores = (pixels - 3) / 5**0.5
    assert reconstruction_loss(scores, pixels).item() == pytest.approx(0.0, abs=1e-12)
    assert reconstruction_loss(torch.zeros_like(pixels), pixels).item() == pytest.approx(1.0, abs=1e-6)
    assert reconstruction_loss(scores + 0.5, pixels).item() == pytest.approx(0.25, abs=1e-6)


def test_the_loss_by_numpy() -> None:
    prediction, pixels = drawn(3, 4, 12), 3 + 2 * drawn(3, 4, 12, seed=1)
    total = 0.0
    for guess, patch in zip(prediction.flatten(0, 1).numpy(), pixels.flatten(0, 1).numpy(), strict=True):
        total += float(np.mean((guess - (patch - np.mean(patch)) / np.sqrt(np.var(patch) + 1e-6)) ** 2))
    assert reconstruction_loss(prediction, pixels).item() == pytest.approx(total / 12, rel=1e-12)


def test_light_and_contrast_of_a_patch_mean_nothing() -> None:
    prediction, pixels = drawn(2, 3, 12), drawn(2, 3, 12, seed=1)
    changed = pixels * torch.tensor([0.5, 2.0, 3.0]).double()[:, None] + 7.0
    assert reconstruction_loss(prediction, changed).item() == pytest.approx(
        reconstruction_loss(prediction, pixels).item(), rel=1e-4
    )


def test_a_patch_of_one_colour_is_wanted_flat() -> None:
    prediction = drawn(1, 1, 12)
    found = reconstruction_loss(prediction, torch.full((1, 1, 12), 0.3, dtype=torch.float64))
    assert found.item() == pytest.approx(prediction.square().mean().item())


def test_gradients() -> None:
    pixels = drawn(2, 3, 8, seed=1).requires_grad_()
    prediction = drawn(2, 3, 8).requires_grad_()
    reconstruction_loss(prediction, pixels).backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is None
    assert torch.autograd.gradcheck(lambda p: reconstruction_loss(p, pixels), (prediction,))
