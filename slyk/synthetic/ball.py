"""Colour and class of what lies between the lids: pupil, iris, white, caruncle and the lids' moist margins."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.synthetic import eye
from slyk.synthetic.face import smooth
from slyk.synthetic.identity import Identity, Image
from slyk.synthetic.mirror import fresnel, radiance, reflect
from slyk.synthetic.periocular import IRIS_TEXEL_MM, VESSELS_RHO, Periocular, level_of
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.scene import Scene
from slyk.synthetic.shade import diffuse

Values = NDArray[Any]

_WHITE = np.array([0.33, 0.305, 0.285])
_FLESH = np.array([0.46, 0.20, 0.17])
_VESSEL = np.array([0.45, 0.14, 0.11])
_BLACK = 0.003
_WHITE_IR, _FLESH_IR, _MARGIN_IR = 0.40, 0.36, 0.46
"""Near infrared, about 850 nm: the white is but little brighter than skin and iris (our choice by eye)."""
_MARGIN_MM = 0.65
"""How far the lower lid's margin reaches onto the ball, seen from straight ahead."""
_TEARS = 0.028
"""Share of light that the tear film mirrors at a right angle."""


class Shown(NamedTuple):
    """regions (N,), color (N, 3) linear RGB."""

    regions: Mask
    color: Image


class _Place(NamedTuple):
    """Where samples lie, all (N,) in mm: below the upper lid's inner edge, above the lower margin's, both on the ball;
    into the flesh of margins or caruncle (negative on the ball); into the caruncle; x from the eye's middle."""

    below: Values
    above: Values
    flesh: Values
    caruncle: Values
    x: Values


def draw_ball(
    at: tuple[Array, Array], rays: Array, sample_mm: float, scene: Scene, person: Identity, own: Periocular,
    lit: float, index: int,
) -> Shown:  # fmt: skip
    """What rays (N, 3), the eye's frame, that pass between the lids at x, y (N,) show."""
    directions = rays / np.sqrt(np.einsum("ij,ij->i", rays, rays))[:, None]
    origin = -scene.eyes[index] @ scene.rotation
    axis = scene.optical[index] @ scene.rotation
    sight = eye.look(origin, directions, axis, person.iris_radius_mm, scene.pupil_mm)
    place = _place(at, sight.point, scene.lids[index], own)
    regions = np.where(place.flesh > 0, np.uint8(Region.EYES), sight.part)
    arriving = _arriving(sight, axis, place, scene, lit, index)
    turn = _turn(sight, axis, index)
    white = _white(sight, turn, person, own, scene)
    edge = max(0.10, 0.5 * sample_mm / person.iris_radius_mm)
    around = smooth(1 - edge, 1 + edge, sight.rho)[:, None]
    iris = _iris(sight, turn, person, own, scene, sample_mm)
    base = (iris + around * (white - iris)) * arriving
    base += _mirrored(sight, directions, axis, place, sample_mm, scene, lit, index)
    # seen from straight ahead the upper margin begins at the edge itself: no half of a sample of it shows there
    far = 0.5 * smooth(8.0, 11.0, np.abs(place.x))  # towards the corners ball and flesh pass into each other
    beside = np.maximum(-place.above, place.caruncle) / (sample_mm + far) + 0.5
    share = np.clip(np.maximum(-place.below / (sample_mm + far), beside), 0.0, 1.0)[:, None]
    flesh = _flesh(place, arriving, scene, person, own, lit, sample_mm)
    return Shown(regions, (base + share * (flesh - base)).astype(np.float32))


def _place(at: tuple[Array, Array], point: Array, lids: eye.Lids, own: Periocular) -> _Place:
    """The upper lid's margin lies edge-on to a straight look, the lower one's shows."""
    x, y = point[:, 0], point[:, 1]
    upper, lower = lids.curves(x)
    margin = _MARGIN_MM * np.sqrt(np.maximum(1 - (x / lids.half_width_mm) ** 2, 0.0)) * (1 - lids.closed)
    below, above = y - upper, lower - margin - y
    line = -lids.tilt_mm / 2 * np.clip(at[0] * lids.side / lids.half_width_mm, -1, 1)
    begin = min(lids.half_width_mm - own.caruncle_mm, eye.BALL_MM - 1.0)
    caruncle = -at[0] * lids.side - begin - 0.14 * (at[1] - line - 0.4) ** 2
    return _Place(below, above, np.maximum(np.maximum(-below, -above), caruncle), caruncle, at[0])


def _arriving(sight: eye.Sight, axis: Array, place: _Place, scene: Scene, lit: float, index: int) -> Values:
    """Light (N, 3) on what is seen: lids and lashes keep off the key light, the corners lie deep."""
    light, half = scene.light, scene.lids[index].half_width_mm
    inner = (sight.part == Region.IRIS) | (sight.part == Region.PUPIL)
    normal = sight.point / eye.BALL_MM
    normal = np.where(inner[:, None], 0.4 * normal + 0.6 * axis, normal)
    # flesh fills the corners, where the ball turns away
    normal = np.where((place.flesh > 0)[:, None], 0.4 * normal + [0.0, 0.0, -0.6], normal) @ scene.rotation.T
    toward = scene.rotation.T @ light.direction
    reach = 0.5 + 1.5 * float(np.clip(-toward[1] / max(-toward[2], 0.3), 0.0, 1.2))
    key = lit * (0.15 + 0.85 * smooth(0.15 * reach, reach + 0.9, place.below))
    low = np.where(place.flesh > 0, 0.7, 0.30)
    hollow = (low + (1 - low) * smooth(-0.3, 3.6, place.below)) * (0.70 + 0.30 * smooth(-0.4, 1.8, place.above))
    corner = 0.34 + 0.66 * smooth(half + 0.5, half - 7.5, np.abs(place.x))
    hollow = hollow * np.where(place.flesh > 0, 0.65 + 0.35 * corner, corner)
    hollow = np.maximum(hollow, 0.75 * smooth(-0.3, 0.8, place.caruncle))  # it stands out of the corner
    return diffuse(normal, light, key * (0.55 + 0.45 * hollow), 0.85 * hollow)


def _white(sight: eye.Sight, turn: Values, p: Identity, own: Periocular, scene: Scene) -> Values:
    rings = np.clip((sight.rho - 1) / (VESSELS_RHO - 1), 0, 1) * (own.vessels.shape[0] - 1)
    drawn = _sampled(own.vessels, turn * (own.vessels.shape[1] - 1), rings)
    vessels = drawn * smooth(1.05, 1.5, sight.rho) * (0.25 + 0.55 * p.redness)
    if scene.light.infrared:
        return np.repeat((_WHITE_IR * (1 - 0.12 * vessels))[:, None], 3, axis=1)
    tone = 0.70 + 0.30 * min(float(p.skin.mean()) / 0.4, 1.0)
    white = tone * _WHITE * (1 - 0.10 * p.age * np.array([0.2, 0.5, 1.6]))
    far = 0.05 + 0.10 * p.redness + 0.22 * smooth(1.2, 2.1, sight.rho)
    white = white + (_FLESH - white) * far[:, None]
    return np.asarray(white + (_VESSEL - white) * np.clip(vessels, 0, 0.8)[:, None])


def _turn(sight: eye.Sight, axis: Array, index: int) -> Values:
    """Angle (N,) around the axis as a share of a full turn; the left eye's is mirrored."""
    right, down = eye.frame(axis)
    across = sight.off @ right
    return np.asarray(np.arctan2(sight.off @ down, across if index == 0 else -across) / (2 * np.pi) % 1.0)


def _sampled(picture: Image, columns: Values, rows: Values) -> Image:
    """Values of a picture at (N,) places."""
    side = int(len(columns) ** 0.5) + 1  # as a square: OpenCV takes no picture of more than 32767 rows
    across, down = (np.resize(v.astype(np.float32), (side, side)) for v in (columns, rows))
    found = cv2.remap(picture, across, down, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(side * side, *picture.shape[2:])[: len(columns)])


def _iris(sight: eye.Sight, turn: Values, p: Identity, own: Periocular, scene: Scene, sample_mm: float) -> Values:
    """The iris's fibres stretch as the pupil narrows; both its edges are soft, the outer one dark."""
    level = level_of(len(own.iris), IRIS_TEXEL_MM, sample_mm)
    picture, pupil = own.iris[level], scene.pupil_mm / p.iris_radius_mm
    rings = np.clip((sight.rho - pupil) / (1 - pupil), 0, 1) * picture.shape[0] - 0.5
    value, warm = _sampled(picture, turn * (picture.shape[1] - 1), rings).T
    limbus = 1 - 0.55 * smooth(0.74, 1.0, sight.rho)
    # the cornea gathers light on the side away from the lamp
    key = float(scene.light.key.mean())
    gathered = 0.40 * key / (key + 0.6) / p.iris_radius_mm * (sight.off @ (scene.rotation.T @ scene.light.direction))
    value = value * limbus * (1 - gathered)
    if scene.light.infrared:
        tone = 0.17 + 0.10 * (1 - np.exp(-6 * float(p.iris.mean())))
        color = (tone * (0.35 + 0.65 * value))[:, None] * np.ones(3)
    else:
        color = value[:, None] * (own.outer + warm[:, None] * (own.inner - own.outer))
    soft = max(0.14, 0.5 * sample_mm)
    open_ = smooth(scene.pupil_mm - soft, scene.pupil_mm + soft, sight.rho * p.iris_radius_mm)[:, None]
    return np.asarray(_BLACK + open_ * (color - _BLACK))


def _mirrored(
    sight: eye.Sight, directions: Array, axis: Array, place: _Place, sample_mm: float, scene: Scene, lit: float,
    index: int,
) -> Values:  # fmt: skip
    """What the tear film mirrors (N, 3): sharp on the cornea, fainter on the white, where it is uneven."""
    ball = sight.point / eye.BALL_MM
    cornea = (sight.point - eye.CORNEA_CENTER_MM * axis) / eye.CORNEA_MM
    from_axis = np.sqrt(np.maximum(1 - (ball @ axis) ** 2, 0.0)) * eye.BALL_MM
    share = np.where(sight.cornea, smooth(6.1, 5.6, from_axis), 0.0)[:, None]
    normal = ball + share * (cornea - ball)
    normal /= np.sqrt(np.einsum("ij,ij->i", normal, normal))[:, None]
    mirrored = reflect(directions, normal) @ scene.rotation.T
    points = sight.point @ scene.rotation.T + scene.eyes[index]
    light = radiance(points, mirrored, scene, lit, 1.5 * sample_mm / eye.CORNEA_MM)
    strength = fresnel(-np.einsum("ij,ij->i", directions, normal), _TEARS) * (0.22 + 0.78 * share[:, 0])
    half = scene.lids[index].half_width_mm
    seen = smooth(0.0, 1.0, place.below) * smooth(half - 0.5, half - 5.0, np.abs(place.x))
    return light * (strength * seen)[:, None]


def _flesh(
    place: _Place, arriving: Values, scene: Scene, p: Identity, own: Periocular, lit: float, sample_mm: float
) -> Values:
    """Caruncle and margins of the lids, with the line of tears along the lower one."""
    light = scene.light
    inner = smooth(-0.3, 0.8, place.caruncle)[:, None]
    flesh: Values = np.full(3, _FLESH_IR) if light.infrared else _FLESH
    margin: Values = np.full(3, _MARGIN_IR) if light.infrared else 0.5 * p.skin + 0.5 * np.array([0.60, 0.34, 0.30])
    lump = 0.80 + 0.30 * np.exp(-(((place.caruncle - 1.3) / 0.9) ** 2))
    shaded = np.where(place.below < 0, 0.5 + 0.45 * smooth(0.0, -1.2, place.below), 1.0)[:, None]
    color = (margin + inner * (flesh * lump[:, None] - margin)) * np.maximum(arriving * 1.25, 0.0) * shaded
    shine = np.interp(place.x, np.linspace(-15, 15, len(own.sparkle)), own.sparkle)
    thin = max(0.16, 0.8 * sample_mm)
    tears = shine * np.exp(-((place.above / thin) ** 2)) * (0.16 / thin)
    tears += 0.25 * np.exp(-(((place.caruncle - 0.9) / max(0.35, thin)) ** 2))
    wet = light.level * (0.16 * lit * light.key + 0.06 * light.ambient.mean(axis=0))
    return np.asarray(color + tears[:, None] * wet)
