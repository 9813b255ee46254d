"""Draws that domains share: expressions, light, cameras, sensors. Angles in radians, millimetres."""

import numpy as np
from scipy.spatial.transform import Rotation

from slyk.geometry.angles import pitchyaw_from_vector
from slyk.synthetic.expression import Expression
from slyk.synthetic.identity import Array, Identity, Random
from slyk.synthetic.scene import EMOTIONS, Light, Sensor, Wear

EYE_LIMIT = np.deg2rad([26.0, 40.0])
"""How far eyes turn up or down and to the sides in the head."""

_RECIPES: dict[str, dict[str, tuple[float, float]]] = {
    "surprise": {"mouth_open": (0.35, 1.0), "brow": (0.55, 1.0), "widen": (0.4, 1.0)},
    "fear": {"mouth_open": (0.15, 0.6), "brow": (0.2, 0.6), "inner_brow": (0.5, 1.0), "widen": (0.4, 1.0)},
    "disgust": {"wrinkle": (0.5, 1.0), "brow": (-0.5, -0.15), "squint": (0.3, 0.8), "frown": (0.2, 0.7)},
    "happiness": {"smile": (0.45, 1.0), "squint": (0.1, 0.6), "mouth_open": (0.0, 0.35)},
    "sadness": {"frown": (0.4, 1.0), "inner_brow": (0.5, 1.0), "squint": (0.0, 0.3)},
    "anger": {"brow": (-0.6, -0.35), "frown": (0.2, 0.7), "squint": (0.2, 0.7), "wrinkle": (0.1, 0.5)},
    "neutral": {"smile": (0.0, 0.2), "mouth_open": (0.0, 0.08), "brow": (-0.15, 0.2), "squint": (0.0, 0.25)},
}
"""Strengths of each class, uniform within (our choice, after the usual action units)."""


def expression(rng: Random, *, neutral: float) -> tuple[int, Expression]:
    """One of EMOTIONS, `neutral` with that probability and the rest evenly, and strengths that show it."""
    others = len(EMOTIONS) - 1
    emotion = others if rng.uniform() < neutral else int(rng.integers(0, others))
    parts = {name: float(rng.uniform(*span)) for name, span in _RECIPES[EMOTIONS[emotion]].items()}
    if parts.get("smile", 0.0) > 0.1 and rng.uniform() < 0.3:
        parts["one_sided"] = float(rng.uniform(-1.0, 1.0))
    return emotion, Expression(**parts)


def rotation(pitch: float, yaw: float, roll: float) -> Array:
    """Head rotation (3, 3) whose head angles are (pitch, yaw), rolled about its own axis."""
    # third column of Ry(yaw) Rx(-pitch) is (sin yaw cos pitch, sin pitch, cos yaw cos pitch): angles.head_pitchyaw
    return np.asarray(Rotation.from_euler("YXZ", [yaw, -pitch, roll]).as_matrix())


def in_reach(rotation: Array, center: Array, offset: Array, target: Array) -> bool:
    """Whether both eyes, at `offset` (2, 3) from the face centre, head frame, reach the target within EYE_LIMIT."""
    to_target = target - (offset @ rotation.T + center)
    return bool(np.all(np.abs(pitchyaw_from_vector(to_target @ rotation)) <= EYE_LIMIT))


def torso(rng: Random, head: Array) -> Array:
    """Torso (3, 3): follows the head's yaw in part, stays nearly upright."""
    yaw = float(np.arctan2(head[0, 2], head[2, 2]))
    turned = 0.35 * yaw + rng.normal(0.0, np.deg2rad(9.0))
    return rotation(float(rng.normal(0.0, np.deg2rad(4.0))), float(turned), float(rng.normal(0.0, np.deg2rad(3.0))))


def indoor_light(rng: Random) -> Light:
    """A key light from the front hemisphere, a coloured room around; one photo in ten is dim."""
    azimuth, height = np.deg2rad(rng.uniform(-75, 75)), np.deg2rad(rng.uniform(-12, 62))
    direction = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), -np.cos(azimuth) * np.cos(height)])
    warm = rng.uniform(-0.10, 0.10)
    key = rng.uniform(0.45, 1.15) * np.array([1 + warm, 1.0, 1 - 1.2 * warm])
    cool = rng.uniform(-0.08, 0.1)
    ambient = rng.uniform(0.16, 0.46, (6, 1)) * np.array([1 - cool, 1.0, 1 + cool])
    ambient[2] *= 0.6  # +y: the ground
    level = float(np.exp(rng.normal(0.0, 0.16)) * (0.5 if rng.uniform() < 0.1 else 1.0))
    return Light(direction, key, ambient, level)


def outdoor_light(rng: Random, sun: float) -> Light:
    """Sky all around and a sun (`sun` 1) or clouds (0), from any side and so often from behind."""
    azimuth, height = rng.uniform(-np.pi, np.pi), np.deg2rad(rng.uniform(15.0, 65.0))
    direction = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), -np.cos(azimuth) * np.cos(height)])
    key = (0.2 + sun * rng.uniform(0.8, 1.6)) * np.array([1.06, 1.0, 0.9])
    ambient = rng.uniform(0.32, 0.62, (6, 1)) * np.array([0.96, 1.0, 1.06])
    ambient[2] *= np.array([0.5, 0.48, 0.4])  # +y: the ground
    ambient[3] *= 1.35
    return Light(direction, key, ambient, float(np.exp(rng.normal(0.15, 0.2))))


def sensor(rng: Random, light: Light, photo_px: int) -> Sensor:
    """An ordinary camera: little blur, grain that grows in dim light."""
    dim = 1.8 if light.level < 0.65 else 1.0
    return Sensor(
        exposure=float(rng.normal(0.0, 0.14)),
        blur_px=float(max(0.25, abs(rng.normal(0.0, 0.5)) * photo_px / 300)),
        noise=float(rng.uniform(0.003, 0.011) * dim),
        chroma_noise=0.004 * dim,
        jpeg_quality=int(rng.integers(88, 97)),
    )


def wear(
    rng: Random, person: Identity, *, glasses: float = 0.30, dark: float = 0.06, hat: float = 0.05, mask: float = 0.04
) -> Wear:
    """Shares that wear glasses, a hat, a face mask; `dark`: share of the glasses; a headscarf is the person's."""
    has_glasses, has_hat, has_mask = rng.uniform(size=3) < np.array([glasses, hat, mask])
    sunglasses = bool(has_glasses) and bool(rng.uniform() < dark)
    return Wear(bool(has_glasses), sunglasses, bool(has_hat) and not person.headscarf, person.headscarf, bool(has_mask))


def blink(rng: Random) -> float:
    """Closed or half closed on 4 photos of a hundred."""
    return float(rng.uniform(0.35, 1.0)) if rng.uniform() < 0.04 else 0.0
