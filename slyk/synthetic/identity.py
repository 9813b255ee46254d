"""A person: every number that is drawn once and holds in all of the person's photos."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Random = np.random.Generator

# display RGB from pale to dark; a person's tone lies anywhere on the line between neighbours
_SKIN = np.array([[243, 212, 197], [229, 189, 169], [204, 158, 132], [158, 112, 90], [106, 74, 60]]) / 255
_HAIR = np.array([[26, 21, 19], [48, 34, 26], [84, 58, 40], [150, 116, 74], [116, 62, 36], [150, 147, 143]]) / 255
_IRIS = np.array([[62, 38, 22], [88, 56, 32], [112, 86, 48], [98, 108, 70], [96, 110, 120], [104, 112, 112]]) / 255
_CLOTH = np.array([[60, 66, 78], [120, 116, 110], [40, 42, 46], [96, 60, 58], [78, 92, 84], [170, 166, 158]]) / 255

_SHIRT = np.array([[226, 228, 230], [176, 196, 218], [214, 204, 196], [120, 128, 142]]) / 255

HairStyle = Literal["bald", "buzz", "short", "tied", "curls", "bob", "long"]
_MALE: tuple[HairStyle, ...] = ("bald", "buzz", "short", "short", "short", "short", "curls", "bob")
_FEMALE: tuple[HairStyle, ...] = ("short", "tied", "tied", "curls", "bob", "bob", "long", "long", "long")
_THICK: dict[HairStyle, float] = {
    "bald": 3.0, "buzz": 3.0, "short": 13.0, "tied": 8.0, "curls": 19.0, "bob": 13.0, "long": 12.0
}  # fmt: skip
"""Height over the skull at the top, mm."""


@dataclass(frozen=True)
class Identity:
    """One person. Lengths in mm, factors around 1, strengths 0-1; colours (3,) are linear RGB."""

    width: float
    length: float
    jaw: float
    nose_height: float
    nose_width: float
    nose_length_mm: float
    brow_ridge_mm: float
    socket_mm: float
    cheek_mm: float
    chin_mm: float
    lip_fullness: float
    mouth_half_width_mm: float
    pupil_distance_mm: float
    iris_radius_mm: float
    fissure_half_width_mm: float
    lid_cover_mm: float
    lid_lower_mm: float
    canthal_tilt_mm: float
    lid_power: float
    crease_mm: float
    kappa_yaw: float
    kappa_pitch: float
    age: float
    redness: float
    freckles: float
    makeup: float
    beard: float
    brow_density: float
    brow_thickness_mm: float
    brow_arch_mm: float
    brow_y_mm: float
    hair_style: HairStyle
    hair_line_mm: float
    hair_thick_mm: float
    hair_length_mm: float
    hair_round: float
    hair_slant: float
    hair_recede_mm: float
    hair_parting_mm: float
    hair_curl: float
    fringe: float
    ear: float
    ear_angle: float
    headscarf: bool
    glasses_round: float
    glasses_size: float
    glasses_thick: float
    skin: Array
    hair: Array
    iris: Array
    cloth: Array
    shirt: Array
    collar: bool
    scarf: Array
    glasses: Array


def linear(display: NDArray[np.floating]) -> Array:
    """Linear light of display colours 0-1 (power law 2.2)."""
    return np.asarray(display, dtype=np.float64) ** 2.2


def draw_identity(rng: Random) -> Identity:
    """A person. Tone of skin, hair and eyes go together; the rest is independent."""
    tone = rng.uniform(0.0, 3.999)
    skin = _SKIN[int(tone)] * (1 - tone % 1) + _SKIN[int(tone) + 1] * (tone % 1)
    age, male = rng.uniform(), rng.uniform() < 0.5
    dark = tone > 1.8
    hair = _HAIR[rng.integers(0, 3 if dark else 5)] * rng.uniform(0.8, 1.15)
    if age > 0.6 and rng.uniform() < 0.7:
        hair = hair + (_HAIR[5] - hair) * rng.uniform(0.3, 1.0)
    iris = _IRIS[rng.integers(0, 2 if dark else 6)] * rng.uniform(0.85, 1.15)
    styles = _MALE if male else _FEMALE
    style = styles[int(rng.integers(0, len(styles)))]
    spread = rng.uniform
    return Identity(
        width=1 + spread(-0.09, 0.09),
        length=1 + spread(-0.08, 0.08),
        jaw=(1.03 if male else 0.96) + spread(-0.07, 0.07),
        nose_height=0.95 + spread(-0.2, 0.25),
        nose_width=1.05 + spread(-0.2, 0.3),
        nose_length_mm=spread(-3.0, 5.0),
        brow_ridge_mm=(2.5 if male else 1.0) + spread(0.0, 3.0),
        socket_mm=spread(2.0, 6.5),
        cheek_mm=spread(1.0, 6.0),
        chin_mm=spread(1.0, 7.0),
        lip_fullness=1 + spread(-0.4, 0.5),
        mouth_half_width_mm=spread(22.0, 28.0),
        pupil_distance_mm=spread(57.0, 68.0),
        iris_radius_mm=spread(5.6, 6.3),
        fissure_half_width_mm=spread(12.6, 14.6),
        lid_cover_mm=spread(1.0, 2.0),
        lid_lower_mm=spread(-0.3, 0.9),
        canthal_tilt_mm=spread(-0.8, 3.0),
        lid_power=spread(0.55, 0.8),
        crease_mm=spread(2.2, 4.8),
        kappa_yaw=np.deg2rad(spread(2.4, 7.6)),
        kappa_pitch=np.deg2rad(spread(-1.3, 2.0)),
        age=age,
        redness=spread(0.0, 1.0),
        freckles=max(0.0, spread(-2.0, 1.0)) * (not dark),
        makeup=0.0 if male else max(0.0, spread(-0.5, 1.0)),
        beard=max(0.0, spread(-0.6, 1.0)) if male else 0.0,
        brow_density=(0.75 if male else 0.6) + spread(-0.2, 0.25),
        brow_thickness_mm=(4.2 if male else 3.2) + spread(-0.9, 1.2),
        brow_arch_mm=spread(0.5, 5.0),
        brow_y_mm=-21.0 + spread(-3.0, 2.0),
        hair_style=style,
        hair_line_mm=-66.0 + spread(-9.0, 7.0) - (10.0 * age if male else 0.0),
        hair_thick_mm=_THICK[style] * spread(0.75, 1.3),
        hair_length_mm={"long": spread(90.0, 190.0), "bob": spread(45.0, 85.0)}.get(style, spread(8.0, 30.0)),
        hair_round=spread(0.004, 0.012),
        hair_slant=spread(-0.10, 0.10),
        hair_recede_mm=spread(2.0, 10.0) + (16.0 * age if male else 0.0),
        hair_parting_mm=spread(-45.0, 45.0),
        hair_curl=spread(0.0, 1.0),
        fringe=max(0.0, spread(-2.6, 1.0)) if style in ("short", "bob", "long") else 0.0,
        ear=1 + spread(-0.1, 0.12),
        ear_angle=spread(0.25, 0.6),
        headscarf=not male and bool(spread(0.0, 1.0) < 0.14),
        glasses_round=spread(0.0, 1.0),
        glasses_size=1 + spread(-0.1, 0.1),
        glasses_thick=spread(0.6, 1.7),
        skin=linear(skin * rng.uniform(0.975, 1.025, 3)),
        hair=linear(np.clip(hair, 0, 1)),
        iris=linear(np.clip(iris, 0, 1)),
        cloth=linear(_CLOTH[rng.integers(0, len(_CLOTH))] * rng.uniform(0.8, 1.2)),
        shirt=linear(_SHIRT[rng.integers(0, len(_SHIRT))] * rng.uniform(0.9, 1.05)),
        collar=bool(rng.uniform() < 0.55),
        scarf=linear(_CLOTH[rng.integers(0, len(_CLOTH))] * rng.uniform(0.9, 1.4, 3)),
        glasses=linear(np.array([[0.08, 0.08, 0.09], [0.25, 0.16, 0.1], [0.45, 0.44, 0.42]])[rng.integers(0, 3)]),
    )


def stream(seed: int, person: int, photo: int, use: int = 0) -> Random:
    """The random numbers of one photo (photo >= 0) or of the person (photo = -1), independent of all others and of
    those for another use."""
    key = np.array([seed, (person << 32) + photo + 1], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, use]))
