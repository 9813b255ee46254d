"""The search is exact whatever the hashes, and quick."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.duplicates import search
from slyk.duplicates.search import Photo, Photos, nearest, photos
from slyk.errors import CorruptShardError
from slyk.shards.phash import DUPLICATE_BITS

Side = list[tuple[int, int]]


def some(side: Side) -> Photos:
    """Photos with (group, hash)."""
    names = [Photo("drawn", f"g{group}", str(i)) for i, (group, _) in enumerate(side)]
    return Photos(
        names, np.array([h for _, h in side], np.uint64), np.array([group for group, _ in side], dtype=np.int64)
    )


@st.composite
def sides(draw: st.DrawFn) -> Side:
    """Hashes about a few bases, some bits of each turned, so that many are near and many equal."""
    bases = (0, 2**64 - 1, 0x0123456789ABCDEF)
    found = []
    for _ in range(draw(st.integers(0, 30))):
        hash_ = draw(st.sampled_from(bases))
        for bit in draw(st.lists(st.integers(0, 63), max_size=7)):
            hash_ ^= 1 << bit
        found.append((draw(st.integers(0, 3)), hash_))
    return found


@given(sides(), sides())
def test_the_nearest_of_another_group_is_found(asked: Side, known: Side) -> None:
    found = nearest(some(asked), some(known))
    for (group, hash_), place, bits in zip(asked, found.place.tolist(), found.bits.tolist(), strict=True):
        apart = [(hash_ ^ other).bit_count() for their, other in known if their != group]
        if min(apart, default=99) > DUPLICATE_BITS:
            assert place == -1
        else:
            their, other = known[place]
            assert their != group and bits == (hash_ ^ other).bit_count() == min(apart)


def test_a_million_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of that here: each planted copy is found, a burst of one picture costs nothing, memory is bounded."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 50_000, dtype=np.uint64)
    hashes[20_000:40_000] = hashes[0]
    groups = rng.integers(0, 400, len(hashes))
    hashes[-100:] = hashes[100:200] ^ np.uint64(0b1011)
    groups[100:200], groups[-100:] = 1000, 1001
    names = [Photo("drawn", str(group), str(i)) for i, group in enumerate(groups)]
    monkeypatch.setattr(search, "_CHUNK", 10_000)
    start = time.perf_counter()
    found = nearest(Photos(names, hashes, groups), Photos(names, hashes, groups))
    assert time.perf_counter() - start < 20  # a second on an idle core; comparing all pairs of the burst takes minutes
    assert found.place[-100:].tolist() == list(range(100, 200)) and set(found.bits[-100:].tolist()) == {3}
    assert (found.place[20_000:40_000] >= 0).all() and (found.bits[20_000:40_000] == 0).all()
    assert (groups[found.place[found.place >= 0]] != groups[found.place >= 0]).all()


def test_names_decide_the_order_and_groups_are_numbered_over_all_sets() -> None:
    rows = [(Photo(dataset, group, key), "0" * 15 + "f") for dataset in "ba" for group in "yx" for key in "21"]
    every = photos(rows)
    assert every.names == sorted(name for name, _ in rows) and set(every.hashes.tolist()) == {15}
    assert every.groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    half = every.among(every.groups > 1)
    assert {name.dataset for name in half.names} == {"b"} and half.groups.tolist() == [2, 2, 3, 3]


def test_what_is_no_hash_is_named() -> None:
    """Shards that somebody else made."""
    for text in ("", "00ff", "zz" * 8, "0" * 17, "0x" + "0" * 14, None):
        with pytest.raises(CorruptShardError, match=r"the hash of set/p1/7 is .* not 16 hexadecimal digits"):
            photos([(Photo("set", "p1", "7"), text)])  # type: ignore[list-item]


def test_nothing_to_compare() -> None:
    nobody = photos([])
    assert nearest(nobody, nobody).place.size == 0
    assert nearest(some([(0, 1)]), nobody).place.tolist() == [-1]


def test_bursts_that_several_groups_share_take_no_sorting_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 pictures, of each 500 frames some bits apart in several groups: of millions of near pairs few are offered."""
    rng = np.random.default_rng(0)
    hashes = np.repeat(rng.integers(0, 2**64, 40, dtype=np.uint64), 500)
    for _ in range(3):
        hashes ^= np.uint64(1) << rng.integers(0, 64, len(hashes), dtype=np.uint64)
    groups = rng.integers(0, 10, len(hashes))
    offered, take = list[int](), search._Best.offer

    def counted(best: search._Best, question: search.Numbers, bits: search.Numbers, place: search.Numbers) -> None:
        offered.append(len(question))
        take(best, question, bits, place)

    monkeypatch.setattr(search._Best, "offer", counted)
    every = Photos([Photo("drawn", str(group), str(i)) for i, group in enumerate(groups)], hashes, groups)
    assert (nearest(every, every).place >= 0).all()
    assert sum(offered) < 15 * len(hashes)
