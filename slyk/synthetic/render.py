"""From a scene to a photo, and from a person's number to all photos with their annotations."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.synthetic.annotate import annotate
from slyk.synthetic.backdrop import draw_backdrop
from slyk.synthetic.develop import develop
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.glasses import draw_glasses
from slyk.synthetic.head import ROWS, Head, build, normals
from slyk.synthetic.identity import Identity, Image, draw_identity, stream
from slyk.synthetic.opening import draw_eye
from slyk.synthetic.raster import rasterize
from slyk.synthetic.regions import Mask, Region, shrink
from slyk.synthetic.scene import Scene, make_scene
from slyk.synthetic.shade import diffuse, shadow, sheen
from slyk.synthetic.skin import paint, texture_map

NEAR_MM = 5.0
"""What is nearer to the camera is not drawn."""


class Person(NamedTuple):
    """What all photos of a person share: numbers, head and texture (T, T, 4)."""

    identity: Identity
    head: Head
    texture: Image


class Picture(NamedTuple):
    """photo (H, W, 3) BGR uint8; regions (H x S, W x S): what each sample shows (`Region`), S samples a pixel and axis;
    depth, likewise: z in mm of what is solid, inf on the background."""

    photo: NDArray[np.uint8]
    regions: Mask
    depth: Array


class Shot(NamedTuple):
    """One finished photo: JPEG, region mask as PNG, annotations (`annotate.COLUMNS` but for those of the files)."""

    photo: bytes
    mask: bytes
    annotation: dict[str, Any]


def make_person(seed: int, number: int) -> Person:
    """The person of a number, the same whatever else is rendered."""
    rng = stream(seed, number, -1)
    identity = draw_identity(rng)
    head = build(identity, rng)
    return Person(identity, head, paint(identity, head, rng))


def render_person(
    seed: int, number: int, *, domain: str, num_photos: int, photo_px: int, eye_supersampling: int
) -> Iterator[Shot]:
    """The first photos of a person in a domain of `DOMAINS`."""
    who = make_person(seed, number)
    shots = DOMAINS[domain].shots(who.identity, who.head, seed=seed, number=number, photo_px=photo_px)
    for photo, setup in enumerate(islice(shots, num_photos)):
        scene = make_scene(who.identity, who.head, setup)
        picture = take_photo(who, scene, seed=seed, number=number, photo=photo, samples=eye_supersampling)
        quality = [cv2.IMWRITE_JPEG_QUALITY, scene.sensor.jpeg_quality]
        annotation = annotate(who.identity, who.head, scene, picture.regions, picture.depth, eye_supersampling)
        mask = shrink(picture.regions, eye_supersampling)
        yield Shot(_encode(".jpg", picture.photo, quality), _encode(".png", mask), annotation)


def _encode(suffix: str, picture: NDArray[np.uint8], options: list[int] | None = None) -> bytes:
    done, data = cv2.imencode(suffix, picture, options or [])
    assert done
    return bytes(data)


def take_photo(who: Person, scene: Scene, *, seed: int, number: int, photo: int, samples: int) -> Picture:
    """Renders a scene with `samples` x `samples` rays a pixel and averages them down to the photo."""
    width, height = scene.size_px[0] * samples, scene.size_px[1] * samples
    camera = sample_camera(scene.camera, samples)
    points = place(scene)
    x, y = (camera[i, i] * points[..., i] / points[..., 2] + camera[i, 2] for i in (0, 1))
    x[points[..., 2] < NEAR_MM] = np.nan
    surface = rasterize(x, y, 1.0 / points[..., 2], height, width)
    with np.errstate(divide="ignore"):
        depth = 1.0 / surface.nearness
    regions = (surface.nearness > 0).astype(np.uint8) * np.uint8(Region.SKIN)
    light_grid, lit = _light(points, scene, who.head)
    color = _surface_color(who, surface.column, surface.row, light_grid)
    for index in (0, 1):
        top, bottom, left, right = _eye_box(scene, camera, index, width, height)
        box = (slice(top, bottom), slice(left, right))
        seen = _points(depth[box], camera, left, top)
        draw_eye(color[box], regions[box], seen, scene, who.identity, float(lit[index]), index)
    backdrop = draw_backdrop(scene, width, height)
    np.copyto(color, backdrop, where=(regions == Region.BACKGROUND)[..., None])
    if scene.wear.glasses:
        draw_glasses(color, regions, depth, scene, who.identity, camera)
    small = cv2.resize(color, scene.size_px, interpolation=cv2.INTER_AREA)
    return Picture(develop(small, scene, stream(seed, number, photo, use=1)), regions, depth)


def sample_camera(camera: Array, samples: int) -> Array:
    """The camera (3, 3) of the fine picture; in both, integer coordinates are the middles of pixels."""
    fine: Array = camera * np.array([[samples], [samples], [1.0]])
    fine[:2, 2] += (samples - 1) / 2
    return fine


def place(scene: Scene) -> Array:
    """Vertices (R, C, 3) in the camera frame. Below the chin the neck bends from the head to the torso."""
    share = np.interp(ROWS, [118.0, 190.0], [1.0, 0.0])
    pivot = np.array([0.0, 100.0, 72.0])
    bend = cv2.Rodrigues(scene.torso.T @ scene.rotation)[0].ravel()
    turns = np.stack([scene.torso @ cv2.Rodrigues(bend * s)[0] for s in share])
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


def _eye_box(scene: Scene, camera: Array, index: int, width: int, height: int) -> tuple[int, int, int, int]:
    """top, bottom, left, right of the samples within 24 mm of an eye."""
    center = scene.eyes[index]
    reach = 24.0 * camera[0, 0] / center[2]
    x, y = (camera[i, i] * center[i] / center[2] + camera[i, 2] for i in (0, 1))
    limits = np.clip([y - reach, y + reach + 1, x - reach, x + reach + 1], 0, [height, height, width, width]).astype(
        int
    )
    top, bottom, left, right = (int(v) for v in limits)
    return top, bottom, left, right


def _points(depth: Array, camera: Array, left: int, top: int) -> Array:
    """What each sample of a part of the picture shows, (h, w, 3), camera frame; NaN on the background."""
    z = np.where(np.isfinite(depth), depth, np.nan)
    x = (np.arange(depth.shape[1]) + left - camera[0, 2]) / camera[0, 0]
    y = (np.arange(depth.shape[0]) + top - camera[1, 2]) / camera[1, 1]
    return np.stack([x[None, :] * z, y[:, None] * z, z], axis=-1)
