"""One eye: the lids' curves, the eyeball behind them, solved exactly for each ray.

Millimetres in the eye's own frame: that of the head, moved to the eyeball's centre. A ball of 12 mm carries the flat
iris 10.4 mm before its centre (the chord of a 6 mm iris); the clear cornea makes the highlight only, refraction is off.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.expression import Expression
from slyk.synthetic.identity import Array, Identity
from slyk.synthetic.regions import Mask, Region

Values = NDArray[Any]

BALL_MM = 12.0
IRIS_PLANE_MM = 10.4
LID_MM = 13.3
"""Radius of the lids' outer surface."""
CORNEA_MM = 7.8
CORNEA_CENTER_MM = 5.4
"""The cornea is the sphere of CORNEA_MM about this point of the optical axis; it leaves the ball at the limbus."""
_FLAT_FROM_MM = 9.4
_FLAT_SLOPE = 0.1


@dataclass(frozen=True)
class Lids:
    """Opening of one eye in a photo. side: -1 the subject's right eye (image-left), +1 the left; closed: share of the
    way by which the upper lid has come down to the lower, 1 shut; the rest in mm."""

    side: float
    half_width_mm: float
    upper_mm: float
    lower_mm: float
    tilt_mm: float
    power: float
    closed: float = 0.0

    def curves(self, x: Array) -> tuple[Array, Array]:
        """Heights of the upper and the lower edge at x; both the same beyond the corners."""
        return self.edges(*self.bows(x))

    def edges(self, line: Values, above: Values, below: Values) -> tuple[Values, Values]:
        """The same from the edges' parts, see `bows`."""
        upper, lower = line - self.upper_mm * above, line + self.lower_mm * below
        return np.asarray(upper + self.closed * (lower - upper)), np.asarray(lower)

    def bows(self, x: Array) -> tuple[Array, Array, Array]:
        """What the open edges at x are made of: the line between the corners, and the bows above and below it, 1 in
        the middle; the edges are line - upper_mm * above and line + lower_mm * below."""
        s = np.clip(x * self.side / self.half_width_mm, -1.0, 1.0)
        inner = np.maximum(-s - 0.35, 0.0) / 0.65
        # the lids meet in a point at the nose and more roundly at the temple
        room = np.maximum(1 - s * s, 0.0) ** (self.power + 0.4 * inner * inner)
        return -self.tilt_mm / 2 * s, room * (1 - 0.10 * s), room * (1 + 0.10 * s)

    def outline(self) -> Array:
        """34 points (34, 3) on the lids' surface: 17 of the upper edge image-left to image-right, 17 of the lower."""
        x = self.half_width_mm * -np.cos(np.linspace(0, np.pi, 17))
        upper, lower = self.curves(x)
        edge = np.concatenate([np.stack([x, upper], -1), np.stack([x, lower], -1)])
        return np.concatenate([edge, lid_depth(edge[:, 0] * self.side, edge[:, 1])[:, None]], axis=-1)

    def landmarks(self) -> Array:
        """The eye's six points (6, 3) of the 68, from the image-left corner along the upper lid and back below."""
        x = self.half_width_mm * np.array([-1.0, -0.4, 0.4, 1.0, 0.4, -0.4])
        upper, lower = self.curves(x)
        y = np.where(np.arange(6) < 4, upper, lower)
        return np.stack([x, y, lid_depth(x * self.side, y)], axis=-1)


def lid_depth(outward: Array, y: Array) -> Array:
    """z of the surface on which the lids slide, at mm towards the temple and down: a sphere, flattened outwards, least
    of all towards the temple, where the face recedes."""
    radius = np.sqrt(outward * outward + y * y)
    share = np.clip(outward / np.maximum(radius, 1e-9), 0.0, 1.0) ** 2
    begin, slope = _FLAT_FROM_MM + 0.9 * share, _FLAT_SLOPE + 0.8 * share
    inner = np.minimum(radius, begin)
    return np.asarray(-np.sqrt(LID_MM**2 - inner**2) + slope * np.maximum(radius - begin, 0.0))


def lids_for(side: float, optical_axis: Array, person: Identity, expression: Expression, blink: float) -> Lids:
    """The lids of a gaze (optical axis (3,), head frame): at rest the upper one covers 1-2 mm of the iris, and they
    follow it up and down; `blink` 1 brings the upper lid down to the lower."""
    rise = -IRIS_PLANE_MM * float(optical_axis[1])
    squint, widen = expression.squint, expression.widen
    cover = min(max(1.1 + 0.75 * (person.lid_cover_mm - 1.0), 1.1), 1.85) + 1.9 * squint**2 - 1.8 * widen
    upper = person.iris_radius_mm - cover + 0.78 * rise
    lower = person.iris_radius_mm - person.lid_lower_mm - 0.40 * rise - 1.9 * squint - 1.1 * expression.smile
    # looking down with squinted lids never closes the eye; a blink does, the lower lid rising a little to meet it
    lower = max(lower, 3.0 - upper)
    lower -= 0.12 * blink * (upper + lower)
    return Lids(side, person.fissure_half_width_mm, upper, lower, person.canthal_tilt_mm, person.lid_power, blink)


class Sight(NamedTuple):
    """What rays through the opening see: part (N,); point (N, 3) on the eye's outer surface, be it ball or cornea;
    cornea (N,): whether that is the cornea; off (N, 3): from the axis to what is seen; rho (N,): length of off over the
    iris's radius."""

    part: Mask
    point: Array
    cornea: NDArray[np.bool_]
    off: Array
    rho: Array


def look(origin: Array, directions: Array, axis: Array, iris_mm: float, pupil_mm: float) -> Sight:
    """Follows rays from `origin` (3,) along unit `directions` (N, 3) to the eyeball turned to `axis` (3,)."""
    away, root = _distance(origin, directions, BALL_MM)
    ball = origin + away[:, None] * directions
    front, bulge = _distance(origin - CORNEA_CENTER_MM * axis, directions, CORNEA_MM)
    cornea = (bulge > 0) & ((front < away) | (root <= 0))
    point = np.where(cornea[:, None], origin + front[:, None] * directions, ball)
    cornea &= point @ axis > IRIS_PLANE_MM - 0.01
    facing = directions @ axis
    flat = origin + ((IRIS_PLANE_MM - origin @ axis) / facing)[:, None] * directions - IRIS_PLANE_MM * axis
    rho = np.sqrt(np.einsum("ij,ij->i", flat, flat)) / iris_mm
    iris = (rho < 1.0) & (facing < 0)
    white = np.where(root > 0, Region.SCLERA, Region.EYES)
    part = np.where(iris, np.where(rho * iris_mm < pupil_mm, Region.PUPIL, Region.IRIS), white)
    aside = ball - (ball @ axis)[:, None] * axis
    behind = np.sqrt(np.einsum("ij,ij->i", aside, aside)) / iris_mm
    behind = np.where(ball @ axis > 0, behind, 2 * BALL_MM / iris_mm - behind)
    off = np.where(iris[:, None], flat, aside)
    return Sight(part.astype(np.uint8), point, cornea, off, np.where(iris, rho, np.maximum(behind, 1.0)))


def _distance(origin: Array, directions: Array, radius: float) -> tuple[Array, Array]:
    """Way (N,) along rays to a sphere about 0 (to its nearest point where they miss it), and what is positive where
    they hit."""
    along = directions @ origin
    root = along**2 - (origin @ origin - radius**2)
    return -along - np.sqrt(np.maximum(root, 0.0)), root


def frame(axis: Array) -> tuple[Array, Array]:
    """Unit vectors across the iris: about image-right and about down."""
    right = np.array([-axis[2], 0.0, axis[0]]) / np.hypot(axis[0], axis[2])
    return right, np.cross(-axis, right)


def ring(axis: Array, radius_mm: float) -> Array:
    """Eight points (8, 3) of a circle on the iris plane in TEyeD's order: the first up and image-right, the second
    above, and so on to image-left."""
    right, down = frame(axis)
    t = np.arange(1, 9)[:, None] * np.pi / 4
    return np.asarray(IRIS_PLANE_MM * axis + radius_mm * (np.cos(t) * right - np.sin(t) * down))
