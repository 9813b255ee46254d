"""Domain `studio`, after ETH-XGaze: 18 cameras around a person take every moment at once, before a dark cloth under
flash boxes that are on or off. The person looks at a projection screen beside the cameras.

Photo i is that of camera i % 18 at moment i // 18. The rig's frame is that of camera 0; head +-28 degrees up and down,
+-38 to the sides in it, gaze about +-29 and +-39 (as far as the eyes reach), to each camera up to some 80 more.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from slyk.geometry.camera import camera_matrix
from slyk.synthetic import draw
from slyk.synthetic.expression import Expression
from slyk.synthetic.head import Head
from slyk.synthetic.identity import Array, Identity, Random, stream
from slyk.synthetic.scene import Backdrop, Light, Screen, Setup, Wear, World, face_center

PHOTO_PX = 448
HEAD_LIMIT = np.deg2rad([28.0, 38.0])
MIDDLE = np.array([0.0, 0.0, 1000.0])
"""Where the cameras look, rig frame, mm."""
_FACE_FROM_MIDDLE = np.array([0.0, 0.0, -25.0])
PHOTO_MM = 335.0
"""Width that camera 0 shows there."""
SCREEN_PX, SCREEN_MM = (1920, 1200), (1760.0, 1100.0)

_CAMERAS = (
    (0, 0, 1000, 0.0), (15, 2, 1010, 0.6), (-16, -2, 1000, -0.8), (33, 3, 1040, 1.1), (-35, 1, 1030, -0.4),
    (55, -4, 1090, 0.9), (-57, 5, 1100, -1.2), (74, 2, 1120, 0.5), (8, 25, 1050, -0.6), (-11, 27, 1060, 0.3),
    (36, 29, 1120, 1.4), (-34, 31, 1110, -1.0), (5, 44, 1150, 0.7), (-8, -23, 1040, 0.2), (12, -27, 1050, -0.9),
    (40, -33, 1180, 1.3), (-42, -31, 1170, -0.7), (-3, -42, 1140, 0.8),
)  # fmt: skip
"""Of each camera, seen from the middle: degrees to image-left of camera 0, degrees up; mm away; roll in degrees."""
_BOXES = ((28, 30, 1.0), (-30, 28, 1.0), (75, 15, 0.8), (-72, 18, 0.8), (0, 62, 0.7), (5, -40, 0.5))
"""Of each flash box: degrees likewise, strength."""


class View(NamedTuple):
    """A camera of the rig. camera (3, 3) for photos of side 1; rotation (3, 3), translation (3,): rig to camera."""

    camera: Array
    rotation: Array
    translation: Array


class Moment(NamedTuple):
    """What all cameras see, rig frame. lamps (K, 3) and strengths (K,): the flash boxes that are on."""

    center: Array
    rotation: Array
    torso: Array
    screen: Screen
    target: Array
    emotion: int
    expression: Expression
    blink: float
    wear: Wear
    pupil_mm: float
    lamps: Array
    strengths: Array
    room: float
    level: float
    backdrop: Backdrop


def rig() -> tuple[View, ...]:
    """The 18 cameras, the same for everybody."""
    views = []
    for index, (azimuth, height, distance, roll) in enumerate(_CAMERAS):
        position = MIDDLE + distance * _direction(azimuth, height)
        rotation = _looking(MIDDLE - position, np.deg2rad(roll)) if index else np.eye(3)
        focal = distance / PHOTO_MM * (1.0 + 0.01 * (index % 3 - 1)) if index else 1000.0 / PHOTO_MM
        views.append(View(np.diag([focal, focal, 1.0]), rotation, -rotation @ position))
    return tuple(views)


def shots(person: Identity, head: Head, *, seed: int, number: int, photo_px: int) -> Iterator[Setup]:
    """Square photos, 18 of each moment."""
    views, wears_glasses = rig(), stream(seed, number, -1, use=2).uniform() < 0.2
    for frame in count():
        moment = _moment(stream(seed, number, -1, use=3 + frame), person, head, bool(wears_glasses))
        for index, view in enumerate(views):
            rng = stream(seed, number, frame * len(views) + index)
            yield _seen(rng, moment, view, World("r00", frame, index, view.rotation, view.translation), photo_px)


def _direction(azimuth: float, height: float) -> Array:
    """Unit vector (3,) from the middle, rig frame, of degrees as in _CAMERAS."""
    a, h = np.deg2rad([azimuth, height])
    return np.array([-np.sin(a) * np.cos(h), -np.sin(h), -np.cos(a) * np.cos(h)])


def _looking(forward: Array, roll: float) -> Array:
    """Rotation (3, 3) of the rig's frame into that of an upright camera, rolled a little."""
    z = forward / np.linalg.norm(forward)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.asarray(draw.rotation(0.0, 0.0, roll) @ np.stack([x, np.cross(z, x), z]))


def _moment(rng: Random, person: Identity, head: Head, glasses: bool) -> Moment:
    emotion, expression = draw.expression(rng, neutral=0.75)
    center = MIDDLE + _FACE_FROM_MIDDLE + np.clip(rng.normal(0.0, 1.0, 3), -2, 2) * np.array([12.0, 10.0, 12.0])
    offset = head.eyes - face_center(person, head, expression)
    screen, target = _target(rng)
    rotation = _reaching(rng, center, offset, target)
    lit = np.nonzero(rng.uniform(size=len(_BOXES)) < 0.45)[0]
    boxes = np.array(_BOXES)[lit]
    return Moment(
        center=center,
        rotation=rotation,
        torso=draw.torso(rng, rotation),
        screen=screen,
        target=target,
        emotion=emotion,
        expression=expression,
        blink=draw.blink(rng),
        wear=Wear(glasses=glasses, headscarf=person.headscarf),
        pupil_mm=float(rng.uniform(1.0, 2.4)),
        lamps=np.array([_direction(azimuth, height) for azimuth, height, _ in boxes]).reshape(-1, 3),
        strengths=boxes[:, 2] * rng.uniform(0.9, 1.1, len(boxes)),
        room=float(rng.uniform(0.10, 0.20)),
        level=float(np.exp(rng.normal(0.0, 0.12))),
        backdrop=Backdrop("dark", int(rng.integers(0, 2**31))),
    )


def _target(rng: Random) -> tuple[Screen, Array]:
    """A point of the projection screen behind camera 0, which is seen through holes; rig frame."""
    rotation = np.diag([-1.0, 1.0, -1.0])  # its x is the user's right
    corner = np.array([SCREEN_MM[0] / 2, -SCREEN_MM[1] / 2, -40.0])
    pixel = rng.uniform(0.0, 1.0, 2) * np.array(SCREEN_PX)
    point = np.array([*(pixel * np.array(SCREEN_MM) / np.array(SCREEN_PX)), 0.0])
    return Screen(pixel, SCREEN_PX, SCREEN_MM, rotation, corner), rotation @ point + corner


def _reaching(rng: Random, center: Array, offset: Array, target: Array) -> Array:
    while True:  # two draws in three reach it
        pitch, yaw = rng.uniform(-HEAD_LIMIT, HEAD_LIMIT)
        rotation = draw.rotation(float(pitch), float(yaw), float(np.deg2rad(np.clip(rng.normal(0, 6.0), -18, 18))))
        if draw.in_reach(rotation, center, offset, target):
            return rotation


def _seen(rng: Random, moment: Moment, view: View, world: World, photo_px: int) -> Setup:
    """The moment in the frame of one camera."""
    turn, shift = view.rotation, view.translation
    middle = photo_px / 2 - 0.5
    camera = camera_matrix(photo_px * float(view.camera[0, 0]), (middle, middle))
    light = _light(moment, turn)
    screen = moment.screen._replace(
        rotation=turn @ moment.screen.rotation, translation=turn @ moment.screen.translation + shift
    )
    return Setup(
        size_px=(photo_px, photo_px),
        camera=camera,
        face_center=turn @ moment.center + shift,
        rotation=turn @ moment.rotation,
        torso=turn @ moment.torso,
        target=turn @ moment.target + shift,
        expression=moment.expression,
        emotion=moment.emotion,
        blink=moment.blink,
        wear=moment.wear,
        pupil_mm=moment.pupil_mm,
        light=light,
        sensor=draw.sensor(rng, light, photo_px // 3),
        backdrop=moment.backdrop,
        world=world,
        screen=screen,
    )


def _light(moment: Moment, turn: Array) -> Light:
    """The strongest box as key light, the others and the room as six lobes of the camera's axes."""
    white = np.array([1.0, 1.0, 1.03])
    room = np.full((6, 1), moment.room) * white
    if not len(moment.lamps):
        return Light(turn @ _direction(0, 50), 0.15 * white, 1.8 * room, 0.7 * moment.level)
    lamps, strongest = moment.lamps @ turn.T, int(np.argmax(moment.strengths))
    sides = np.stack([lamps, -lamps], axis=-1).reshape(len(lamps), 6)
    fill = np.delete(moment.strengths, strongest) @ np.maximum(np.delete(sides, strongest, axis=0), 0.0)
    key = moment.strengths[strongest] * white
    return Light(lamps[strongest], key, room + 0.35 * fill[:, None] * white, moment.level)
