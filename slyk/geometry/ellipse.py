"""The ellipse that a circle in space makes on a photo, in closed form."""

from typing import NamedTuple

import numpy as np

from slyk.geometry.camera import Array


class Ellipse(NamedTuple):
    """As OpenCV's fitEllipse gives it: width the shorter full axis and height the longer, px; angle: direction of the
    shorter axis in degrees, clockwise on the picture from image-right, 0 to 180; x, y: the centre."""

    angle: float
    x: float
    y: float
    width: float
    height: float


def circle_ellipse(camera: Array, center: Array, normal: Array, radius: float) -> Ellipse:
    """The image of a circle: centre (3,), unit normal (3,) and radius in mm, camera frame.

    Its plane maps to pixels by H = K [a b c], a and b across the normal, c the centre; the circle diag(1, 1, -r^2) of
    the plane becomes the conic H^-T diag(1, 1, -r^2) H^-1.
    """
    across = np.linalg.svd(normal[None])[2][1:]
    back = np.linalg.inv(camera @ np.column_stack([*across, center]))
    conic = back.T @ np.diag([1.0, 1.0, -(radius**2)]) @ back
    middle = np.linalg.solve(conic[:2, :2], -conic[:2, 2])
    level = -(conic[2] @ np.array([*middle, 1.0]))
    values, vectors = np.linalg.eigh(conic[:2, :2] / level)
    short = vectors[:, 1]  # the larger eigenvalue is the shorter axis
    width, height = 2 / np.sqrt(values[1]), 2 / np.sqrt(values[0])
    angle = np.rad2deg(np.arctan2(short[1], short[0])) % 180
    return Ellipse(float(angle), float(middle[0]), float(middle[1]), float(width), float(height))


def shrunk_to_hold(outer: Ellipse, inner: Ellipse) -> Ellipse:
    """`outer` scaled about its centre until neither of its axes is shorter than that of `inner`."""
    share = max(inner.width / outer.width, inner.height / outer.height)
    return outer._replace(width=share * outer.width, height=share * outer.height)
