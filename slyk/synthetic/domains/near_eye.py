"""Domain `near_eye`, after TEyeD: infrared video of one eye, 25 frames a second, by a camera on the head, 30-50 mm
before the eye, a little below and to the side. People of even number show their right eye,
others the left.

The eyes fixate, jump and pursue targets 0.5-2 m away (`scanpath`); the camera slips a little now and then.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import camera_matrix, project
from slyk.synthetic import draw
from slyk.synthetic.domains.scanpath import scanpath
from slyk.synthetic.expression import Expression
from slyk.synthetic.eye import LID_MM
from slyk.synthetic.head import Head
from slyk.synthetic.identity import Array, Identity, Random, stream
from slyk.synthetic.scene import EMOTIONS, Backdrop, Light, Sensor, Setup, Wear, World, face_center

PHOTO_PX = 384
FRAMES_PER_SECOND = 25
OPENING_MM = 28.0
OPENING_SHARE = (0.55, 0.80)
"""Share of the photo's width that an opening of OPENING_MM spans."""
DISTANCE_MM = (30.0, 50.0)


class Mount(NamedTuple):
    """What stays a recording's, lengths in mm. position (3,): camera from the eye's centre, head frame; aim (3,): the
    point looked at, likewise; leds (K, 3): camera frame; pupil: mean radius, and phases (3,) of its drift."""

    position: Array
    aim: Array
    roll: float
    camera: Array
    leds: Array
    key: float
    ambient: float
    depth_mm: float
    expression: Expression
    pupil_mm: float
    phases: Array
    noise: float
    blur_px: float


def shots(person: Identity, head: Head, *, seed: int, number: int, photo_px: int) -> Iterator[Setup]:
    """Frames of 4:3, `photo_px` wide, in order of time."""
    rng = stream(seed, number, -1, use=2)
    mount = _mount(rng, head, number % 2, photo_px)
    center = face_center(person, head, mount.expression)
    slip = np.zeros(6)
    path = scanpath(stream(seed, number, -1, use=3))
    for frame, moment in zip(count(), path, strict=False):
        slip = _slipped(stream(seed, number, frame), slip)
        rotation, origin = _pose(mount, head.eyes[number % 2], slip)
        target = mount.depth_mm * vector_from_pitchyaw(moment.gaze)
        yield Setup(
            size_px=(photo_px, _height(photo_px)),
            camera=mount.camera,
            face_center=rotation @ (center - origin),
            rotation=rotation,
            torso=rotation,
            target=rotation @ (target - origin),
            expression=mount.expression,
            emotion=EMOTIONS.index("neutral"),
            blink=moment.blink,
            wear=Wear(),
            pupil_mm=_pupil(mount, frame),
            light=_light(mount, rotation @ (head.eyes[number % 2] - origin)),
            sensor=Sensor(blur_px=mount.blur_px, noise=mount.noise, chroma_noise=0.0, jpeg_quality=92),
            backdrop=Backdrop("dark", number),
            world=World(frame=frame, movement=moment.movement),
        )


def _height(photo_px: int) -> int:
    return round(photo_px * 3 / 4)


def _mount(rng: Random, head: Head, side: int, photo_px: int) -> Mount:
    """A camera from which the other eye does not come into the photo."""
    outward = (-1.0, 1.0)[side]
    while True:
        below, aside = np.deg2rad(rng.uniform(8, 32)), np.deg2rad(rng.uniform(-6, 24))
        direction = np.array([outward * np.sin(aside) * np.cos(below), np.sin(below), -np.cos(aside) * np.cos(below)])
        distance = float(rng.uniform(*DISTANCE_MM))
        focal = float(rng.uniform(*OPENING_SHARE)) * photo_px * distance / OPENING_MM
        middle = np.array([photo_px, _height(photo_px)]) / 2 - 0.5 + rng.normal(0.0, 0.01 * photo_px, 2)
        mount = Mount(
            position=(distance + LID_MM) * direction,
            aim=np.array([*rng.normal(0.0, 1.2, 2), -8.0]),
            roll=float(np.deg2rad(rng.normal(0.0, 3.0))),
            camera=camera_matrix(focal, (float(middle[0]), float(middle[1]))),
            leds=_leds(rng),
            key=float(rng.uniform(0.7, 1.1)),
            ambient=float(rng.uniform(0.10, 0.30)),
            depth_mm=float(rng.uniform(500.0, 2000.0)),
            expression=Expression(squint=float(rng.uniform(0.0, 0.25)), brow=float(rng.uniform(-0.1, 0.15))),
            pupil_mm=float(rng.uniform(1.3, 2.9)),
            phases=rng.uniform(0.0, 2 * np.pi, 3),
            noise=float(rng.uniform(0.006, 0.016)),
            blur_px=float(rng.uniform(0.4, 1.1) * photo_px / PHOTO_PX),
        )
        rotation, origin = _pose(mount, head.eyes[side], np.zeros(6))
        other = rotation @ (head.eyes[1 - side] - origin)
        x = project(mount.camera, other)[0]
        if other[2] < 5.0 or not -0.12 * photo_px < x < 1.12 * photo_px:
            return mount


def _leds(rng: Random) -> Array:
    """2-6 lamps (K, 3) on a ring around the lens, camera frame."""
    number, radius = int(rng.integers(2, 7)), rng.uniform(6.0, 13.0)
    turn = rng.uniform(0, 2 * np.pi) + np.arange(number) * 2 * np.pi / number
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), np.full(number, rng.uniform(-2.0, 1.0))], axis=-1)


def _pose(mount: Mount, eye: Array, slip: Array) -> tuple[Array, Array]:
    """Head to camera (3, 3) and the camera's place (3,), head frame, after a slip (3 mm, 3 radians)."""
    origin = eye + mount.position + slip[:3]
    z = mount.aim - mount.position
    z = z / np.linalg.norm(z)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    upright = np.stack([x, np.cross(z, x), z])
    pitch, yaw, roll = slip[3:]
    return draw.rotation(float(pitch), float(yaw), mount.roll + float(roll)) @ upright, origin


def _slipped(rng: Random, slip: Array) -> Array:
    """The slip of the next frame: it trembles, and once in 20 s it jumps."""
    jump = rng.uniform() < 1 / (20 * FRAMES_PER_SECOND)
    spread = np.array([0.5] * 3 + [0.008] * 3) if jump else np.array([0.012] * 3 + [0.0002] * 3)
    limit = np.array([1.2] * 3 + [0.02] * 3)
    return np.asarray(np.clip(slip + rng.normal(0.0, spread), -limit, limit))


def _pupil(mount: Mount, frame: int) -> float:
    """Radius in mm: slow waves of 3, 7 and 19 s."""
    waves = np.sin(2 * np.pi * frame / FRAMES_PER_SECOND / np.array([3.1, 7.3, 19.0]) + mount.phases)
    return float(np.clip(mount.pupil_mm * (1 + waves @ np.array([0.03, 0.05, 0.08])), 1.0, 3.4))


def _light(mount: Mount, eye: Array) -> Light:
    direction = mount.leds.mean(axis=0) - eye
    direction = direction / np.linalg.norm(direction)
    grey = np.ones(3)
    ambient = mount.ambient * np.ones((6, 3))
    return Light(direction, mount.key * grey, ambient, 1.0, leds=mount.leds, infrared=True)
