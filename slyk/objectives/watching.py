"""Looking at a network while it learns: what people whom it never learns from look like to it.

Probes are fitted on photos of people that pretraining sees and judged by people whom it leaves out (`slyk.training.
probes`). Photos are seen without augmentation, always the same ones.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.models.encoder import Images
from slyk.objectives.objective import Objective
from slyk.shards.read import ShardSet
from slyk.training.batches import as_images
from slyk.training.loop import autocast
from slyk.training.probes import Seen, direction_probe, expression_probe, finite, neighbours
from slyk.views import fused_cv
from slyk.views.augmentation import unchanged

AT_ONCE = 64


class Photos(NamedTuple):
    """N photos as a network takes them, and what is known of them; see Seen."""

    images: Images
    people: NDArray[np.str_]
    gaze: Array
    head: Array
    expressions: NDArray[np.str_]

    def parts(self) -> Iterator[Images]:
        """The images, a few at a time."""
        for start in range(0, len(self.people), AT_ONCE):
            yield Images(*(part[start : start + AT_ONCE] for part in self.images))


def photos_of(sets: Sequence[ShardSet], face_px: int, most: int, *, eyes: bool) -> Photos:
    """At most so many photos of some sets: an even share of each set, evenly over its people."""
    found = []
    for number, shards in enumerate(sets):
        share = min(len(shards), most // len(sets) + (number < most % len(sets)))
        chosen = places_of(len(shards), share)
        seen = fused_cv.empty(share, face_px, eyes)
        for start in range(0, share, AT_ONCE):
            some = chosen[start : start + AT_ONCE].tolist()
            out = fused_cv.Seen(*(part[start : start + AT_ONCE] for part in seen))
            fused_cv.apply(shards.pictures(some, eyes=eyes), unchanged(len(some), shards.spec, face_px), out)
        people = np.array([f"{shards.manifest.dataset}/{group}" for group in shards.groups[chosen]], np.str_)
        known = shards.gaze[chosen], shards.head[chosen], shards.expressions[chosen]
        found.append(Photos(as_images(seen), people, *known))
    images = Images(*(torch.cat(parts) for parts in zip(*(photos.images for photos in found), strict=True)))
    people, expressions = (np.concatenate([getattr(p, name) for p in found]) for name in ("people", "expressions"))
    gaze, head = (np.concatenate([getattr(p, name) for p in found]) for name in ("gaze", "head"))
    return Photos(images, people, gaze, head, expressions)


def places_of(total: int, count: int) -> NDArray[np.int64]:
    """`count` of `total` places, evenly."""
    return np.arange(count) * total // max(count, 1)


@torch.no_grad()
def seen_by(module: Objective, photos: Photos, device: torch.device, precision: str) -> Seen:
    """What a network makes of photos, in evaluation mode, which it does not stay in."""
    was_training = module.training
    module.eval()
    try:
        with autocast(precision, device):
            features = [module.embed(Images(*(part.to(device) for part in some))) for some in photos.parts()]
    finally:
        module.train(was_training)
    return Seen(torch.cat(features).double().cpu().numpy(), *photos[1:])


class Watcher:
    """Called with a network gives the numbers that are told of it; see `slyk.training.probes` for each."""

    def __init__(self, fitted: Photos, judged: Photos, device: torch.device, precision: str) -> None:
        self.fitted, self.judged = fitted, judged
        self.device, self.precision = device, precision

    def __call__(self, module: Objective) -> dict[str, float]:
        fitted, judged = (seen_by(module, photos, self.device, self.precision) for photos in (self.fitted, self.judged))
        whole = [finite(seen.features) for seen in (fitted, judged)]
        lost = 1 - float(np.concatenate(whole).mean())
        fitted, judged = fitted.where(whole[0]), judged.where(whole[1])
        return {
            **direction_probe(fitted, judged, "gaze"),
            **direction_probe(fitted, judged, "head"),
            **expression_probe(fitted, judged),
            **neighbours(judged),
            **({"watched_not_finite": lost} if lost else {}),
        }
