"""The engine for processors: OpenCV on uint8, a sample after the other, each picture passed over once a step."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.shards.crops import Image
from slyk.shards.read import Pictures
from slyk.views.augmentation import EYE_ASPECT, Draws

_SOLARIZED = np.array([value if value < 128 else 255 - value for value in range(256)], np.uint8)
_FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_EDGE = cv2.BORDER_REPLICATE
"""Turn, shift and scale together may reach beyond the margin: the edge goes on there, no corner is black."""


class Seen(NamedTuple):
    """face (N, P, P, 3), right and left (N, 36, 60, 3) or, without eyes, (N, 0, 0, 3): uint8 BGR."""

    face: NDArray[np.uint8]
    right: NDArray[np.uint8]
    left: NDArray[np.uint8]


def empty(count: int, face_px: int, eyes: bool) -> Seen:
    """Memory for so many views."""
    eye = (count, *(EYE_ASPECT if eyes else (0, 0)), 3)
    return Seen(np.empty((count, face_px, face_px, 3), np.uint8), np.empty(eye, np.uint8), np.empty(eye, np.uint8))


def apply(stored: Pictures, draws: Draws, out: Seen) -> Seen:
    """Writes the views of N stored samples into `out`, whose sizes tell theirs; eyes of no size are left out."""
    plain = _is_plain(draws.color, draws.offset, draws.pivot).tolist()
    affine = np.concatenate([draws.color, np.broadcast_to(draws.offset[:, None, None], (len(plain), 3, 1))], axis=2)
    chosen = zip(draws.swap.tolist(), draws.pivot.tolist(), draws.sigma.tolist(), draws.solarize.tolist(), strict=True)
    for i, (swap, pivot, sigma, solarize) in enumerate(chosen):
        pictures = [_warp(stored.face[i], draws.warps[0, i], out.face[i])]
        if out.right.shape[1]:
            eyes = (stored.left, stored.right) if swap else (stored.right, stored.left)
            pictures += [
                _warp(eye[i], warp[i], part[i]) for eye, warp, part in zip(eyes, draws.warps[1:], out[1:], strict=True)
            ]
        if pivot:
            affine[i, :, 3] += pivot * _luma(pictures[0])
        for picture in pictures:
            _finish(picture, None if plain[i] else affine[i], sigma, solarize)
    return out


def _warp(image: Image, matrix: NDArray[np.float64], out: Image) -> Image:
    cv2.warpAffine(image, matrix, (out.shape[1], out.shape[0]), dst=out, flags=_FLAGS, borderMode=_EDGE)
    return out


def _luma(face: Image) -> float:
    """The mean: the sum of a grey picture takes a third of the time of the means of three colours."""
    gray = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)
    return float(cv2.norm(gray, cv2.NORM_L1)) / gray.size


def _finish(picture: Image, matrix: NDArray[np.float64] | None, sigma: float, solarize: bool) -> None:
    """Colours, blurs and solarizes in place."""
    if matrix is not None:
        cv2.transform(picture, matrix, dst=picture)
    if sigma:
        cv2.GaussianBlur(picture, (0, 0), sigma, dst=picture)
    if solarize:
        cv2.LUT(picture, _SOLARIZED, dst=picture)


def _is_plain(color: NDArray[np.float64], offset: NDArray[np.float64], pivot: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,): whether colours stay as they are."""
    same = np.abs(color - np.eye(3)).max(axis=(1, 2)) < 1e-9
    return np.asarray(same & (offset == 0) & (pivot == 0))
