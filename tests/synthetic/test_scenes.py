"""Hundreds of scenes of each domain: ranges, exact screens, rigs, and that no shortcut predicts gaze."""

import pickle
from itertools import groupby, pairwise

import numpy as np
import pytest

from slyk.geometry.angles import angular_error, head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import project
from slyk.synthetic.domains import DOMAINS, webcam, wide, wild
from slyk.synthetic.draw import EYE_LIMIT
from tests.scenes import FACES, gazes, mean_error_deg, scenes, taken

pytestmark = pytest.mark.slow


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

    def test_poses_and_gazes_are_extreme(self) -> None:
        heads = np.rad2deg(np.abs([head_pitchyaw(s.rotation) for s in scenes("studio")]))
        gaze = np.rad2deg(np.abs(pitchyaw_from_vector(gazes("studio"))))
        assert np.all(heads.max(axis=0) > [55, 75]) and np.all(gaze.max(axis=0) > [60, 75])

    def test_the_light_changes_and_nobody_wears_hats(self) -> None:
        moments = scenes("studio")[::18]
        assert len({s.light.direction.tobytes() for s in moments}) > 4
        assert not any(s.wear.hat or s.wear.face_mask or s.wear.sunglasses for s in moments)
        assert {s.backdrop.kind for s in moments} == {"dark"}
