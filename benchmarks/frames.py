"""Normalized grey crops of many people of domain `wide`, rendered once into a cache."""

import sys
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.config import load_params
from slyk.files import code_digest, digest, resolve
from slyk.geometry.angles import head_pitchyaw, pitchyaw_from_vector
from slyk.geometry.camera import Array
from slyk.geometry.normalize import FaceGeometry
from slyk.shards.crops import CropSpec, crop
from slyk.shards.sample import Sample
from slyk.synthetic.annotate import landmarks_3d
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.render import Person, make_person, take_photo
from slyk.synthetic.scene import Scene, Setup, make_scene

SEED = 30_000
PHOTO_PX = 256
SAMPLES = 2
Gray = NDArray[np.uint8]


class Frames(NamedTuple):
    """Crops with their margins, grey. face (N, S, S), eyes (N, 2, E, E) right then left; gaze, head (N, 2): pitch and
    yaw in the normalized camera; person (N,); blinks, sunglasses: photos that were left out for them."""

    face: Gray
    eyes: Gray
    gaze: Array
    head: Array
    person: NDArray[np.int64]
    blinks: NDArray[np.int64]
    sunglasses: NDArray[np.int64]

    def sample(self, i: int) -> Sample:
        """Frame i as the views of the pipeline take it: grey in three channels."""
        face, right, left = (cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) for image in (self.face[i], *self.eyes[i]))
        rotation = np.eye(3)
        return Sample(str(i), "", face, right, left, self.gaze[i], self.head[i], rotation, "found", "")


def crop_spec() -> CropSpec:
    """The crops of the pipeline, from params.yaml."""
    settings = load_params(resolve("params.yaml")).normalize
    return CropSpec(
        settings.focal_px,
        settings.distance_mm,
        settings.face_px,
        settings.face_margin,
        settings.eye_px,
        settings.eye_margin,
        settings.eye_zoom,
    )


def load_frames(folder: Path, people: range, per_person: int, spec: CropSpec) -> Frames:
    """The frames of some people, from the cache where the renderer's code is that which made them."""
    made_of = {"seed": SEED, "photo_px": PHOTO_PX, "samples": SAMPLES, "crop": spec.as_dict()}
    key = digest({**made_of, "code": code_digest(("synthetic", "geometry", "shards/crops.py"))})[:16]
    parts = []
    start = time.monotonic()
    for count, number in enumerate(people, start=1):
        path = folder / key / f"p{number:03d}-{per_person}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".part").open("wb") as file:
                np.savez(file, **render_frames(number, per_person, spec)._asdict())
            path.with_suffix(".part").replace(path)
            if count % 4 == 0 or count == len(people):
                seconds = time.monotonic() - start
                print(f"  frames: {count}/{len(people)} people, {seconds:.0f} s", file=sys.stderr, flush=True)
        with np.load(path, allow_pickle=False) as file:
            parts.append(Frames(**file))
    return Frames(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def render_frames(number: int, count: int, spec: CropSpec) -> Frames:
    """`count` frames of a person; photos with any blink or with sunglasses are left out and counted."""
    who = make_person(SEED, number)
    shots = DOMAINS["wide"].shots(who.identity, who.head, seed=SEED, number=number, photo_px=PHOTO_PX)
    rows: list[tuple[Gray, Gray, Array, Array]] = []
    blinks = sunglasses = 0
    for photo, setup in enumerate(shots):
        if setup.blink > 0 or setup.wear.sunglasses:
            blinks, sunglasses = blinks + (setup.blink > 0), sunglasses + setup.wear.sunglasses
            continue
        scene = make_scene(who.identity, who.head, setup)
        picture = take_photo(who, scene, seed=SEED, number=number, photo=photo, samples=SAMPLES).photo
        rows.append(normalized(picture, geometry_of(who, scene), direction(scene), spec))
        if len(rows) == count:
            break
    face, eyes, gaze, head = (np.stack(column) for column in zip(*rows, strict=True))
    counts = (np.array([value], dtype=np.int64) for value in (blinks, sunglasses))
    return Frames(face, eyes, gaze, head, np.full(count, number), *counts)


def geometry_of(who: Person, scene: Scene) -> FaceGeometry:
    """The exact geometry of a face, as the annotations have it."""
    corners = landmarks_3d(who.head, scene)[[36, 39, 42, 45]].reshape(2, 2, 3)
    return FaceGeometry(scene.camera, scene.rotation, scene.face_center, corners.mean(axis=1))


def direction(setup: Setup) -> Array:
    """The gaze (3,), camera frame, from the face centre to the target, not of unit length."""
    return setup.target - setup.face_center


def normalized(photo: Gray, geometry: FaceGeometry, gaze: Array, spec: CropSpec) -> tuple[Gray, Gray, Array, Array]:
    """Grey face, grey eyes, gaze and head of a photo in the normalized camera."""
    crops = crop(photo, geometry, spec)
    face, right, left = (np.asarray(cv2.cvtColor(c, cv2.COLOR_BGR2GRAY), np.uint8) for c in crops[:3])
    head = head_pitchyaw(crops.rotation @ geometry.head_rotation)
    return face, np.stack([right, left]), pitchyaw_from_vector(crops.rotation @ gaze), head


def moved_down(frames: Frames, shift_mm: float, spec: CropSpec) -> Frames:
    """The frames with the crops of the eyes cut lower by so much, so that the eyes stand higher in them."""
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -shift_mm * spec.eye_px_per_mm]])
    size = (frames.eyes.shape[-1],) * 2
    moved = [cv2.warpAffine(eye, matrix, size, borderMode=cv2.BORDER_REPLICATE) for pair in frames.eyes for eye in pair]
    return frames._replace(eyes=np.stack(moved).astype(np.uint8).reshape(frames.eyes.shape))
