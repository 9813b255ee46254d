"""The domains: the same setups whatever else is taken, photos of the usual size, crops, rigs and eye movements."""

import pickle
from itertools import groupby, islice
from typing import get_args

import cv2
import numpy as np
import pytest

from slyk.config.data import Domain
from slyk.geometry.angles import angular_error
from slyk.geometry.camera import project
from slyk.synthetic.domains import DOMAINS, near_eye, scanpath, studio, wild
from slyk.synthetic.eye import LID_MM
from slyk.synthetic.regions import Region
from slyk.synthetic.render import render_person
from slyk.synthetic.scene import MOVEMENTS
from tests.scenes import SEED, setups, taken


def test_params_know_the_domains() -> None:
    assert get_args(Domain) == tuple(DOMAINS)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_photo_does_not_depend_on_those_after_it(domain: str) -> None:
    long, short = (list(islice(setups(domain, 1), n)) for n in (30, 3))
    assert [pickle.dumps(setup) for setup in long[:3]] == [pickle.dumps(setup) for setup in short]
    assert pickle.dumps(next(setups(domain, 2))) != pickle.dumps(short[0])


@pytest.mark.parametrize("domain", DOMAINS)
def test_photos_of_the_usual_size_are_rendered(domain: str) -> None:
    photo_px = DOMAINS[domain].PHOTO_PX
    (shot,) = render_person(SEED, 1, domain=domain, num_photos=1, photo_px=photo_px, eye_supersampling=1)
    photo, mask = (cv2.imdecode(np.frombuffer(data, np.uint8), -1) for data in (shot.photo, shot.mask))
    assert photo is not None and mask is not None
    width, height = next(setups(domain, 1)).size_px
    assert photo.shape == (height, width, 3) and mask.shape == (height, width)
    assert {Region.SKIN, Region.SCLERA, Region.IRIS} <= {Region(int(value)) for value in np.unique(mask)}
    assert photo.std() > 10


class TestWild:
    def test_a_camera_tells_its_crop(self) -> None:
        crop = wild.Crop(120.0, -40.0, 0.31)
        np.testing.assert_allclose(wild.crop_of(wild.crop_camera(crop)), crop)
        full = np.array(
            [[wild.FULL_FOCAL, 0, wild.FULL_CENTER[0]], [0, wild.FULL_FOCAL, wild.FULL_CENTER[1]], [0, 0, 1]]
        )
        point = np.array([-300.0, 200.0, 2500.0])
        x, y = project(full, point)
        np.testing.assert_allclose(project(wild.crop_camera(crop), point), [(x - 120) * 0.31, (y + 40) * 0.31])

    def test_sunglasses_and_hats_are_worn(self) -> None:
        assert any(next(setups("wild", number)).wear.sunglasses for number in range(25))
        assert any(next(setups("wild", number)).wear.hat for number in range(25))


class TestStudio:
    def test_the_rig(self) -> None:
        views = studio.rig()
        np.testing.assert_array_equal(views[0].rotation, np.eye(3))
        np.testing.assert_array_equal(views[0].translation, np.zeros(3))
        for view in views:
            np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
            seen = view.rotation @ studio.MIDDLE + view.translation
            assert np.hypot(seen[0], seen[1]) < 1e-9 and 900 < seen[2] < 1250
            assert view.rotation[1, 1] > 0.6  # upright
        places = np.stack([-v.rotation.T @ v.translation for v in views])
        apart = np.linalg.norm(places[:, None] - places, axis=-1) + 1e3 * np.eye(18)
        assert apart.min() > 150


class TestNearEye:
    @pytest.mark.slow
    @pytest.mark.parametrize("number", [0, 1])
    def test_movements_are_what_the_eye_does(self, number: int) -> None:
        video = taken("near_eye", number, 400)
        assert [s.world.frame for s in video] == list(range(400))
        axes = np.stack([s.visual[number % 2] @ s.rotation for s in video])
        speed = np.rad2deg(angular_error(axes[1:], axes[:-1])) * scanpath.RATE
        names = np.array([MOVEMENTS[s.world.movement] for s in video])[1:]
        assert set(names) == {"blink", "fixation", "saccade", "smooth pursuit"}
        assert speed[names == "saccade"].min() > 60
        assert speed[names == "smooth pursuit"].min() > 7 and speed[names == "smooth pursuit"].max() < 27
        assert speed[names == "fixation"].max() < 4
        assert speed[names == "blink"].max() < 1e-6
        shut = np.array([s.blink for s in video])[1:]
        np.testing.assert_array_equal(shut > 0, names == "blink")
        blinks = [list(group) for closed, group in groupby(shut, lambda b: b > 0) if closed]
        assert all(4 <= len(b) <= 8 and max(b) > 0.7 for b in blinks[:-1]) and 2 <= len(blinks) <= 8

    def test_one_eye_shows_close(self) -> None:
        for number in range(6):
            for scene in taken("near_eye", number, 24)[::6]:
                (x, y), (other, _) = project(scene.camera, scene.eyes[[number % 2, 1 - number % 2]])
                width, height = scene.size_px
                assert (width, height) == (384, 288)
                assert 0.25 * width < x < 0.75 * width and 0.2 * height < y < 0.8 * height
                assert scene.eyes[1 - number % 2][2] < 5 or not 0 <= other < width
                before = np.linalg.norm(scene.eyes[number % 2]) - LID_MM
                assert near_eye.DISTANCE_MM[0] - 3 < before < near_eye.DISTANCE_MM[1] + 3
                assert 0.5 < scene.camera[0, 0] * near_eye.OPENING_MM / before / width < 0.86
                assert 500 <= np.linalg.norm(scene.target - scene.eyes.mean(axis=0)) <= 2000 + 1e-6

    def test_infrared_by_a_ring_of_lamps(self) -> None:
        numbers = set()
        for number in range(6):
            scene = taken("near_eye", number, 1)[0]
            assert scene.light.infrared and np.ptp(scene.light.key) == 0 and np.ptp(scene.light.ambient) == 0
            radius = np.hypot(scene.light.leds[:, 0], scene.light.leds[:, 1])
            assert np.ptp(radius) < 1e-9 and 6 <= radius[0] <= 13
            numbers.add(len(radius))
            assert scene.light.direction[2] < 0 and not any(scene.wear)
        assert numbers <= set(range(2, 7)) and len(numbers) > 1

    def test_pupil_and_camera_drift_a_little(self) -> None:
        video = taken("near_eye", 0, 150)
        steps = np.diff([s.pupil_mm for s in video])
        assert np.abs(steps).max() < 0.05 < np.ptp([s.pupil_mm for s in video])
        places = np.stack([s.eyes[0] for s in video])
        assert 0 < np.linalg.norm(np.diff(places, axis=0), axis=-1).max() < 3
        assert np.ptp(places, axis=0).max() < 8
