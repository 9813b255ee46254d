"""Shards: the same bytes each time, whole or absent, broken photos told."""

import errno
import json
import os
import resource
import shutil
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from slyk.datasets import pictures
from slyk.datasets.raw import Raw
from slyk.datasets.record import Record
from slyk.errors import DataMissingError, SlykError, StorageError
from slyk.photos import Canvas
from slyk.shards.crops import Image
from slyk.shards.phash import phash
from slyk.shards.sample import decode
from slyk.shards.sidecar import path_of, sealed
from slyk.shards.write import ShardPlan, standing, write_shard
from tests.drawn import SMALL_SPEC, RawSet

PLAN = ShardPlan("p000-00000", "p000", "train", "digest of the plan")


def write(folder: Path, raw: RawSet, plan: ShardPlan = PLAN) -> dict[str, object]:
    folder.mkdir(parents=True, exist_ok=True)
    return write_shard(
        folder,
        plan,
        raw.records[:4],
        picture=partial(pictures.photo_file, Raw(raw.root)),
        spec=SMALL_SPEC,
        jpeg_quality=90,
    )


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, raw_set: RawSet) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, raw_set)
    for file in ("p000-00000.tar", "p000-00000.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_tar_carries_nothing_of_this_machine(tmp_path: Path, raw_set: RawSet) -> None:
    write(tmp_path, raw_set)
    with tarfile.open(tmp_path / "p000-00000.tar") as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.uname, m.gname) for m in members} == {(0, "slyk", "slyk")}
    suffixes = ("face.jpg", "json", "left.jpg", "right.jpg")  # webdataset's writer sorts them
    assert [m.name for m in members] == [f"p000/{i:03d}.{s}" for i in range(4) for s in suffixes]


def test_the_sidecar_names_every_member(tmp_path: Path, raw_set: RawSet) -> None:
    sidecar = write(tmp_path, raw_set)
    assert sidecar == json.loads(path_of(tmp_path, "p000-00000").read_bytes())
    assert (sidecar["num_samples"], sidecar["num_labelled"], sidecar["eyes"]) == (4, 4, {"annotated": 4})
    data = (tmp_path / "p000-00000.tar").read_bytes()
    assert isinstance(sidecar["members"], list) and len(sidecar["members"]) == 16
    for name, offset, size, _ in sidecar["members"]:
        part = data[offset : offset + size]
        assert part.startswith(b"{" if name.endswith("json") else b"\xff\xd8")
        assert part.endswith(b"}" if name.endswith("json") else b"\xff\xd9")


def test_broken_photos_are_kept_out_and_told(tmp_path: Path, raw_set: RawSet) -> None:
    records = list(raw_set.records[:4])
    root = tmp_path / "raw"
    shutil.copytree(raw_set.root, root)
    (root / "cut.jpg").write_bytes((root / records[0].photo).read_bytes()[:2000])
    records[1] = replace(records[1], photo="cut.jpg")
    records[2] = replace(records[2], photo="photos/gone.jpg", gaze=None)
    behind = replace(records[3].face, face_center_mm=np.array([0, 0, -600.0]))
    records[3] = replace(records[3], geometry=behind)
    sidecar = write_shard(
        tmp_path, PLAN, records, picture=partial(pictures.photo_file, Raw(root)), spec=SMALL_SPEC, jpeg_quality=90
    )
    assert (sidecar["num_samples"], sidecar["num_labelled"]) == (1, 1)
    assert [(r["key"], r["stage"], r["reason"], r["error"]) for r in sidecar["rejects"]] == [
        ("p000/001", "normalize", "truncated", "PhotoError"),
        ("p000/002", "normalize", "not_found", "PhotoError"),
        ("p000/003", "normalize", "face_behind_camera", "PhotoError"),
    ]


def test_complete_is_this_plan_byte_for_byte(tmp_path: Path, raw_set: RawSet) -> None:
    assert standing(tmp_path, PLAN) is None
    sidecar = write(tmp_path, raw_set)
    assert standing(tmp_path, PLAN) == sidecar
    assert standing(tmp_path, replace(PLAN, digest="of other parameters")) is None
    tar = tmp_path / "p000-00000.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:-1])
    assert standing(tmp_path, PLAN) is None
    tar.write_bytes(whole)
    path = path_of(tmp_path, "p000-00000")
    text = path.read_bytes()
    changed = text.replace(b'"rejects": []', b'"rejects": 0')
    for other in (b"", b"{", b"[]", b"{}\n", text[:-1], text + b" ", changed, sealed({"name": "p000-00000"})[1]):
        path.write_bytes(other)
        assert standing(tmp_path, PLAN) is None
    path.write_bytes(text)
    assert standing(tmp_path, PLAN) == sidecar
    path.unlink()
    assert standing(tmp_path, PLAN) is None


def test_a_row_of_the_sidecar_tells_what_filters_need(tmp_path: Path, raw_set: RawSet) -> None:
    first = replace(
        raw_set.records[0], tags=("evaluation", "off_screen"), labels={"expression": "fear", "valence": 0.5}
    )
    shown = partial(pictures.photo_file, Raw(raw_set.root))
    records = [first, replace(raw_set.records[1], labels={})]
    sidecar = write_shard(tmp_path, PLAN, records, picture=shown, spec=SMALL_SPEC, jpeg_quality=90)
    row, other = (sidecar["measures"][record.key] for record in records)
    assert (row["tags"], row["expression"]) == (["evaluation", "off_screen"], "fear")
    assert (other["tags"], other["expression"]) == ([], None)
    data = (tmp_path / "p000-00000.tar").read_bytes()
    members = {name: data[at : at + size] for name, at, size, _ in sidecar["members"]}
    face = decode("k", {name.partition(".")[2]: part for name, part in members.items() if "p000/000." in name}).face
    stored = phash(np.asarray(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), dtype=np.uint8))
    assert (int(row["phash"], 16) ^ int(stored, 16)).bit_count() <= 2  # taken before the JPEG
    assert set(json.loads(members["p000/000.json"])["tags"]) == set(row["tags"])


def one_broken(
    folder: Path, raw: RawSet, picture: Callable[[str], Image] | None = None, wrong: dict[str, Any] | None = None
) -> Record:
    """Writes four records of which the second, given back, has what is wrong."""
    records = list(raw.records[:4])
    records[1] = replace(records[1], geometry=replace(records[1].face, **(wrong or {})))
    shown = partial(pictures.photo_file, Raw(raw.root))

    def broken(name: str, canvas: Canvas) -> Image:
        return picture(name) if picture is not None and name == records[1].photo else shown(name, canvas)

    write_shard(folder, PLAN, records, picture=broken, spec=SMALL_SPEC, jpeg_quality=90)
    return records[1]


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"camera": np.zeros((3, 3))}, "numpy.linalg.LinAlgError", "Singular matrix"),
        ({"distortion": np.ones(3)}, "cv2.error", "distCoeffs.size()"),
    ],
)
def test_labels_that_no_code_foresaw_cost_one_photo(
    tmp_path: Path, raw_set: RawSet, wrong: dict[str, Any], error: str, told: str
) -> None:
    broken = one_broken(tmp_path, raw_set, wrong=wrong)
    sidecar = json.loads(path_of(tmp_path, "p000-00000").read_bytes())
    assert sidecar["num_samples"] == 3 and broken.key not in sidecar["measures"]
    (reject,) = sidecar["rejects"]
    assert (reject["key"], reject["photo"], reject["stage"]) == (broken.key, broken.photo, "normalize")
    assert (reject["reason"], reject["error"]) == ("unreadable", error) and told in reject["detail"]
    assert len(reject["detail"]) <= 200 and "\n" not in reject["detail"]


def raising(error: Exception) -> Callable[[str], Image]:
    def picture(name: str) -> Image:
        raise error

    return picture


@pytest.mark.parametrize(
    ("picture", "error"),
    [
        (lambda name: np.zeros((240, 240), np.uint8), "cv2.error"),  # no colours
        (raising(ValueError("bad huffman code")), "ValueError"),
        (raising(OSError("Unable to open file (truncated file: eof = 96)")), "OSError"),  # as h5py says it
        (raising(OSError(errno.EIO, os.strerror(errno.EIO), "a.jpg")), "OSError"),
        (raising(KeyError("face_patch")), "KeyError"),
    ],
)
def test_pictures_that_no_code_foresaw_cost_one_photo(
    tmp_path: Path, raw_set: RawSet, picture: Callable[[str], Image], error: str
) -> None:
    broken = one_broken(tmp_path, raw_set, picture)
    sidecar = json.loads(path_of(tmp_path, "p000-00000").read_bytes())
    found = [(reject["key"], reject["reason"], reject["error"]) for reject in sidecar["rejects"]]
    assert found == [(broken.key, "unreadable", error)] and sidecar["num_samples"] == 3


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/copy.h5"), "No space left on device: '/tmp/copy.h5'"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "a.jpg"), "Too many open files"),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), "timed out"),
        (ConnectionResetError("by peer"), "by peer"),
        (MemoryError(), "no memory left"),
        (MemoryError("Unable to allocate 9 GiB"), "Unable to allocate 9 GiB"),
    ],
)
def test_what_concerns_the_machine_fails_the_shard(
    tmp_path: Path, raw_set: RawSet, error: Exception, told: str
) -> None:
    with pytest.raises(SlykError) as caught:
        one_broken(tmp_path, raw_set, raising(error))
    assert told in str(caught.value) and "the machine and not the photo" in str(caught.value)
    assert raw_set.records[1].photo in str(caught.value) and list(tmp_path.iterdir()) == []


def test_what_a_user_can_mend_for_all_photos_fails_the_shard(tmp_path: Path, raw_set: RawSet) -> None:
    with pytest.raises(DataMissingError, match="the disk is not mounted"):
        one_broken(tmp_path, raw_set, raising(DataMissingError("the disk is not mounted")))


def test_a_storage_that_is_away_is_asked_once(tmp_path: Path, raw_set: RawSet) -> None:
    """Each question takes it a minute to give up."""
    asked = []

    def picture(name: str, canvas: Canvas) -> Image:
        asked.append(name)
        raise StorageError("s3://gaze does not answer")

    with pytest.raises(StorageError):
        write_shard(tmp_path, PLAN, raw_set.records[:4], picture=picture, spec=SMALL_SPEC, jpeg_quality=90)
    assert asked == [raw_set.records[0].photo]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_opencv_without_memory_fails_the_shard(tmp_path: Path, raw_set: RawSet) -> None:
    """A photo's crop that cannot be held: OpenCV has an error of its own for that."""

    def huge(name: str) -> Image:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 2**20, hard))
        try:
            return np.asarray(cv2.resize(np.zeros((64, 64, 3), np.uint8), (20_000, 20_000)))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    with pytest.raises(SlykError, match=r"Failed to allocate 1200000000 bytes.* the machine and not the photo"):
        one_broken(tmp_path, raw_set, huge)


def test_a_full_disk_leaves_nothing_that_counts(tmp_path: Path, raw_set: RawSet) -> None:
    """The limit on a file's size stands for the end of the disk: the tar does not fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError) as caught:
            write(tmp_path, raw_set)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == [] and standing(tmp_path, PLAN) is None


def test_members_lie_where_tarfile_finds_them(tmp_path: Path, raw_set: RawSet) -> None:
    sidecar = write(tmp_path, raw_set)
    with tarfile.open(tmp_path / "p000-00000.tar") as tar:
        assert [[m.name, m.offset_data, m.size] for m in tar] == [place[:3] for place in sidecar["members"]]  # type: ignore[attr-defined]


def test_an_eye_in_a_set_of_faces_is_kept_out(tmp_path: Path, raw_set: RawSet) -> None:
    records = [replace(raw_set.records[0], geometry=None), raw_set.records[1]]
    shown = partial(pictures.photo_file, Raw(raw_set.root))
    sidecar = write_shard(tmp_path, PLAN, records, picture=shown, spec=SMALL_SPEC, jpeg_quality=90)
    assert [(r["reason"], r["error"]) for r in sidecar["rejects"]] == [("one_eye", "PhotoError")]
    assert sidecar["num_samples"] == 1
