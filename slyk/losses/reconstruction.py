"""The loss of MAE (arXiv:2111.06377): pixels of hidden patches, each patch normalized by its own mean and deviation."""

from torch import Tensor

EPS = 1e-6  # on the variance: a patch of one colour


def patches(images: Tensor, size: int) -> Tensor:
    """Images (B, C, H, W) -> their patches (B, N, size^2 C), row by row, within each row by row, then by channel."""
    batch, channels, height, width = images.shape
    places = images.reshape(batch, channels, height // size, size, width // size, size)
    return places.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, size * size * channels)


def picture(patches: Tensor, size: int, height: int) -> Tensor:
    """Patches (B, N, size^2 C) of `height` rows -> the images (B, C, H, W) that they came from."""
    places = patches.reshape(len(patches), height, -1, size, size, patches.shape[2] // size**2)
    return places.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), places.shape[5], height * size, -1)


def moments(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (B, M, 1) of patches (B, M, D), all channels together."""
    return pixels.mean(dim=2, keepdim=True), (pixels.var(dim=2, correction=0, keepdim=True) + EPS).sqrt()


def reconstruction_loss(prediction: Tensor, pixels: Tensor) -> Tensor:
    """Mean squared error of predictions (B, M, D) of patches whose pixels are (B, M, D), all channels together.

    1 for a prediction of nothing but the patch's mean. No gradient reaches the pixels. Section 3, "reconstruction
    target", of the paper, whose better variant this is.
    """
    pixels = pixels.detach()
    mean, deviation = moments(pixels)
    return (prediction - (pixels - mean) / deviation).square().mean()
