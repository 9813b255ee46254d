"""Reading shards at any position, and refusing damaged ones."""

import gc
import json
import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset

from slyk.errors import CorruptShardError, DataMissingError
from slyk.shards import manifest
from slyk.shards.read import Pictures, ShardSet
from slyk.shards.sample import MEMBERS, decode
from slyk.shards.sidecar import sealed
from tests.drawn import SMALL_SPEC, RawSet


def test_samples_come_in_the_order_of_the_manifest(shards: Path, raw_set: RawSet) -> None:
    opened = ShardSet.open(shards)
    assert len(opened) == len(raw_set.records) == 16
    assert [sample.key for sample in opened] == [record.key for record in raw_set.records]
    assert opened.key(5) == opened[5].key == "p001/001"
    assert opened.spec == SMALL_SPEC


def test_pictures_of_many_samples_at_once(shards: Path) -> None:
    """In any order, into memory that is used again; labels stand beside them."""
    opened = ShardSet.open(shards)
    order = [15, 0, 7, 7]
    memory = opened.empty(4)
    memory.face[:] = 255
    found = opened.pictures(order, memory)
    assert found is memory
    for row, index in enumerate(order):
        sample = opened[index]
        for pictures, picture in zip(found, (sample.face, sample.right, sample.left), strict=True):
            np.testing.assert_array_equal(pictures[row], picture)
        assert sample.gaze is not None
        np.testing.assert_array_equal(opened.gaze[index], sample.gaze)
        np.testing.assert_array_equal(opened.head[index], sample.head)
        assert (opened.groups[index], opened.expressions[index]) == (sample.group, sample.labels["expression"])
    np.testing.assert_array_equal(opened.pictures([3]).left[0], opened[3].left)
    scattered = Pictures(*(part[::2] for part in opened.empty(8)))
    signed = Pictures(*(part.view(np.int8) for part in memory))  # type: ignore[arg-type]
    for other in (opened.empty(3), scattered, signed):
        with pytest.raises(ValueError, match=r"is what empty\(4\) gives"):
            opened.pictures(order, other)


def test_some_samples_by_their_rows(shards: Path) -> None:
    everyone = ShardSet.open(shards)
    looking_up = ShardSet.open(shards, keep=lambda row: row["gaze"][0] > 0)
    expected = [sample.key for sample in everyone if sample.gaze is not None and sample.gaze[0] > 0]
    assert 0 < len(looking_up) < len(everyone)
    assert [sample.key for sample in looking_up] == expected and (looking_up.gaze[:, 0] > 0).all()


def test_a_picture_of_another_size_is_refused(shards_copy: Path) -> None:
    """A manifest that says something else about the crops than the tars hold."""
    opened = ShardSet.open(shards_copy)
    opened.manifest = replace(opened.manifest, crops=opened.manifest.crops | {"face_px": 60})
    with pytest.raises(CorruptShardError, match=r"p000-00000.tar: member p000/000.face.jpg: .* pixels, expected"):
        opened.pictures([0])


@pytest.mark.parametrize("member", ["face.jpg", "json"])
def test_a_member_that_is_damaged_later_is_named(shards_copy: Path, member: str) -> None:
    opened = ShardSet.open(shards_copy)
    members = json.loads((shards_copy / "p001-00000.json").read_bytes())["members"]
    name, offset, size, _ = next(m for m in members if m[0].endswith(member))
    tar = bytearray((shards_copy / "p001-00000.tar").read_bytes())
    tar[offset : offset + size] = bytes(size)
    (shards_copy / "p001-00000.tar").write_bytes(tar)
    with pytest.raises(CorruptShardError, match=f"p001-00000.tar: sample {name.partition('.')[0]} cannot be read"):
        list(opened)


def read_by_webdataset(paths: list[Path]) -> list[dict[str, Any]]:
    """Stock WebDataset, which leaves the closing of its files to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        samples = list(webdataset.WebDataset([str(path) for path in paths], shardshuffle=False))
        gc.collect()
    return samples


def test_stock_webdataset_reads_the_same(shards: Path) -> None:
    stock = read_by_webdataset([shards / f"{shard.name}.tar" for shard in manifest.load(shards).shards])
    ours = ShardSet.open(shards)
    assert [sample["__key__"] for sample in stock] == [sample.key for sample in ours]
    for index, sample in enumerate(stock):
        assert set(MEMBERS) == {name for name in sample if not name.startswith("__")}
        again = decode(sample["__key__"], sample)
        np.testing.assert_array_equal(again.face, ours[index].face)
        np.testing.assert_array_equal(again.right, ours[index].right)
        np.testing.assert_array_equal(again.left, ours[index].left)
        assert again.gaze is not None and ours[index].gaze is not None
        np.testing.assert_array_equal(again.gaze, ours[index].gaze)


@pytest.mark.slow
def test_our_offsets_are_the_bytes_of_stock_webdataset(shards: Path) -> None:
    for shard in manifest.load(shards).shards:
        data = (shards / f"{shard.name}.tar").read_bytes()
        members = json.loads((shards / f"{shard.name}.json").read_bytes())["members"]
        ours = {name: data[offset : offset + size] for name, offset, size, _ in members}
        stock = read_by_webdataset([shards / f"{shard.name}.tar"])
        theirs = {f"{s['__key__']}.{name}": s[name] for s in stock for name in s if not name.startswith("__")}
        assert list(ours) == list(theirs) and ours == theirs


def test_chosen_groups_alone_are_read_and_checked(shards_copy: Path) -> None:
    (shards_copy / "p003-00000.tar").unlink()
    opened = ShardSet.open(shards_copy, ["p002", "p000"])
    assert {sample.group for sample in opened} == {"p000", "p002"}
    assert len(ShardSet.open(shards_copy, [])) == 0


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("which", [0, 5, 15])
def test_one_flipped_byte_names_file_and_member(shards_copy: Path, which: int) -> None:
    tar = shards_copy / "p001-00000.tar"
    members = json.loads((shards_copy / "p001-00000.json").read_bytes())["members"]
    name, offset, size, _ = members[which]
    flip(tar, offset + size // 2)
    with pytest.raises(CorruptShardError) as caught:
        ShardSet.open(shards_copy)
    assert str(tar) in str(caught.value) and f"member {name} differs" in str(caught.value)


def test_a_flipped_byte_between_members_is_refused(shards_copy: Path) -> None:
    flip(shards_copy / "p001-00000.tar", 0)  # the name in the first header
    with pytest.raises(CorruptShardError, match="outside of its members"):
        ShardSet.open(shards_copy)


def test_a_cut_file_names_the_first_member_that_is_not_whole(shards_copy: Path) -> None:
    tar = shards_copy / "p002-00000.tar"
    name, offset, size, _ = json.loads((shards_copy / "p002-00000.json").read_bytes())["members"][6]
    tar.write_bytes(tar.read_bytes()[: offset + size - 1])
    with pytest.raises(CorruptShardError, match=f"p002-00000.tar: member {name}"):
        ShardSet.open(shards_copy)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("p001-00000.tar", "named in the manifest but not there"),
        ("p001-00000.json", "dvc checkout"),
        ("manifest.json", "dvc repro normalize@synthetic"),
    ],
)
def test_missing_files_say_what_to_do(shards_copy: Path, file: str, message: str) -> None:
    (shards_copy / file).unlink()
    with pytest.raises(DataMissingError, match=message) as caught:
        ShardSet.open(shards_copy)
    assert file in str(caught.value)


def test_a_damaged_sidecar_is_refused(shards_copy: Path) -> None:
    """Also one that is whole, but of another run; and labels, which no hash of the tar covers."""
    path = shards_copy / "p000-00000.json"
    text = path.read_bytes()
    first = json.loads(text)["measures"]["p000/000"]["gaze"]
    assert first is not None
    changed = text.replace(json.dumps(first).encode(), json.dumps([-first[0], first[1]]).encode())
    assert changed != text
    for other in (changed, b"{", b"[]", b"{}", text[:-1]):
        path.write_bytes(other)
        with pytest.raises(CorruptShardError, match=r"p000-00000.json is not as it was written.*dvc repro"):
            ShardSet.open(shards_copy)
    body = {name: value for name, value in json.loads(text).items() if name != "seal"}
    path.write_bytes(sealed(body | {"num_labelled": 0})[1])
    with pytest.raises(CorruptShardError, match="is not the one that the manifest was written with"):
        ShardSet.open(shards_copy)


def test_loader_workers_open_their_own_files(shards: Path) -> None:
    """torch hands data sets to its workers by pickle."""
    opened = ShardSet.open(shards)
    first = opened[0]
    other = pickle.loads(pickle.dumps(opened))
    assert other._files == {}
    opened.close()
    np.testing.assert_array_equal(other[0].face, first.face)
    np.testing.assert_array_equal(opened[0].face, first.face)
