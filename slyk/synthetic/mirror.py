"""What a wet or polished surface mirrors: lamps, a window, a screen, the room. Camera frame, mm, linear RGB."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.synthetic.face import smooth
from slyk.synthetic.scene import Light, Scene, Screen

Values = NDArray[Any]

_WINDOW = (0.13, 0.17)
"""Half width and height of the key light as a window, radians."""
_LED = 0.04
"""Angle within which a lamp's image falls to 1 / e, radians: lamp and lens blur together."""
_LED_RADIANCE = 60.0
_SCREEN_RADIANCE = 2.6


def fresnel(cos: Values, normal: float) -> Values:
    """Share that is mirrored at the cosine of the angle of incidence; `normal` at 0 degrees (Schlick)."""
    return np.asarray(normal + (1 - normal) * np.clip(1 - cos, 0.0, 1.0) ** 5)


def reflect(directions: Values, normals: Values) -> Values:
    """Mirrored directions (N, 3)."""
    along = np.einsum("ij,ij->i", directions, normals)
    return np.asarray(directions - 2 * along[:, None] * normals)


def radiance(points: Values, mirrored: Values, scene: Scene, lit: float, blur: float) -> Values:
    """Light (N, 3) that comes to points from unit directions; blur: radians over which it is averaged."""
    light = scene.light
    sides = np.maximum(np.concatenate([mirrored, -mirrored], axis=-1), 0.0) ** 2
    total = (sides @ light.ambient[[0, 2, 4, 1, 3, 5]]) * light.level
    total = total + _key(mirrored, scene, blur)[:, None] * (light.level * lit * light.key)
    for led in light.leds:
        total = total + _lamp(points, mirrored, led, blur)[:, None] * light.level
    if scene.screen is not None:
        shade = np.array([0.88, 0.97, 1.08]) * _SCREEN_RADIANCE * light.level
        total = total + _on_screen(points, mirrored, scene.screen, blur)[:, None] * shade
    return np.asarray(total)


def _key(mirrored: Values, scene: Scene, blur: float) -> Values:
    """The key light: a window with a cross in a room, else a disc, small and bright outdoors. Its brightness is that
    which gives the light's strength over its size (a white wall under strength 1 has radiance 1)."""
    direction = scene.light.direction
    outdoor, room = scene.backdrop.kind == "outdoor", scene.backdrop.kind in ("room", "wall")
    if not room or scene.light.infrared:
        radius = 0.05 if outdoor else 0.12
        angle = np.arccos(np.clip(mirrored @ direction, -1.0, 1.0))
        soft = max(0.02, blur)
        spread = (radius / max(radius, blur)) ** 2  # a sun smaller than the blur loses its brightness to it
        strength = 0.15 if scene.light.infrared else min(1 / radius**2, 120.0)
        return smooth(max(radius, blur) + soft, max(radius, blur) - soft, angle) * (strength * spread)
    right, down = across(direction)
    u, v, front = mirrored @ right, mirrored @ down, mirrored @ direction > 0
    soft = max(0.015, 0.7 * blur)
    pane = smooth(_WINDOW[0] + soft, _WINDOW[0] - soft, np.abs(u)) * smooth(
        _WINDOW[1] + soft, _WINDOW[1] - soft, np.abs(v)
    )
    bar = np.maximum(smooth(0.012 + soft, 0.0, np.abs(u)), smooth(0.012 + soft, 0.0, np.abs(v + 0.04)))
    return np.asarray(
        pane * (1 - 0.75 * bar * min(1.0, 0.012 / soft)) * front * (np.pi / (4 * _WINDOW[0] * _WINDOW[1]))
    )


def _lamp(points: Values, mirrored: Values, led: Array, blur: float) -> Values:
    to = led - points
    cos = np.einsum("ij,ij->i", to, mirrored) / np.sqrt(np.einsum("ij,ij->i", to, to))
    width = max(_LED, blur)
    return np.asarray(np.exp(-2 * (1 - cos) / width**2) * (_LED_RADIANCE * (_LED / width) ** 2))


def _on_screen(points: Values, mirrored: Values, screen: Screen, blur: float) -> Values:
    normal = screen.rotation[:, 2]
    way = ((screen.translation - points) @ normal) / (mirrored @ normal)
    at = (points + way[:, None] * mirrored - screen.translation) @ screen.rotation
    soft = np.maximum(blur * np.abs(way), 4.0)
    inside = np.where(way > 0, 1.0, 0.0)
    for i in (0, 1):
        size = screen.size_mm[i]
        inside = inside * np.clip((size / 2 - np.abs(at[:, i] - size / 2)) / (2 * soft) + 0.5, 0.0, 1.0)
    return np.asarray(inside)


def across(direction: Array) -> tuple[Array, Array]:
    """Unit vectors to the right and down, seen along -direction with the camera's y down."""
    right = np.cross([0.0, 1.0, 0.0], -direction)
    right /= np.maximum(np.linalg.norm(right), 1e-9)
    return right, np.cross(-direction, right)


def pull(light: Light, lit: float, rotation: Array) -> Array:
    """How a surface that faces the camera brightens as its normal tilts: the gradient (3,) of the light it gets along
    the axes of the frame that `rotation` (3, 3) leads to the camera, as a share of that light."""
    key, ambient = lit * float(light.key.mean()) * light.direction, light.ambient.mean(axis=1)
    sky = ambient[:3] - ambient[3:]
    facing = max(-light.direction[2], 0.0) * lit * float(light.key.mean()) + float(ambient[5])
    return np.asarray(((key + 0.5 * sky) / max(facing + 0.15, 0.25)) @ rotation)
