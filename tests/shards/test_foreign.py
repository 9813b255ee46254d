"""Shards that somebody else made, whose hashes agree: they read nothing outside, run nothing, take no memory."""

import hashlib
import json
import os
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from slyk.errors import CorruptShardError, DataMissingError
from slyk.files import digest, sha256
from slyk.shards import limits, manifest
from slyk.shards.read import ShardSet

SHARD = "p001-00000"
MUCH = 192 * 2**20
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Fails the test where Python and NumPy together took much."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MUCH, f"{peak / 2**20:.0f} MiB"


def forge(folder: Path, *, sidecar: Change = bool, entry: Change = bool, body: Change = bool) -> Path:
    """Changes what the folder says of SHARD, and makes the manifest agree with it again."""
    about = json.loads((folder / f"{SHARD}.json").read_bytes())
    sidecar(about)
    about.pop("seal")
    rest = json.dumps(about).encode()  # unlike `sealed`, this writes NaN
    seal = hashlib.sha256(rest).hexdigest()
    (folder / f"{SHARD}.json").write_bytes(rest[:-1] + f', "seal": "{seal}"}}\n'.encode())
    whole = json.loads((folder / "manifest.json").read_bytes())
    shard = next(shard for shard in whole["shards"] if shard["name"] == SHARD)
    shard["seal"] = seal
    entry(shard)
    body(whole)
    sign(folder, whole)
    return folder


def sign(folder: Path, body: dict[str, Any]) -> None:
    body["digest"] = digest({name: value for name, value in body.items() if name != "digest"})
    (folder / "manifest.json").write_text(json.dumps(body))


def replace_member(folder: Path, suffix: str, content: bytes) -> Path:
    """Puts other bytes in place of the first member of a kind: at the end of the tar, all hashes agreeing."""
    tar = folder / f"{SHARD}.tar"
    data = tar.read_bytes()
    tar.write_bytes(data + content)

    def point(about: dict[str, Any]) -> None:
        member = next(member for member in about["members"] if member[0].endswith(suffix))
        member[1:] = [len(data), len(content), zlib.crc32(content)]

    def agree(shard: dict[str, Any]) -> None:
        shard |= {"size": len(data) + len(content), "sha256": hashlib.sha256(data + content).hexdigest()}

    return forge(folder, sidecar=point, entry=agree)


def jpeg(width: int, height: int) -> bytes:
    """A picture of 8 x 8 pixels that claims to have more."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def refused(folder: Path, message: str, where: str = f"{SHARD}.json") -> None:
    with pytest.raises(CorruptShardError, match=message) as caught:
        list(ShardSet.open(folder))
    assert where in str(caught.value)


def test_a_forged_set_is_read_where_nothing_is_wrong(shards_copy: Path) -> None:
    """The forger's tools make hashes agree: without them every test here would pass for the wrong reason."""
    face = cv2.imencode(".jpg", np.full((78, 78, 3), 200, np.uint8))[1].tobytes()
    samples = list(ShardSet.open(replace_member(shards_copy, "000.face.jpg", face)))
    assert len(samples) == 16 and samples[4].face.mean() > 190


# names and files


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "a/b", "..", "pipe:touch x", "a\0b", "", "http://x/y", "-rf", "a\nb"]
)
def test_shards_are_plain_names(shards_copy: Path, name: str) -> None:
    refused(forge(shards_copy, entry=lambda shard: shard.update(name=name)), "no plain", "manifest.json")


@pytest.mark.parametrize(
    "name",
    ["../x.face.jpg", "/x.face.jpg", "a/../b.face.jpg", "a//b.face.jpg", "x", "x.pyd.gz.z", "X.face.jpg", 7, None],
)
def test_members_are_plain_names(shards_copy: Path, name: object) -> None:
    refused(forge(shards_copy, sidecar=lambda about: about["members"][0].__setitem__(0, name)), "has no name")


@pytest.mark.parametrize("suffix", ["pyd", "pkl", "pickle", "npy", "pth", "eye.jpg"])
def test_members_of_other_kinds_are_not_read(shards_copy: Path, suffix: str) -> None:
    """Stock WebDataset unpickles some of them."""
    forge(shards_copy, sidecar=lambda about: about["members"][0].__setitem__(0, f"p001/000.{suffix}"))
    refused(shards_copy, "sample p001/000 has members", f"{SHARD}.tar")


@pytest.mark.parametrize("name", [f"{SHARD}.tar", f"{SHARD}.json", "manifest.json"])
def test_links_are_not_followed(shards_copy: Path, tmp_path: Path, name: str) -> None:
    """Even to the very bytes that are expected; what DVC linked from its cache is told how to unlink."""
    (shards_copy / name).rename(tmp_path / "elsewhere")
    (shards_copy / name).symlink_to(tmp_path / "elsewhere")
    refused(shards_copy, "is a link: .* dvc checkout --relink", name)
    (shards_copy / name).unlink()
    (shards_copy / name).symlink_to(tmp_path / "nowhere")
    refused(shards_copy, "is a link", name)


def test_a_link_put_there_after_opening_is_not_followed(shards_copy: Path, tmp_path: Path) -> None:
    samples = ShardSet.open(shards_copy)
    (shards_copy / f"{SHARD}.tar").rename(tmp_path / "elsewhere")
    (shards_copy / f"{SHARD}.tar").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptShardError, match="is a link"):
        samples[5]


@pytest.mark.parametrize("name", [f"{SHARD}.tar", f"{SHARD}.json", "manifest.json"])
def test_pipes_and_folders_are_no_files(shards_copy: Path, name: str) -> None:
    """A pipe that nobody writes to would wait for ever."""
    (shards_copy / name).unlink()
    os.mkfifo(shards_copy / name)
    refused(shards_copy, "is no plain file", name)
    (shards_copy / name).unlink()
    (shards_copy / name).mkdir()
    refused(shards_copy, "is no plain file", name)


# sizes


@pytest.mark.parametrize(
    ("name", "most"),
    [(f"{SHARD}.tar", limits.MAX_TAR_BYTES), *((n, limits.MAX_JSON_BYTES) for n in (f"{SHARD}.json", "manifest.json"))],
)
def test_files_without_end_are_not_read(shards_copy: Path, name: str, most: int) -> None:
    """Sparse: a terabyte that takes no place on disk."""
    os.truncate(shards_copy / name, 2**40)
    refused(shards_copy, f"{2**40} bytes, at most {most}", name)


@pytest.mark.parametrize(
    "place",
    [(0, 10 * 2**30), (512, -1), (-512, 100), (2**63, 1), (2**70, 2**70), (1e6, 3), ("0", 3), (True, 3), (0, None)],
)
def test_members_lie_within_the_tar(shards_copy: Path, place: tuple[object, object]) -> None:
    forge(shards_copy, sidecar=lambda about: about["members"][3].__setitem__(slice(1, 3), place))
    refused(shards_copy, "member p001/000")


def test_a_sample_is_not_spread_over_the_whole_tar(shards_copy: Path) -> None:
    """All members of a sample are read at once, from the first to the last."""
    size, crc = limits.MAX_SAMPLE_BYTES + 2**20, zlib.crc32(bytes(10))
    os.truncate(shards_copy / f"{SHARD}.tar", size)
    whole = sha256(shards_copy / f"{SHARD}.tar")
    forge(
        shards_copy,
        sidecar=lambda about: about["members"][0].__setitem__(slice(1, 4), [size - 10, 10, crc]),
        entry=lambda shard: shard.update(size=size, sha256=whole),
    )
    refused(shards_copy, "members lie [0-9]+ bytes apart")


@pytest.mark.parametrize("side", [(30_000, 30_000), (65_500, 1), (4_097, 8)])
@pytest.mark.parametrize("member", ["face.jpg", "right.jpg", "left.jpg"])
def test_a_small_file_of_a_large_picture(shards_copy: Path, member: str, side: tuple[int, int]) -> None:
    forged = replace_member(shards_copy, f"000.{member}", jpeg(*side))
    refused(forged, f"sample p001/000 .*{member} measures {side[0]} x {side[1]} pixels", f"{SHARD}.tar")
    samples = ShardSet.open(forged)
    with pytest.raises(CorruptShardError, match=f"{SHARD}.tar: member p001/000.{member}"):
        samples.pictures([4])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_members_that_are_no_pictures(shards_copy: Path, data: bytes) -> None:
    refused(replace_member(shards_copy, "000.left.jpg", data), "sample p001/000 cannot be read", f"{SHARD}.tar")
    with pytest.raises(CorruptShardError, match=r"member p001/000\.left\.jpg"):
        ShardSet.open(shards_copy).pictures([4])


# JSON

DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("name", [f"{SHARD}.json", "manifest.json"])
@pytest.mark.parametrize(
    "data", [DEEP, b'{"members":' + DEEP + b"}", b"[]", b"null", b'{"a": NaN}', b"\xff{}", b"{", b""]
)
def test_json_that_is_no_object_of_ours(shards_copy: Path, name: str, data: bytes) -> None:
    (shards_copy / name).write_bytes(data)
    refused(shards_copy, "is not as (it was written|we write it)", name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_samples", -1), ("num_samples", "16"), ("num_labelled", 1.5), ("num_labelled", None), ("size", 2**40),
        ("size", True), ("sha256", 7), ("group", ["a"]), ("group", "\x1b[2J"), ("group", "g" * 5000), ("split", {}),
        ("name", 7), ("eyes", [1]), ("eyes", {"annotated": "16"}), ("eyes", {"\x1b[2J": 1}), ("more", 1),
    ],
)  # fmt: skip
def test_fields_of_a_shard_are_of_their_kind(shards_copy: Path, field: str, value: object) -> None:
    forge(shards_copy, entry=lambda shard: shard.update({field: value}))
    refused(shards_copy, "is not as we write it", "manifest.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shards", None), ("shards", [[]]), ("shards", {"a": 1}), ("dataset", 1), ("licence", "\x1b]0;title\x07"),
        ("licence", None), ("crops", []), ("crops", {"face_px": "__import__('os')"}), ("crops", {"face_px": 0}),
        ("crops", {"face_px": 10**400}),
    ],
)  # fmt: skip
def test_fields_of_a_manifest_are_of_their_kind(shards_copy: Path, field: str, value: object) -> None:
    refused(forge(shards_copy, body=lambda body: body.update({field: value})), "is not as we write it", "manifest.json")


def test_fields_of_a_manifest_are_all_there(shards_copy: Path) -> None:
    for field in ("dataset", "licence", "crops", "shards"):
        kept = json.loads((shards_copy / "manifest.json").read_bytes())
        sign(shards_copy, {name: value for name, value in kept.items() if name != field})
        refused(shards_copy, f"is not as we write it: '{field}'", "manifest.json")
        sign(shards_copy, kept)


def test_crops_of_no_sensible_size(shards_copy: Path) -> None:
    forge(shards_copy, body=lambda body: body["crops"].update(face_px=100_000))
    samples = ShardSet.open(shards_copy)
    with pytest.raises(CorruptShardError, match="crops of more than 4096 px"):
        samples.pictures([0])
    forge(shards_copy, body=lambda body: body["crops"].pop("face_px"))
    with pytest.raises(CorruptShardError, match="not those of faces"):
        ShardSet.open(shards_copy).spec  # noqa: B018


ANGLES = ([1], [1, 2, 3], "12", ["1", "2"], [1e999, 0], [10**400, 0], [None, 0], [[1, 2]])


@pytest.mark.parametrize("row", [None, [], {}, {"gaze": None}, *({"gaze": gaze, "head": [0, 0]} for gaze in ANGLES)])
def test_measures_are_numbers(shards_copy: Path, row: object) -> None:
    forge(shards_copy, sidecar=lambda about: about["measures"].update({"p001/000": row}))
    refused(shards_copy, "is not as (we write it|it was written)")


def test_a_sample_has_all_its_members(shards_copy: Path) -> None:
    forge(shards_copy, sidecar=lambda about: about["members"].pop(2))
    refused(shards_copy, "sample p001/000 has members", f"{SHARD}.tar")


def test_measures_are_there_for_every_sample(shards_copy: Path) -> None:
    refused(forge(shards_copy, sidecar=lambda about: about["measures"].pop("p001/002")), "is not as we write it")
    refused(forge(shards_copy, sidecar=lambda about: about.update(measures=[])), "is not as we write it")
    refused(forge(shards_copy, sidecar=lambda about: about.pop("members")), "is not as we write it")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gaze", [1]), ("gaze", "ab"), ("gaze", [float("inf"), 0]), ("head", None), ("head", ["1", "2"]),
        ("rotation", [1] * 8), ("rotation", [[1]] * 9), ("face_from_photo", [10**400] + [0] * 8), ("group", 7),
        ("eyes", None), ("tags", 7), ("tags", [[]]), ("tags", ["\x1b[2J"]), ("labels", 7), ("known", ["measured"]),
    ],
)  # fmt: skip
def test_what_a_sample_tells_is_of_its_kind(shards_copy: Path, field: str, value: object) -> None:
    meta = json.loads(member(shards_copy, "p001/000.json")) | {field: value}
    forged = replace_member(shards_copy, "000.json", json.dumps(meta).encode())
    refused(forged, "sample p001/000 cannot be read", f"{SHARD}.tar")


@pytest.mark.parametrize("data", [DEEP, b'{"gaze": null}', b" " * (limits.MAX_META_BYTES + 1), b"[]", b"\xff"])
def test_a_sample_that_tells_nothing(shards_copy: Path, data: bytes) -> None:
    refused(replace_member(shards_copy, "000.json", data), "sample p001/000 cannot be read", f"{SHARD}.tar")


def member(folder: Path, name: str) -> bytes:
    places = {place[0]: place[1:3] for place in json.loads((folder / f"{SHARD}.json").read_bytes())["members"]}
    offset, size = places[name]
    return (folder / f"{SHARD}.tar").read_bytes()[offset : offset + size]


def test_what_we_write_is_far_from_every_limit(shards: Path) -> None:
    for shard in manifest.load(shards).shards:
        about = limits.read_json(shards / f"{shard.name}.json")
        assert (shards / f"{shard.name}.json").stat().st_size < limits.MAX_JSON_BYTES / 250
        assert all(
            size < limits.MAX_MEMBER_BYTES / 250 for _, _, size, _ in limits.members(about["members"], shard.size)
        )
    with pytest.raises(DataMissingError):
        ShardSet.open(shards / "nowhere")
