"""The drawing of the frames: its arrows go where the conventions say, and it can be drawn."""

import cv2
import numpy as np
import pytest

from benchmarks import figure_frames as drawing
from slyk.geometry.camera import Array, project
from slyk.synthetic import eye
from slyk.synthetic.render import Person, make_person
from slyk.synthetic.scene import Scene

PX = 96


@pytest.fixture(scope="module")
def who() -> Person:
    return make_person(drawing.SEED, drawing.NUMBER)


def scene(who: Person, pitch: float, yaw: float, head: tuple[float, float] = (0.0, 0.0)) -> Scene:
    camera = drawing.face_camera(PX, drawing.FACE_MM)
    return drawing.scene_of(who, np.deg2rad(head), np.deg2rad([pitch, yaw]), camera, PX)


def along(marks: drawing.Ends, name: str) -> Array:
    return np.asarray(marks[name][1] - marks[name][0])


@pytest.mark.parametrize("name, angles", drawing.SIGNS.items())
def test_gaze_points_where_the_signs_say(who: Person, name: str, angles: tuple[int, int]) -> None:
    x, y = along(drawing.face_marks(scene(who, *angles)), "gaze")
    up, image_left = -y, -x
    steered = up if name.startswith("pitch") else image_left
    assert steered * (1 if ">" in name else -1) > 5
    assert abs(up + image_left - steered) < 1.5


def test_a_frontal_head_has_the_axes_of_the_camera(who: Person) -> None:
    marks = drawing.face_marks(scene(who, 0, 0))
    x, y, z = (along(marks, f"head {name}") for name in "xyz")
    assert x[0] > 15 and abs(x[1]) < 1e-6
    assert y[1] > 15 and abs(y[0]) < 1e-6
    assert np.linalg.norm(z) < 2


def test_a_head_of_positive_yaw_faces_image_left(who: Person) -> None:
    assert along(drawing.face_marks(scene(who, 0, 20, head=(0, 30))), "head z")[0] > 5


def test_the_optical_axis_goes_through_the_middle_of_the_pupil(who: Person) -> None:
    at = scene(who, 5, -15)
    start, end = drawing.eye_marks(at, 0)["optical axis"]
    ring = eye.ring(at.optical[0] @ at.rotation, at.pupil_mm) @ at.rotation.T + at.eyes[0]
    off = project(at.camera, ring.mean(axis=0)) - start
    way = (end - start) / np.linalg.norm(end - start)
    assert abs(off[0] * way[1] - off[1] * way[0]) < 1e-6 and off @ way > 0


def test_the_eye_is_in_the_middle_of_its_photo(who: Person) -> None:
    at = scene(who, 0, 0)
    middle = project(drawing.eye_camera(at, 0), at.eyes[0])
    np.testing.assert_allclose(middle, drawing.EYE_PX / 2 - 0.5)


@pytest.mark.slow
def test_the_whole_is_drawn_the_same_each_time_and_stays_small() -> None:
    data = drawing.encoded(drawing.figure())
    assert data == drawing.encoded(drawing.figure())
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (730, 1020, 3)
    assert len(data) < 130_000
    yellow = np.abs(picture.astype(int) - [0x4D, 0xD2, 0xFF]).max(axis=-1) < 40  # BGR of the gaze arrows
    assert yellow.sum() > 300
