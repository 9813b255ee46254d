"""The picture shows what the annotations say: iris, pupil, landmarks and gaze."""

from dataclasses import replace

import numpy as np
import pytest

from slyk.geometry.angles import angular_error, pitchyaw_from_vector, vector_from_pitchyaw
from slyk.geometry.camera import Array, project
from slyk.synthetic import eye
from slyk.synthetic.annotate import annotate
from slyk.synthetic.eye import IRIS_PLANE_MM
from slyk.synthetic.head import Expression, pose
from slyk.synthetic.identity import stream
from slyk.synthetic.render import Person, Picture, make_person, take_photo
from slyk.synthetic.scene import Scene, draw_scene

PX = 448
SAMPLES = 2


@pytest.fixture(scope="module")
def who() -> Person:
    return make_person(7, 3)


def frontal(who: Person, optical: Array) -> Scene:
    """A level head before the camera whose optical axes (2, 3) are given and whose lids are wide open."""
    scene = draw_scene(who.identity, who.head, stream(7, 3, 0), PX)
    lids = [replace(lid, upper_mm=11.0, lower_mm=11.0, power=0.4, tilt_mm=0.0) for lid in scene.lids]
    translation = np.array([4.0, -20.0, 600.0])
    return replace(
        scene,
        expression=Expression(),
        vertices=pose(who.head, Expression()),
        rotation=np.eye(3),
        translation=translation,
        eyes=who.head.eyes + translation,
        optical=optical,
        lids=(lids[0], lids[1]),
        glasses=False,
    )


def shoot(who: Person, scene: Scene) -> Picture:
    return take_photo(who, scene, stream(7, 3, 1), photo_px=PX, samples=SAMPLES)


def centroid(parts: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], scene: Scene, index: int, *wanted: int) -> Array:
    """Photo pixel (2,) of the middle of some parts of one eye."""
    middle = project(scene.camera, scene.eyes[index])
    rows, cols = np.nonzero(np.isin(parts, wanted))
    photo = (np.stack([cols, rows], axis=-1) + 0.5) / SAMPLES - 0.5
    return np.asarray(photo[np.abs(photo[:, 0] - middle[0]) < 40].mean(axis=0))


def both(pitch_deg: float, yaw_deg: float) -> Array:
    return np.repeat(vector_from_pitchyaw(np.deg2rad([[pitch_deg, yaw_deg]])), 2, axis=0)


def test_a_gaze_step_moves_the_iris_as_the_ball_turns(who: Person) -> None:
    straight = frontal(who, both(0, 0))
    px_per_mm = straight.camera[0, 0] / (straight.eyes[0, 2] - IRIS_PLANE_MM)
    expected = IRIS_PLANE_MM * np.sin(np.deg2rad(5.0)) * px_per_mm
    parts = shoot(who, straight).parts
    before = [centroid(parts, straight, index, eye.IRIS, eye.PUPIL) for index in (0, 1)]
    for pitch, yaw in ((5, 0), (0, 5), (-5, 0), (0, -5)):
        parts = shoot(who, frontal(who, both(pitch, yaw))).parts
        for index in (0, 1):
            moved = centroid(parts, straight, index, eye.IRIS, eye.PUPIL) - before[index]
            wanted = expected / 5 * np.array([-yaw, -pitch])  # positive yaw: image-left, -x; positive pitch: up, -y
            assert np.linalg.norm(moved - wanted) < 0.05 * expected


def test_the_pupil_lies_where_it_is_projected(who: Person) -> None:
    for pitch, yaw in ((0, 0), (12, -20), (-10, 25)):
        scene = frontal(who, both(pitch, yaw))
        parts = shoot(who, scene).parts
        for index in (0, 1):
            told = project(scene.camera, scene.eyes[index] + IRIS_PLANE_MM * scene.optical[index])
            assert np.linalg.norm(centroid(parts, scene, index, eye.PUPIL) - told) < 0.25


def test_annotated_rings_surround_the_drawn_pupils(who: Person) -> None:
    scene = frontal(who, both(3, -6))
    picture = shoot(who, scene)
    row = annotate(who.identity, who.head, scene, picture.parts, picture.depth, SAMPLES)
    for index, side in enumerate(("right", "left")):
        ring = np.reshape(row[f"pupil_{side}_2d"], (8, 2))
        seen = centroid(picture.parts, scene, index, eye.PUPIL)
        assert np.linalg.norm(ring.mean(axis=0) - seen) < 0.25
        assert all(row[f"pupil_{side}_visible"]) and all(row[f"iris_{side}_visible"])
    assert row["pupil_right_2d"][0] < row["pupil_left_2d"][0]  # the subject's right eye is image-left


def test_drawn_scenes_tell_the_truth(who: Person) -> None:
    for photo in range(3):
        scene = draw_scene(who.identity, who.head, stream(7, 3, photo), 96)
        picture = take_photo(who, scene, stream(7, 3, photo), photo_px=96, samples=1)
        row = annotate(who.identity, who.head, scene, picture.parts, picture.depth, 1)
        column = {name: np.array(value) for name, value in row.items()}
        to_target = column["gaze_target_mm"] - column["face_center_mm"]
        assert angular_error(column["gaze"], to_target) < 1e-9
        assert np.linalg.norm(column["gaze"]) == pytest.approx(1.0)
        landmarks = column["landmarks_3d"].reshape(68, 3)
        pixels = project(column["camera"].reshape(3, 3), landmarks)
        np.testing.assert_allclose(pixels.ravel(), column["landmarks_2d"], atol=1e-9)
        np.testing.assert_allclose(
            landmarks[[36, 39, 42, 45, 48, 54]].mean(axis=0), column["face_center_mm"], atol=1e-9
        )
        np.testing.assert_allclose(landmarks[[36, 42]] + landmarks[[39, 45]], 2 * column["eyes_mm"].reshape(2, 3))
        from_eyes = column["gaze_target_mm"] - column["eyeball_center_mm"].reshape(2, 3)
        assert np.all(angular_error(column["visual_axis"].reshape(2, 3), from_eyes) < 1e-9)
        rotation = column["head_rotation"].reshape(3, 3)
        axes = [pitchyaw_from_vector(column[f"{k}_axis"].reshape(2, 3) @ rotation) for k in ("optical", "visual")]
        np.testing.assert_allclose(axes[0] - axes[1], column["kappa"].reshape(2, 2), atol=1e-9)


def test_kappa_is_mirrored(who: Person) -> None:
    scene = draw_scene(who.identity, who.head, stream(7, 3, 0), PX)
    angles = [pitchyaw_from_vector(axes @ scene.rotation) for axes in (scene.optical, scene.visual)]
    right, left = angles[0] - angles[1]
    assert right[0] == pytest.approx(left[0]) and right[1] == pytest.approx(-left[1])
    assert right[1] > 0  # the optical axis points outwards: image-left for the eye that is image-left


def test_a_mirrored_scene_gives_mirrored_parts(who: Person) -> None:
    """Head and lids are symmetric about x = 0, so gaze of the opposite yaw shows the mirror image."""
    pictures = []
    for yaw in (-14.0, 14.0):
        scene = frontal(who, both(6, yaw))
        scene = replace(
            scene, translation=np.array([0.0, -20.0, 600.0]), eyes=who.head.eyes + np.array([0.0, -20.0, 600.0])
        )
        camera = scene.camera.copy()
        camera[0, 2] = PX / 2 - 0.5
        pictures.append(shoot(who, replace(scene, camera=camera)).parts)
    assert np.mean(pictures[0] != pictures[1][:, ::-1]) < 2e-3
