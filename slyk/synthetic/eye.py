"""One eye: the lids' curves, the eyeball behind them, solved exactly for each ray.

Millimetres in the eye's own frame: that of the head, moved to the eyeball's centre. A ball of 12 mm carries the flat
iris 10.4 mm before its centre (the chord of a 6 mm iris); the clear cornea makes the highlight only, refraction is off.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.expression import Expression
from slyk.synthetic.identity import Array, Identity
from slyk.synthetic.regions import Mask, Region

BALL_MM = 12.0
IRIS_PLANE_MM = 10.4
LID_MM = 13.3
"""Radius of the lids' outer surface."""
CORNEA_MM = 7.8
_CORNEA_CENTER_MM = 5.4
_FLAT_FROM_MM = 10.5
_FLAT_SLOPE = 0.8


@dataclass(frozen=True)
class Lids:
    """Opening of one eye in a photo. side: -1 the subject's right eye (image-left), +1 the left; the rest in mm."""

    side: float
    half_width_mm: float
    upper_mm: float
    lower_mm: float
    tilt_mm: float
    power: float

    def curves(self, x: Array) -> tuple[Array, Array]:
        """Heights of the upper and the lower edge at x; both the same beyond the corners."""
        s = np.clip(x * self.side / self.half_width_mm, -1.0, 1.0)
        line = -self.tilt_mm / 2 * s
        room = np.maximum(1 - s * s, 0.0)
        upper = line - self.upper_mm * room**self.power * (1 - 0.10 * s)
        lower = line + self.lower_mm * room ** (self.power * 1.1) * (1 + 0.10 * s)
        return np.asarray(upper), np.asarray(lower)

    def outline(self) -> Array:
        """34 points (34, 3) on the lids' surface: 17 of the upper edge image-left to image-right, 17 of the lower."""
        x = self.half_width_mm * -np.cos(np.linspace(0, np.pi, 17))
        upper, lower = self.curves(x)
        edge = np.concatenate([np.stack([x, upper], -1), np.stack([x, lower], -1)])
        return np.concatenate([edge, lid_depth(np.hypot(edge[:, 0], edge[:, 1]))[:, None]], axis=-1)

    def landmarks(self) -> Array:
        """The eye's six points (6, 3) of the 68, from the image-left corner along the upper lid and back below."""
        x = self.half_width_mm * np.array([-1.0, -0.4, 0.4, 1.0, 0.4, -0.4])
        upper, lower = self.curves(x)
        y = np.where(np.arange(6) < 4, upper, lower)
        return np.stack([x, y, lid_depth(np.hypot(x, y))], axis=-1)


def lid_depth(radius: Array) -> Array:
    """z of the surface on which the lids slide, by distance from the eye's axis: a sphere, flattened outwards."""
    inner = np.minimum(radius, _FLAT_FROM_MM)
    return np.asarray(-np.sqrt(LID_MM**2 - inner**2) + _FLAT_SLOPE * np.maximum(radius - _FLAT_FROM_MM, 0.0))


def lids_for(side: float, optical_axis: Array, person: Identity, expression: Expression, blink: float) -> Lids:
    """The lids of a gaze (optical axis (3,), head frame): they rest over the iris and follow it up and down; `blink`
    1 closes them at the lower lid."""
    rise = -IRIS_PLANE_MM * float(optical_axis[1])
    squint, widen = expression.squint, expression.widen
    upper = person.iris_radius_mm - person.lid_cover_mm + 0.78 * rise - 1.6 * squint + 1.8 * widen
    lower = person.iris_radius_mm - person.lid_lower_mm - 0.40 * rise - 1.8 * squint - 0.9 * expression.smile
    # looking down with squinted lids never closes the eye; a blink does, the upper lid coming down
    lower = max(lower, 3.0 - upper)
    upper = upper - blink * (upper + lower)
    return Lids(side, person.fissure_half_width_mm, upper, lower, person.canthal_tilt_mm, person.lid_power)


class Sight(NamedTuple):
    """What rays through the opening see: part (N,); point (N, 3) on the ball; normal (N, 3); rho (N,): distance from
    the iris's centre over its radius; turn (N,): angle around it."""

    part: Mask
    point: Array
    normal: Array
    rho: Array
    turn: Array


def look(origin: Array, directions: Array, axis: Array, iris_mm: float, pupil_mm: float) -> Sight:
    """Follows rays from `origin` (3,) along unit `directions` (N, 3) to the eyeball turned to `axis` (3,)."""
    along = directions @ origin
    root = along**2 - (origin @ origin - BALL_MM**2)
    ball = origin + (-along - np.sqrt(np.maximum(root, 0.0)))[:, None] * directions
    flat = origin + ((IRIS_PLANE_MM - origin @ axis) / (directions @ axis))[:, None] * directions
    off = flat - IRIS_PLANE_MM * axis
    rho = np.linalg.norm(off, axis=-1) / iris_mm
    iris = (rho < 1.0) & (directions @ axis < 0)
    white = np.where(root > 0, Region.SCLERA, Region.EYES)
    part = np.where(iris, np.where(rho * iris_mm < pupil_mm, Region.PUPIL, Region.IRIS), white)
    right, down = frame(axis)
    turn = np.arctan2(off @ down, off @ right)
    point = np.where(iris[:, None], flat, ball)
    return Sight(part.astype(np.uint8), point, point / BALL_MM, rho, turn)


def frame(axis: Array) -> tuple[Array, Array]:
    """Unit vectors across the iris: about image-right and about down."""
    right = np.cross(np.array([0.0, 1.0, 0.0]), -axis)
    right /= np.linalg.norm(right)
    return right, np.cross(-axis, right)


def ring(axis: Array, radius_mm: float) -> Array:
    """Eight points (8, 3) of a circle on the iris plane, clockwise on the picture from image-right."""
    right, down = frame(axis)
    t = np.arange(8)[:, None] * np.pi / 4
    return np.asarray(IRIS_PLANE_MM * axis + radius_mm * (np.cos(t) * right + np.sin(t) * down))


def cornea_normal(origin: Array, directions: Array, axis: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Normals (N, 3) of the cornea where rays meet it, and whether they do."""
    o = origin - _CORNEA_CENTER_MM * axis
    along = directions @ o
    root = along**2 - (o @ o - CORNEA_MM**2)
    hit = o + (-along - np.sqrt(np.maximum(root, 0.0)))[:, None] * directions
    return hit / CORNEA_MM, root > 0
