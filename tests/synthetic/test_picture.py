"""Photos are reproducible to the byte, the same with and without numba, and look like faces to a classical detector."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.synthetic.annotate import COLUMNS, document, schema
from slyk.synthetic.identity import stream
from slyk.synthetic.raster import rasterize
from slyk.synthetic.render import make_person, render_person, take_photo
from slyk.synthetic.scene import draw_scene

PROGRAM = """
import hashlib
from slyk.synthetic.render import render_person
for data, _ in render_person(11, 2, num_photos=2, photo_px=96, eye_supersampling=2):
    print(hashlib.sha256(data).hexdigest())
"""


def test_two_processes_write_the_same_bytes() -> None:
    here = [
        hashlib.sha256(data).hexdigest()
        for data, _ in render_person(11, 2, num_photos=2, photo_px=96, eye_supersampling=2)
    ]
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    there = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True)
    assert there.stdout.split() == here
    assert len(set(here)) == 2


def test_a_photo_does_not_depend_on_the_others() -> None:
    long = list(render_person(11, 2, num_photos=3, photo_px=64, eye_supersampling=1))
    short = list(render_person(11, 2, num_photos=1, photo_px=64, eye_supersampling=1))
    assert short[0] == long[0]
    other = next(iter(render_person(11, 3, num_photos=1, photo_px=64, eye_supersampling=1)))
    assert other[0] != long[0][0]


def test_numpy_draws_what_numba_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    who = make_person(11, 1)
    scene = draw_scene(who.identity, who.head, stream(11, 1, 0), 96)
    photos = []
    for flag in ("0", "1"):
        monkeypatch.setenv("SLYK_NO_NUMBA", flag)
        photos.append(take_photo(who, scene, stream(11, 1, 0), photo_px=96, samples=2).photo.astype(float))
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
    _, row = next(iter(render_person(11, 2, num_photos=1, photo_px=64, eye_supersampling=1)))
    assert [c.name for c in COLUMNS] == ["photo", "person", "split", *sorted(row, key=[c.name for c in COLUMNS].index)]
    for column in COLUMNS[3:]:
        if column.kind in ("numbers", "flags"):
            assert len(row[column.name]) == column.length, column.name
            assert np.all(np.isfinite(np.array(row[column.name], dtype=float)))
        assert column.meaning in document()
        assert schema().field(column.name).metadata == {b"description": column.meaning.encode()}


def test_a_cascade_finds_near_frontal_faces() -> None:
    folder = Path(cv2.__file__).parent / "data"
    cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
    found = 0
    for number in range(6):
        who = make_person(11, number)
        scene = draw_scene(who.identity, who.head, stream(11, number, 0), 200)
        tilt = cv2.Rodrigues(np.deg2rad(np.array([4.0, 8.0 * (number % 3 - 1), 2.0])))[0]
        shift = scene.face_center - tilt @ (scene.rotation.T @ (scene.face_center - scene.translation))
        eyes = who.head.eyes @ tilt.T + shift
        scene = replace(scene, rotation=tilt, translation=shift, eyes=eyes)
        photo = take_photo(who, scene, stream(11, number, 0), photo_px=200, samples=1).photo
        boxes = cascade.detectMultiScale(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), 1.1, 4, minSize=(60, 60))
        center = (scene.camera @ scene.face_center)[:2] / scene.face_center[2]
        found += any(x < center[0] < x + w and y < center[1] < y + h for x, y, w, h in np.reshape(boxes, (-1, 4)))
    assert found >= 5
