"""Regions without names against regions with names."""

import numpy as np
import pytest

from slyk.training.agreement import agreement, cells, clusters, scattered

TRUE = np.array([[[1, 1, 5], [1, 9, 5]]])


def test_names_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 6, (20, 5, 5))
    for _ in range(4):
        found = rng.permutation(6)[true]
        result = agreement(found, true, 6)
        assert result.mean_iou == 1.0
        assert all(found[true == known][0] == region for region, known, _ in result.pairs)


def test_a_matching_by_hand() -> None:
    """Region 0 covers two of three places of class 1 and one of class 5: IoU 2/4; region 1 one of class 5 of two places
    in all, 1/2; region 2 the rest: one of class 1 and the one of class 9, 1/2."""
    found = np.array([[[0, 0, 0], [2, 2, 1]]])
    result = agreement(found, TRUE, 3)
    assert sorted(result.pairs) == [(0, 1, 0.5), (1, 5, 0.5), (2, 9, 0.5)]
    assert result.mean_iou == 0.5


def test_the_best_matching_is_not_the_greedy_one() -> None:
    """Region 0 fits class 0 best (6/14), but then region 1 has nothing."""
    both = {(0, 0): 6, (0, 1): 4, (1, 0): 4, (1, 1): 0}
    found = np.repeat([f for f, _ in both], list(both.values()))[None, None]
    true = np.repeat([t for _, t in both], list(both.values()))[None, None]
    result = agreement(found, true, 2)
    assert sorted(result.pairs) == [(0, 1, 4 / 10), (1, 0, 4 / 10)]


def test_more_classes_than_regions_and_fewer() -> None:
    assert len(agreement(np.zeros_like(TRUE), TRUE, 1).pairs) == 1
    assert agreement(np.zeros_like(TRUE), TRUE, 1).pairs[0] == (0, 1, 0.5)
    assert len(agreement(np.zeros_like(TRUE), TRUE, 7).pairs) == 3
    with pytest.raises(ValueError, match=r"regions of shape \(1, 2, 2\), classes of shape \(1, 2, 3\)"):
        agreement(TRUE[:, :, :2], TRUE, 3)


def test_chance_agrees_little() -> None:
    """Of 8 even classes: a region shares 1/64 of the places with one, of 15/64 in either."""
    true = np.random.default_rng(1).integers(0, 8, (400, 6, 6))
    assert agreement(scattered(8, true.shape, 2), true, 8).mean_iou == pytest.approx(1 / 15, abs=0.01)


def test_clusters_of_features_that_are_regions() -> None:
    rng = np.random.default_rng(3)
    true = rng.integers(0, 4, (10, 4, 4))
    features = 9 * np.eye(4)[true] + rng.normal(size=(10, 4, 4, 4))
    assert agreement(clusters(features, 4, seed=0), true, 4).mean_iou > 0.95
    np.testing.assert_array_equal(clusters(features, 4, seed=0), clusters(features, 4, seed=0))


def test_cells_are_alike_in_all_photos_and_lie_together() -> None:
    found = cells(4, (3, 6, 6))
    assert found.shape == (3, 6, 6) and set(found.ravel()) == {0, 1, 2, 3}
    assert (found == found[:1]).all()
    for number in range(4):
        rows, columns = np.nonzero(found[0] == number)
        assert max(np.ptp(rows), np.ptp(columns)) <= 4
