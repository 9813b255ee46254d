"""Whether the drawn eyes are where the labels say, move as the ball turns, are smooth and half covered as eyes are."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np

from benchmarks.frontal import frontal_setups
from benchmarks.table import Line, at_least, at_most
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array, project
from slyk.synthetic.annotate import annotate, landmarks_3d
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.expression import Expression
from slyk.synthetic.eye import IRIS_PLANE_MM, frame
from slyk.synthetic.regions import Mask, Region
from slyk.synthetic.render import Person, make_person, take_photo
from slyk.synthetic.scene import Scene, Setup, Wear, make_scene

SEED = 40_000
FINE = 4
PX = 448
WINDOW_MM = (124.0, 44.0)
"""Part of the head that is rendered where only the eyes count."""
STEP_DEG = 5.0
UNHIDDEN = 0.995
"""Share of the iris that shows where nothing is before it."""
IRIS = (Region.IRIS, Region.PUPIL)


def first_setup(who: Person, number: int, photo_px: int) -> Setup:
    """A near-frontal setup of the person with bare eyes."""
    _, setup = next(frontal_setups(who, seed=SEED, number=number, photo_px=photo_px))
    return replace(setup, wear=Wear())


def straight(setup: Setup, head: Array) -> Setup:
    """The setup at rest: head (3, 3) given, eyes on a point 3 m before the face, no expression."""
    target = setup.face_center - 3000.0 * head[:, 2]
    return replace(setup, rotation=head, torso=head, target=target, expression=Expression(), blink=0.0)


def open_wide(scene: Scene) -> Scene:
    """The scene with lids that clear the iris wherever it looks."""
    right, left = (replace(lid, upper_mm=11.0, lower_mm=11.0, power=0.4, tilt_mm=0.0) for lid in scene.lids)
    return replace(scene, lids=(right, left))


def window(scene: Scene) -> Scene:
    """The same camera, of which only the sensor's part around the eyes is read: an exact part of the whole photo."""
    middle, distance = scene.eyes.mean(axis=0), scene.eyes[:, 2].mean()
    width, height = (int(np.ceil(mm * scene.camera[0, 0] / distance)) for mm in WINDOW_MM)
    corner = np.rint(project(scene.camera, middle) - np.array([width, height]) / 2)
    camera = scene.camera.copy()
    camera[:2, 2] -= corner
    return replace(scene, size_px=(width, height), camera=camera)


def middle_of(regions: Mask, scene: Scene, index: int, wanted: tuple[Region, ...]) -> Array:
    """Photo pixel (2,) of the centroid of some regions of one eye in a mask of FINE samples a pixel."""
    near_px = 16.0 * scene.camera[0, 0] / scene.eyes[index, 2]
    rows, columns = np.nonzero(np.isin(regions, wanted))
    pixels = (np.stack([columns, rows], axis=-1) + 0.5) / FINE - 0.5
    near = np.linalg.norm(pixels - project(scene.camera, scene.eyes[index]), axis=1) < near_px
    return np.asarray(pixels[near].mean(axis=0))


def registration(num_eyes: int = 48) -> list[Line]:
    """Centroids of pupil and iris against the middles of their annotated rings, lids wide open, nothing before the
    iris (hair may be)."""
    off: dict[str, list[float]] = {"pupil": [], "iris": []}
    for number in range(4 * num_eyes):
        who = make_person(SEED, number)
        scene = window(open_wide(make_scene(who.identity, who.head, first_setup(who, number, PX))))
        picture = take_photo(who, scene, seed=SEED, number=number, photo=0, samples=FINE)
        row = annotate(who.identity, who.head, scene, picture.regions, picture.depth, FINE)
        for index, side in enumerate(("right", "left")):
            if row["eye_visible"][index] < UNHIDDEN or not all(row[f"iris_{side}_visible"]):
                continue
            for part, wanted in (("pupil", (Region.PUPIL,)), ("iris", IRIS)):
                told = np.reshape(row[f"{part}_{side}_2d"], (8, 2)).mean(axis=0)
                seen = middle_of(picture.regions, scene, index, wanted)
                off[part].append(float(np.linalg.norm(seen - told)))
        if len(off["iris"]) >= num_eyes:
            break
    return [
        at_most(f"{part} centroid to landmark, worst", max(values), 0.25, "px", _spread(values))
        for part, values in off.items()
    ]


def _spread(values: list[float]) -> str:
    return f"mean {np.mean(values):.3f}, {len(values)} eyes"


def gaze_step(num_people: int = 4) -> list[Line]:
    """How a turn of 5 degrees in four directions moves the iris of either eye, against R sin of the camera."""
    errors, wrong = [], 0
    for number in range(num_people):
        who = make_person(SEED, number)
        setup = straight(first_setup(who, number, PX), np.eye(3))
        base = window(open_wide(make_scene(who.identity, who.head, setup)))
        before = _irises(who, base, number, 0.0, 0.0)
        px_per_mm = base.camera[0, 0] / (base.eyes[:, 2] - IRIS_PLANE_MM)
        length = IRIS_PLANE_MM * np.sin(np.deg2rad(STEP_DEG)) * px_per_mm
        for up, to_left in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            moved = _irises(who, base, number, STEP_DEG * up, STEP_DEG * to_left) - before
            wanted = length[:, None] * np.array([-to_left, -up])
            errors += list(np.linalg.norm(moved - wanted, axis=1) / length)
            wrong += int(np.sum(np.sum(moved * wanted, axis=1) <= 0))
    note = f"mean {np.mean(errors):.3f}, {len(errors)} steps"
    return [
        at_most("iris after 5 degrees, off R sin, worst", max(errors), 0.05, "of it", note),
        at_most("irises that move the wrong way", wrong, 0),
    ]


def _irises(who: Person, scene: Scene, number: int, pitch_deg: float, yaw_deg: float) -> Array:
    """Centroids (2, 2) of both irises with optical axes that far from the camera's axis."""
    axis = vector_from_pitchyaw(np.deg2rad([pitch_deg, yaw_deg]))
    turned = replace(scene, optical=np.stack([axis, axis]))
    regions = take_photo(who, turned, seed=SEED, number=number, photo=0, samples=FINE).regions
    return np.stack([middle_of(regions, turned, index, IRIS) for index in (0, 1)])


def aliasing(num_people: int = 12) -> list[Line]:
    """Grey eye boxes of 46 x 28 mm at 224 px, 2 x 2 samples a pixel against 4 x 4, without noise, all else as drawn."""
    bare: list[float] = []
    behind: list[float] = []
    for number in range(num_people):
        who = make_person(SEED, number)
        for photo, scene in islice(_open_scenes(who, number, 224), 2):
            fine, usual = (
                take_photo(who, scene, seed=SEED, number=number, photo=photo, samples=samples).photo
                for samples in (FINE, 2)
            )
            gray = [cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype(np.float64) for p in (fine, usual)]
            differences = [float(np.abs(gray[0][box] - gray[1][box]).mean()) for box in _eye_boxes(who, scene)]
            (behind if scene.wear.glasses else bare).extend(differences)
    every = bare + behind
    note = f"bare {np.mean(bare):.2f}, behind glasses {np.mean(behind):.2f}, worst {max(every):.2f}, {len(every)} eyes"
    return [at_most("eye boxes at 2x against 4x, 224 px", float(np.mean(every)), 1.0, "grey levels", note)]


def _open_scenes(who: Person, number: int, photo_px: int) -> Iterator[tuple[int, Scene]]:
    shots = DOMAINS["wide"].shots(who.identity, who.head, seed=SEED, number=number, photo_px=photo_px)
    for photo, setup in enumerate(shots):
        if setup.blink == 0 and not setup.wear.sunglasses:
            still = setup.sensor._replace(noise=0.0, chroma_noise=0.0)
            yield photo, make_scene(who.identity, who.head, replace(setup, sensor=still))


def _eye_boxes(who: Person, scene: Scene) -> list[tuple[slice, slice]]:
    corners = landmarks_3d(who.head, scene)[[36, 39, 42, 45]].reshape(2, 2, 3)
    boxes = []
    for eye in corners.mean(axis=1):
        x, y = project(scene.camera, eye)
        half = np.array([23.0, 14.0]) * scene.camera[0, 0] / eye[2]
        top, bottom, left, right = np.rint([y - half[1], y + half[1], x - half[0], x + half[0]]).clip(0).astype(int)
        boxes.append((slice(top, bottom), slice(left, right)))
    return boxes


def lid_coverage(num_people: int = 104) -> list[Line]:
    """Share of people whose upper lids, at rest and looking straight ahead, cover 1-2 mm of the iris: from the mask,
    mean of both eyes, in the iris's middle 3 mm."""
    covered = []
    for number in range(num_people):
        who = make_person(SEED, number)
        setup = straight(first_setup(who, number, PX), np.eye(3))
        scene = window(make_scene(who.identity, who.head, setup))
        regions = take_photo(who, scene, seed=SEED, number=number, photo=0, samples=FINE).regions
        covered.append(float(np.mean([_covered_mm(regions, scene, who, index) for index in (0, 1)])))
    good = np.mean([1.0 <= mm <= 2.0 for mm in covered])
    low, middle, high = np.percentile(covered, [5, 50, 95])
    note = f"{num_people} people, 5-50-95 %: {low:.2f} {middle:.2f} {high:.2f} mm"
    return [at_least("people whose upper lid covers 1-2 mm", float(good), 0.90, "share", note)]


def _covered_mm(regions: Mask, scene: Scene, who: Person, index: int) -> float:
    """Height of the iris hidden by the upper lid; NaN where no iris shows."""
    axis, center = scene.optical[index], scene.eyes[index] + IRIS_PLANE_MM * scene.optical[index]
    _, down = frame(axis)
    top = project(scene.camera, center - who.identity.iris_radius_mm * down)
    px_per_mm = scene.camera[0, 0] / center[2]
    x = project(scene.camera, center)[0]
    columns = slice(*(round((x + side * 1.5 * px_per_mm + 0.5) * FINE) for side in (-1, 1)))
    seen = np.isin(regions[:, columns], IRIS)
    seen = seen[:, seen.any(axis=0)]
    if not seen.size:
        return float("nan")
    return float((seen.argmax(axis=0).mean() / FINE - 0.5 - top[1]) / px_per_mm)
