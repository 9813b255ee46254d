"""From a scene to a photo, and from a person's number to all photos with their annotations."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.geometry.camera import Array
from slyk.synthetic import ears, periocular, shells
from slyk.synthetic.annotate import annotate
from slyk.synthetic.backdrop import draw_backdrop
from slyk.synthetic.develop import Meter, develop
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.fields import Fields, Texture, on_texture, sample, texture_map
from slyk.synthetic.glasses import draw_glasses
from slyk.synthetic.head import ROWS, Head, build, normals
from slyk.synthetic.identity import Identity, Image, draw_identity, stream
from slyk.synthetic.layers import Canvas, draw_shell, draw_solid, project_grid
from slyk.synthetic.opening import draw_eye
from slyk.synthetic.periocular import Periocular
from slyk.synthetic.raster import rasterize
from slyk.synthetic.regions import Mask, Region, shrink
from slyk.synthetic.scene import Scene, make_scene
from slyk.synthetic.shade import Lighting, diffuse, in_infrared, light_up, shadow
from slyk.synthetic.shells import Shell
from slyk.synthetic.skin import Skin, paint

_PIVOT = np.array([0.0, 100.0, 72.0])
"""Where the neck bends, head frame, mm."""
_THINGS = {"face_mask": shells.face_mask, "headscarf": shells.headscarf, "hat": shells.hat}


class Person(NamedTuple):
    """What all photos of a person share: numbers, head, ears (2, D, A, 3), skin, hair, what is around
    the eyes, things to wear as far as photos asked for them."""

    identity: Identity
    head: Head
    ears: Array
    skin: Skin
    hair: Shell
    eyes: Periocular
    things: dict[str, Shell]


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
    points = on_texture(head.rest)
    fields = Fields(rng, points)
    skin, hair = paint(identity, points, fields), shells.hair(identity, head, fields)
    eyes = periocular.build(identity, stream(seed, number, -1, use=2**32 - 1))
    return Person(identity, head, ears.build(identity, head.rest), skin, hair, eyes, {})


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
    camera = sample_camera(scene.camera, samples)
    skin = place(scene, scene.vertices)
    worn = _worn(who, scene, seed, number)
    outer = [place(scene, scene.vertices + shell.offset) for shell in worn]
    lit = shadow([skin, *outer], scene.light)
    light = light_up(skin, scene.light, lit, who.head.ambient)
    canvas = _draw_skin(who, scene, skin, light, camera, samples)
    _draw_ears(who, scene, canvas, camera)
    _draw_eyes(who, scene, canvas, lit, camera)
    for shell, surface in zip(worn, outer, strict=True):
        draw_shell(canvas, shell, surface, skin, camera, scene.light, lit)
    depth = _depth(canvas.nearness)
    if scene.wear.glasses:
        draw_glasses(canvas.color, canvas.regions, depth, scene, who.identity, camera)
    small = np.asarray(cv2.resize(canvas.color, scene.size_px, interpolation=cv2.INTER_AREA), dtype=np.float32)
    face = np.isin(canvas.regions[::4, ::4], (Region.SKIN, Region.NOSE))
    meter = Meter(float(small.mean()), canvas.color[::4, ::4][face] if face.any() else small.reshape(-1, 3))
    return Picture(develop(small, scene, meter, stream(seed, number, photo, use=1)), canvas.regions, depth)


def sample_camera(camera: Array, samples: int) -> Array:
    """The camera (3, 3) of the fine picture; in both, integer coordinates are the middles of pixels."""
    fine: Array = camera * np.array([[samples], [samples], [1.0]])
    fine[:2, 2] += (samples - 1) / 2
    return fine


def place(scene: Scene, vertices: Array) -> Array:
    """Vertices (R, C, 3) of the head's grid in the camera frame. Below the chin the neck bends to the torso."""
    share = np.interp(ROWS, [118.0, 190.0], [1.0, 0.0])
    bend = cv2.Rodrigues(scene.torso.T @ scene.rotation)[0].ravel()
    turns = np.stack([scene.torso @ cv2.Rodrigues(bend * s)[0] if s < 1 else scene.rotation for s in share])
    moved = np.matmul(vertices - _PIVOT, turns.transpose(0, 2, 1))
    return np.asarray(moved + scene.rotation @ _PIVOT + scene.translation)


def _worn(who: Person, scene: Scene, seed: int, number: int) -> list[Shell]:
    """What covers the head on this photo, from the inside out; made of the person's numbers alone."""
    things = {name: make for name, make in _THINGS.items() if getattr(scene.wear, name)}
    for name, make in things.items():
        if name not in who.things:
            rng = stream(seed, number, -1, use=2**32 + list(_THINGS).index(name))
            who.things[name] = make(who.identity, who.head, rng)
    hair = [] if scene.wear.headscarf else [shells.under_hat(who.hair, who.head) if scene.wear.hat else who.hair]
    return [*hair, *(who.things[name] for name in things)]


def _draw_skin(who: Person, scene: Scene, points: Array, light: Lighting, camera: Array, samples: int) -> Canvas:
    width, height = scene.size_px[0] * samples, scene.size_px[1] * samples
    surface = rasterize(*project_grid(points, camera), height, width)
    canvas = Canvas(draw_backdrop(scene, width, height), np.zeros((height, width), np.uint8), surface.nearness)
    pixels = np.nonzero(surface.nearness > 0)
    column, row = surface.column[pixels], surface.row[pixels]
    sample_mm = float(scene.face_center[2] / camera[0, 0])
    texel, slope = (_texels(texture, column, row, sample_mm) for texture in (who.skin.color, who.skin.relief))
    received, slant = sample(light.received, column, row), sample(light.slant, column, row)
    relief = (slope[:, 0] * slant[:, 0] + slope[:, 1] * slant[:, 1])[:, None]
    shine = texel[:, 3:] * received[:, 3:] * np.maximum(1 + 2 * relief, 0)
    albedo = in_infrared(texel[:, :3]) if scene.light.infrared else texel[:, :3]
    canvas.color[pixels] = albedo * np.maximum(received[:, :3] + relief * light.key, 0) + shine
    u, v = texture_map(column, row)
    canvas.regions[pixels] = who.skin.regions[np.rint(v).astype(int), np.rint(u).astype(int)]
    return canvas


def _texels(texture: Texture, column: Image, row: Image, sample_mm: float) -> Image:
    fitting = texture.fit(sample_mm)
    return sample(fitting, *texture_map(column, row, len(fitting)))


def _draw_ears(who: Person, scene: Scene, canvas: Canvas, camera: Array) -> None:
    if scene.wear.headscarf:
        return
    tint = who.identity.skin * np.array([1.0, 0.86, 0.86]) * ears.shade()[..., None]
    for ear in who.ears:
        points = ear @ scene.rotation.T + scene.translation
        flat = np.full(points.shape[:2], 0.8)
        draw_solid(canvas, points, camera, tint * diffuse(normals(points), scene.light, flat, flat), Region.SKIN)


def _draw_eyes(who: Person, scene: Scene, canvas: Canvas, lit: Array, camera: Array) -> None:
    rows = slice(*np.searchsorted(ROWS, [-24.0, 24.0]))
    distance = np.linalg.norm(scene.vertices[rows, :, None] - (who.head.eyes - np.array([0.0, 0.0, 13.0])), axis=-1)
    weight = np.exp(-((distance / 8.0) ** 2))
    share = (lit[rows, :, None] * weight).sum(axis=(0, 1)) / weight.sum(axis=(0, 1))
    picture = canvas.color, canvas.regions, canvas.nearness
    for index in (0, 1):
        draw_eye(*picture, camera, scene, who.identity, who.eyes, float(share[index]), index)


def _depth(nearness: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / nearness)
