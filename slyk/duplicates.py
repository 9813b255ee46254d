"""Photos that show the same picture although they stand in different groups: tested people who were trained on.

First by the perceptual hash of the normalized face, as shards keep it: two photos are candidates where at most 4 of 64
bits differ. Then by looking: a candidate counts where both faces, grey and shrunk, correlate by 0.95 or more, since
straight faces of two people share a hash now and then. What both steps find and miss: docs/protocols.md.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.shards import manifest
from slyk.shards.crops import Image
from slyk.shards.manifest import Manifest
from slyk.shards.phash import DUPLICATE_BITS
from slyk.shards.read import ShardSet
from slyk.shards.sample import EyeSample, Sample
from slyk.shards.write import sidecar_path

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]
MAX_BITS = DUPLICATE_BITS
NUM_PARTS = MAX_BITS + 1
"""Of two hashes that differ by MAX_BITS at most, one of so many parts is equal: that makes the search quick."""
SAME = 0.95
"""Least correlation of two faces that show the same picture. Rendered and real faces of two people whose hashes differ
by 12 bits at most reach 0.89; a picture moved by one pixel or compressed to quality 20 keeps 0.98."""
SMALL_PX = 32
MAX_LOOKED_AT = 500
"""Candidates that are looked at; of more these many, evenly chosen, and their share stands for all."""
NUM_NAMED = 8
_CHUNK = 1 << 20
"""Pairs compared at once: about 40 MB."""


class Photo(NamedTuple):
    """A sample of the shards of a data set."""

    dataset: str
    group: str
    key: str


class Photos(NamedTuple):
    """names (N) and hashes (N,) of samples; groups (N,): a number for each group of each data set."""

    names: list[Photo]
    hashes: Hashes
    groups: Numbers

    def among(self, chosen: NDArray[np.bool_]) -> "Photos":
        """Those chosen (N,), with the same numbers of groups."""
        names = [name for name, taken in zip(self.names, chosen.tolist(), strict=True) if taken]
        return Photos(names, self.hashes[chosen], self.groups[chosen])


class Nearest(NamedTuple):
    """For each of N photos the one whose hash is nearest: its place (N,), -1 where none is near, and the bits (N,)."""

    place: Numbers
    bits: Numbers


def photos(rows: Iterable[tuple[Photo, str]]) -> Photos:
    """From samples and their hashes, 16 hex digits each; by name, whatever their order."""
    ordered, numbers = sorted(rows), dict[tuple[str, str], int]()
    groups = [numbers.setdefault(name[:2], len(numbers)) for name, _ in ordered]
    hashes = [int(text, 16) for _, text in ordered]
    return Photos([name for name, _ in ordered], np.array(hashes, np.uint64), np.array(groups, np.int64))


def hashed(folder: Path, about: Manifest, groups: Collection[str] | None = None) -> Iterator[tuple[Photo, str]]:
    """The samples of chosen groups and their hashes, from the sidecars of a folder of shards."""
    for shard in about.shards:
        if groups is None or shard.group in groups:
            measures = json.loads(sidecar_path(folder, shard.name).read_bytes())["measures"]
            for key, row in measures.items():
                yield Photo(about.dataset, shard.group, key), row["phash"]


def nearest(asked: Photos, known: Photos) -> Nearest:
    """For each of `asked` (N) the photo of `known` (M) that has the nearest hash, at most MAX_BITS away, and is of
    another group; of equally near ones that of the smallest hash.

    Exact: such hashes are equal in one of their parts, so only those are compared. Equal hashes are compared once, so
    bursts of one picture cost nothing.
    """
    questions, back = _distinct(asked)
    answers, _ = _distinct(known)
    hashes = known.hashes[answers]
    # two groups of a hash are enough: one of them is another than any group that asks
    answers = answers[np.arange(len(hashes)) - np.searchsorted(hashes, hashes) < 2]
    ask, answer = _Side.of(asked, questions), _Side.of(known, answers)
    best = _Best(len(questions))
    _equal(ask, answer, best)
    rest = np.flatnonzero(best.place < 0)
    for bits in _parts(answer.hashes):
        _join(ask, rest, answer, bits, best)
    place = np.append(answers, -1)[best.place]
    return Nearest(place[back], best.bits[back])


class _Side(NamedTuple):
    hashes: Hashes
    groups: Numbers

    @classmethod
    def of(cls, some: Photos, places: Numbers) -> "_Side":
        return cls(some.hashes[places], some.groups[places])


class _Best:
    """The nearest answer found so far to each of N questions."""

    def __init__(self, count: int) -> None:
        self.place = np.full(count, -1, np.int64)
        self.bits = np.full(count, MAX_BITS + 1, np.int64)

    def offer(self, question: Numbers, bits: Numbers, place: Numbers) -> None:
        """Takes what is nearer, of equally near ones the smaller place."""
        order = np.lexsort((place, bits, question))
        question, first = np.unique(question[order], return_index=True)
        bits, place = bits[order][first], place[order][first]
        nearer = (bits < self.bits[question]) | ((bits == self.bits[question]) & (place < self.place[question]))
        self.bits[question[nearer]], self.place[question[nearer]] = bits[nearer], place[nearer]


def _distinct(some: Photos) -> tuple[Numbers, Numbers]:
    """One place for each hash of each group, by hash, and for each photo (N,) which of these stands for it."""
    order = np.lexsort((some.groups, some.hashes))
    hashes, groups = some.hashes[order], some.groups[order]
    new = np.ones(len(order), bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (groups[1:] != groups[:-1])
    back = np.empty(len(order), np.int64)
    back[order] = np.cumsum(new) - 1
    return order[new], back


def _equal(ask: _Side, answer: _Side, best: _Best) -> None:
    """Offers equal hashes: there are two answers at most, side by side."""
    first = np.searchsorted(answer.hashes, ask.hashes)
    for place in (first, first + 1):
        inside = np.flatnonzero(place < len(answer.hashes))
        there = place[inside]
        fits = (answer.hashes[there] == ask.hashes[inside]) & (answer.groups[there] != ask.groups[inside])
        best.offer(inside[fits], np.zeros(int(fits.sum()), np.int64), there[fits])


def _parts(hashes: Hashes) -> list[list[int]]:
    """Which bits make up each part: those that tell most, as half of the hashes have them, are spread evenly, so that
    no part is nearly the same in all faces."""
    share = [np.mean((hashes >> np.uint64(bit)) & np.uint64(1)) if len(hashes) else 0.0 for bit in range(64)]
    order = np.argsort(np.abs(np.array(share) - 0.5), kind="stable").tolist()
    return [order[part::NUM_PARTS] for part in range(NUM_PARTS)]


def _part(hashes: Hashes, bits: Sequence[int]) -> Numbers:
    part = np.zeros(len(hashes), np.int64)
    for place, bit in enumerate(bits):
        part |= ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.int64) << place
    return part


def _join(ask: _Side, questions: Numbers, answer: _Side, bits: Sequence[int], best: _Best) -> None:
    """Compares questions with all answers of the same part but those of their own group."""
    span = 1 + int(max(ask.groups.max(initial=0), answer.groups.max(initial=0)))
    places = _part(answer.hashes, bits) * span + answer.groups
    order = np.argsort(places, kind="stable")
    hashes, places = answer.hashes[order], places[order]
    own = _part(ask.hashes[questions], bits) * span + ask.groups[questions]
    asked = np.argsort(own, kind="stable")  # binary searches in order stay in the processor's cache
    own, questions = own[asked], questions[asked]
    mine = own - ask.groups[questions]
    edges = [np.searchsorted(places, edge) for edge in (mine, own, own + 1, mine + span)]
    starts, stops = np.concatenate([edges[0], edges[2]]), np.concatenate([edges[1], edges[3]])
    who, counts = np.concatenate([questions, questions]), stops - starts
    ends, first = np.cumsum(counts), 0
    while first < len(who):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        some, number = slice(first, last), counts[first:last]
        before = ends[some] - number - done
        there = np.arange(number.sum()) + np.repeat(starts[some] - before, number)
        question = np.repeat(who[some], number)
        apart = np.bitwise_count(hashes[there] ^ ask.hashes[question])
        near = np.flatnonzero(apart <= MAX_BITS)
        best.offer(question[near], apart[near].astype(np.int64), order[there[near]])
        first = last


def likeness(one: Image, other: Image) -> float:
    """Correlation of two faces, grey and shrunk to 32 px; 0 where one of them is a single grey."""
    a, b = _shrunk(one), _shrunk(other)
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def _shrunk(face: Image) -> NDArray[np.float64]:
    grey = cv2.resize(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), (SMALL_PX, SMALL_PX), interpolation=cv2.INTER_AREA)
    values = grey.astype(np.float64).ravel()
    return np.asarray(values - values.mean())


Faces = Callable[[Sequence[Photo]], Mapping[Photo, Image]]


def compare(tested: Photos, trained: Photos, faces: Faces) -> dict[str, Any]:
    """How many of `tested` show the same picture as one of `trained` of another group; plain values.

    num_photos; num_like_hash: with a near hash; num_looked_at of these and num_same among them; num and share: those
    that show the same picture, as the looked at tell; pairs: some of them, nearest first. faces: gives the pictures.
    """
    found = nearest(tested, trained)
    like = np.flatnonzero(found.place >= 0)
    looked = like[np.unique(np.linspace(0, len(like) - 1, min(MAX_LOOKED_AT, len(like))).round().astype(int))]
    pairs = [(int(found.bits[i]), tested.names[i], trained.names[found.place[i]]) for i in looked]
    shown = faces([name for _, *both in pairs for name in both])
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


def faces_below(folder: Path) -> Faces:
    """Reads faces, or of sets without faces eyes, from the sets' shards below a folder."""

    def read(wanted: Sequence[Photo]) -> dict[Photo, Image]:
        found: dict[Photo, Image] = {}
        for dataset in sorted({photo.dataset for photo in wanted}):
            mine = {photo.key: photo for photo in wanted if photo.dataset == dataset}
            about = manifest.load(folder / dataset)
            shards: ShardSet[Sample | EyeSample] = ShardSet(
                folder / dataset, about, {photo.group for photo in mine.values()}
            )
            places = [(index, mine[key]) for index in range(len(shards)) if (key := shards.key(index)) in mine]
            for index, photo in places:
                sample = shards[index]
                found[photo] = sample.face if isinstance(sample, Sample) else sample.eye
        return found

    return read
