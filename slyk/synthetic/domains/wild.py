"""Domain `wild`, after Gaze360: people 1-4 m away, indoors and outdoors, seen from the front to the side (head yaw to
+-90 degrees to the line of sight), small, blurred and noisy. One recording a person.

A photo is a square around the head, cut from a big frame and scaled to 0.4-1.0 of `photo_px`. Its camera tells where it
was cut (`crop_of`). Frames come in runs of 9 with smooth motion, since video networks take 7; between runs time passes.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from slyk.geometry.angles import pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import camera_matrix
from slyk.synthetic import draw
from slyk.synthetic.expression import Expression
from slyk.synthetic.head import Head
from slyk.synthetic.identity import Array, Identity, Random, stream
from slyk.synthetic.scene import Backdrop, Light, Sensor, Setup, Wear, World

PHOTO_PX = 160
FULL_SIZE = (3382, 4096)
"""Width, height of the frames, px."""
FULL_FOCAL = 2100.0
"""Their focal length, px (our choice: 78 degrees across)."""
FULL_CENTER = (1691.0, 2048.0)
RUN = 9
"""Consecutive frames."""
_RUN_STEP = 30
"""Frames from the start of a run to the start of the next."""
_MIDDLE_OF_HEAD = np.array([0.0, -28.0, 70.0])
"""From the face centre, head frame, mm."""


class Crop(NamedTuple):
    """A photo's place in the full frame: its pixel (x0, y0) became the photo's pixel (0, 0), scaled by `scale`."""

    x0: float
    y0: float
    scale: float


def crop_camera(crop: Crop) -> Array:
    """Camera matrix (3, 3) of a crop."""
    x, y = (crop.scale * (middle - first) for middle, first in zip(FULL_CENTER, crop[:2], strict=True))
    return camera_matrix(crop.scale * FULL_FOCAL, (x, y))


def crop_of(camera: Array) -> Crop:
    """The crop that a camera (3, 3) belongs to."""
    scale = float(camera[0, 0]) / FULL_FOCAL
    return Crop(FULL_CENTER[0] - float(camera[0, 2]) / scale, FULL_CENTER[1] - float(camera[1, 2]) / scale, scale)


class Place(NamedTuple):
    """What stays a recording's; sun: 1 clear sky, 0 clouds."""

    outdoor: bool
    sun: float
    wear: Wear
    grain: float


class Pose(NamedTuple):
    """A moment. center (3,): face centre, camera frame, mm; head (3,): pitch, yaw, roll; eyes (2,): gaze in the head,
    pitch, yaw; reach_mm: distance of the target."""

    center: Array
    head: Array
    eyes: Array
    reach_mm: float


class Run(NamedTuple):
    """What stays a run's: its first and last moment, the rest between them."""

    first: Pose
    last: Pose
    torso: Array
    side: int
    size: int
    light: Light
    backdrop: Backdrop
    emotion: int
    expression: Expression


def shots(person: Identity, head: Head, *, seed: int, number: int, photo_px: int) -> Iterator[Setup]:
    """Square photos of different sizes."""
    place = _place(stream(seed, number, -1, use=2), person)
    for index in count():
        run = _run(stream(seed, number, -1, use=3 + index), place, photo_px)
        for step in range(RUN):
            rng = stream(seed, number, index * RUN + step)
            yield _shot(rng, place, run, step, World(recording=f"rec_{number:03d}", frame=index * _RUN_STEP + step))


def _place(rng: Random, person: Identity) -> Place:
    outdoor = bool(rng.uniform() < 0.55)
    wear = draw.wear(rng, person, glasses=0.30, dark=0.4 if outdoor else 0.05, hat=0.2, mask=0.04)
    return Place(outdoor, float(rng.uniform() < 0.65), wear, float(rng.uniform(0.006, 0.02)))


def _run(rng: Random, place: Place, photo_px: int) -> Run:
    distance = float(np.exp(rng.uniform(np.log(1000.0), np.log(4000.0))))
    pixel = np.array([rng.uniform(0.14, 0.86) * FULL_SIZE[0], FULL_CENTER[1]])
    ray = np.array([(pixel[0] - FULL_CENTER[0]) / FULL_FOCAL, 0.0, 1.0])
    center = distance * ray / np.linalg.norm(ray) + np.array([0.0, -rng.uniform(-150.0, 450.0), 0.0])
    to_camera = float(pitchyaw_from_vector(-center)[1])
    yaw, neck = rng.uniform(-90.0, 90.0), rng.uniform(-30.0, 30.0)
    angles = np.array([np.clip(rng.normal(0, 11.0), -32, 32), yaw, np.clip(rng.normal(0, 6.0), -18, 18)])
    drift = np.clip(rng.normal(0.0, 1.0, 3), -2, 2) * np.array([3.5, 7.0, 1.5])
    drift[1] = np.clip(yaw + drift[1], -90.0, 90.0) - yaw
    facing = np.array([0.0, to_camera, 0.0])
    eyes = np.deg2rad(rng.uniform([-19.0, -33.0], [19.0, 33.0]))
    moved = np.clip(eyes + np.deg2rad(rng.normal(0.0, [4.0, 8.0])), *np.deg2rad([[-19.0, -33.0], [19.0, 33.0]]))
    reach = float(rng.uniform(800.0, 5000.0))
    way = np.clip(rng.normal(0.0, 1.0, 3), -2, 2) * np.array([35.0, 8.0, 35.0])
    emotion, expression = draw.expression(rng, neutral=0.5)
    size = round(photo_px * float(np.clip(1050.0 / distance * rng.uniform(0.9, 1.1), 0.4, 1.0)))
    return Run(
        first=Pose(center, np.deg2rad(angles) + facing, eyes, reach),
        last=Pose(center + way, np.deg2rad(angles + drift) + facing, moved, reach),
        torso=draw.rotation(0.0, float(np.deg2rad(yaw - neck) + to_camera), float(np.deg2rad(rng.normal(0, 2.0)))),
        side=round(float(rng.uniform(285.0, 345.0)) * FULL_FOCAL / float(center[2])),
        size=size,
        light=draw.outdoor_light(rng, place.sun) if place.outdoor else draw.indoor_light(rng),
        backdrop=Backdrop("outdoor" if place.outdoor else "room", int(rng.integers(0, 2**31))),
        emotion=emotion,
        expression=expression,
    )


def _shot(rng: Random, place: Place, run: Run, step: int, world: World) -> Setup:
    pose = _between(run.first, run.last, step / (RUN - 1))
    rotation = draw.rotation(*(float(angle) for angle in pose.head))
    middle = pose.center + rotation @ _MIDDLE_OF_HEAD
    pixel = FULL_FOCAL * middle[:2] / middle[2] + np.array(FULL_CENTER) + rng.normal(0.0, 0.012 * run.side, 2)
    x0, y0 = np.rint(pixel - run.side / 2)  # detectors give whole pixels
    blur = run.size / PHOTO_PX * rng.uniform(0.4, 1.3)
    return Setup(
        size_px=(run.size, run.size),
        camera=crop_camera(Crop(float(x0), float(y0), run.size / run.side)),
        face_center=pose.center,
        rotation=rotation,
        torso=run.torso,
        target=pose.center + pose.reach_mm * rotation @ vector_from_pitchyaw(pose.eyes),
        expression=run.expression,
        emotion=run.emotion,
        blink=draw.blink(rng),
        wear=place.wear,
        pupil_mm=float(rng.uniform(1.0, 1.8) if place.outdoor else rng.uniform(1.3, 2.6)),
        light=run.light,
        sensor=Sensor(
            exposure=float(rng.normal(0.0, 0.18)),
            blur_px=float(max(0.35, blur)),
            noise=place.grain,
            chroma_noise=0.6 * place.grain,
            motion_px=(float(rng.normal(0.0, 0.5)), float(rng.normal(0.0, 0.3))),
            jpeg_quality=int(rng.integers(80, 95)),
        ),
        backdrop=run.backdrop,
        world=world,
    )


def _between(first: Pose, last: Pose, share: float) -> Pose:
    smooth = share * share * (3.0 - 2.0 * share)
    return Pose(
        first.center + smooth * (last.center - first.center),
        first.head + smooth * (last.head - first.head),
        first.eyes + smooth * (last.eyes - first.eyes),
        first.reach_mm,
    )
