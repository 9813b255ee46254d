"""Shards: the same bytes each time, whole or absent, broken photos told."""

import json
import shutil
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from slyk.datasets import pictures
from slyk.datasets.raw import Raw
from slyk.shards.write import ShardPlan, is_complete, sidecar_path, write_shard
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
    assert sidecar == json.loads(sidecar_path(tmp_path, "p000-00000").read_bytes())
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
    assert [(r["key"], r["stage"], r["reason"]) for r in sidecar["rejects"]] == [
        ("p000/001", "normalize", "truncated"),
        ("p000/002", "normalize", "not_found"),
        ("p000/003", "normalize", "face_behind_camera"),
    ]


def test_complete_is_this_plan_byte_for_byte(tmp_path: Path, raw_set: RawSet) -> None:
    assert not is_complete(tmp_path, PLAN)
    write(tmp_path, raw_set)
    assert is_complete(tmp_path, PLAN)
    assert not is_complete(tmp_path, replace(PLAN, digest="of other parameters"))
    tar = tmp_path / "p000-00000.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:-1])
    assert not is_complete(tmp_path, PLAN)
    tar.write_bytes(whole)
    sidecar_path(tmp_path, "p000-00000").write_text("{")
    assert not is_complete(tmp_path, PLAN)
    sidecar_path(tmp_path, "p000-00000").unlink()
    assert not is_complete(tmp_path, PLAN)
