"""Rendered sets in the layouts of real ones, from listing to shards, by the functions of the stages."""

import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.datasets.raw import Raw
from slyk.datasets.record import from_row
from slyk.datasets.registry import DATASETS, reader
from slyk.shards import manifest
from slyk.shards.crops import CropSpec
from slyk.shards.eyes import EyeSpec
from slyk.shards.read import ShardSet
from slyk.shards.sample import EYE_MEMBERS, EyeSample
from slyk.shards.write import ShardPlan, write_shard
from tests.datasets.trees import index_tree
from tests.drawn import shards_of
from tests.layouts.rendered import Export

LAYOUTS = ("mpiifacegaze", "gaze360", "xgaze", "xgaze_224", "raf_db")


@pytest.mark.parametrize("name", LAYOUTS)
def test_from_a_real_layout_to_shards(name: str, exported: Export, spec: CropSpec, tmp_path: Path) -> None:
    made, shards = exported(name), tmp_path / "shards"
    index_tree(name, made.out, tmp_path)
    sidecars, num_rows = [], 0
    for shard, rows in shards_of(tmp_path / "index.parquet"):
        records = [from_row(row) for row in rows]
        (split,) = {record.split for record in records}
        plan = ShardPlan(shard, records[0].group, split, "plan")
        picture = partial(reader(name).picture, Raw(made.out))
        sidecars.append(write_shard(shards, plan, records, picture=picture, spec=spec, jpeg_quality=95))
        num_rows += len(rows)
    manifest.write(shards, name, reader(name).LICENCE, spec.as_dict(), sidecars)
    samples = ShardSet.open(shards)
    assert [sidecar["rejects"] for sidecar in sidecars] == [[]] * len(sidecars) and len(samples) == num_rows > 0
    for sample in list(samples)[:3]:
        assert sample.face.std() > 5 and sample.known in ("measured", "aligned", "normalized")
    if name != "raf_db":
        assert sum(sample.gaze is not None for sample in samples) > len(samples) / 3


def test_from_videos_of_one_eye_to_shards(exported: Export, tmp_path: Path) -> None:
    """TEyeD: 384 x 288 frames become 192 x 144, contours in the photo's pixels lie on them by `eye_from_photo`."""
    made = exported("teyed")
    index_tree("teyed", made.out, tmp_path)
    sidecars = []
    for shard, rows in shards_of(tmp_path / "index.parquet"):
        records = [from_row(row) for row in rows]
        plan = ShardPlan(shard, records[0].group, records[0].split, "plan")
        picture = partial(reader("teyed").picture, Raw(made.out))
        sidecars.append(write_shard(tmp_path, plan, records, picture=picture, spec=EyeSpec(192), jpeg_quality=95))
    manifest.write(tmp_path, "teyed", reader("teyed").LICENCE, {"one_eye_px": 192}, sidecars, EYE_MEMBERS)
    samples = ShardSet[EyeSample].open(tmp_path)
    assert len(samples) == 20 and sum(np.isfinite(samples.gaze[:, 0])) > 10
    for sample in samples:
        assert sample.eye.shape == (144, 192, 3)
        points = cv2.perspectiveTransform(np.array([sample.labels["pupil_px"]]), sample.eye_from_photo)[0]
        x, y = np.rint(points.mean(axis=0)).astype(int)
        if sample.labels["pupil_valid"]:
            assert sample.eye[y - 1 : y + 2, x - 1 : x + 2].mean() < 0.5 * sample.eye.mean()


def test_a_photo_that_is_gone_is_told(exported: Export, tmp_path: Path) -> None:
    """Every label of a photo that nobody listed becomes a reject; the others are read."""
    root = tmp_path / "set"
    shutil.copytree(exported("mpiifacegaze").out, root)
    gone = next(root.glob("p00/day*/*.jpg"))
    gone.unlink()
    found = index_tree("mpiifacegaze", root, tmp_path)
    assert found.rejects == [(gone.relative_to(root).as_posix(), "photo_missing")]
    assert len(found.rows) + 1 == len(index_tree("mpiifacegaze", exported("mpiifacegaze").out, tmp_path).rows)


@pytest.mark.parametrize("name", DATASETS)
def test_each_reader_says_what_it_is(name: str) -> None:
    module = DATASETS[name]
    assert module.TITLE and module.LICENCE and module.SOURCE and 1 <= module.PER_TASK <= 1000
    assert np.all([callable(getattr(module, function)) for function in ("units", "read", "picture")])
