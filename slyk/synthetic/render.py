"""From a scene to a photo, and from a person's number to all photos with their annotations."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.synthetic import eye
from slyk.synthetic.annotate import annotate
from slyk.synthetic.glasses import draw_glasses
from slyk.synthetic.head import ROWS, Head, build, normals
from slyk.synthetic.identity import Identity, Image, Random, draw_identity, stream
from slyk.synthetic.opening import draw_eye
from slyk.synthetic.raster import rasterize
from slyk.synthetic.scene import Scene, draw_scene
from slyk.synthetic.shade import diffuse, shadow, sheen
from slyk.synthetic.skin import paint, texture_map

JPEG_QUALITY = 95


class Person(NamedTuple):
    """What all photos of a person share: numbers, head and texture (T, T, 4)."""

    identity: Identity
    head: Head
    texture: Image


class Picture(NamedTuple):
    """photo (P, P, 3) BGR uint8; parts (S, S): what each sample shows (`eye.SKIN` ...), S = P x samples a pixel;
    depth (S, S): z in mm, inf on the background."""

    photo: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    depth: Array


def make_person(seed: int, person: int) -> Person:
    """The person of a number, the same whatever else is rendered."""
    rng = stream(seed, person, -1)
    identity = draw_identity(rng)
    head = build(identity, rng)
    return Person(identity, head, paint(identity, head, rng))


def render_person(
    seed: int, person: int, *, num_photos: int, photo_px: int, eye_supersampling: int
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Photos of a person as JPEG, each with its annotations (`annotate.COLUMNS` but for photo, person and split)."""
    who = make_person(seed, person)
    for number in range(num_photos):
        rng = stream(seed, person, number)
        scene = draw_scene(who.identity, who.head, rng, photo_px)
        picture = take_photo(who, scene, rng, photo_px=photo_px, samples=eye_supersampling)
        done, data = cv2.imencode(".jpg", picture.photo, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        assert done
        yield bytes(data), annotate(who.identity, who.head, scene, picture.parts, picture.depth, eye_supersampling)


def take_photo(who: Person, scene: Scene, rng: Random, *, photo_px: int, samples: int) -> Picture:
    """Renders a scene with `samples` x `samples` rays a pixel and averages them down to the photo."""
    side = photo_px * samples
    camera = sample_camera(scene.camera, samples)
    points = place(scene)
    x, y = (camera[i, i] * points[..., i] / points[..., 2] + camera[i, 2] for i in (0, 1))
    surface = rasterize(x, y, 1.0 / points[..., 2], side, side)
    with np.errstate(divide="ignore"):
        depth = 1.0 / surface.nearness
    parts = (surface.nearness > 0).astype(np.uint8) * np.uint8(eye.SKIN)
    light_grid, lit = _light(points, scene, who.head)
    color = _surface_color(who, surface.column, surface.row, light_grid)
    for index in (0, 1):
        top, bottom, left, right = _eye_box(scene, camera, index, side)
        box = (slice(top, bottom), slice(left, right))
        seen = _points(depth[box], camera, left, top)
        draw_eye(color[box], parts[box], seen, scene, who.identity, float(lit[index]), index)
    np.copyto(color, _background(rng, side, scene), where=(parts == 0)[..., None])
    if scene.glasses:
        draw_glasses(color, depth, scene, who.identity, camera, float(camera[0, 0] / scene.eyes[:, 2].mean()))
    small = cv2.resize(color, (photo_px, photo_px), interpolation=cv2.INTER_AREA)
    return Picture(_develop(small, rng, photo_px), parts, depth)


def sample_camera(camera: Array, samples: int) -> Array:
    """The camera (3, 3) of the fine picture; in both, integer coordinates are the middles of pixels."""
    fine: Array = camera * np.array([[samples], [samples], [1.0]])
    fine[:2, 2] += (samples - 1) / 2
    return fine


def place(scene: Scene) -> Array:
    """Vertices (R, C, 3) in the camera frame. Below the chin the body follows the head less and less."""
    share = np.interp(ROWS, [122.0, 190.0], [1.0, 0.3])
    pivot = np.array([0.0, 100.0, 72.0])
    vector = cv2.Rodrigues(scene.rotation)[0].ravel()
    turns = np.stack([cv2.Rodrigues(vector * s)[0] if s < 1 else scene.rotation for s in share])
    moved = np.einsum("rij,rcj->rci", turns, scene.vertices - pivot)
    return np.asarray(moved + scene.rotation @ pivot + scene.translation)


def _light(points: Array, scene: Scene, head: Head) -> tuple[Image, Array]:
    """Light and sheen (R, C, 4) on the grid, and the share of the key light at each eye."""
    facing = normals(points)
    seen = shadow(points, scene.light)
    received = diffuse(facing, scene.light, seen, head.ambient)
    gloss = sheen(points, facing, scene.light, seen)
    distance = np.linalg.norm(scene.vertices[..., None, :] - (head.eyes - np.array([0.0, 0.0, 13.0])), axis=-1)
    weight = np.exp(-((distance / 8.0) ** 2))
    lit = (seen[..., None] * weight).sum(axis=(0, 1)) / weight.sum(axis=(0, 1))
    return np.dstack([received, gloss]).astype(np.float32), lit


def _surface_color(who: Person, column: Image, row: Image, light_grid: Image) -> Image:
    grid = cv2.remap(light_grid, column, row, cv2.INTER_LINEAR)
    u, v = texture_map(column, row)
    skin = cv2.remap(who.texture, u, v, cv2.INTER_LINEAR)
    skin = np.multiply(skin, grid, out=skin)  # colour by light, gloss by sheen
    return np.asarray(skin[..., :3] + skin[..., 3:], dtype=np.float32)


def _eye_box(scene: Scene, camera: Array, index: int, side: int) -> tuple[int, int, int, int]:
    """top, bottom, left, right of the samples within 24 mm of an eye."""
    center = scene.eyes[index]
    reach = 24.0 * camera[0, 0] / center[2]
    x, y = (camera[i, i] * center[i] / center[2] + camera[i, 2] for i in (0, 1))
    limits = np.clip([y - reach, y + reach + 1, x - reach, x + reach + 1], 0, side).astype(int)
    top, bottom, left, right = (int(v) for v in limits)
    return top, bottom, left, right


def _points(depth: Array, camera: Array, left: int, top: int) -> Array:
    """What each sample of a part of the picture shows, (h, w, 3), camera frame; NaN on the background."""
    z = np.where(np.isfinite(depth), depth, np.nan)
    x = (np.arange(depth.shape[1]) + left - camera[0, 2]) / camera[0, 0]
    y = (np.arange(depth.shape[0]) + top - camera[1, 2]) / camera[1, 1]
    return np.stack([x[None, :] * z, y[:, None] * z, z], axis=-1)


def _background(rng: Random, side: int, scene: Scene) -> Image:
    """A muted wall with a gradient and blurred things before it."""
    base = rng.uniform(0.08, 0.5) * (1 + rng.uniform(-0.12, 0.12, 3))
    t = np.linspace(-0.5, 0.5, 24)
    slope = rng.uniform(-0.5, 0.5, 2)
    wall = base * (1 + slope[0] * t[None, :, None] + slope[1] * t[:, None, None])
    for _ in range(int(rng.integers(0, 6))):
        x, y, w, h = rng.uniform(-0.1, 0.9) * 24, rng.uniform(-0.1, 0.9) * 24, rng.uniform(2, 12), rng.uniform(3, 18)
        tint = base * rng.uniform(0.4, 1.5) * (1 + rng.uniform(-0.1, 0.1, 3))
        wall[max(0, int(y)) : int(y + h), max(0, int(x)) : int(x + w)] = tint
    small = cv2.GaussianBlur(wall, (0, 0), float(rng.uniform(0.7, 1.6)))
    return np.asarray(cv2.resize((small * scene.light.level).astype(np.float32), (side, side)), dtype=np.float32)


def _develop(color: NDArray[Any], rng: Random, photo_px: int) -> NDArray[np.uint8]:
    """Exposure, a tone curve, the lens's blur and the sensor's noise; linear RGB -> BGR uint8."""
    metered = (0.20 / max(float(color.mean()), 1e-3)) ** 0.55
    gain = float(np.exp(rng.normal(0.0, 0.14))) * min(max(metered, 0.6), 2.5)
    exposed = np.maximum(color * np.float32(gain), np.float32(0.0))
    shoulder = exposed / np.sqrt(1 + np.float32(0.18) * exposed * exposed)
    tone = np.minimum(shoulder, np.float32(1.6)) ** np.float32(1 / 2.2)
    bright = np.minimum(tone, np.float32(1.0))
    tone = tone + np.float32(0.2) * bright * (1 - bright) * (2 * bright - 1)  # a mild S of contrast
    blur = max(0.25, abs(rng.normal(0.0, 0.5)) * photo_px / 300)
    tone = cv2.GaussianBlur(tone, (0, 0), blur)
    grain = rng.standard_normal((photo_px, photo_px, 1), dtype=np.float32) * np.float32(rng.uniform(0.003, 0.011))
    grain = grain + rng.standard_normal((photo_px, photo_px, 3), dtype=np.float32) * np.float32(0.004)
    done = np.clip((tone + grain)[..., ::-1] * 255 + np.float32(0.5), 0, 255)
    return np.ascontiguousarray(done.astype(np.uint8))
