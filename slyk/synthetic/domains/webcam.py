"""Domain `webcam`, after MPIIFaceGaze: a person before a laptop or a monitor over several days, looking at points
spread evenly over the screen. Camera, screen and their places are the person's; seat, light and room are the day's.

Ranges (our choice): face 350-650 mm from a laptop, 550-750 mm from a monitor; focal length 0.75-1.0 of the width (0.77
to 0.83 in MPIIFaceGaze's calibrations); 4-20 photos a day; the head turns 15-60 % of the way that the gaze does.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import NamedTuple

import numpy as np

from slyk.geometry.angles import pitchyaw_from_vector
from slyk.geometry.camera import camera_matrix
from slyk.synthetic import draw
from slyk.synthetic.head import Head
from slyk.synthetic.identity import Array, Identity, Random, stream
from slyk.synthetic.scene import Backdrop, Light, Screen, Setup, Wear, World, face_center

PHOTO_PX = 640
LAPTOP_MM = (350.0, 650.0)
MONITOR_MM = (550.0, 750.0)
_INCH_MM = 25.4
_Model = tuple[float, int, int]
_LAPTOPS: tuple[_Model, ...] = (
    (13.3, 2560, 1600),
    (13.3, 1440, 900),
    (14.0, 1920, 1080),
    (15.4, 2880, 1800),
    (15.6, 1366, 768),
)
_MONITORS: tuple[_Model, ...] = ((21.5, 1920, 1080), (23.8, 1920, 1080), (24.0, 1920, 1200), (27.0, 2560, 1440))
"""Diagonal in inches, width and height in px of screens on sale."""


class Desk(NamedTuple):
    """What stays a person's. rotation (3, 3), translation (3,): screen to camera, as in `Screen`; tilt: how far the
    camera looks above the horizon, radians; distance_mm: range of the face's distance."""

    camera: Array
    size_px: tuple[int, int]
    size_mm: tuple[float, float]
    rotation: Array
    translation: Array
    tilt: float
    distance_mm: tuple[float, float]
    wears_glasses: bool


class Day(NamedTuple):
    """What stays a day's. seat (3,): usual place of the face centre, camera frame; glow: strength of the screen's
    light; follow: share of the gaze's way that the head turns; rest: share of the way to the screen at rest."""

    recording: str
    num_photos: int
    seat: Array
    light: Light
    glow: float
    backdrop: Backdrop
    wear: Wear
    follow: float
    rest: float


def shots(person: Identity, head: Head, *, seed: int, number: int, photo_px: int) -> Iterator[Setup]:
    """Frames of 16:9, `photo_px` wide."""
    desk = _desk(stream(seed, number, -1, use=2), photo_px)
    photo = 0
    for index in count():
        day = _day(stream(seed, number, -1, use=3 + index), desk, person, index, photo_px)
        for frame in range(day.num_photos):
            yield _shot(person, head, stream(seed, number, photo), desk, day, frame, photo_px)
            photo += 1


def _height(photo_px: int) -> int:
    return round(photo_px * 9 / 16)


def _desk(rng: Random, photo_px: int) -> Desk:
    laptop = rng.uniform() < 0.65
    models = _LAPTOPS if laptop else _MONITORS
    inches, *size_px = models[int(rng.integers(0, len(models)))]
    per_px = inches * _INCH_MM / float(np.linalg.norm(size_px))
    width_mm, height_mm = (side * per_px for side in size_px)
    if laptop:
        gap, aside, before, turn = rng.uniform(6, 11), rng.normal(0, 1.0), 0.0, rng.normal(0, 0.5, 3)
        tilt = rng.uniform(6, 22)
        below = rng.uniform() < 0.1
    else:
        gap, aside, before = rng.uniform(12, 35), rng.normal(0, 15.0), rng.uniform(-10, 20)
        turn, tilt, below = rng.normal(0, [3.0, 2.0, 1.0]), rng.uniform(-10, 4), False
    place = np.array([width_mm / 2 + aside, height_mm + gap if below else -gap, -before])
    # the camera looks the other way than the screen's z, and its x is the user's left
    rotation = draw.rotation(*np.deg2rad(turn)) @ np.diag([-1.0, 1.0, -1.0])
    middle = np.array([photo_px, _height(photo_px)]) / 2 - 0.5 + rng.normal(0.0, 0.012 * photo_px, 2)
    camera = camera_matrix(photo_px * float(rng.uniform(0.75, 1.0)), (float(middle[0]), float(middle[1])))
    return Desk(
        camera=camera,
        size_px=(int(size_px[0]), int(size_px[1])),
        size_mm=(width_mm, height_mm),
        rotation=rotation,
        translation=-rotation @ place,
        tilt=float(np.deg2rad(tilt + 12.0 * below)),
        distance_mm=LAPTOP_MM if laptop else MONITOR_MM,
        wears_glasses=bool(rng.uniform() < 0.3),
    )


def _day(rng: Random, desk: Desk, person: Identity, index: int, photo_px: int) -> Day:
    light = draw.indoor_light(rng)
    pixel = np.array([photo_px, _height(photo_px)]) * (0.5 + rng.normal(0.0, [0.05, 0.06]) + np.array([0.0, 0.04]))
    return Day(
        recording=f"day{index + 1:02d}",
        num_photos=int(rng.integers(4, 21)),
        seat=_within(desk, pixel, float(rng.uniform(*desk.distance_mm)), photo_px),
        light=light,
        glow=float(rng.uniform(0.05, 0.35)),
        backdrop=Backdrop("room" if rng.uniform() < 0.6 else "wall", int(rng.integers(0, 2**31))),
        wear=draw.wear(rng, person, glasses=0.95 * desk.wears_glasses, dark=0.0, hat=0.03, mask=0.01),
        follow=float(rng.uniform(0.15, 0.6)),
        rest=float(rng.uniform(0.4, 0.9)),
    )


def _within(desk: Desk, pixel: Array, distance: float, photo_px: int) -> Array:
    """The point (3,) at a distance that shows at the pixel, moved so that the face fits into the photo."""
    size = np.array([photo_px, _height(photo_px)])
    margin = desk.camera[0, 0] / distance * np.array([85.0, 95.0])
    x, y = np.clip(pixel, np.minimum(margin, size / 2), np.maximum(size - margin, size / 2))
    ray = np.array([(x - desk.camera[0, 2]) / desk.camera[0, 0], (y - desk.camera[1, 2]) / desk.camera[1, 1], 1.0])
    return np.asarray(distance * ray / np.linalg.norm(ray))


def _shot(person: Identity, head: Head, rng: Random, desk: Desk, day: Day, frame: int, photo_px: int) -> Setup:
    emotion, expression = draw.expression(rng, neutral=0.8)
    moved = day.seat + np.clip(rng.normal(0.0, 1.0, 3), -2, 2) * np.array([14.0, 9.0, 16.0])
    pixel = desk.camera[:2] @ moved / moved[2]
    center = _within(desk, pixel, float(np.clip(np.linalg.norm(moved), *desk.distance_mm)), photo_px)
    screen = _target(rng, desk)
    target = screen.rotation @ _on_screen(screen) + screen.translation
    offset = head.eyes - face_center(person, head, expression)
    rotation = _turned(rng, desk, day, center, offset, target)
    light = _glowing(day, target - center)
    return Setup(
        size_px=(photo_px, _height(photo_px)),
        camera=desk.camera,
        face_center=center,
        rotation=rotation,
        torso=draw.torso(rng, rotation),
        target=target,
        expression=expression,
        emotion=emotion,
        blink=draw.blink(rng),
        wear=day.wear,
        pupil_mm=float(rng.uniform(1.2, 2.4)),
        light=light,
        sensor=draw.sensor(rng, light, photo_px // 2),
        backdrop=day.backdrop,
        world=World(recording=day.recording, frame=frame),
        screen=screen,
    )


def _target(rng: Random, desk: Desk) -> Screen:
    pixel = rng.uniform(0.0, 1.0, 2) * np.array(desk.size_px)
    return Screen(pixel, desk.size_px, desk.size_mm, desk.rotation, desk.translation)


def _on_screen(screen: Screen) -> Array:
    """The target (3,) in the screen's frame, mm."""
    return np.array([*(screen.target_px * np.array(screen.size_mm) / np.array(screen.size_px)), 0.0])


def _turned(rng: Random, desk: Desk, day: Day, center: Array, offset: Array, target: Array) -> Array:
    """A head at rest between straight ahead and the screen's middle, turned part of the way to the target."""
    middle = desk.rotation @ np.array([*desk.size_mm, 0.0]) / 2 + desk.translation
    ahead = np.array([desk.tilt, 0.0])
    rest = ahead + day.rest * (pitchyaw_from_vector(middle - center) - ahead)
    gaze = pitchyaw_from_vector(target - center)
    for attempt in count():
        follow = min(1.0, day.follow + 0.05 * attempt)
        noise = np.clip(rng.normal(0.0, 1.0, 3), -2.5, 2.5) * np.deg2rad([3.0, 4.0, 4.0])
        pitch, yaw = rest + follow * (gaze - rest) + noise[:2]
        rotation = draw.rotation(float(pitch), float(yaw), float(noise[2]))
        if draw.in_reach(rotation, center, offset, target):
            return rotation
    raise AssertionError("a head that turns all the way reaches everything")


def _glowing(day: Day, to_target: Array) -> Light:
    """The room's light and a bluish glow from where the target is, as six lobes."""
    toward = to_target / np.linalg.norm(to_target)
    axes = np.stack([toward, -toward], axis=-1).reshape(6, 1)
    glow = day.glow * np.maximum(axes, 0.0) * np.array([0.92, 1.0, 1.12])
    return replace(day.light, ambient=day.light.ambient + glow)
