"""Sets that show one eye a photo: written, read by us and by stock WebDataset, refused where faces are needed."""

import gc
import json
import pickle
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import webdataset

from jobs.pretrain import training_sources
from slyk.config import Params
from slyk.datasets import pictures
from slyk.datasets.raw import Raw
from slyk.errors import CorruptShardError, ParamsError
from slyk.geometry.angles import angular_error, vector_from_pitchyaw
from slyk.shards import manifest
from slyk.shards.read import ShardSet
from slyk.shards.sample import EYE_MEMBERS, EyeSample, decode_eye
from slyk.shards.write import ShardPlan, write_shard
from tests.drawn import RawSet, write_shards
from tests.eyes import EYE_SPEC, draw_eye_set


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawSet:
    return draw_eye_set(tmp_path_factory.mktemp("raw"), num_groups=3, num_photos=4)


@pytest.fixture
def folder(tmp_path: Path, raw: RawSet) -> Path:
    write_shards(tmp_path / "eyes", raw, EYE_SPEC, dataset="eyes")
    return tmp_path / "eyes"


def test_every_eye_comes_back(folder: Path, raw: RawSet) -> None:
    found = ShardSet[EyeSample].open(folder)
    assert found.manifest.members == EYE_MEMBERS and found.manifest.crops == {"one_eye_px": 96}
    assert [sample.key for sample in found] == [record.key for record in raw.records]
    for sample, record in zip(found, raw.records, strict=True):
        assert sample.eye.shape == (72, 96, 3) and sample.group == record.group and sample.photo == record.photo
        assert (sample.known, sample.center, sample.tags) == ("guessed", "unknown", ("still",))
        assert sample.labels == record.labels
        assert sample.gaze is not None and record.gaze is not None
        assert angular_error(vector_from_pitchyaw(sample.gaze), record.gaze) < 1e-8
        middle = np.mean(cv2.perspectiveTransform(np.array([sample.labels["pupil_px"]]), sample.eye_from_photo)[0], 0)
        x, y = np.rint(middle).astype(int)
        assert sample.eye[y, x].max() < 60
    assert found.gaze.shape == (12, 2) and np.isfinite(found.gaze).all() and np.isnan(found.head).all()


def test_loader_workers_open_their_own_files(folder: Path) -> None:
    found = ShardSet[EyeSample].open(folder, ["e1"])
    other: ShardSet[EyeSample] = pickle.loads(pickle.dumps(found))
    assert {sample.group for sample in other} == {"e1"}
    np.testing.assert_array_equal(other[2].eye, found[2].eye)


def test_stock_webdataset_reads_the_same(folder: Path) -> None:
    tars = [str(folder / f"{shard.name}.tar") for shard in manifest.load(folder).shards]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves the closing of files to the garbage collector
        bare = list(webdataset.WebDataset(tars, shardshuffle=False))
        shown = list(webdataset.WebDataset(tars, shardshuffle=False).decode("rgb8"))
        gc.collect()
    for stock, picture, ours in zip(bare, shown, ShardSet[EyeSample].open(folder), strict=True):
        assert {name for name in stock if not name.startswith("__")} == set(EYE_MEMBERS)
        np.testing.assert_array_equal(decode_eye(stock["__key__"], stock).eye, ours.eye)
        assert ours.gaze is not None and np.allclose(picture["json"]["gaze"], ours.gaze)
        assert cv2.absdiff(picture["eye.jpg"][..., ::-1], ours.eye).max() < 12  # another JPEG decoder


def test_the_sidecar_tells_what_was_measured(folder: Path) -> None:
    sidecar = json.loads((folder / "e0-00000.json").read_bytes())
    assert sidecar["num_samples"] == sidecar["num_labelled"] == 4
    for row in sidecar["measures"].values():
        assert set(row) == {
            *("luminance", "contrast", "sharpness", "phash", "dark", "gaze", "tags", "expression")
        }  # fmt: skip
        assert row["tags"] == ["still"] and row["expression"] is None and len(row["dark"]) == 2


def test_those_who_need_faces_are_told(folder: Path, params: Params) -> None:
    with pytest.raises(ParamsError, match="eyes shows one eye a photo and no face; it is for landmarks: take it out"):
        training_sources(params, ("eyes",), folder.parent)
    with pytest.raises(ParamsError, match="it is for landmarks"):
        _ = ShardSet.open(folder).spec


def test_samples_of_the_other_kind_are_refused(folder: Path, raw: RawSet) -> None:
    about = manifest.load(folder)
    sidecars = [json.loads((folder / f"{shard.name}.json").read_bytes()) for shard in about.shards]
    manifest.write(folder, "eyes", about.licence, about.crops, sidecars)  # as of faces
    with pytest.raises(CorruptShardError, match=r"sample e0/000 has members \['eye.jpg', 'json'\]"):
        ShardSet.open(folder)


def test_the_same_plan_gives_the_same_bytes_and_broken_photos_are_told(tmp_path: Path, raw: RawSet) -> None:
    shown = partial(pictures.photo_file, Raw(raw.root))
    records = [replace(raw.records[0], photo="e0/none.png"), *raw.records[1:4]]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        plan = ShardPlan("e0-00000", "e0", "train", "digest")
        told = write_shard(tmp_path / name, plan, records, picture=shown, spec=EYE_SPEC, jpeg_quality=90)
    assert [(r["reason"], r["error"]) for r in told["rejects"]] == [("not_found", "PhotoError")]
    for file in ("e0-00000.tar", "e0-00000.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
