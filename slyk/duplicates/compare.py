"""Photos that show the same picture although they stand in different groups: tested people who were trained on.

First by the perceptual hash of the normalized face, or of the one eye that a set shows, as shards keep it: two photos
are candidates where at most 4 of 64 bits differ. Then by looking: a candidate counts where both pictures, grey and
shrunk, correlate by 0.95 or more, since straight faces of two people share a hash now and then. What both steps find
and miss: docs/protocols.md.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.duplicates.search import Photo, Photos, nearest
from slyk.shards import manifest
from slyk.shards.crops import Image
from slyk.shards.read import ShardSet
from slyk.shards.sample import EyeSample, Sample

SAME = 0.95
"""Least correlation of two pictures that show the same. Rendered and real faces of two people whose hashes differ by 12
bits at most reach 0.89, rendered eyes 0.84 whatever their hashes; a face moved by one pixel or compressed to quality 20
keeps 0.98."""
SMALL_PX = 32
MAX_LOOKED_AT = 500
"""Candidates that are looked at; of more these many, evenly chosen, and their share stands for all."""
NUM_NAMED = 8


def likeness(one: Image, other: Image) -> float:
    """Correlation of two pictures, grey and shrunk to 32 px; 0 where one of them is a single grey."""
    a, b = _shrunk(one), _shrunk(other)
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def _shrunk(picture: Image) -> NDArray[np.float64]:
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    values = grey.astype(np.float64).ravel()
    return np.asarray(values - values.mean())


Pictures = Callable[[Sequence[Photo]], Mapping[Photo, Image]]


def compare(tested: Photos, trained: Photos, pictures: Pictures) -> dict[str, Any]:
    """How many of `tested` show the same picture as one of `trained` of another group; plain values.

    num_photos; num_like_hash: with a near hash; num_looked_at of these and num_same among them; num and share: those
    that show the same picture, as the looked at tell; pairs: some of them, nearest first. pictures: gives those.
    """
    found = nearest(tested, trained)
    like = np.flatnonzero(found.place >= 0)
    looked = like[np.unique(np.linspace(0, len(like) - 1, min(MAX_LOOKED_AT, len(like))).round().astype(int))]
    pairs = [(int(found.bits[i]), tested.names[i], trained.names[found.place[i]]) for i in looked]
    shown = pictures([name for _, *both in pairs for name in both])
    same = sorted(pair for pair in pairs if likeness(shown[pair[1]], shown[pair[2]]) >= SAME)
    share = len(like) / max(1, len(tested.names)) * len(same) / max(1, len(pairs))
    return {
        "num_photos": len(tested.names),
        "num_like_hash": len(like),
        "num_looked_at": len(pairs),
        "num_same": len(same),
        "num": round(share * len(tested.names)),
        "share": round(share, 6),
        "pairs": [f"{'/'.join(a)} like {'/'.join(b)} ({bits} bits)" for bits, a, b in same[:NUM_NAMED]],
    }


def pictures_below(folder: Path) -> Pictures:
    """Reads faces, or single eyes, from the sets' shards below a folder."""

    def read(wanted: Sequence[Photo]) -> dict[Photo, Image]:
        found: dict[Photo, Image] = {}
        for dataset in sorted({photo.dataset for photo in wanted}):
            mine = {photo.key: photo for photo in wanted if photo.dataset == dataset}
            about = manifest.load(folder / dataset)
            shards = ShardSet[Any](folder / dataset, about, {photo.group for photo in mine.values()})
            places = [(index, mine[key]) for index in range(len(shards)) if (key := shards.key(index)) in mine]
            found |= {photo: _picture(shards[index]) for index, photo in places}
        return found

    return read


def _picture(sample: Sample | EyeSample) -> Image:
    return sample.face if isinstance(sample, Sample) else sample.eye
