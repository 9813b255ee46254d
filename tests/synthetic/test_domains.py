"""The domains: ranges, the same setups whatever else is taken, exact screens, rigs and eye movements."""

import pickle
from collections.abc import Iterator
from functools import cache
from itertools import groupby, islice, pairwise
from typing import get_args

import cv2
import numpy as np
import pytest

from slyk import config
from slyk.geometry.angles import Array, angular_error, head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import project
from slyk.synthetic.domains import DOMAINS, near_eye, scanpath, studio, webcam, wide, wild
from slyk.synthetic.draw import EYE_LIMIT
from slyk.synthetic.eye import LID_MM
from slyk.synthetic.head import Head, build
from slyk.synthetic.identity import Identity, draw_identity, stream
from slyk.synthetic.regions import Region
from slyk.synthetic.render import render_person
from slyk.synthetic.scene import MOVEMENTS, Scene, Setup, make_scene

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
    """54 scenes (3 moments of the rig) of each of 6 people; of close-ups a few."""
    num_photos = 24 if domain == "near_eye" else 54
    return tuple(scene for number in range(6) for scene in taken(domain, number, num_photos))


def gazes(domain: str) -> Array:
    """Unit vectors (N, 3) from the face centre to the target."""
    directions = np.stack([s.target - s.face_center for s in scenes(domain)])
    return np.asarray(directions / np.linalg.norm(directions, axis=-1, keepdims=True))


def mean_error_deg(a: Array, b: Array) -> float:
    return float(np.rad2deg(angular_error(a, b).mean()))


def test_params_know_the_domains() -> None:
    assert get_args(config.Domain) == tuple(DOMAINS)


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_photo_does_not_depend_on_those_after_it(domain: str) -> None:
    long, short = (list(islice(setups(domain, 1), n)) for n in (30, 3))
    assert [pickle.dumps(setup) for setup in long[:3]] == [pickle.dumps(setup) for setup in short]
    assert pickle.dumps(next(setups(domain, 2))) != pickle.dumps(short[0])


@pytest.mark.parametrize("domain", DOMAINS)
def test_photos_of_the_usual_size_are_rendered(domain: str) -> None:
    photo_px = DOMAINS[domain].PHOTO_PX
    (shot,) = render_person(SEED, 1, domain=domain, num_photos=1, photo_px=photo_px, eye_supersampling=2)
    photo, mask = (cv2.imdecode(np.frombuffer(data, np.uint8), -1) for data in (shot.photo, shot.mask))
    assert photo is not None and mask is not None
    width, height = next(setups(domain, 1)).size_px
    assert photo.shape == (height, width, 3) and mask.shape == (height, width)
    assert {Region.SKIN, Region.SCLERA, Region.IRIS} <= {Region(int(value)) for value in np.unique(mask)}
    assert photo.std() > 10


@pytest.mark.parametrize("domain", DOMAINS)
def test_eyes_stay_within_reach_of_the_head(domain: str) -> None:
    eyes = np.stack([pitchyaw_from_vector(s.visual @ s.rotation) for s in scenes(domain)])
    assert np.all(np.abs(eyes) <= EYE_LIMIT + 1e-9)
    assert np.all(eyes.reshape(-1, 2).std(axis=0) > np.deg2rad(4))


@pytest.mark.parametrize("domain", FACES)
def test_faces_are_in_the_photo_and_blink_now_and_then(domain: str) -> None:
    places = np.stack([project(s.camera, s.face_center) / np.array(s.size_px) for s in scenes(domain)])
    assert np.all(places > 0.2) and np.all(places < 0.85)
    moments = scenes(domain)[:: 18 if domain == "studio" else 1]
    shut = np.mean([s.blink > 0 for s in moments])
    assert shut < 0.2 if domain == "studio" else 0.02 < shut < 0.06
    assert not any(s.light.infrared or s.world.movement for s in moments)


@pytest.mark.parametrize("domain", ["webcam", "studio"])
def test_the_target_is_the_point_of_the_screen(domain: str) -> None:
    for scene in scenes(domain):
        screen = scene.screen
        assert screen is not None
        assert np.all(screen.target_px >= 0) and np.all(screen.target_px <= screen.size_px)
        on_screen = np.array([*(screen.target_px * np.array(screen.size_mm) / np.array(screen.size_px)), 0.0])
        np.testing.assert_allclose(screen.rotation @ on_screen + screen.translation, scene.target, atol=1e-9)
        np.testing.assert_allclose(screen.rotation @ screen.rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(screen.rotation) == pytest.approx(1.0)
        middle = screen.rotation @ np.array([*screen.size_mm, 0.0]) / 2 + screen.translation
        assert (scene.face_center - middle) @ screen.rotation[:, 2] < 0  # its user sits before it
        assert scene.rotation[:, 0] @ screen.rotation[:, 0] < 0  # image-right is the user's left


class TestWide:
    def test_no_shortcut_predicts_gaze(self) -> None:
        gaze = gazes("wide")
        assert mean_error_deg(gaze, gaze.mean(axis=0)) > 20
        assert mean_error_deg(gaze, np.stack([-s.rotation[:, 2] for s in scenes("wide")])) > 20

    def test_gaze_fills_its_range_evenly(self) -> None:
        angles = pitchyaw_from_vector(gazes("wide")) / wide.GAZE_LIMIT
        assert np.all(np.abs(angles) <= 1 + 1e-9)
        for column in angles.T:
            counts, _ = np.histogram(column, bins=4, range=(-1, 1))
            assert np.all(np.abs(counts - 81) < 36)  # 4.6 standard deviations

    def test_heads_fill_theirs(self) -> None:
        heads = np.stack([head_pitchyaw(s.rotation) for s in scenes("wide")])
        assert np.all(np.abs(heads) <= wide.HEAD_LIMIT + 1e-9) and np.all(heads.std(axis=0) > np.deg2rad(13))

    def test_eyes_converge_on_a_target_within_reach(self) -> None:
        distances = [np.linalg.norm(s.target - s.face_center) for s in scenes("wide")]
        assert min(distances) >= 450 and max(distances) <= 900
        apart = [np.rad2deg(angular_error(s.visual[0], s.visual[1])) for s in scenes("wide")]
        assert min(apart) > 2 and max(apart) < 9
        assert all(s.visual[0] @ s.rotation[:, 0] > s.visual[1] @ s.rotation[:, 0] for s in scenes("wide"))

    def test_most_faces_have_every_corner_of_the_crop_in_the_photo(self) -> None:
        """A normalized face of 196 mm around the face centre, projected, against a photo of 300 px."""
        half = np.array([s.camera[0, 0] * 98 / s.face_center[2] for s in scenes("wide")])
        middles = np.array([project(s.camera, s.face_center) for s in scenes("wide")])
        inside = (middles.min(axis=1) - half > 0) & (middles.max(axis=1) + half < 300)
        assert inside.mean() > 0.85


class TestWebcam:
    def test_a_constant_is_10_to_15_degrees_off(self) -> None:
        gaze = gazes("webcam")
        assert 10 < mean_error_deg(gaze, gaze.mean(axis=0)) < 15
        assert mean_error_deg(gaze, np.stack([-s.rotation[:, 2] for s in scenes("webcam")])) > 7

    def test_targets_fill_the_screen_evenly(self) -> None:
        places = np.stack([s.screen.target_px / np.array(s.screen.size_px) for s in scenes("webcam") if s.screen])
        for column in places.T:
            counts, _ = np.histogram(column, bins=4, range=(0, 1))
            assert np.all(np.abs(counts - 81) < 36)

    def test_desks_stay_and_days_change(self) -> None:
        for number in range(6):
            shots = taken("webcam", number, 54)
            for name in ("camera", "size_px"):
                assert all(np.array_equal(getattr(s, name), getattr(shots[0], name)) for s in shots)
            assert len({pickle.dumps(s.screen.rotation) for s in shots if s.screen}) == 1
            days = [(day, list(group)) for day, group in groupby(shots, lambda s: s.world.recording)]
            assert [day for day, _ in days] == [f"day{i + 1:02d}" for i in range(len(days))] and len(days) >= 3
            for _, group in days:
                assert [s.world.frame for s in group] == list(range(len(group)))
                assert len({s.backdrop for s in group}) == len({s.light.level for s in group}) == 1
            assert len({group[0].backdrop for _, group in days}) == len(days)

    def test_ranges(self) -> None:
        for scene in scenes("webcam"):
            distance = np.linalg.norm(scene.face_center)
            assert webcam.LAPTOP_MM[0] - 1e-6 <= distance <= webcam.MONITOR_MM[1] + 1e-6
            assert scene.size_px == (640, 360)
            assert 0.75 <= scene.camera[0, 0] / 640 <= 1.0
            assert scene.screen is not None
            per_px = np.array(scene.screen.size_mm) / np.array(scene.screen.size_px)
            assert per_px[0] == pytest.approx(per_px[1]) and 0.1 < per_px[0] < 0.3

    def test_the_screen_shines_from_the_target(self) -> None:
        day = taken("webcam", 0, 3)
        away = [s.target - s.face_center for s in day]
        sides = np.stack([s.light.ambient for s in day])
        spread = sides.max(axis=0) - sides.min(axis=0)
        assert all(a[2] < 0 for a in away) and spread[4].max() == pytest.approx(0) and spread[5].max() > 0


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

    def test_crops_are_whole_pixels_around_the_head_in_the_frame(self) -> None:
        for scene in scenes("wild"):
            x0, y0, scale = wild.crop_of(scene.camera)
            side = scene.size_px[0] / scale
            assert np.array([x0, y0, side]) == pytest.approx(np.rint([x0, y0, side]), abs=1e-6)
            assert x0 + side > 0 and x0 < wild.FULL_SIZE[0] and y0 > 0 and y0 + side < wild.FULL_SIZE[1]
            assert 0.4 * 160 <= scene.size_px[0] == scene.size_px[1] <= 160
            assert 900 < np.linalg.norm(scene.face_center) < 4200

    def test_recordings_are_unique_and_runs_smooth(self) -> None:
        assert len({s.world.recording for s in scenes("wild")}) == 6
        for number in range(3):
            shots = taken("wild", number, 54)
            for start in range(0, 54, wild.RUN):
                run = shots[start : start + wild.RUN]
                assert [s.world.frame - run[0].world.frame for s in run] == list(range(wild.RUN))
                for before, after in pairwise(run):
                    assert angular_error(before.visual, after.visual).max() < np.deg2rad(9)
                    assert angular_error(before.rotation[:, 2], after.rotation[:, 2]) < np.deg2rad(5)
                    assert np.linalg.norm(after.face_center - before.face_center) < 25
            starts = [shots[i].world.frame for i in range(0, 54, wild.RUN)]
            assert np.all(np.diff(starts) > wild.RUN)

    def test_heads_turn_to_the_side_and_gaze_further(self) -> None:
        side = np.stack([pitchyaw_from_vector(-s.face_center)[1] for s in scenes("wild")])
        head = np.stack([head_pitchyaw(s.rotation)[1] for s in scenes("wild")]) - side
        head = np.rad2deg((head + np.pi) % (2 * np.pi) - np.pi)
        assert 80 < np.abs(head).max() <= 96 and head.std() > 35
        gaze = np.rad2deg((pitchyaw_from_vector(gazes("wild"))[:, 1] - side + np.pi) % (2 * np.pi) - np.pi)
        assert np.abs(gaze).max() > 90
        assert mean_error_deg(gazes("wild"), gazes("wild").mean(axis=0)) > 30

    def test_sunglasses_and_hats_are_worn(self) -> None:
        assert any(next(setups("wild", number)).wear.sunglasses for number in range(25))
        assert any(next(setups("wild", number)).wear.hat for number in range(25))


class TestStudio:
    def test_all_cameras_see_one_moment(self) -> None:
        for number in range(3):
            shots = taken("studio", number, 54)
            for start in range(0, 54, 18):
                rig = shots[start : start + 18]
                assert [s.world.camera_id for s in rig] == list(range(18))
                assert {s.world.frame for s in rig} == {start // 18}
                for name in ("target", "face_center", "eyes"):
                    seen = [(getattr(s, name) - s.world.translation) @ s.world.rotation for s in rig]
                    np.testing.assert_allclose(seen, np.broadcast_to(seen[0], np.shape(seen)), atol=1e-9)
                for name in ("rotation", "torso"):
                    turned = [s.world.rotation.T @ getattr(s, name) for s in rig]
                    np.testing.assert_allclose(turned, np.broadcast_to(turned[0], (18, 3, 3)), atol=1e-12)
                lamps = [s.light.direction @ s.world.rotation for s in rig]
                np.testing.assert_allclose(lamps, np.broadcast_to(lamps[0], (18, 3)), atol=1e-12)
                assert len({(s.expression, s.blink, s.pupil_mm, s.wear) for s in rig}) == 1

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

    def test_poses_and_gazes_are_extreme(self) -> None:
        heads = np.rad2deg(np.abs([head_pitchyaw(s.rotation) for s in scenes("studio")]))
        gaze = np.rad2deg(np.abs(pitchyaw_from_vector(gazes("studio"))))
        assert np.all(heads.max(axis=0) > [55, 75]) and np.all(gaze.max(axis=0) > [60, 75])

    def test_the_light_changes_and_nobody_wears_hats(self) -> None:
        moments = scenes("studio")[::18]
        assert len({s.light.direction.tobytes() for s in moments}) > 4
        assert not any(s.wear.hat or s.wear.face_mask or s.wear.sunglasses for s in moments)
        assert {s.backdrop.kind for s in moments} == {"dark"}


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
