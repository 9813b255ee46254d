"""Of two lists of photos those whose perceptual hashes are near, although they stand in different groups."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slyk.errors import CorruptShardError
from slyk.shards.manifest import Manifest
from slyk.shards.phash import DUPLICATE_BITS
from slyk.shards.read import about_shard

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]
NUM_PARTS = DUPLICATE_BITS + 1
"""Of two hashes that differ by DUPLICATE_BITS at most, one of so many parts is equal: that makes the search quick."""
_HASH = re.compile("[0-9a-f]{16}")
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
    """From samples and their hashes; by name, whatever their order. Raises CorruptShardError for what is no hash."""
    ordered, numbers = sorted(rows), dict[tuple[str, str], int]()
    for name, text in ordered:
        if not isinstance(text, str) or not _HASH.fullmatch(text):
            raise CorruptShardError(f"the hash of {'/'.join(name)} is {str(text)[:20]!r}, not 16 hexadecimal digits")
    groups = [numbers.setdefault(name[:2], len(numbers)) for name, _ in ordered]
    hashes = [int(text, 16) for _, text in ordered]
    return Photos([name for name, _ in ordered], np.array(hashes, np.uint64), np.array(groups, np.int64))


def hashed(folder: Path, about: Manifest, groups: Collection[str] | None = None) -> Iterator[tuple[Photo, str]]:
    """The samples of chosen groups and their hashes, from the sidecars of a folder of shards."""
    for shard in about.shards:
        if groups is None or shard.group in groups:
            try:
                rows = [(key, row["phash"]) for key, row in about_shard(folder, shard)["measures"].items()]
            except (KeyError, TypeError, AttributeError):
                raise CorruptShardError(f"{folder / shard.name}.json is not as we write it") from None
            yield from ((Photo(about.dataset, shard.group, key), phash) for key, phash in rows)


def nearest(asked: Photos, known: Photos) -> Nearest:
    """For each of `asked` (N) the photo of `known` (M) of another group whose hash is nearest, DUPLICATE_BITS away at
    most; of equally near ones that of the smallest hash.

    Exact: such hashes are equal in one of their parts, so only those are compared. Equal hashes are compared once, so
    bursts of one picture cost nothing, and neither do photos of one group; 400,000 photos take seconds. Only where tens
    of thousands of photos in several groups are nearly but not quite one picture, time grows with their square: 2 s for
    20,000 that lie up to 12 bits apart.
    """
    questions, back = _distinct(asked)
    answers, _ = _distinct(known)
    hashes = known.hashes[answers]
    # two groups of a hash are enough: one of them is another than any group that asks
    answers = answers[np.arange(len(hashes)) - np.searchsorted(hashes, hashes) < 2]
    ask, answer = _Side.of(asked, questions), _Side.of(known, answers)
    best = _Best(len(questions))
    _equal(ask, answer, best)
    for number, bits in enumerate(_parts(answer.hashes)):
        # what is equal in none of the parts before is so many bits away, at least one in each
        rest = np.flatnonzero(best.bits >= max(1, number))
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
        self.bits = np.full(count, DUPLICATE_BITS + 1, np.int64)

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
    """Compares questions with all answers of the same part but those of their own group.

    Of the answers of each question only the nearest is offered: sorting all near ones takes ten times as long.
    """
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
    full = stops > starts
    starts, who, counts = starts[full], np.concatenate([questions, questions])[full], (stops - starts)[full]
    ends, first = np.cumsum(counts), 0
    while first < len(who):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        some, number = slice(first, last), counts[first:last]
        before = ends[some] - number - done
        there = np.arange(number.sum()) + np.repeat(starts[some] - before, number)
        apart = np.bitwise_count(hashes[there] ^ np.repeat(ask.hashes[who[some]], number)).astype(np.int64)
        bits_away, place = np.divmod(np.minimum.reduceat(apart * len(order) + order[there], before), len(order))
        near = np.flatnonzero(bits_away <= DUPLICATE_BITS)
        best.offer(who[some][near], bits_away[near], place[near])
        first = last
