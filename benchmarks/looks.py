"""Whether classical detectors take the renders for faces, whether skin clips, and what the domains' gaze looks like."""

from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.faces import Photo
from benchmarks.frames import direction, geometry_of
from benchmarks.frontal import Frontal, as_jpeg, render_frontal
from benchmarks.table import Line, at_least, figure
from slyk.geometry.angles import angular_error
from slyk.geometry.camera import Array, project
from slyk.geometry.normalize import normalizing_rotation
from slyk.landmarks.eye_votes import cascade
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.regions import Region, shrink
from slyk.synthetic.render import make_person, take_photo
from slyk.synthetic.scene import Setup, make_scene

SEED = 50_000
PX = 224
LARGE_PX = 448
OPEN_MM = 4.0
"""Lids at least so far apart: eyes that look down half shut are nobody's pair of eyes to a cascade."""
NEAR = 0.2
"""How far from its eye a window's middle may lie, in distances between the eyes."""
CLIPPED = 254
NEAR_MM = 150.0
SKIN = (Region.SKIN, Region.NOSE)


class Seen(NamedTuple):
    """What the cascades see of a face."""

    face: bool
    eyes: bool


def detectors(num_people: int = 100, photos_per_person: int = 3) -> list[Line]:
    """Haar cascades of OpenCV on near-frontal heads (10 degrees), no sunglasses, hat, scarf or mask, no blink, lids at
    least 4 mm apart; JPEG as drawn. Judged at 448 px: the eye cascade's window of 20 px fits eyes of small photos badly
    (enlarged twice, those of 224 px do as well as those of 448)."""
    lines = []
    for photo_px in (LARGE_PX, PX):
        faces, eyes, note = _seen(range(num_people), photos_per_person, photo_px)
        if photo_px == LARGE_PX:
            lines.append(at_least(f"Haar face, {photo_px} px", faces, 0.95, "share", note))
            lines.append(at_least(f"Haar pair of eyes, {photo_px} px", eyes, 0.85, "share", note))
        else:
            lines.append(figure(f"Haar face, {photo_px} px", faces, "share", note))
            lines.append(figure(f"Haar pair of eyes, {photo_px} px", eyes, "share", "real portraits, 46 px: 0.69"))
    return lines


def _seen(people: range, photos_per_person: int, photo_px: int) -> tuple[float, float, str]:
    """Shares of photos in which the face is seen, and both eyes; how many there were."""
    seen, skipped = [], 0
    for shot in render_frontal(people, photos_per_person, seed=SEED, photo_px=photo_px, samples=2):
        if min(_opening_mm(shot)) < OPEN_MM:
            skipped += 1
            continue
        seen.append(see(shot))
    note = f"{len(seen)} photos, {skipped} with narrow eyes left out"
    return float(np.mean([s.face for s in seen])), float(np.mean([s.eyes for s in seen])), note


def see(shot: Frontal) -> Seen:
    """Whether frontalface_default has the face centre in its largest box, and haarcascade_eye both eyes in its upper
    part. With these settings it sees both eyes of 69 % of the real portraits, 46 px apart (glasses hide many)."""
    photo = as_jpeg(shot.picture.photo, shot.scene.sensor.jpeg_quality)
    gray = np.asarray(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    boxes = np.reshape(cascade("frontalface_default").detectMultiScale(gray, 1.1, 4, 0, (50, 50)), (-1, 4))
    if not len(boxes):
        return Seen(False, False)
    left, top, width, height = (int(v) for v in max(boxes, key=lambda box: box[2]))
    x, y = project(shot.scene.camera, shot.scene.face_center)
    face = left < x < left + width and top < y < top + height
    half = gray[top : top + round(0.6 * height), left : left + width]
    found = np.reshape(cascade("eye").detectMultiScale(half, 1.05, 3, 0, (12, 12)), (-1, 4))
    middles = found[:, :2] + found[:, 2:] / 2 - 0.5 + np.array([left, top])
    eyes = project(shot.scene.camera, geometry_of(shot.who, shot.scene).eyes_mm)
    apart = float(np.linalg.norm(eyes[1] - eyes[0]))
    near = [len(found) > 0 and np.linalg.norm(middles - eye, axis=1).min() < NEAR * apart for eye in eyes]
    return Seen(bool(face), bool(face and all(near)))


def _opening_mm(shot: Frontal) -> list[float]:
    edges = (lid.curves(np.zeros(1)) for lid in shot.scene.lids)
    return [float((lower - upper)[0]) for upper, lower in edges]


def clipping(num_people: int = 12, photos_per_person: int = 5) -> list[Line]:
    """Share of photos of each domain in which less than 2 % of the skin has a channel at 254 or 255, before JPEG."""
    lines = []
    for name, domain in DOMAINS.items():
        shares = []
        for number in range(num_people):
            who = make_person(SEED, number)
            shots = domain.shots(who.identity, who.head, seed=SEED, number=number, photo_px=min(PX, domain.PHOTO_PX))
            for photo, setup in islice(enumerate(shots), 0, 29 * photos_per_person, 29):
                scene = make_scene(who.identity, who.head, setup)
                picture = take_photo(who, scene, seed=SEED, number=number, photo=photo, samples=1)
                share = clipped_share(picture.photo, shrink(picture.regions, 1))
                if share is not None:
                    shares.append(share)
        note = f"{len(shares)} photos, worst {max(shares):.3f} clipped"
        good = float(np.mean([share < 0.02 for share in shares]))
        lines.append(at_least(f"photos with < 2 % of skin clipped, {name}", good, 0.95, "share", note))
    return lines


def clipped_share(photo: Photo, regions: NDArray[np.uint8]) -> float | None:
    """Share of the skin's pixels with a channel at the top; None where hardly any skin shows."""
    skin = photo[np.isin(regions, SKIN)]
    return float((skin.max(axis=-1) >= CLIPPED).mean()) if len(skin) >= 100 else None


def shortcuts(num_people: int = 12, photos_per_person: int = 150) -> list[Line]:
    """What the mean gaze and the head's direction predict, in degrees, in the normalized camera (of the eye's
    own camera in near_eye); `wide` is judged."""
    lines = []
    for name, domain in DOMAINS.items():
        gaze, head = [], []
        for number in range(num_people):
            who = make_person(SEED, number)
            shots = domain.shots(who.identity, who.head, seed=SEED, number=number, photo_px=domain.PHOTO_PX)
            for setup in islice(shots, photos_per_person):
                rotation = _norm_from_cam(setup)
                gaze.append(_unit(rotation @ direction(setup)))
                head.append(-rotation @ setup.rotation[:, 2])
        by_mean = np.rad2deg(angular_error(np.array(gaze), np.mean(gaze, axis=0)).mean())
        by_head = np.rad2deg(angular_error(np.array(gaze), np.array(head)).mean())
        if name == "wide":
            lines.append(at_least(f"mean gaze as prediction, {name}", by_mean, 20, "deg"))
            lines.append(at_least(f"head pose as prediction, {name}", by_head, 20, "deg"))
        else:
            lines.append(figure(f"mean gaze as prediction, {name}", by_mean, "deg"))
            lines.append(figure(f"head pose as prediction, {name}", by_head, "deg"))
    return lines


def _norm_from_cam(setup: Setup) -> Array:
    """The rotation of the normalization; none where the camera is too near to see a face."""
    if np.linalg.norm(setup.face_center) < NEAR_MM:
        return np.eye(3)
    return normalizing_rotation(setup.face_center, setup.rotation)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))
