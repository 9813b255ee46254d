"""The measurements on a few small pictures: each can pass, and each can fail."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import eyes, worker
from benchmarks.faces import Photo
from benchmarks.frames import Frames, crop_spec, moved_down
from benchmarks.frontal import LIMIT, Frontal, frontal_setups
from benchmarks.looks import clipped_share, see
from benchmarks.sheets import save
from benchmarks.tiny_nets import batch, predict, train
from slyk.geometry.angles import head_pitchyaw
from slyk.synthetic.regions import Region
from slyk.synthetic.render import Person, Picture, make_person, take_photo
from slyk.synthetic.scene import make_scene

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def who() -> Person:
    return make_person(eyes.SEED, 0)


def test_heads_are_near_frontal_and_eyes_bare_of_blinks(who: Person) -> None:
    setups = frontal_setups(who, seed=1, number=0, photo_px=96)
    for _ in range(20):
        _, setup = next(setups)
        assert np.all(np.abs(head_pitchyaw(setup.rotation)) <= LIMIT + 1e-9)
        assert setup.blink == 0 and not (setup.wear.sunglasses or setup.wear.hat or setup.wear.face_mask)


def test_the_window_is_a_part_of_the_photo(who: Person) -> None:
    scene = make_scene(who.identity, who.head, eyes.first_setup(who, 0, 224))
    part = eyes.window(scene)
    whole_mask = take_photo(who, scene, seed=1, number=0, photo=0, samples=1).regions
    mask = take_photo(who, part, seed=1, number=0, photo=0, samples=1).regions
    left, top = (scene.camera[:2, 2] - part.camera[:2, 2]).round().astype(int)
    same = whole_mask[top : top + mask.shape[0], left : left + mask.shape[1]]
    assert np.isin(mask, eyes.IRIS).sum() > 50
    assert np.mean(mask == same) > 0.99


def test_an_iris_beside_its_label_is_noticed(who: Person) -> None:
    scene = eyes.window(eyes.open_wide(make_scene(who.identity, who.head, eyes.first_setup(who, 0, eyes.PX))))
    regions = take_photo(who, scene, seed=1, number=0, photo=0, samples=eyes.FINE).regions
    place = eyes.middle_of(regions, scene, 0, eyes.IRIS)
    moved = eyes.middle_of(np.roll(regions, eyes.FINE, axis=1), scene, 0, eyes.IRIS)
    np.testing.assert_allclose(moved - place, [1.0, 0.0], atol=1e-6)


def test_lids_drawn_lower_cover_more(who: Person) -> None:
    scene = eyes.window(make_scene(who.identity, who.head, eyes.straight(eyes.first_setup(who, 0, eyes.PX), np.eye(3))))
    covered = []
    for lower_mm in (0.0, 1.0):
        right, left = (replace(lid, upper_mm=lid.upper_mm - lower_mm) for lid in scene.lids)
        lowered = replace(scene, lids=(right, left))
        regions = take_photo(who, lowered, seed=1, number=0, photo=0, samples=eyes.FINE).regions
        covered.append(eyes._covered_mm(regions, scene, who, 0))
    assert covered[1] - covered[0] == pytest.approx(1.0, abs=0.12)


def test_clipped_skin_is_counted() -> None:
    photo = np.full((20, 20, 3), 200, np.uint8)
    regions = np.full((20, 20), Region.SKIN, np.uint8)
    photo[:2, :, 2] = 255
    regions[:, 10:] = Region.HAIR
    assert clipped_share(photo, regions) == pytest.approx(0.1)
    assert clipped_share(photo, np.full_like(regions, Region.HAIR)) is None


def test_no_face_is_seen_in_a_blank_photo(who: Person) -> None:
    scene = make_scene(who.identity, who.head, eyes.first_setup(who, 0, 224))
    blank = Picture(np.full((224, 224, 3), 128, np.uint8), np.zeros((224, 224), np.uint8), np.zeros((224, 224)))
    seen = see(Frontal(who, scene, blank, 0, 0))
    assert not seen.face and not seen.eyes


def dots(count: int) -> Frames:
    """Frames whose gaze is the place of a bright dot, across for yaw and down for pitch, in eyes and face."""
    spec, rng = crop_spec(), np.random.default_rng(0)
    gaze = rng.uniform(-0.5, 0.5, (count, 2))

    def draw(size: int, px: float) -> Photo:
        pictures = np.full((count, size, size), 90, np.uint8)
        for picture, (pitch, yaw) in zip(pictures, gaze, strict=True):
            x, y = (round(size / 2 - angle * px) for angle in (yaw, pitch))
            cv2.circle(picture, (x, y), size // 12, 220, -1)
        return pictures

    eye = draw(spec.eye_square_px, 30)
    ones = np.ones(1, np.int64)
    return Frames(
        draw(spec.face_square_px, 60), np.stack([eye, eye], 1), gaze, gaze, np.zeros(count, np.int64), ones, ones
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", ["eyes", "face"])
def test_a_network_learns_and_repeats_itself(part: str) -> None:
    frames, spec = dots(128), crop_spec()
    trained = [train(part, frames, spec, seed=3, epochs=3) for _ in range(2)]
    first, second = (predict(part, t.model, frames, spec) for t in trained)
    np.testing.assert_array_equal(first, second)
    assert trained[0].images == 3 * 128
    assert np.corrcoef(first[:, 1], frames.gaze[:, 1])[0, 1] > 0.5


def test_crops_cut_lower_show_the_eyes_higher() -> None:
    frames, spec = dots(2), crop_spec()
    lower = moved_down(frames, 2.0, spec)
    shift = round(2.0 * spec.eye_px_per_mm)
    before, after = (np.asarray(f.eyes[0, 0], dtype=np.float64) for f in (frames, lower))
    assert np.abs(after[:-shift] - before[shift:]).mean() < 0.3 * np.abs(after - before).mean()
    images, gaze = batch("eyes", lower, np.array([0, 1]), spec, None)
    assert images.shape == (2, 2, 36, 60) and gaze.shape == (2, 2)


def test_cells_of_a_sheet_keep_their_pixels(tmp_path: Path) -> None:
    rows = [[np.full((8, 12, 3), 200, np.uint8)], [np.full((10, 6, 3), 100, np.uint8)]]
    save(tmp_path / "sheet.png", rows)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape == (24, 14, 3)
    assert (sheet == 200).sum() == 8 * 12 * 3 and (sheet == 100).sum() == 10 * 6 * 3


@pytest.mark.slow
def test_a_worker_has_its_own_environment() -> None:
    usual = worker.call("hashes", {}, seed=1, num_photos=1, photo_px=48, threads=1)
    assert usual == worker.call("hashes", {"SLYK_NO_NUMBA": "0"}, seed=1, num_photos=1, photo_px=48, threads=1)
    assert usual != worker.call("hashes", {}, seed=2, num_photos=1, photo_px=48, threads=1)
    with pytest.raises(RuntimeError, match="KeyError"):
        worker.call("nothing", {})
