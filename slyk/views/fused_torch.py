"""The engine for GPUs: the same draws on a whole batch, one sampling grid, one colour matrix, one separable blur."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from slyk.models.encoder import Images
from slyk.views.augmentation import EYE_ASPECT, LUMA, MAX_SIGMA, Draws


class Stored(NamedTuple):
    """Stored squares of N samples: face (N, S, S, 3), right and left (N, E, E, 3), uint8 BGR."""

    face: Tensor
    right: Tensor
    left: Tensor


def apply(stored: Stored, draws: Draws, face_px: int, *, eyes: bool) -> Images:
    """The views of N samples, uint8 BGR, on the device of the squares; draws stay with the processor."""
    device = stored.face.device

    def there(values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float32).to(device, non_blocking=True)

    warps = there(draws.warps)
    parts = [_warp(stored.face, warps[0], (face_px, face_px))]
    if eyes:
        swap = there(draws.swap)[:, None, None, None] > 0
        both = (stored.right, stored.left)
        cut = (torch.where(swap, both[1], both[0]), torch.where(swap, both[0], both[1]))
        parts += [_warp(eye, warp, EYE_ASPECT) for eye, warp in zip(cut, warps[1:], strict=True)]
    luma = torch.einsum("nchw,c->n", parts[0].round(), there(LUMA)) / face_px**2
    offset = (there(draws.offset) + there(draws.pivot) * luma)[:, None, None]
    color, blurred = there(draws.color), np.flatnonzero(draws.sigma)
    rows = torch.from_numpy(blurred).to(device)
    kernels = there(_kernels(draws.sigma[blurred]))
    solarize = there(draws.solarize)[:, None, None, None] > 0
    for i, part in enumerate(parts):
        colored = torch.baddbmm(offset, color, part.flatten(2)).view_as(part).clamp_(0, 255)
        if len(blurred):
            colored[rows] = _blur(colored[rows], kernels)
        levels = colored.round_()
        parts[i] = torch.where(solarize & (levels >= 128), 255 - levels, levels).to(torch.uint8)
    if not eyes:
        parts += [parts[0].new_empty((len(parts[0]), 3, 0, 0))] * 2
    return Images(*parts)


def _warp(images: Tensor, warp: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, 3, *size) float: warp (N, 2, 3) from pixels of the result to those of the images."""
    rows, columns = size
    y, x = torch.meshgrid(
        torch.arange(rows, device=images.device, dtype=torch.float32),
        torch.arange(columns, device=images.device, dtype=torch.float32),
        indexing="ij",
    )
    places = torch.stack([x, y, torch.ones_like(x)]).flatten(1)  # (3, rows columns)
    grid = (warp @ places).mT.reshape(-1, rows, columns, 2)
    grid = (2 * grid + 1) / images.shape[1] - 1
    pictures = images.permute(0, 3, 1, 2).float()
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _kernels(sigma: np.ndarray) -> np.ndarray:
    """(M, taps): Gaussians of sigma (M,) px, as wide as OpenCV makes them for 8 bits."""
    radius = int(_radius(np.array([MAX_SIGMA]))[0]) if len(sigma) == 0 else int(_radius(sigma).max())
    away = np.abs(np.arange(-radius, radius + 1))
    weights = np.exp(-0.5 * (away / np.maximum(sigma, 1e-6)[:, None]) ** 2) * (away <= _radius(sigma)[:, None])
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _radius(sigma: np.ndarray) -> np.ndarray:
    return np.asarray((np.rint(sigma * 6 + 1).astype(int) | 1) // 2)


def _blur(pictures: Tensor, kernels: Tensor) -> Tensor:
    """Rows, then columns: (M, 3, h, w) by kernels (M, taps), mirrored at the edge pixel."""
    count, channels, height, width = pictures.shape
    radius = kernels.shape[1] // 2
    weights = kernels.repeat_interleave(channels, dim=0)[:, None]
    flat = F.pad(pictures, (radius, radius, radius, radius), mode="reflect").reshape(
        1, count * channels, height + 2 * radius, -1
    )
    flat = F.conv2d(flat, weights[:, :, None], groups=count * channels)
    flat = F.conv2d(flat, weights[..., None], groups=count * channels)
    return flat.reshape(count, channels, height, width)
