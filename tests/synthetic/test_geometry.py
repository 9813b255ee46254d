"""The picture shows what the annotations say: iris, pupil, landmarks and gaze."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from slyk.geometry.angles import angular_error, pitchyaw_from_vector
from slyk.geometry.camera import Array, project
from slyk.synthetic.annotate import annotate
from slyk.synthetic.domains import wide
from slyk.synthetic.eye import IRIS_PLANE_MM
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.render import Person, make_person, take_photo
from slyk.synthetic.scene import Scene, make_scene
from tests.posed import SEED, posed, shoot, wide_open

SAMPLES = 4


@pytest.fixture(scope="module")
def who() -> Person:
    return make_person(SEED, 3)


def centroid(regions: Mask, scene: Scene, index: int, *wanted: Region) -> Array:
    """Photo pixel (2,) of the middle of some regions of one eye."""
    middle = project(scene.camera, scene.eyes[index])
    rows, cols = np.nonzero(np.isin(regions, wanted))
    photo = (np.stack([cols, rows], axis=-1) + 0.5) / SAMPLES - 0.5
    return np.asarray(photo[np.abs(photo[:, 0] - middle[0]) < 40].mean(axis=0))


@pytest.mark.slow
def test_a_gaze_step_moves_the_iris_as_the_ball_turns(who: Person) -> None:
    straight = wide_open(posed(who))
    px_per_mm = straight.camera[0, 0] / (straight.eyes[0, 2] - IRIS_PLANE_MM)
    expected = IRIS_PLANE_MM * np.sin(np.deg2rad(5.0)) * px_per_mm
    both = Region.IRIS, Region.PUPIL
    regions = shoot(who, straight, SAMPLES).regions
    before = [centroid(regions, straight, index, *both) for index in (0, 1)]
    for pitch, yaw in ((5, 0), (0, 5), (-5, 0), (0, -5)):
        regions = shoot(who, wide_open(posed(who, gaze_deg=(pitch, yaw))), SAMPLES).regions
        for index in (0, 1):
            moved = centroid(regions, straight, index, *both) - before[index]
            wanted = expected / 5 * np.array([-yaw, -pitch])  # positive yaw: image-left, -x; positive pitch: up, -y
            assert np.linalg.norm(moved - wanted) < 0.05 * expected


@pytest.mark.parametrize("gaze_deg", [(0, 0), (12, -20), (-10, 25)])
def test_pupil_and_iris_lie_where_they_are_projected(who: Person, gaze_deg: tuple[float, float]) -> None:
    scene = wide_open(posed(who, gaze_deg=gaze_deg, photo_px=320))
    picture = shoot(who, scene, SAMPLES)
    for index in (0, 1):
        told = project(scene.camera, scene.eyes[index] + IRIS_PLANE_MM * scene.optical[index])
        assert np.linalg.norm(centroid(picture.regions, scene, index, Region.PUPIL) - told) < 0.07
        both = centroid(picture.regions, scene, index, Region.PUPIL, Region.IRIS)
        assert np.linalg.norm(both - told) < 0.07


def test_annotated_rings_surround_the_drawn_pupils(who: Person) -> None:
    scene = wide_open(posed(who, gaze_deg=(3, -6), photo_px=320))
    picture = shoot(who, scene, SAMPLES)
    row = annotate(who.identity, who.head, scene, picture.regions, picture.depth, SAMPLES)
    for index, side in enumerate(("right", "left")):
        ring = np.reshape(row[f"pupil_{side}_2d"], (8, 2))
        assert np.linalg.norm(ring.mean(axis=0) - centroid(picture.regions, scene, index, Region.PUPIL)) < 0.18
        assert all(row[f"pupil_{side}_visible"]) and all(row[f"iris_{side}_visible"])
    assert row["pupil_right_2d"][0] < row["pupil_left_2d"][0]  # the subject's right eye is image-left


def test_drawn_scenes_tell_the_truth(who: Person) -> None:
    shots = wide.shots(who.identity, who.head, seed=SEED, number=3, photo_px=96)
    for photo, setup in enumerate(islice(shots, 3)):
        scene = make_scene(who.identity, who.head, setup)
        picture = take_photo(who, scene, seed=SEED, number=3, photo=photo, samples=1)
        row = annotate(who.identity, who.head, scene, picture.regions, picture.depth, 1)
        column = {name: np.array(value) for name, value in row.items() if value is not None}
        to_target = column["gaze_target_mm"] - column["face_center_mm"]
        assert angular_error(column["gaze"], to_target) < 1e-9
        assert np.linalg.norm(column["gaze"]) == pytest.approx(1.0)
        landmarks = column["landmarks_3d"].reshape(68, 3)
        pixels = project(column["camera"].reshape(3, 3), landmarks)
        np.testing.assert_allclose(pixels.ravel(), column["landmarks_2d"], atol=1e-6)
        corners = landmarks[[36, 39, 42, 45, 48, 54]].mean(axis=0)
        np.testing.assert_allclose(corners, column["face_center_mm"], atol=1e-6)
        np.testing.assert_allclose(
            landmarks[[36, 42]] + landmarks[[39, 45]], 2 * column["eyes_mm"].reshape(2, 3), atol=1e-6
        )
        from_eyes = column["gaze_target_mm"] - column["eyeball_center_mm"].reshape(2, 3)
        assert np.all(angular_error(column["visual_axis"].reshape(2, 3), from_eyes) < 1e-6)
        rotation = column["head_rotation"].reshape(3, 3)
        axes = [pitchyaw_from_vector(column[f"{k}_axis"].reshape(2, 3) @ rotation) for k in ("optical", "visual")]
        np.testing.assert_allclose(axes[0] - axes[1], column["kappa"].reshape(2, 2), atol=1e-6)


def test_kappa_is_mirrored(who: Person) -> None:
    setup = next(wide.shots(who.identity, who.head, seed=SEED, number=3, photo_px=96))
    scene = make_scene(who.identity, who.head, setup)
    angles = [pitchyaw_from_vector(axes @ scene.rotation) for axes in (scene.optical, scene.visual)]
    right, left = angles[0] - angles[1]
    assert right[0] == pytest.approx(left[0]) and right[1] == pytest.approx(-left[1])
    assert right[1] > 0  # the optical axis points outwards: image-left for the eye that is image-left


def test_a_mirrored_gaze_shows_mirrored_eyes(who: Person) -> None:
    """Head and lids are symmetric about x = 0, so gaze of the opposite yaw shows the mirror image between the lids."""
    pictures = []
    for yaw in (-14.0, 14.0):
        scene = posed(who, gaze_deg=(6, yaw))
        shift = np.array([scene.translation[0], 0.0, 0.0])
        scene = replace(scene, translation=scene.translation - shift, eyes=scene.eyes - shift)
        pictures.append(shoot(who, scene, 2).regions)
    eyes = (Region.EYES, Region.SCLERA, Region.IRIS, Region.PUPIL)
    one, other = pictures[0], pictures[1][:, ::-1]
    seen = np.isin(one, eyes) | np.isin(other, eyes)
    assert seen.sum() > 4000 and np.mean(one[seen] != other[seen]) < 0.02
