"""Copies are found whatever was done to them, and told from pictures that only share a hash."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from slyk.duplicates import compare as comparing
from slyk.duplicates.compare import compare, likeness, pictures_below
from slyk.duplicates.search import Photo, Photos, hashed, photos
from slyk.shards import manifest
from slyk.shards.crops import CropSpec, Image
from slyk.shards.eyes import EyeSpec
from slyk.shards.read import ShardSet
from tests.drawn import SMALL_SPEC, RawSet, draw_raw_set, write_shards
from tests.eyes import EYE_SPEC, draw_eye_set


@pytest.fixture
def clouds(tmp_path: Path) -> RawSet:
    """Five training people and three test people, six photos each, every one a pattern of its own."""
    raw = draw_raw_set(tmp_path / "raw", num_train=5, num_test=3, num_photos=6)
    for number, record in enumerate(raw.records):
        coarse = np.random.default_rng(number).integers(0, 255, (14, 14, 3)).astype(np.uint8)
        cv2.imwrite(str(raw.root / record.photo), cv2.resize(coarse, (240, 240), interpolation=cv2.INTER_CUBIC))
    return raw


def found_in(root: Path, raw: RawSet, spec: CropSpec | EyeSpec = SMALL_SPEC) -> dict[str, Any]:
    """What is said of the test people's photos of a set against those of the training people."""
    folder = root / "shards/synthetic"
    write_shards(folder, raw, spec)
    about = manifest.load(folder)
    everything = photos(hashed(folder, about))
    test = np.array([photo.group in about.groups("test") for photo in everything.names])
    return compare(everything.among(test), everything.among(~test), pictures_below(root / "shards"))


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
    read = pictures_below(tmp_path / "shards")

    def faces(wanted: Sequence[Photo]) -> dict[Photo, Image]:
        pictures = read(wanted)
        twin, source = (next(p for p in pictures if p.key == key) for key in ("p006/003", "p001/002"))
        return {**pictures, twin: pictures[source]}

    found = compare(every.among(test), every.among(known), faces)
    assert (found["num_like_hash"], found["num_looked_at"], found["num_same"], found["num"]) == (18, 18, 1, 1)
    assert found["pairs"] == ["synthetic/p006/p006/003 like synthetic/p001/p001/002 (0 bits)"]


def some(*rows: tuple[int, int]) -> Photos:
    """Photos with (group, hash)."""
    return photos((Photo("drawn", f"g{group}", f"{i:03d}"), f"{hash_:016x}") for i, (group, hash_) in enumerate(rows))


def test_of_many_candidates_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MAX_LOOKED_AT", 20)
    every = some(*[(1, 5)] * 200, *[(1, 2**40 - 1)] * 200, (0, 5))
    asked, known = every.among(every.groups == 1), every.among(every.groups == 0)
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


def test_single_eyes_are_compared_too(tmp_path: Path) -> None:
    """The picture of an eye of the first recording stands once more in the last, which tests."""
    raw = draw_eye_set(tmp_path / "raw", num_groups=3, num_photos=4)
    source, planted = raw.records[1], raw.records[-1]
    (raw.root / planted.photo).write_bytes((raw.root / source.photo).read_bytes())
    found = found_in(tmp_path, raw, EYE_SPEC)
    assert found["num_photos"] == 4 and found["num_same"] >= 1
    assert found["pairs"][0] == "synthetic/e2/e2/003 like synthetic/e0/e0/001 (0 bits)"


def test_nothing_to_compare() -> None:
    assert compare(photos([]), photos([]), lambda wanted: {})["share"] == 0.0
