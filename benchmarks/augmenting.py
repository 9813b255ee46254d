"""Two views of pictures of 224 px on one core: slyk's engines beside the barest OpenCV loop and lightly's transform.

The floor makes the very pictures that slyk makes, of matrices known beforehand, and is held against them byte by byte;
so it does without the drawing, the mean that a change of contrast needs, and every choice. Rates by the clock of the
process, which a busy machine disturbs least; ratios of passes that followed each other.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from benchmarks import peer
from benchmarks.pretraining import FIRST, SECOND, crop_spec, median_ratio, one_thread, textures
from benchmarks.table import Line, at_least, at_most, figure
from slyk.models.encoder import Normalize
from slyk.shards.crops import Image
from slyk.shards.read import Pictures
from slyk.training.batches import as_images
from slyk.views import fused_cv, fused_torch
from slyk.views.augmentation import Augmentation, Draws, draw, numbers

BATCH = 32
FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def measure(px: int, repeats: int, rounds: int) -> list[Line]:
    """The lines of the table; a pass makes the views of a batch `rounds` times."""
    if not peer.is_there():
        return [peer.missing("views")]
    one_thread()
    inputs = Inputs.of(px)
    normalize, out = Normalize(), [fused_cv.empty(BATCH, px, eyes=False) for _ in range(2)]
    transform = peer.transform(px, FIRST, SECOND)
    pictures = [Pillow.fromarray(np.ascontiguousarray(picture[..., ::-1])) for picture in inputs.stored.face]

    def slyk(epoch: int) -> None:
        for view, (augmentation, seen) in enumerate(zip((FIRST, SECOND), out, strict=True)):
            fused_cv.apply(inputs.stored, inputs.draws(augmentation, epoch, view), seen)

    def as_floats(epoch: int) -> None:
        slyk(epoch)
        for seen in out:
            normalize(as_images(seen).face)

    def floor(epoch: int) -> None:
        for ready, seen in zip(prepared[epoch], out, strict=True):
            bare(inputs.stored.face, ready, seen.face)

    def lightly(_: int) -> None:
        for picture in pictures:
            transform(picture)

    def on_gpu_engine(epoch: int) -> None:
        for view, augmentation in enumerate((FIRST, SECOND)):
            fused_torch.apply(inputs.tensors, inputs.draws(augmentation, epoch, view), px, eyes=False)

    prepared = {epoch: [prepare(inputs, a, epoch, v) for v, a in enumerate((FIRST, SECOND))] for epoch in range(rounds)}
    same(slyk, floor, out)
    ways = {"floor": floor, "slyk": slyk, "slyk, float": as_floats, "lightly": lightly, "torch engine": on_gpu_engine}
    with torch.no_grad():
        rates = alternate(ways, 2 * BATCH, repeats, rounds)
        apart = engines_apart(inputs, px)
    notes = {name: f"{median_ratio(values, rates['floor']):.2f} of the floor" for name, values in rates.items()}
    return [
        *(figure(f"views of {px} px, {name}", float(np.median(v)), "1/s", notes[name]) for name, v in rates.items()),
        at_least("views, uint8: slyk over the floor", median_ratio(rates["slyk"], rates["floor"]), 0.85),
        at_least("views, uint8: slyk over lightly", median_ratio(rates["slyk"], rates["lightly"]), 6.0),
        at_least("views, float: slyk over lightly", median_ratio(rates["slyk, float"], rates["lightly"]), 2.5),
        at_most("views: the two engines differ by, mean", apart, 2.0, "of 255"),
    ]


def alternate(
    ways: dict[str, Callable[[int], None]], count: int, repeats: int, rounds: int
) -> dict[str, NDArray[np.float64]]:
    """Pictures a second of each way, pass by pass; `count` pictures a round.

    Rounds of all ways take turns, so that other work on the machine meets them alike. The first pass is not kept.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        spent = dict.fromkeys(ways, 0.0)
        for epoch in range(rounds if number else 1):
            for name, way in ways.items():
                start = time.process_time()
                way(epoch)
                spent[name] += time.process_time() - start
        for name, seconds in spent.items() if number else ():
            rates[name].append(count * rounds / seconds)
    return {name: np.array(values) for name, values in rates.items()}


class Inputs(NamedTuple):
    """Stored squares without a margin and without eyes, as the two engines take them."""

    stored: Pictures
    tensors: fused_torch.Stored
    px: int

    @classmethod
    def of(cls, px: int) -> "Inputs":
        face, none = textures(BATCH, px), np.empty((BATCH, 0, 0, 3), np.uint8)
        return cls(Pictures(face, none, none), fused_torch.Stored(*map(torch.from_numpy, (face, none, none))), px)

    def draws(self, augmentation: Augmentation, epoch: int, view: int) -> Draws:
        places = [(epoch, sample) for sample in range(BATCH)]
        return draw(augmentation, numbers(1, places, view), crop_spec(self.px, 1.0), self.px)


class Ready(NamedTuple):
    """Of each picture: the warp, the matrix of colours or None, the blur's sigma, whether it is solarized."""

    warps: list[NDArray[np.float64]]
    colors: list[NDArray[np.float64] | None]
    sigmas: list[float]
    solarize: list[bool]


def prepare(inputs: Inputs, augmentation: Augmentation, epoch: int, view: int) -> Ready:
    """All that a bare loop has to know, the pivots of contrast among it."""
    draws = inputs.draws(augmentation, epoch, view)
    colors: list[NDArray[np.float64] | None] = []
    for i, picture in enumerate(inputs.stored.face):
        warped = cv2.warpAffine(
            picture, draws.warps[0, i], (inputs.px,) * 2, flags=FLAGS, borderMode=cv2.BORDER_REPLICATE
        )
        gray = cv2.cvtColor(warped, cv2.COLOR_BGR2GRAY)
        added = draws.offset[i] + draws.pivot[i] * cv2.norm(gray, cv2.NORM_L1) / gray.size
        plain = np.allclose(draws.color[i], np.eye(3), rtol=0, atol=1e-9) and added == 0
        colors.append(None if plain else np.column_stack([draws.color[i], np.full(3, added)]))
    return Ready(list(draws.warps[0]), colors, draws.sigma.tolist(), draws.solarize.tolist())


def bare(pictures: Image, ready: Ready, out: Image) -> None:
    """Library calls into memory that is used again, and nothing else."""
    size, inverted = (out.shape[2], out.shape[1]), np.array([min(v, 255 - v) for v in range(256)], np.uint8)
    for picture, made, warp, color, sigma, solarize in zip(pictures, out, *ready, strict=True):
        cv2.warpAffine(picture, warp, size, dst=made, flags=FLAGS, borderMode=cv2.BORDER_REPLICATE)
        if color is not None:
            cv2.transform(made, color, dst=made)
        if sigma:
            cv2.GaussianBlur(made, (0, 0), sigma, dst=made)
        if solarize:
            cv2.LUT(made, inverted, dst=made)


def same(one: Callable[[int], None], other: Callable[[int], None], out: list[fused_cv.Seen]) -> None:
    """Both ways write the same pictures into `out`."""
    one(0)
    kept = [seen.face.copy() for seen in out]
    other(0)
    for before, seen in zip(kept, out, strict=True):
        np.testing.assert_array_equal(before, seen.face)


def engines_apart(inputs: Inputs, px: int) -> float:
    """Mean difference of the engines' pictures in levels, equal draws."""
    apart = []
    for view, augmentation in enumerate((FIRST, SECOND)):
        draws = inputs.draws(augmentation, 0, view)
        there = fused_torch.apply(inputs.tensors, draws, px, eyes=False).face
        here = as_images(fused_cv.apply(inputs.stored, draws, fused_cv.empty(BATCH, px, eyes=False))).face
        apart.append(float((there.float() - here.float()).abs().mean()))
    return max(apart)


if __name__ == "__main__":
    arguments: dict[str, Any] = json.loads(sys.argv[2])
    print(json.dumps(measure(**arguments)))
