"""True regions in the face that a network sees."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.region_agreement import class_map, true_regions
from slyk.datasets import pictures, synthetic
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions
from slyk.errors import SlykError
from slyk.geometry.camera import project
from slyk.shards import manifest
from slyk.shards.read import ShardSet
from slyk.shards.write import ShardPlan, write_shard
from slyk.synthetic.regions import Region
from slyk.views.augmentation import unchanged
from tests.drawn import SMALL_SPEC
from tests.layouts.rendered import Rendered


def test_a_place_has_the_class_that_covers_most_of_it() -> None:
    """The mask moved by a pixel; iris, pupil and sclera are one; what lies beyond the photo is background."""
    mask = np.full((8, 8), Region.SKIN, np.uint8)
    mask[4:, 4:] = [[Region.IRIS, Region.PUPIL, Region.SKIN, Region.HAIR]] * 4
    np.testing.assert_array_equal(class_map(mask, np.eye(3), 8, (2, 2)), [[1, 1], [1, 3]])
    moved = np.array([[1.0, 0, 6], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(class_map(mask, moved, 8, (2, 2)), [[0, 0], [0, 0]])
    np.testing.assert_array_equal(class_map(mask, np.eye(3), 8, (8, 4))[:2], np.full((2, 4), 1))


def test_eyes_of_renders_lie_where_the_face_shows_them(rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    root, rows = rendered("wide")
    outcomes = synthetic.read(Raw(root), [row["photo"] for row in rows], ReadOptions())
    records = [record for outcome in outcomes for record in outcome.records]
    plan, picture = ShardPlan("all-00000", "all", "train", "plan"), partial(pictures.photo_file, Raw(root))
    sidecar = write_shard(tmp_path, plan, records, picture=picture, spec=SMALL_SPEC, jpeg_quality=90)
    manifest.write(tmp_path, "synthetic", "Apache-2.0", SMALL_SPEC.as_dict(), [sidecar])
    shards = ShardSet.open(tmp_path)
    side = 56
    found = true_regions(shards, np.arange(len(shards)), root, side, (side, side))
    to_view = np.linalg.inv(np.vstack([unchanged(1, shards.spec, side).warps[0, 0], [0, 0, 1]]))
    right = 0
    for sample, record, classes in zip(shards, records, found, strict=True):
        eyes = project(record.face.camera, record.face.eyes_mm)[None]
        for x, y in np.rint(cv2.perspectiveTransform(eyes, to_view @ sample.face_from_photo)[0]).astype(int):
            right += Region.EYES in classes[y - 1 : y + 2, x - 1 : x + 2]
    assert len(records) >= 5 and right >= 0.8 * 2 * len(records)
    shares = np.bincount(found.ravel(), minlength=16) / found.size
    assert shares[Region.SKIN] > 0.3 and shares[Region.NOSE] > 0.01 and shares[Region.LIPS] > 0.01
    pq.write_table(pq.read_table(root / "annotations.parquet").slice(0, 0), tmp_path / "annotations.parquet")
    with pytest.raises(SlykError, match="has no photo"):
        true_regions(shards, np.arange(1), tmp_path, side, (4, 4))
