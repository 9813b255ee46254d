"""Rendered portraits for tests of detection, and where the real photos are."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from slyk.geometry.camera import Array, project
from slyk.synthetic.annotate import landmarks_3d
from slyk.synthetic.domains import wide
from slyk.synthetic.render import make_person, take_photo
from slyk.synthetic.scene import Wear, make_scene
from tests.drawn import REPOSITORY

REAL_DATA = Path(os.environ.get("SLYK_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
PHOTO_PX = 260


class Portrait(NamedTuple):
    """photo (P, P, 3) BGR; eyes_px (2, 2) and eyes_mm (2, 3): midpoints between the corners of each eye."""

    photo: NDArray[np.uint8]
    eyes_px: Array
    eyes_mm: Array


@cache
def portrait(person: int) -> Portrait:
    """A person without glasses who faces the camera and looks into it."""
    who = make_person(1, person)
    drawn = next(wide.shots(who.identity, who.head, seed=1, number=person, photo_px=PHOTO_PX))
    upright, wear = np.eye(3), Wear(headscarf=who.identity.headscarf)
    setup = replace(drawn, rotation=upright, torso=upright, target=np.zeros(3), wear=wear, blink=0.0)
    scene = make_scene(who.identity, who.head, setup)
    photo = take_photo(who, scene, seed=1, number=person, photo=0, samples=1).photo
    eyes_mm = landmarks_3d(who.head, scene)[[36, 39, 42, 45]].reshape(2, 2, 3).mean(axis=1)
    return Portrait(photo, project(scene.camera, eyes_mm), eyes_mm)


def tile(num_people: int) -> NDArray[np.uint8]:
    """Several people side by side, (P, num_people * P, 3)."""
    return np.concatenate([portrait(person).photo for person in range(num_people)], axis=1)


def turned(photo: NDArray[np.uint8], roll_deg: float) -> tuple[NDArray[np.uint8], Array]:
    """The photo turned counter-clockwise about its middle and the (2, 3) map of pixels that did it."""
    middle = ((photo.shape[1] - 1) / 2, (photo.shape[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, roll_deg, 1.0)
    picture = cv2.warpAffine(photo, matrix, photo.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(picture, dtype=np.uint8), np.asarray(matrix)


def real_photos(folder: str) -> list[Path]:
    """Photos of the shared real data; skips the test where they are not."""
    photos = sorted((REAL_DATA / folder).glob("*.jpg"))
    if not photos:
        pytest.skip(f"no photos in {REAL_DATA / folder}: set SLYK_REAL_DATA")
    return photos
