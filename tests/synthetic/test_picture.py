"""Photos are reproducible to the byte, the same with and without numba, and look like faces to a classical detector."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.synthetic import draw
from slyk.synthetic.annotate import COLUMNS, document, schema
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.raster import rasterize
from slyk.synthetic.regions import PALETTE, Region, shrink
from slyk.synthetic.render import Person, make_person, render_person, take_photo
from slyk.synthetic.scene import Scene, Wear, make_scene

PROGRAM = """
import hashlib
from slyk.synthetic.render import render_person
for shot in render_person(11, 2, domain="wide", num_photos=2, photo_px=96, eye_supersampling=2):
    print(hashlib.sha256(shot.photo + shot.mask).hexdigest())
"""


@cache
def person(number: int) -> Person:
    return make_person(11, number)


def scene_of(who: Person, number: int, px: int, **changes: object) -> Scene:
    """The person's first scene of domain `wide`."""
    setup = next(DOMAINS["wide"].shots(who.identity, who.head, seed=11, number=number, photo_px=px))
    return make_scene(who.identity, who.head, replace(setup, **changes))  # type: ignore[arg-type]


@pytest.mark.slow
def test_two_processes_write_the_same_bytes() -> None:
    here = [
        hashlib.sha256(shot.photo + shot.mask).hexdigest()
        for shot in render_person(11, 2, domain="wide", num_photos=2, photo_px=96, eye_supersampling=2)
    ]
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    there = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True)
    assert there.stdout.split() == here
    assert len(set(here)) == 2


def test_a_photo_does_not_depend_on_the_others() -> None:
    long = list(render_person(11, 2, domain="wide", num_photos=3, photo_px=64, eye_supersampling=1))
    short = list(render_person(11, 2, domain="wide", num_photos=1, photo_px=64, eye_supersampling=1))
    assert short[0] == long[0]
    other = next(iter(render_person(11, 3, domain="wide", num_photos=1, photo_px=64, eye_supersampling=1)))
    assert other.photo != long[0].photo


def test_numpy_draws_what_numba_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    who = person(1)
    scene = scene_of(who, 1, 96)
    photos = []
    for flag in ("0", "1"):
        monkeypatch.setenv("SLYK_NO_NUMBA", flag)
        photos.append(take_photo(who, scene, seed=11, number=1, photo=0, samples=2).photo.astype(float))
    assert np.abs(photos[0] - photos[1]).mean() < 0.05


@pytest.mark.parametrize("flag", ["0", "1"])
def test_the_nearer_surface_hides_the_other(monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    """A strip folded back over itself: the part with the larger nearness shows."""
    monkeypatch.setenv("SLYK_NO_NUMBA", flag)
    x = np.array([[0.0, 8.0], [0.0, 8.0], [0.0, 8.0], [0.0, 8.0]])
    y = np.array([[0.0, 0.0], [8.0, 8.0], [2.0, 2.0], [6.0, 6.0]])
    near = np.array([[1.0, 1.0], [1.0, 1.0], [2.0, 2.0], [2.0, 2.0]])
    surface = rasterize(x, y, near, 10, 10)
    assert surface.nearness[4, 4] == pytest.approx(2.0) and surface.row[4, 4] == pytest.approx(2.5)
    assert surface.nearness[1, 4] == pytest.approx(1.0) and surface.row[1, 4] == pytest.approx(1 / 8)
    assert surface.column[1, 2] == pytest.approx(0.25)
    assert surface.nearness[9, 9] == 0  # no surface; the fold itself (row 1 to 2) shows its back and is not drawn


def test_each_column_is_described_and_filled() -> None:
    row = next(render_person(11, 2, domain="wide", num_photos=1, photo_px=64, eye_supersampling=1)).annotation
    names = [c.name for c in COLUMNS]
    files = ["photo", "mask", "person", "split", "domain"]
    assert names == [*files, *sorted(row, key=names.index)]
    for column in COLUMNS[len(files) :]:
        if column.optional:
            assert row[column.name] is None  # nobody looks at a screen here
            continue
        if column.kind in ("numbers", "flags"):
            assert len(row[column.name]) == column.length, column.name
            assert np.all(np.isfinite(np.array(row[column.name], dtype=float)))
        assert column.meaning in document()
        assert schema().field(column.name).metadata == {b"description": column.meaning.encode()}


@pytest.mark.slow
def test_a_cascade_finds_near_frontal_faces() -> None:
    folder = Path(cv2.__file__).parent / "data"
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
    found = 0
    for number in range(6):
        who = person(number)
        tilt = draw.rotation(np.deg2rad(4.0), np.deg2rad(8.0 * (number % 3 - 1)), 0.03)
        scene = scene_of(who, number, 200)
        scene = scene_of(who, number, 200, rotation=tilt, target=scene.face_center - 600 * tilt[:, 2], wear=Wear())
        photo = take_photo(who, scene, seed=11, number=number, photo=0, samples=1).photo
        boxes = cascade.detectMultiScale(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), 1.1, 4, minSize=(60, 60))
        center = (scene.camera @ scene.face_center)[:2] / scene.face_center[2]
        found += any(x < center[0] < x + w and y < center[1] < y + h for x, y, w, h in np.reshape(boxes, (-1, 4)))
    assert found >= 5


def test_masks_name_what_the_photo_shows() -> None:
    """Every class that a bare frontal face must show is there, each where the labels say."""
    who = person(4)
    scene = scene_of(who, 4, 200)
    tilt = draw.rotation(0.0, 0.0, 0.0)
    scene = scene_of(who, 4, 200, rotation=tilt, target=scene.face_center - 600 * tilt[:, 2], wear=Wear(), blink=0.0)
    regions = take_photo(who, scene, seed=11, number=4, photo=0, samples=2).regions
    shown = set(np.unique(regions))
    bare = set(Region) - {Region.GLASSES, Region.HEADWEAR, Region.FACE_MASK}
    assert bare - {Region.MOUTH} <= shown <= bare
    middle = (scene.camera @ scene.face_center)[:2] / scene.face_center[2]
    column, row = (round(2 * v) for v in middle)
    assert regions[row, column] == Region.NOSE
    assert len(PALETTE) == len(Region)


@pytest.mark.parametrize(
    ("worn", "region"),
    [
        ("glasses", Region.GLASSES),
        ("hat", Region.HEADWEAR),
        ("headscarf", Region.HEADWEAR),
        ("face_mask", Region.FACE_MASK),
    ],
)
def test_what_is_worn_is_in_the_mask(worn: str, region: Region) -> None:
    who = person(5)
    wear = Wear()._replace(**{worn: True})
    picture = take_photo(who, scene_of(who, 5, 128, wear=wear), seed=11, number=5, photo=0, samples=2)
    assert (picture.regions == region).mean() > 0.002


def test_a_small_mask_holds_what_most_samples_show() -> None:
    fine = np.array([[1, 1, 4, 5], [1, 7, 5, 5]], dtype=np.uint8)
    assert shrink(fine, 2).tolist() == [[1, 5]]
    assert shrink(fine, 1) is fine


def test_infrared_photos_are_grey() -> None:
    who = person(6)
    setup = next(DOMAINS["near_eye"].shots(who.identity, who.head, seed=11, number=6, photo_px=96))
    scene = make_scene(who.identity, who.head, replace(setup, sensor=setup.sensor._replace(chroma_noise=0.0)))
    photo = take_photo(who, scene, seed=11, number=6, photo=0, samples=1).photo.astype(int)
    assert np.ptp(photo, axis=-1).max() <= 1 and photo.std() > 10
