"""A photo's scene: expression, pose, gaze, light and camera, drawn per photo. Camera frame, millimetres."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from slyk.geometry.angles import pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import camera_matrix
from slyk.synthetic.eye import Lids, lids_for
from slyk.synthetic.head import Expression, Head, on_grid, pose
from slyk.synthetic.identity import Array, Identity, Random

GAZE_LIMIT = np.deg2rad([30.0, 40.0])
HEAD_LIMIT = np.deg2rad([30.0, 30.0])
EYE_LIMIT = np.deg2rad([26.0, 40.0])
ROLL_SD = np.deg2rad(8.0)
DISTANCE_MM = 600.0
PHOTO_MM = 264.0
"""Width that a photo shows at the nominal distance."""


@dataclass(frozen=True)
class Light:
    """direction (3,): unit, towards the key light, camera frame; key (3,) and ambient (6, 3): linear RGB, the ambient
    from +-x, +-y, +-z; level: brightness of all together."""

    direction: Array
    key: Array
    ambient: Array
    level: float


@dataclass(frozen=True)
class Scene:
    """One photo to take. vertices (R, C, 3): head frame; camera (3, 3); rotation, translation: head to camera;
    face_center, target (3,); eyes, visual, optical (2, 3): camera frame, the subject's right eye first."""

    expression: Expression
    vertices: Array
    camera: Array
    rotation: Array
    translation: Array
    face_center: Array
    target: Array
    eyes: Array
    visual: Array
    optical: Array
    lids: tuple[Lids, Lids]
    pupil_mm: float
    light: Light
    glasses: bool


def draw_scene(person: Identity, head: Head, rng: Random, photo_px: int) -> Scene:
    """A scene of the domain `wide`: gaze uniform within its limits and drawn before the head, which only has to let
    the eyes reach it."""
    expression = _draw_expression(rng)
    vertices = pose(head, expression)
    camera = _draw_camera(rng, photo_px)
    center_head = face_center(head, vertices, _neutral_corners(person, head))
    center = _draw_place(rng, camera, photo_px)
    gaze = vector_from_pitchyaw(rng.uniform(-GAZE_LIMIT, GAZE_LIMIT))
    target = center + rng.uniform(450.0, 900.0) * gaze
    while True:
        rotation = _draw_rotation(rng)
        translation = center - rotation @ center_head
        eyes = head.eyes @ rotation.T + translation
        visual = (target - eyes) / np.linalg.norm(target - eyes, axis=-1, keepdims=True)
        turned = np.abs(pitchyaw_from_vector(visual @ rotation))
        if np.all(turned <= EYE_LIMIT):
            break
    optical = optical_axes(visual, rotation, person)
    lids = _lids(person, optical @ rotation, expression)
    return Scene(
        expression, vertices, camera, rotation, translation, center, target, eyes, visual, optical, lids,
        pupil_mm=rng.uniform(1.2, 2.8), light=_draw_light(rng), glasses=bool(rng.uniform() < 0.3),
    )  # fmt: skip


def optical_axes(visual: Array, rotation: Array, person: Identity) -> Array:
    """Optical axes (2, 3), camera frame: each visual axis turned outwards by kappa in the head frame, mirrored."""
    angles = pitchyaw_from_vector(visual @ rotation) + kappa(person)
    return np.asarray(vector_from_pitchyaw(angles) @ rotation.T)


def kappa(person: Identity) -> Array:
    """Optical minus visual axis (2, 2) in pitch and yaw, radians, head frame; the subject's right eye first."""
    return np.array([[person.kappa_pitch, person.kappa_yaw], [person.kappa_pitch, -person.kappa_yaw]])


def face_center(head: Head, vertices: Array, corners: Array) -> Array:
    """Mean (3,) of the corners of eyes (4, 3) and mouth, head frame."""
    mouth = on_grid(vertices, head.anchors[[36, 42]])
    return np.asarray(np.concatenate([corners, mouth]).mean(axis=0))


def _neutral_corners(person: Identity, head: Head) -> Array:
    """The corners (4, 3) of the eyes: lids move, corners do not."""
    lids = _lids(person, np.array([[0.0, 0.0, -1.0]] * 2), Expression())
    return np.concatenate([lid.landmarks()[[0, 3]] + eye for lid, eye in zip(lids, head.eyes, strict=True)])


def _lids(person: Identity, axes: Array, expression: Expression) -> tuple[Lids, Lids]:
    right, left = (
        lids_for(
            side,
            axis,
            half_width_mm=person.fissure_half_width_mm,
            iris_mm=person.iris_radius_mm,
            cover_mm=person.lid_cover_mm,
            lower_mm=person.lid_lower_mm,
            tilt_mm=person.canthal_tilt_mm,
            power=person.lid_power,
            squint=expression.squint,
            smile=expression.smile,
        )
        for side, axis in zip((-1.0, 1.0), axes, strict=True)
    )
    return right, left


def _draw_expression(rng: Random) -> Expression:
    kind = rng.uniform(size=4) < np.array([0.4, 0.25, 0.4, 0.3])
    value = rng.uniform(size=4)
    value[2] = -0.6 + 1.6 * value[2]
    return Expression(*(float(v) for v in kind * value))


def _draw_camera(rng: Random, photo_px: int) -> Array:
    focal = photo_px * DISTANCE_MM / PHOTO_MM * rng.uniform(0.97, 1.03)
    shift_x, shift_y = rng.normal(0.0, 0.012 * photo_px, 2)
    middle = photo_px / 2 - 0.5  # integer coordinates are pixel centres
    return camera_matrix(float(focal), (middle + float(shift_x), middle + float(shift_y)))


def _draw_place(rng: Random, camera: Array, photo_px: int) -> Array:
    """The face centre (3,), a little off the middle of the photo."""
    distance = DISTANCE_MM * rng.uniform(0.92, 1.08)
    pixel = photo_px / 2 + rng.normal(0.0, 0.018 * photo_px, 2) + np.array([0.0, 0.05 * photo_px])
    ray = np.array([(pixel[0] - camera[0, 2]) / camera[0, 0], (pixel[1] - camera[1, 2]) / camera[1, 1], 1.0])
    return np.asarray(distance * ray / np.linalg.norm(ray))


def _draw_rotation(rng: Random) -> Array:
    pitch, yaw = rng.uniform(-HEAD_LIMIT, HEAD_LIMIT)
    roll = float(np.clip(rng.normal(0.0, ROLL_SD), -3 * ROLL_SD, 3 * ROLL_SD))
    # third column of Ry(yaw) Rx(-pitch) is (sin yaw cos pitch, sin pitch, cos yaw cos pitch): angles.head_pitchyaw
    turn = Rotation.from_euler("YXZ", [yaw, -pitch, roll])
    return np.asarray(turn.as_matrix())


def _draw_light(rng: Random) -> Light:
    azimuth, height = np.deg2rad(rng.uniform(-75, 75)), np.deg2rad(rng.uniform(-12, 62))
    direction = np.array([np.sin(azimuth) * np.cos(height), -np.sin(height), -np.cos(azimuth) * np.cos(height)])
    warm = rng.uniform(-0.10, 0.10)
    key = rng.uniform(0.45, 1.15) * np.array([1 + warm, 1.0, 1 - 1.2 * warm])
    cool = rng.uniform(-0.08, 0.1)
    ambient = rng.uniform(0.16, 0.46, (6, 1)) * np.array([1 - cool, 1.0, 1 + cool])
    ambient[2] *= 0.6  # +y: the ground
    level = float(np.exp(rng.normal(0.0, 0.16)) * (0.5 if rng.uniform() < 0.1 else 1.0))
    return Light(direction, key, ambient, level)
