"""The pinhole camera."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slyk.geometry.camera import camera_matrix, guess_camera, project, rays


def test_a_point_by_hand() -> None:
    """100 mm right and 50 mm below at 500 mm through 1000 px: 200 and 100 px from the centre."""
    camera = camera_matrix(1000.0, (320.0, 240.0))
    np.testing.assert_allclose(project(camera, np.array([100.0, 50.0, 500.0])), [520.0, 340.0])
    np.testing.assert_allclose(project(camera, np.array([0.0, 0.0, 7.0])), [320.0, 240.0])


def test_a_guessed_camera() -> None:
    np.testing.assert_array_equal(guess_camera(640, 480), [[640, 0, 320], [0, 640, 240], [0, 0, 1]])
    assert guess_camera(300, 900)[0, 0] == 900


@given(st.floats(-500, 500), st.floats(-500, 500), st.floats(100, 2000))
def test_rays_go_through_the_points_they_show(x: float, y: float, z: float) -> None:
    camera, point = camera_matrix(800.0, (300.0, 200.0)), np.array([x, y, z])
    ray = rays(camera, project(camera, point))
    assert np.linalg.norm(ray) == pytest.approx(1.0)
    np.testing.assert_allclose(ray * np.linalg.norm(point), point, atol=1e-6)


def test_shapes() -> None:
    camera = camera_matrix(800.0, (300.0, 200.0))
    assert project(camera, np.ones((4, 6, 3))).shape == (4, 6, 2)
    assert rays(camera, np.ones((4, 6, 2))).shape == (4, 6, 3)
    assert rays(camera, np.array([300, 200])).tolist() == [0.0, 0.0, 1.0]
