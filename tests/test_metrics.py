"""Figures worked by hand, and the laws of the intervals."""

import numpy as np
import pytest

from slyk import metrics


def test_errors_by_hand() -> None:
    """From straight ahead 10 deg up, 90 deg aside, and nothing at all."""
    true = np.zeros((3, 2))
    pred = np.radians([[10.0, 0.0], [0.0, 90.0], [0.0, 0.0]])
    np.testing.assert_allclose(metrics.errors_deg(pred, true), [10.0, 90.0, 0.0], atol=1e-9)


def test_yaw_weighs_less_where_pitch_is_steep() -> None:
    """At 60 deg pitch, a small yaw step covers half of its angle: cos 60 = 0.5."""
    pitch = np.radians(60.0)
    error = metrics.errors_deg(np.array([[pitch, 0.01]]), np.array([[pitch, 0.0]]))
    np.testing.assert_allclose(error, np.degrees(0.005), rtol=1e-4)


def test_mean_direction_lies_between() -> None:
    angles = np.radians([[0.0, 30.0], [0.0, -10.0], [20.0, 10.0], [-20.0, 10.0]])
    np.testing.assert_allclose(np.degrees(metrics.mean_direction(angles)), [0.0, 10.0], atol=1e-9)


def test_explained_variance_by_hand() -> None:
    """Column 0: SSE 1, SST 2. Column 1 is predicted by its mean."""
    true = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]])
    pred = np.array([[0.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(metrics.explained_variance(pred, true), [0.5, 0.0])
    np.testing.assert_allclose(metrics.explained_variance(true, true), [1.0, 1.0])
    np.testing.assert_allclose(metrics.explained_variance(true, np.ones((3, 2))), [0.0, 0.0])


def test_person_means() -> None:
    assert metrics.person_means(np.array([1.0, 3.0, 5.0]), ["b", "b", "a"]) == {"a": 5.0, "b": 2.0}


def test_mean_counts_photos_not_people() -> None:
    result = metrics.bootstrap_mean(np.array([1.0, 1.0, 1.0, 5.0]), ["a", "a", "a", "b"], num_samples=500, seed=1)
    assert result.mean == 2.0
    assert (result.low, result.high) == (1.0, 5.0)  # both draws may be the same person


def test_interval_is_over_people() -> None:
    """One person's many photos are no evidence: repeating each photo 100 times leaves the interval as it was."""
    values, people = np.random.default_rng(2).normal(5, 1, 8), [f"p{i}" for i in range(8)]
    once = metrics.bootstrap_mean(values, people, num_samples=400, seed=3)
    often = metrics.bootstrap_mean(np.tile(values, 100), people * 100, num_samples=400, seed=3)
    np.testing.assert_allclose(once, often)
    assert once.low < once.mean < once.high


def test_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(4)
    people = [str(i // 5) for i in range(200)]
    covered = 0
    for seed in range(200):
        values = np.repeat(rng.normal(0, 1, 40), 5) + rng.normal(0, 1, 200)
        interval = metrics.bootstrap_mean(values, people, num_samples=300, seed=seed)
        covered += interval.low <= 0 <= interval.high
    assert 175 <= covered <= 199


def test_paired_interval_sees_what_separate_ones_hide() -> None:
    """People differ by degrees, the models by 0.1 each: the pair is sure, the single means overlap."""
    rng = np.random.default_rng(5)
    people = [f"p{i}" for i in range(12)]
    b = rng.normal(6, 2, 12)
    a = b + 0.1 + rng.normal(0, 0.01, 12)
    paired = metrics.paired_bootstrap(a, b, people, num_samples=500, seed=6)
    assert 0.05 < paired.low < paired.mean < paired.high < 0.15
    swapped = metrics.paired_bootstrap(b, a, people, num_samples=500, seed=6)
    np.testing.assert_allclose([-swapped.high, -swapped.low], [paired.low, paired.high])
    single = metrics.bootstrap_mean(a, people, num_samples=500, seed=6)
    assert single.low < b.mean() < single.high


def test_the_same_seed_gives_the_same_interval() -> None:
    values, people = np.arange(10.0), list("aabbccddee")
    one, two, other = (metrics.bootstrap_mean(values, people, num_samples=200, seed=s) for s in (7, 7, 8))
    assert one == two != other


@pytest.mark.parametrize("people", [[], ["a"]])
def test_people_must_match_values(people: list[str]) -> None:
    with pytest.raises(ValueError, match=f"2 values for {len(people)} photos"):
        metrics.person_means(np.ones(2), people)
