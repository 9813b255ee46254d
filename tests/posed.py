"""Scenes set by hand: a level head before the camera, the optical axes where a test wants them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array, camera_matrix
from slyk.synthetic.expression import Expression
from slyk.synthetic.eye import lids_for
from slyk.synthetic.render import Person, Picture, take_photo
from slyk.synthetic.scene import Backdrop, Light, Scene, Sensor, Setup, Wear, make_scene

SEED = 7
PLAIN = Light(np.array([0.3, -0.5, -0.812404]), np.full(3, 0.8), np.full((6, 3), 0.3), 1.0)
"""White light from above, image-right."""
CLEAR = Sensor(blur_px=0.3, noise=0.0, chroma_noise=0.0)


def posed(who: Person, *, gaze_deg: Sequence[float] = (0.0, 0.0), photo_px: int = 448, **chosen: Any) -> Scene:
    """A level head 600 mm before the camera, both optical axes at `gaze_deg` (pitch, yaw), the lids accordingly;
    `chosen`: other fields of `Setup`."""
    middle = photo_px / 2 - 0.5
    setup = Setup(
        size_px=(photo_px, photo_px),
        camera=camera_matrix(photo_px * 600 / 264, (middle, middle)),
        face_center=np.array([4.0, 10.0, 600.0]),
        rotation=np.eye(3),
        torso=np.eye(3),
        target=np.array([0.0, 0.0, -100.0]),
        expression=Expression(),
        emotion=6,
        blink=0.0,
        wear=Wear(),
        pupil_mm=2.0,
        light=PLAIN,
        sensor=CLEAR,
        backdrop=Backdrop("wall", 1),
    )
    return turned(who, make_scene(who.identity, who.head, replace(setup, **chosen)), gaze_deg)


def turned(who: Person, scene: Scene, gaze_deg: Sequence[float]) -> Scene:
    """The scene with both optical axes at a pitch and yaw, head frame, and lids that have followed them."""
    axis = vector_from_pitchyaw(np.deg2rad(np.array([gaze_deg])))[0]
    right, left = (lids_for(side, axis, who.identity, scene.expression, scene.blink) for side in (-1.0, 1.0))
    optical: Array = np.stack([axis, axis]) @ scene.rotation.T
    return replace(scene, optical=optical, lids=(right, left))


def wide_open(scene: Scene) -> Scene:
    """Lids so far apart that they hide nothing of iris or pupil."""
    lids = [replace(lid, upper_mm=11.0, lower_mm=11.0, power=0.4, tilt_mm=0.0) for lid in scene.lids]
    return replace(scene, lids=(lids[0], lids[1]))


def shoot(who: Person, scene: Scene, samples: int = 2) -> Picture:
    return take_photo(who, scene, seed=SEED, number=3, photo=0, samples=samples)
