"""Domain `wide`: gaze even over +-30 degrees up and down, +-40 to the sides, drawn before the head (+-30, +-30), which
only has to let the eyes reach it. Neither a constant nor the head's pose predicts gaze."""

from collections.abc import Iterator
from itertools import count

import numpy as np

from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import camera_matrix
from slyk.synthetic import draw
from slyk.synthetic.head import Head
from slyk.synthetic.identity import Array, Identity, Random, stream
from slyk.synthetic.scene import Backdrop, Setup, World, face_center

PHOTO_PX = 300
GAZE_LIMIT = np.deg2rad([30.0, 40.0])
HEAD_LIMIT = np.deg2rad([30.0, 30.0])
ROLL_SD = np.deg2rad(8.0)
DISTANCE_MM = 600.0
PHOTO_MM = 264.0
"""Width that a photo shows at the nominal distance."""


def shots(person: Identity, head: Head, *, seed: int, number: int, photo_px: int) -> Iterator[Setup]:
    """Square photos, each on its own."""
    for photo in count():
        yield _shot(person, head, stream(seed, number, photo), photo_px, World(frame=photo))


def _shot(person: Identity, head: Head, rng: Random, photo_px: int, world: World) -> Setup:
    emotion, expression = draw.expression(rng, neutral=0.4)
    camera = _camera(rng, photo_px)
    center = _place(rng, camera, photo_px)
    gaze = vector_from_pitchyaw(rng.uniform(-GAZE_LIMIT, GAZE_LIMIT))
    target = center + rng.uniform(450.0, 900.0) * gaze
    offset = head.eyes - face_center(person, head, expression)
    rotation = _reaching(rng, center, offset, target)
    light = draw.indoor_light(rng)
    return Setup(
        size_px=(photo_px, photo_px),
        camera=camera,
        face_center=center,
        rotation=rotation,
        torso=draw.torso(rng, rotation),
        target=target,
        expression=expression,
        emotion=emotion,
        blink=draw.blink(rng),
        wear=draw.wear(rng, person),
        pupil_mm=float(rng.uniform(1.2, 2.8)),
        light=light,
        sensor=draw.sensor(rng, light, photo_px),
        world=world,
        backdrop=Backdrop(("wall", "room", "outdoor")[int(rng.integers(0, 3))], int(rng.integers(0, 2**31))),
    )


def _reaching(rng: Random, center: Array, offset: Array, target: Array) -> Array:
    """A head from which both eyes, at `offset` (2, 3) from the face centre at rest, reach the target."""
    while True:  # about one draw in three reaches the corners of the gaze range, most reach its middle
        pitch, yaw = rng.uniform(-HEAD_LIMIT, HEAD_LIMIT)
        roll = float(np.clip(rng.normal(0.0, ROLL_SD), -3 * ROLL_SD, 3 * ROLL_SD))
        rotation = draw.rotation(float(pitch), float(yaw), roll)
        if draw.in_reach(rotation, center, offset, target):
            return rotation


def _camera(rng: Random, photo_px: int) -> Array:
    focal = photo_px * DISTANCE_MM / PHOTO_MM * rng.uniform(0.97, 1.03)
    shift_x, shift_y = rng.normal(0.0, 0.012 * photo_px, 2)
    middle = photo_px / 2 - 0.5  # integer coordinates are pixel centres
    return camera_matrix(float(focal), (middle + float(shift_x), middle + float(shift_y)))


def _place(rng: Random, camera: Array, photo_px: int) -> Array:
    """The face centre (3,), a little off the middle of the photo."""
    distance = DISTANCE_MM * rng.uniform(0.92, 1.08)
    pixel = photo_px / 2 + rng.normal(0.0, 0.018 * photo_px, 2) + np.array([0.0, 0.05 * photo_px])
    ray = np.array([(pixel[0] - camera[0, 2]) / camera[0, 0], (pixel[1] - camera[1, 2]) / camera[1, 1], 1.0])
    return np.asarray(distance * ray / np.linalg.norm(ray))
