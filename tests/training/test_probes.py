"""What features tell, on features of which we know it: by hand, against least squares, and nothing from noise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from slyk.geometry.angles import Array, pitchyaw_from_vector
from slyk.training.probes import (
    CONTROLS,
    Seen,
    _left_out,
    direction_probe,
    expression_probe,
    fit_ridge,
    nearest_of_others,
    neighbours,
)

Names = NDArray[np.str_]


def people_of(count: int, num_people: int) -> Names:
    """Photos of each person side by side."""
    return np.array([f"p{number * num_people // count}" for number in range(count)])


def seen(features: Array, people: Names, gaze: Array | None = None, expressions: Names | None = None) -> Seen:
    nothing = np.full((len(people), 2), np.nan)
    names = np.full(len(people), "") if expressions is None else expressions
    return Seen(features, people, nothing if gaze is None else gaze, nothing, names)


def least_squares(x: Array, y: Array, penalty: float, weighing: Array | float = 1.0) -> tuple[Array, Array]:
    """Weights and bias by the rows that stand for a penalty, none for the bias. weighing (N, 1): of photos."""
    count, width = x.shape
    root = np.sqrt(np.broadcast_to(weighing, (count, 1)))
    rows = np.block([[root * x, root], [np.sqrt(penalty) * np.eye(width), np.zeros((width, 1))]])
    found = np.linalg.lstsq(rows, np.vstack([root * y, np.zeros((width, y.shape[1]))]))[0]
    return found[:-1], found[-1]


def test_ridge_by_hand() -> None:
    """Features of mean 3 and deviation 2: w = sum(x y) / (N + N alpha) = 8 / (4 + 4)."""
    features, targets = np.array([[1.0], [1], [5], [5]]), np.array([[0.0], [2], [4], [6]])
    ridge = fit_ridge(features, targets, np.array(["a", "b", "a", "b"]), alphas=(1.0,))
    assert [float(part.item()) for part in ridge[:4]] == pytest.approx([3, 2, 1, 3])
    np.testing.assert_allclose(ridge(np.array([[7.0], [3.0]])), [[5.0], [3.0]])


@pytest.mark.parametrize("num_features", [5, 60])
@pytest.mark.parametrize("alpha", [0.01, 3.0])
def test_ridge_is_the_least_squares_of_its_penalty(num_features: int, alpha: float) -> None:
    """With fewer features than photos, and with more."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(24, num_features)) * rng.uniform(0.1, 9, num_features) + 4
    targets, people = rng.normal(size=(24, 3)), people_of(24, 4)
    ridge = fit_ridge(features, targets, people, alphas=(alpha,))
    x = (features - features.mean(axis=0)) / features.std(axis=0)
    weights, bias = least_squares(x, targets, 24 * alpha)
    np.testing.assert_allclose(ridge.weights, weights, atol=1e-10)
    np.testing.assert_allclose(ridge(features), x @ weights + bias, atol=1e-10)


@pytest.mark.parametrize("num_features", [5, 60])
def test_the_error_for_people_left_out_is_that_of_fits_without_them(num_features: int) -> None:
    """Of photos that weigh differently; some weigh as two."""
    rng = np.random.default_rng(2)
    x, y, people = rng.normal(size=(23, num_features)), rng.normal(size=(23, 2)), people_of(23, 4)
    weighing = rng.integers(1, 3, (23, 1)).astype(np.float64)
    root = np.sqrt(weighing / weighing.mean())
    centred = root * (x - (root**2 * x).mean(axis=0))
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    own = [np.flatnonzero(people == person) for person in np.unique(people)]
    for penalty in (0.5, 40.0):
        errors = 0.0
        for person in np.unique(people):
            out = people == person
            weights, bias = least_squares(x[~out], y[~out], penalty, root[~out] ** 2)
            errors += float(np.sum(root[out] ** 2 * (x[out] @ weights + bias - y[out]) ** 2))
        kept = values**2 / (values**2 + penalty)
        assert _left_out(left, kept, root, root * y, own) == pytest.approx(errors, rel=1e-9)


def test_a_photo_of_weight_two_is_two_photos() -> None:
    rng = np.random.default_rng(9)
    features, targets, people = rng.normal(size=(20, 6)), rng.normal(size=(20, 2)), people_of(20, 4)
    twice = np.concatenate([np.arange(20), np.arange(0, 20, 2)])
    weights = np.where(np.arange(20) % 2, 1.0, 2.0)
    one = fit_ridge(features, targets, people, weights=weights)
    other = fit_ridge(features[twice], targets[twice], people[twice])
    assert one.alpha == other.alpha
    np.testing.assert_allclose(one(features), other(features), atol=1e-10)


def test_the_penalty_is_chosen_by_people_and_not_by_photos() -> None:
    """Features that know who somebody is, and a target that each person has their own: for others they know nothing."""
    rng = np.random.default_rng(3)
    people = people_of(80, 8)
    who = (people[:, None] == np.unique(people)).astype(np.float64)
    features = who @ rng.normal(size=(8, 40)) + 0.1 * rng.normal(size=(80, 40))
    targets = who @ rng.normal(size=(8, 1))
    assert fit_ridge(features, targets, people).alpha >= 10
    photos = np.array([f"{number}" for number in range(80)])
    assert fit_ridge(features, targets, photos).alpha <= 0.01


def test_a_feature_that_never_varies_is_no_feature() -> None:
    rng = np.random.default_rng(4)
    features, targets, people = rng.normal(size=(12, 2)), rng.normal(size=(12, 1)), people_of(12, 3)
    more = np.hstack([features, np.full((12, 1), 0.1)])
    with_it, without = (fit_ridge(some, targets, people) for some in (more, features))
    np.testing.assert_allclose(with_it(more), without(features))
    changed = more + np.array([0, 0, 5])
    np.testing.assert_allclose(with_it(changed), without(features))


def test_one_person_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="4 photos of fewer than two people"):
        fit_ridge(np.eye(4), np.eye(4), np.array(["a"] * 4))


def gaze_from(features: Array) -> Array:
    """Directions that are a linear function of the first three features, but for their length."""
    vectors = np.concatenate([0.3 * features[:, :2], -np.ones((len(features), 1))], axis=1)
    return pitchyaw_from_vector(vectors)


def test_directions_in_features_are_found() -> None:
    rng = np.random.default_rng(5)
    features, others = rng.normal(size=(200, 20)), rng.normal(size=(60, 20))
    fitted = seen(features, people_of(200, 8), gaze_from(features))
    judged = seen(others, people_of(60, 3), gaze_from(others))
    told = direction_probe(fitted, judged, "gaze")
    assert told["gaze_probe_deg"] < 4 < 16 < told["gaze_mean_deg"]
    assert direction_probe(fitted, judged, "head") == {}


def test_photos_without_a_label_are_left_out() -> None:
    rng = np.random.default_rng(5)
    features, others = rng.normal(size=(200, 20)), rng.normal(size=(60, 20))
    gaze, true = gaze_from(features), gaze_from(others)
    gaze[::2], true[:30] = np.nan, np.nan
    people, strangers = people_of(200, 8), people_of(60, 3)
    told = direction_probe(seen(features, people, gaze), seen(others, strangers, true), "gaze")
    some = direction_probe(
        seen(features[1::2], people[1::2], gaze[1::2]), seen(others[30:], strangers[30:], true[30:]), "gaze"
    )
    assert told == some and np.isfinite(list(told.values())).all()


def test_noise_tells_no_more_than_the_mean() -> None:
    rng = np.random.default_rng(6)
    fitted = seen(rng.normal(size=(200, 50)), people_of(200, 8), rng.uniform(-0.5, 0.5, (200, 2)))
    judged = seen(rng.normal(size=(100, 50)), people_of(100, 4), rng.uniform(-0.5, 0.5, (100, 2)))
    told = direction_probe(fitted, judged, "gaze")
    assert told["gaze_probe_deg"] == pytest.approx(told["gaze_mean_deg"], rel=0.03)


def test_classes_in_features_are_found_and_weigh_alike() -> None:
    """Nine photos in ten are neutral: who says so always is right in half of the classes of two."""
    rng = np.random.default_rng(7)
    names = np.where(np.arange(200) % 10 == 0, "fear", "neutral")
    others = np.where(np.arange(100) % 10 == 0, "fear", "neutral")
    told = [
        expression_probe(
            seen(signal * (names[:, None] == "fear") + rng.normal(size=(200, 4)), people_of(200, 5), None, names),
            seen(signal * (others[:, None] == "fear") + rng.normal(size=(100, 4)), people_of(100, 5), None, others),
        )
        for signal in (8.0, 0.0)
    ]
    assert told[0] == {"expression_probe": 1.0, "expression_chance": 0.5}
    assert told[1] == {"expression_probe": pytest.approx(0.5, abs=0.1), "expression_chance": 0.5}


def test_expressions_need_two_classes_that_both_have() -> None:
    rng = np.random.default_rng(8)
    features, people = rng.normal(size=(20, 3)), people_of(20, 4)
    names = np.array(["fear", "anger"] * 10)
    fitted = seen(features, people, None, names)
    alone = np.where(names == "fear", "fear", "")
    assert expression_probe(fitted, seen(features, people, None, alone)) == {}
    assert expression_probe(seen(features, people, None, alone), fitted) == {}
    unknown = np.where(np.arange(20) < 6, "sadness", names)
    told = expression_probe(fitted, seen(features, people, None, unknown))
    assert told["expression_chance"] == 0.5


def test_neighbours_by_hand() -> None:
    """Features turned by 0, 10, 40 and 60 degrees, of a, a, b, b; gaze by 0, 8, 16 and 32 in yaw."""
    turned = np.radians([0.0, 10, 40, 60])
    features = np.stack([np.cos(turned), np.sin(turned)], axis=1) * [[1], [5], [2], [0.1]]
    people = np.array(["a", "a", "b", "b"])
    gaze = np.stack([np.zeros(4), np.radians([0.0, 8, 16, 32])], axis=1)
    np.testing.assert_array_equal(
        nearest_of_others(features, people, 3), [[2, 3, -1], [2, 3, -1], [1, 0, -1], [1, 0, -1]]
    )
    told = neighbours(seen(features, people, gaze))
    assert told["neighbour_same_person"] == 1.0
    assert told["random_same_person"] == pytest.approx(4 / 12)
    assert told["neighbour_gaze_deg"] == pytest.approx((16 + 8 + 8 + 24) / 4)
    assert told["random_gaze_deg"] == pytest.approx((16 + 32 + 8 + 24) / 4)
    assert set(neighbours(seen(features, people))) == {"neighbour_same_person", "random_same_person"}
    assert neighbours(seen(features, np.full(4, "a"), gaze)) == {}
    assert {"random_gaze_deg", "random_same_person"} <= CONTROLS
