"""The experiment on objectives: how faces are turned and judged, and its tables; every way makes its network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.objective_probes import by_pixels, equivariance, turned
from benchmarks.objective_runs import WAYS, trainable_of, vectors
from benchmarks.objective_tables import interval, people_deg, tables
from benchmarks.objectives import plain
from slyk.errors import DataMissingError
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.models.encoder import Images
from slyk.shards.read import ShardSet


def test_labels_turn_with_faces(samples: ShardSet) -> None:
    """Counter-clockwise, x right, y down, each by its own angle; a face that is not turned is the plain one."""
    angles = np.linspace(-30, 30, len(samples))
    found = turned(samples, angles, 48, by_pixels)
    before, after = (vector_from_pitchyaw(gaze) for gaze in (samples.gaze, found.gaze))
    for angle, one, other in zip(np.radians(angles), before, after, strict=True):
        c, s = np.cos(angle), np.sin(angle)
        np.testing.assert_allclose(other, [c * one[0] + s * one[1], -s * one[0] + c * one[1], one[2]], atol=1e-9)
    upright = turned(samples, np.zeros(len(samples)), 48, by_pixels)
    np.testing.assert_allclose(upright.gaze, samples.gaze, atol=1e-12)
    assert upright.features.shape == (len(samples), 24 * 24 + 2 * 12 * 20)
    assert np.abs(upright.features[0] - found.features[0]).max() > 10


def test_who_knows_nothing_is_a_constant(samples: ShardSet) -> None:
    """Features that never vary: the answer is the mean, turned or not."""

    def blind(images: Images) -> Array:
        return np.ones((len(images.face), 3))

    upright = [turned(samples, np.zeros(len(samples)), 48, blind)] * 2
    found = equivariance(samples, samples, 48, blind, upright)
    assert found["not_turned_deg"] == pytest.approx(0, abs=1e-6)
    assert found["error_deg"] == pytest.approx(found["constant_error_deg"], rel=0.2)
    assert found["equivariance_error_deg"] < found["error_deg"]


def test_vectors_are_those_of_the_convention() -> None:
    angles = np.random.default_rng(0).uniform(-1, 1, (9, 2))
    np.testing.assert_allclose(vectors(torch.from_numpy(angles)), vector_from_pitchyaw(angles), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_every_way_makes_its_network(name: str) -> None:
    way = WAYS[name]
    module = trainable_of(way).module
    assert len(way.views) >= (1 if way.objective == "supervised" else module.num_views)
    assert plain(name).replace("_", "").isalnum()


def result(way: str, seed: int, error: float) -> dict[str, Any]:
    turns = ("upright_error_deg", "error_deg", "equivariance_error_deg", "not_turned_deg")
    constant = ("constant_error_deg", "constant_equivariance_error_deg")
    figures = {
        "gaze_probe_deg": error, "gaze_mean_deg": 20.0, "head_probe_deg": 5.0, "head_mean_deg": 15.0,
        "expression_probe": 0.5, "expression_chance": 0.125, "neighbour_gaze_deg": 9.0, "random_gaze_deg": 21.0,
        "neighbour_same_person": 0.25, "random_same_person": 0.125,
        "people_deg": {"a": error - 1, "b": error + 1}, "turned": dict.fromkeys((*turns, *constant), error),
    }  # fmt: skip
    return {"way": way, "seed": seed, "steps": 10, "images": 640, "features": {"embedding": figures}}


def test_tables(tmp_path: Path) -> None:
    """The best first, a mean of seeds with the seeds beside it, an interval over people."""
    for way, errors in (("worse", (12.0, 13.0)), ("better", (8.0, 8.5))):
        for seed, error in enumerate(errors):
            (tmp_path / f"{way}-{seed}.json").write_text(json.dumps(result(way, seed, error)))
    lines = tables(tmp_path).splitlines()
    assert lines[2].startswith("| better | 10, 640 | 8.25 [7.25, 9.25] | 8.00, 8.50 | 5.00 | 0.50 | 9.0 | 0.25 |")
    assert lines[3].startswith("| worse | 10, 640 | 12.50 [")
    assert "| 20.00 |" in lines[4]


def test_the_interval_is_over_people() -> None:
    same = [result("x", seed, 8.0) for seed in range(3)]
    assert interval(people_deg(same, "embedding").mean(axis=0)) == (7.0, 9.0)


def test_differences_are_of_the_same_people_and_seeds(tmp_path: Path) -> None:
    for way, errors in (("mbyol", (12.0, 13.0)), ("byol", (8.0, 8.5, 30.0))):
        for seed, error in enumerate(errors):
            (tmp_path / f"{way}-{seed}.json").write_text(json.dumps(result(way, seed, error)))
    assert tables(tmp_path).splitlines()[-1] == "| mbyol | byol | +4.25 [+4.25, +4.25] | +4.00, +4.50 |"


def test_regions_are_of_the_seeds_that_found_some(tmp_path: Path) -> None:
    for seed, value in enumerate((0.1, 0.2)):
        found = result("region_awareness", seed, 9.0) | {"regions": {"regions of the network": value, "chance": 0.3}}
        (tmp_path / f"region_awareness-{seed}.json").write_text(json.dumps(found))
    assert tables(tmp_path).splitlines()[-2:] == [
        "| chance | 0.300 | 0.300, 0.300 |",
        "| regions of the network | 0.150 | 0.100, 0.200 |",
    ]


def test_no_results_and_damaged_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"holds no results: run `python -m benchmarks.objectives`"):
        tables(tmp_path)
    for text in ('{"way": ', '{"way": "byol"}', "[]", "1"):
        (tmp_path / "byol-0.json").write_text(text)
        with pytest.raises(DataMissingError, match=r"byol-0\.json holds no result: delete it"):
            tables(tmp_path)
