"""Lids, lashes, mirror images and glasses: what is drawn around the eyes, and what the labels say of it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from slyk.geometry.camera import Array, camera_matrix, project
from slyk.synthetic import eye
from slyk.synthetic.annotate import annotate
from slyk.synthetic.expression import Expression
from slyk.synthetic.fields import Texture
from slyk.synthetic.identity import Identity, draw_identity, stream
from slyk.synthetic.periocular import Lashes
from slyk.synthetic.regions import EYE_REGIONS, Region
from slyk.synthetic.render import Person, make_person
from slyk.synthetic.scene import Backdrop, Light, Scene, Wear
from tests.posed import PLAIN, SEED, posed, shoot, turned

STRAIGHT = np.array([0.0, 0.0, -1.0])


@pytest.fixture(scope="module")
def who() -> Person:
    return make_person(SEED, 3)


def people(number: int) -> Iterator[Identity]:
    return (draw_identity(stream(SEED, person, -1)) for person in range(number))


def test_the_upper_lid_rests_over_the_iris() -> None:
    """1-2 mm of it, whoever looks straight ahead with a neutral face; a little squint is still neutral."""
    for person in people(60):
        for expression in (Expression(), Expression(squint=0.2, smile=0.15)):
            upper, _ = eye.lids_for(1.0, STRAIGHT, person, expression, 0.0).curves(np.zeros(1))
            assert 1.0 <= upper[0] + person.iris_radius_mm <= 2.0


def test_the_lids_follow_gaze_and_expression(who: Person) -> None:
    def edges(pitch_deg: float, expression: Expression) -> Array:
        pitch = np.deg2rad(pitch_deg)
        axis = np.array([0.0, -np.sin(pitch), -np.cos(pitch)])
        return np.concatenate(eye.lids_for(1.0, axis, who.identity, expression, 0.0).curves(np.zeros(1)))

    rest = edges(0, Expression())
    assert np.all(edges(20, Expression()) < rest - 1.0)  # up is -y
    assert np.all(edges(-20, Expression()) > rest + 1.0)
    squint = edges(0, Expression(squint=0.8))
    assert squint[0] > rest[0] + 0.5 and squint[1] < rest[1] - 0.5
    assert edges(0, Expression(widen=1.0))[0] < rest[0] - 1.5
    assert edges(0, Expression(smile=1.0))[1] < rest[1] - 0.8


@pytest.mark.parametrize("gaze_deg", [(0, 0), (25, -20), (-25, 30)])
def test_a_blink_closes_the_eyes(who: Person, gaze_deg: tuple[float, float]) -> None:
    scene = posed(who, gaze_deg=gaze_deg, photo_px=224, blink=1.0)
    picture = shoot(who, scene)
    assert not np.isin(picture.regions, EYE_REGIONS).any()
    for lids in scene.lids:
        upper, lower = lids.curves(np.linspace(-15, 15, 99))
        np.testing.assert_allclose(upper, lower, atol=1e-12)
    row = annotate(who.identity, who.head, scene, picture.regions, picture.depth, 2)
    assert row["eye_visible"] == [0.0, 0.0] and row["blinking"]
    half = shoot(who, posed(who, gaze_deg=gaze_deg, photo_px=224, blink=0.5)).regions
    open_ = shoot(who, posed(who, gaze_deg=gaze_deg, photo_px=224)).regions
    assert 0 < np.isin(half, EYE_REGIONS).sum() < 0.75 * np.isin(open_, EYE_REGIONS).sum()


def test_caruncles_lie_at_the_nose(who: Person) -> None:
    """Along the line between its corners, each eye shows more flesh at the nose than at the temple, redder than the
    white."""
    scene = posed(who)
    picture = shoot(who, scene)
    for index, center in enumerate(scene.eyes):
        corners = scene.lids[index].landmarks()[[0, 3]][:: 1 if index else -1] + center  # at the nose first
        t = np.linspace(0, 0.5, 200)[:, None]
        flesh: list[float] = []
        red: list[float] = []
        for here, there in (corners, corners[::-1]):
            columns, rows = np.rint(2 * project(scene.camera, here + t * (there - here)) + 0.5).astype(int).T
            shown = picture.regions[rows, columns]
            flesh.append(float(np.ptp(t[shown == Region.EYES]) * np.linalg.norm(there - here)))
            colors = picture.photo[rows // 2, columns // 2].astype(float)
            means = [colors[shown == region].mean(axis=0) for region in (Region.EYES, Region.SCLERA)]
            red.append(float((means[0][2] / means[0][0]) / (means[1][2] / means[1][0])))
        assert flesh[0] > max(2.0, flesh[1] + 0.5)
        assert red[0] > 1.25


def close_up(who: Person, light: Light) -> Scene:
    """Infrared camera 45 mm before the subject's right eye, straight ahead."""
    scene = posed(who, photo_px=320, light=light, backdrop=Backdrop("dark", 1), pupil_mm=3.2)
    shift = np.array([0.0, 0.0, 57.0]) - scene.eyes[0]
    scene = replace(scene, translation=scene.translation + shift, eyes=scene.eyes + shift)
    return turned(who, replace(scene, camera=camera_matrix(450.0, (159.5, 159.5))), (3, -4))


def mirror_point(center: Array, led: Array) -> Array:
    """The point (3,) of a sphere of CORNEA_MM about `center` that shows the lamp to a camera at 0: there the normal
    halves the angle between both."""
    normal = -center / np.linalg.norm(center)
    for _ in range(100):
        point = center + eye.CORNEA_MM * normal
        half = -point / np.linalg.norm(point) + (led - point) / np.linalg.norm(led - point)
        normal = half / np.linalg.norm(half)
    return np.asarray(center + eye.CORNEA_MM * normal)


@pytest.mark.slow
def test_lamps_glint_where_the_cornea_mirrors_them(who: Person) -> None:
    def lit(leds: Array) -> tuple[Scene, Array]:
        direction = np.array([0.0, -0.6, -0.8])
        scene = close_up(who, replace(PLAIN, direction=direction, infrared=True, leds=leds))
        return scene, shoot(who, scene).photo.astype(float).mean(axis=-1)

    _, dark = lit(np.zeros((0, 3)))
    for led in np.array([(7.0, 5.0, 0.0), (-9.0, 2.0, 1.0), (2.0, -8.0, -2.0)]):
        scene, photo = lit(led[None])
        center = scene.eyes[0] + eye.CORNEA_CENTER_MM * scene.optical[0]
        told = project(scene.camera, mirror_point(center, led))
        brighter = np.maximum(photo - dark - 25, 0.0)
        rows, columns = np.mgrid[:320, :320]
        brighter[np.hypot(columns - told[0], rows - told[1]) > 12] = 0.0  # others lie on the white
        found = np.array([(columns * brighter).sum(), (rows * brighter).sum()]) / brighter.sum()
        assert brighter.max() > 60
        assert np.linalg.norm(found - told) < 0.25


def test_lashes_darken_the_skin_above_the_opening(who: Person) -> None:
    none = Lashes(*(np.zeros(0) for _ in Lashes._fields))
    bare = who._replace(eyes=who.eyes._replace(upper=(none, none), lower=(none, none)))
    scene = posed(who)
    with_lashes, without = (shoot(person, scene) for person in (who, bare))
    np.testing.assert_array_equal(with_lashes.regions, without.regions)
    darker = without.photo.astype(float).mean(axis=-1) - with_lashes.photo.astype(float).mean(axis=-1)
    for lids, center in zip(scene.lids, scene.eyes, strict=True):
        x = np.linspace(-9, 9, 40)
        upper, _ = lids.curves(x)
        for above, least in ((1.0, 6.0), (2.5, 2.0)):
            y = upper - above
            points = center + np.stack([x, y, eye.lid_depth(x * lids.side, y)], axis=-1)
            columns, rows = np.rint(project(scene.camera, points)).astype(int).T
            assert darker[rows, columns].mean() > least


def test_sunglasses_hide_the_eyes_in_the_labels(who: Person) -> None:
    rows = []
    for wear in (Wear(), Wear(glasses=True), Wear(glasses=True, sunglasses=True)):
        scene = posed(who, photo_px=300, wear=wear)
        picture = shoot(who, scene)
        rows.append(annotate(who.identity, who.head, scene, picture.regions, picture.depth, 2))
        assert (Region.GLASSES in picture.regions) == wear.glasses
        assert (Region.PUPIL in picture.regions) == (not wear.sunglasses)
    bare, clear, dark = rows
    for side in ("right", "left"):
        assert all(bare[f"pupil_{side}_visible"]) and all(clear[f"pupil_{side}_visible"])
        assert not any(dark[f"pupil_{side}_visible"]) and not any(dark[f"iris_{side}_visible"])
        assert sum(bare[f"lid_{side}_visible"]) > 30 and not any(dark[f"lid_{side}_visible"])
    assert dark["eye_visible"] == [0.0, 0.0] and not any(dark["landmarks_visible"][36:48])
    assert min(clear["eye_visible"]) > 0.9 * min(bare["eye_visible"])


@pytest.mark.slow
def test_two_rays_a_pixel_are_enough() -> None:
    """Mean difference from four rays a pixel and axis around the eyes at 224 px, on people without skin texture."""
    differences = []
    for number, gaze_deg in enumerate([(0, 0), (10, -15), (-12, 12), (4, 25), (-20, -5), (15, 8)]):
        person = make_person(SEED, number)
        plain_color, flat = person.skin.color.finest * 0 + 0.35, person.skin.relief.finest * 0
        skin = person.skin._replace(color=Texture(plain_color.astype(np.float32)), relief=Texture(flat))
        scene = posed(person, gaze_deg=gaze_deg, photo_px=224)
        plain = person._replace(skin=skin)
        two, four = (shoot(plain, scene, samples).photo.astype(float) for samples in (2, 4))
        for center in scene.eyes:
            x, y = np.rint(project(scene.camera, center)).astype(int)
            half = 23.0 * scene.camera[0, 0] / center[2]
            box = slice(y - round(0.6 * half), y + round(0.6 * half) + 1), slice(x - round(half), x + round(half) + 1)
            differences.append(np.abs(two[box] - four[box]).mean())
    assert np.mean(differences) < 1.0


def test_numpy_draws_the_eyes_that_numba_draws(who: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    photos = []
    for flag in ("0", "1"):
        monkeypatch.setenv("SLYK_NO_NUMBA", flag)
        photos.append(shoot(who, posed(who, photo_px=224, wear=Wear(glasses=True))))
    assert np.abs(photos[0].photo.astype(float) - photos[1].photo).mean() < 0.2
    assert np.mean(photos[0].regions != photos[1].regions) < 1e-3
