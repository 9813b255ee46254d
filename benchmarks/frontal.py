"""Near-frontal renders of the domain `wide`: heads redrawn within 10 degrees of the camera, all else as drawn."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.faces import Photo
from slyk.geometry.angles import pitchyaw_from_vector
from slyk.synthetic import draw
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.identity import Random, stream
from slyk.synthetic.render import Person, Picture, make_person, take_photo
from slyk.synthetic.scene import Scene, Setup, face_center, make_scene

LIMIT = np.deg2rad(10.0)
ROLL_SD = np.deg2rad(3.0)
EYE_LIMIT = np.deg2rad([26.0, 40.0])
"""How far eyes turn in the head: pitch, yaw."""
_USE = 1000
"""The stream of our own draws, beside those of the renderer."""
_DRAWS = 50


class Frontal(NamedTuple):
    """A near-frontal scene and its picture; number, photo: whose it is and which."""

    who: Person
    scene: Scene
    picture: Picture
    number: int
    photo: int


def frontal_setups(who: Person, *, seed: int, number: int, photo_px: int) -> Iterator[tuple[int, Setup]]:
    """Photo numbers and setups of a person in domain `wide` with open eyes and nothing worn but clear glasses, the head
    redrawn; photos whose target a near-frontal head cannot look at are left out."""
    shots = DOMAINS["wide"].shots(who.identity, who.head, seed=seed, number=number, photo_px=photo_px)
    for photo, setup in enumerate(shots):
        turned = near_frontal(who, setup, stream(seed, number, photo, use=_USE))
        if turned is not None:
            yield photo, turned


def near_frontal(who: Person, setup: Setup, rng: Random) -> Setup | None:
    """The setup with a head within 10 degrees of the camera from which the eyes reach the target; None without one."""
    offset = who.head.eyes - face_center(who.identity, who.head, setup.expression)
    for _ in range(_DRAWS):
        pitch, yaw = rng.uniform(-LIMIT, LIMIT, 2)
        rotation = draw.rotation(float(pitch), float(yaw), float(rng.normal(0.0, ROLL_SD)))
        to_target = setup.target - (offset @ rotation.T + setup.face_center)
        if np.all(np.abs(pitchyaw_from_vector(to_target @ rotation)) <= EYE_LIMIT):
            wear = setup.wear._replace(
                glasses=setup.wear.glasses and not setup.wear.sunglasses,
                sunglasses=False,
                hat=False,
                headscarf=False,
                face_mask=False,
            )
            return replace(setup, rotation=rotation, torso=draw.torso(rng, rotation), blink=0.0, wear=wear)
    return None


def render_frontal(
    people: range, photos_per_person: int, *, seed: int, photo_px: int, samples: int
) -> Iterator[Frontal]:
    """So many near-frontal photos of each person."""
    for number in people:
        who = make_person(seed, number)
        setups = frontal_setups(who, seed=seed, number=number, photo_px=photo_px)
        for photo, setup in islice(setups, photos_per_person):
            scene = make_scene(who.identity, who.head, setup)
            picture = take_photo(who, scene, seed=seed, number=number, photo=photo, samples=samples)
            yield Frontal(who, scene, picture, number, photo)


def as_jpeg(photo: Photo, quality: int) -> Photo:
    """The photo after JPEG at a quality."""
    done, data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
