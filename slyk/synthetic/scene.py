"""A photo's scene: a `Setup` that a domain draws, and the `Scene` that follows from it. Camera frame, millimetres."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from slyk.geometry.angles import pitchyaw_from_vector, vector_from_pitchyaw
from slyk.synthetic.expression import Expression
from slyk.synthetic.eye import Lids, lids_for
from slyk.synthetic.head import Head, on_grid, pose
from slyk.synthetic.identity import Array, Identity

EMOTIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""RAF-DB's seven classes; its labels count them from 1."""

MOVEMENTS = ("none", "error", "blink", "fixation", "saccade", "smooth pursuit")
"""TEyeD's types of eye movement, which it counts from 1."""


@dataclass(frozen=True)
class Light:
    """direction (3,): unit, towards the key light, camera frame; key (3,) and ambient (6, 3): linear RGB, the ambient
    from +-x, +-y, +-z; level: brightness of all together; leds (K, 3): small lamps whose mirror images the cornea
    shows, camera frame, mm; infrared: the photo is taken in near infrared and grey."""

    direction: Array
    key: Array
    ambient: Array
    level: float
    leds: Array = field(default_factory=lambda: np.zeros((0, 3)))
    infrared: bool = False


class Sensor(NamedTuple):
    """exposure: log of the gain beside the metered one; blur_px: SD of the lens's blur; noise, chroma_noise: SD of grey
    and of coloured grain, 1 = white; motion_px: the way (x, y) of the picture during the exposure."""

    exposure: float = 0.0
    blur_px: float = 0.4
    noise: float = 0.006
    chroma_noise: float = 0.004
    motion_px: tuple[float, float] = (0.0, 0.0)
    jpeg_quality: int = 95


class Wear(NamedTuple):
    """What the person wears on this photo; sunglasses are opaque glasses."""

    glasses: bool = False
    sunglasses: bool = False
    hat: bool = False
    headscarf: bool = False
    face_mask: bool = False


class Screen(NamedTuple):
    """A screen that is looked at. target_px (2,): x, y of the point from the upper left corner; size_px, size_mm:
    width, height; rotation (3, 3), translation (3,): from the screen's frame (origin upper left, x right and y down as
    the user sees it, z = 0, mm) to the camera frame."""

    target_px: Array
    size_px: tuple[int, int]
    size_mm: tuple[float, float]
    rotation: Array
    translation: Array


class World(NamedTuple):
    """Where the photo belongs. recording, frame: photos of one frame show the same moment from several cameras;
    camera_id: of the rig, from 0; rotation (3, 3), translation (3,): from the rig's frame (that of its camera 0) to the
    camera frame, mm; movement: what the eyes have done since the frame before, as TEyeD counts it (`MOVEMENTS`), 0
    where photos are no video."""

    recording: str = "r00"
    frame: int = 0
    camera_id: int = 0
    rotation: Array = np.eye(3)
    translation: Array = np.zeros(3)
    movement: int = 0


class Backdrop(NamedTuple):
    """kind: "wall", "room", "outdoor" or "dark"; seed: the same number gives the same background."""

    kind: str = "wall"
    seed: int = 0


@dataclass(frozen=True)
class Setup:
    """What is chosen of a photo. size_px: width, height; camera (3, 3); face_center, target (3,): camera frame;
    rotation, torso (3, 3): head and torso to camera; emotion: index into EMOTIONS; blink: 0 open to 1 closed."""

    size_px: tuple[int, int]
    camera: Array
    face_center: Array
    rotation: Array
    torso: Array
    target: Array
    expression: Expression
    emotion: int
    blink: float
    wear: Wear
    pupil_mm: float
    light: Light
    sensor: Sensor
    backdrop: Backdrop
    world: World = field(default_factory=World)
    screen: Screen | None = None


@dataclass(frozen=True)
class Scene(Setup):
    """A setup and what follows from it. vertices (R, C, 3): head frame; translation (3,): head to camera; eyes, visual,
    optical (2, 3): eyeball centres and axes, camera frame, the subject's right eye first."""

    vertices: Array = field(kw_only=True)
    translation: Array = field(kw_only=True)
    eyes: Array = field(kw_only=True)
    visual: Array = field(kw_only=True)
    optical: Array = field(kw_only=True)
    lids: tuple[Lids, Lids] = field(kw_only=True)


def make_scene(person: Identity, head: Head, setup: Setup) -> Scene:
    """The scene of a setup."""
    vertices = pose(head, setup.expression)
    translation = setup.face_center - setup.rotation @ face_center(person, head, setup.expression, vertices)
    eyes = head.eyes @ setup.rotation.T + translation
    visual = (setup.target - eyes) / np.linalg.norm(setup.target - eyes, axis=-1, keepdims=True)
    optical = optical_axes(visual, setup.rotation, person)
    return Scene(
        **vars(setup),
        vertices=vertices,
        translation=translation,
        eyes=eyes,
        visual=visual,
        optical=optical,
        lids=_lids(person, optical @ setup.rotation, setup.expression, setup.blink),
    )


def optical_axes(visual: Array, rotation: Array, person: Identity) -> Array:
    """Optical axes (2, 3), camera frame: each visual axis turned outwards by kappa in the head frame, mirrored."""
    angles = pitchyaw_from_vector(visual @ rotation) + kappa(person)
    return np.asarray(vector_from_pitchyaw(angles) @ rotation.T)


def kappa(person: Identity) -> Array:
    """Optical minus visual axis (2, 2) in pitch and yaw, radians, head frame; the subject's right eye first."""
    return np.array([[person.kappa_pitch, person.kappa_yaw], [person.kappa_pitch, -person.kappa_yaw]])


def face_center(person: Identity, head: Head, expression: Expression, vertices: Array | None = None) -> Array:
    """Mean (3,) of the corners of eyes and mouth, head frame."""
    grid = pose(head, expression) if vertices is None else vertices
    lids = _lids(person, np.array([[0.0, 0.0, -1.0]] * 2), Expression(), 0.0)  # lids move, their corners do not
    corners = np.concatenate([lid.landmarks()[[0, 3]] + eye for lid, eye in zip(lids, head.eyes, strict=True)])
    return np.asarray(np.concatenate([corners, on_grid(grid, head.anchors[[36, 42]])]).mean(axis=0))


def _lids(person: Identity, axes: Array, expression: Expression, blink: float) -> tuple[Lids, Lids]:
    right, left = (
        lids_for(side, axis, person, expression, blink) for side, axis in zip((-1.0, 1.0), axes, strict=True)
    )
    return right, left
