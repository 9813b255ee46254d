"""The image of a circle: by hand where it is as good as orthographic."""

import numpy as np
import pytest

from slyk.geometry.ellipse import Ellipse, circle_ellipse, shrunk_to_hold


@pytest.mark.parametrize(
    ("normal", "angle", "width", "height"),
    [((0.6, 0.0, -0.8), 0.0, 16.0, 20.0), ((0.0, 0.6, -0.8), 90.0, 16.0, 20.0)],
)
def test_a_circle_turned_aside_is_narrow_that_way(
    normal: tuple[float, ...], angle: float, width: float, height: float
) -> None:
    """A circle of 1 mm a metre away, 10 px a millimetre there: as good as orthographic."""
    camera = np.array([[10000.0, 0, 50], [0, 10000.0, 40], [0, 0, 1]])
    found = circle_ellipse(camera, np.array([0.0, 0.0, 1000.0]), np.array(normal), 1.0)
    assert found == pytest.approx((angle, 50, 40, width, height), abs=0.02)


def test_an_ellipse_shrinks_until_an_axis_of_the_inner_one_fits() -> None:
    outer, inner = Ellipse(30.0, 5.0, 6.0, 16.0, 20.0), Ellipse(70.0, 4.0, 6.0, 6.0, 10.0)
    assert shrunk_to_hold(outer, inner) == pytest.approx((30.0, 5.0, 6.0, 8.0, 10.0))
