"""Scenes of the domains, made once: the people of one seed."""

from collections.abc import Iterator
from functools import cache
from itertools import islice

import numpy as np

from slyk.geometry.angles import Array, angular_error
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.head import Head, build
from slyk.synthetic.identity import Identity, draw_identity, stream
from slyk.synthetic.scene import Scene, Setup, make_scene

SEED = 5
FACES = ("wide", "webcam", "wild", "studio")


@cache
def person(number: int) -> tuple[Identity, Head]:
    rng = stream(SEED, number, -1)
    identity = draw_identity(rng)
    return identity, build(identity, rng)


def setups(domain: str, number: int) -> Iterator[Setup]:
    photo_px = DOMAINS[domain].PHOTO_PX
    return DOMAINS[domain].shots(*person(number), seed=SEED, number=number, photo_px=photo_px)


@cache
def taken(domain: str, number: int, num_photos: int) -> tuple[Scene, ...]:
    """The first scenes of a person."""
    return tuple(make_scene(*person(number), setup) for setup in islice(setups(domain, number), num_photos))


@cache
def scenes(domain: str) -> tuple[Scene, ...]:
    """54 scenes (3 moments of the rig) of each of 6 people."""
    return tuple(scene for number in range(6) for scene in taken(domain, number, 54))


def gazes(domain: str) -> Array:
    """Unit vectors (N, 3) from the face centre to the target."""
    directions = np.stack([s.target - s.face_center for s in scenes(domain)])
    return np.asarray(directions / np.linalg.norm(directions, axis=-1, keepdims=True))


def mean_error_deg(a: Array, b: Array) -> float:
    return float(np.rad2deg(angular_error(a, b).mean()))
