"""The search is exact whatever the hashes, and copies are told from people who look alike."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk import duplicates
from slyk.duplicates import MAX_BITS, Photo, Photos, compare, faces_below, hashed, likeness, nearest, photos
from slyk.shards import manifest
from slyk.shards.crops import Image
from slyk.shards.read import ShardSet
from tests.drawn import RawSet, draw_raw_set, write_shards

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
        if min(apart, default=99) > MAX_BITS:
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
    monkeypatch.setattr(duplicates, "_CHUNK", 10_000)
    start = time.perf_counter()
    found = nearest(Photos(names, hashes, groups), Photos(names, hashes, groups))
    assert time.perf_counter() - start < 20  # a second on an idle core; comparing all pairs of the burst takes minutes
    assert found.place[-100:].tolist() == list(range(100, 200)) and set(found.bits[-100:].tolist()) == {3}
    assert (found.place[20_000:40_000] >= 0).all() and (found.bits[20_000:40_000] == 0).all()
    assert (groups[found.place[found.place >= 0]] != groups[found.place >= 0]).all()


@pytest.fixture
def clouds(tmp_path: Path) -> RawSet:
    """Five training people and three test people, six photos each, every one a pattern of its own."""
    raw = draw_raw_set(tmp_path / "raw", num_train=5, num_test=3, num_photos=6)
    for number, record in enumerate(raw.records):
        coarse = np.random.default_rng(number).integers(0, 255, (14, 14, 3)).astype(np.uint8)
        cv2.imwrite(str(raw.root / record.photo), cv2.resize(coarse, (240, 240), interpolation=cv2.INTER_CUBIC))
    return raw


def found_in(root: Path, raw: RawSet) -> dict[str, Any]:
    """What is said of the test people's photos of a set against those of the training people."""
    folder = root / "shards/synthetic"
    write_shards(folder, raw)
    about = manifest.load(folder)
    everything = photos(hashed(folder, about))
    test = np.array([photo.group in about.groups("test") for photo in everything.names])
    return compare(everything.among(test), everything.among(~test), faces_below(root / "shards"))


def test_pictures_of_their_own(tmp_path: Path, clouds: RawSet) -> None:
    found = found_in(tmp_path, clouds)
    assert found == {
        **{"num_photos": 18, "num_like_hash": 0, "num_looked_at": 0, "num_same": 0, "num": 0, "share": 0.0, "pairs": []}
    }


@pytest.mark.parametrize("change", ["compressed", "smaller", "brighter"])
def test_a_planted_copy_is_found(tmp_path: Path, clouds: RawSet, change: str) -> None:
    """A training photo with its geometry under the name of a tested person."""
    source, planted = clouds.records[7], clouds.records[-2]
    picture = cv2.imread(str(clouds.root / source.photo))
    assert picture is not None
    if change == "smaller":
        picture = cv2.resize(cv2.resize(picture, (120, 120), interpolation=cv2.INTER_AREA), (240, 240))
    if change == "brighter":
        picture = cv2.convertScaleAbs(picture, alpha=1.15, beta=5)
    cv2.imwrite(str(clouds.root / planted.photo), picture, [cv2.IMWRITE_JPEG_QUALITY, 40])
    records = [replace(r, geometry=source.geometry) if r is planted else r for r in clouds.records]
    found = found_in(tmp_path, RawSet(clouds.root, tuple(records)))
    assert (found["num_like_hash"], found["num_same"], found["num"]) == (1, 1, 1)
    assert found["share"] == pytest.approx(1 / 18, abs=1e-6)
    (pair,) = found["pairs"]
    expected = f"synthetic/{planted.group}/{planted.key} like synthetic/{source.group}/{source.key} ("
    assert pair.startswith(expected) and pair.endswith(" bits)")


def test_an_equal_hash_is_looked_at(tmp_path: Path, clouds: RawSet) -> None:
    """Of 18 tested photos all have the hash of one training photo, and one shows its picture."""
    folder = tmp_path / "shards/synthetic"
    write_shards(folder, clouds)
    shards = ShardSet(folder, manifest.load(folder))
    rows = [(Photo("synthetic", shards[i].group, shards.key(i)), "00ff00ff00ff00ff") for i in range(len(shards))]
    every = photos(rows)
    known = np.array([photo.key == "p001/002" for photo in every.names])
    test = np.array([photo.group >= "p005" for photo in every.names])
    read = faces_below(tmp_path / "shards")

    def faces(wanted: Sequence[Photo]) -> dict[Photo, Image]:
        pictures = read(wanted)
        twin, source = (next(p for p in pictures if p.key == key) for key in ("p006/003", "p001/002"))
        return {**pictures, twin: pictures[source]}

    found = compare(every.among(test), every.among(known), faces)
    assert (found["num_like_hash"], found["num_looked_at"], found["num_same"], found["num"]) == (18, 18, 1, 1)
    assert found["pairs"] == ["synthetic/p006/p006/003 like synthetic/p001/p001/002 (0 bits)"]


def test_of_many_candidates_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MAX_LOOKED_AT", 20)
    asked, known = some([(1, 5)] * 200 + [(1, 2**40 - 1)] * 200), some([(0, 5)])
    plain = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    asked_for = list[int]()

    def faces(wanted: Sequence[Photo]) -> dict[Photo, Image]:
        asked_for.append(len(wanted))
        return {photo: plain if int(photo.key) < 100 else plain[::-1] for photo in wanted}

    found = compare(asked, known, faces)
    assert asked_for == [40]
    assert (found["num_photos"], found["num_like_hash"], found["num_looked_at"]) == (400, 200, 20)
    assert found["num"] == pytest.approx(100, abs=10) and found["share"] == pytest.approx(0.25, abs=0.03)
    assert len(found["pairs"]) == 8


def test_likeness() -> None:
    rng = np.random.default_rng(1)
    face = np.asarray(cv2.resize(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8), (156, 156)), np.uint8)
    other = np.asarray(cv2.resize(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8), (80, 80)), np.uint8)
    assert likeness(face, face) == pytest.approx(1.0)
    assert likeness(face, np.asarray(cv2.convertScaleAbs(face, alpha=0.5, beta=40), np.uint8)) > 0.999
    assert likeness(face, 255 - face) == pytest.approx(-1.0)
    assert abs(likeness(face, other)) < 0.7
    assert likeness(face, np.full_like(face, 90)) == 0.0


def test_nothing_to_compare() -> None:
    nobody = photos([])
    assert nearest(nobody, nobody).place.size == 0
    assert nearest(some([(0, 1)]), nobody).place.tolist() == [-1]
    assert compare(nobody, nobody, lambda wanted: {})["share"] == 0.0
