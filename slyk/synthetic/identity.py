"""A person: every number that is drawn once and holds in all of the person's photos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Random = np.random.Generator

# display RGB from pale to dark; a person's tone lies anywhere on the line between neighbours
_SKIN = np.array([[246, 214, 194], [232, 190, 164], [205, 155, 122], [158, 108, 80], [104, 69, 52]]) / 255
_HAIR = np.array([[26, 21, 19], [48, 34, 26], [84, 58, 40], [150, 116, 74], [116, 62, 36], [150, 147, 143]]) / 255
_IRIS = np.array([[62, 38, 22], [88, 56, 32], [112, 86, 48], [98, 108, 70], [96, 110, 120], [104, 112, 112]]) / 255
_CLOTH = np.array([[60, 66, 78], [120, 116, 110], [40, 42, 46], [96, 60, 58], [78, 92, 84], [170, 166, 158]]) / 255


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
    hair_line_mm: float
    hair_thick_mm: float
    hair_length_mm: float
    hair_round: float
    hair_slant: float
    fringe: float
    headscarf: bool
    glasses_round: float
    glasses_size: float
    glasses_thick: float
    skin: Array
    hair: Array
    iris: Array
    cloth: Array
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
    bald = male and rng.uniform() < 0.25
    spread = rng.uniform
    return Identity(
        width=1 + spread(-0.09, 0.09),
        length=1 + spread(-0.08, 0.08),
        jaw=(1.04 if male else 0.97) + spread(-0.1, 0.1),
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
        hair_line_mm=-66.0 + spread(-10.0, 6.0) - (38.0 if bald else 0.0),
        hair_thick_mm=spread(2.0, 4.0) if bald else spread(6.0, 17.0) + (0.0 if male else 4.0),
        hair_length_mm=spread(8.0, 32.0) if male else spread(30.0, 170.0),
        hair_round=spread(0.002, 0.011),
        hair_slant=spread(-0.22, 0.22),
        fringe=0.0 if bald else max(0.0, spread(-1.2, 1.0)),
        headscarf=not male and bool(spread(0.0, 1.0) < 0.14),
        glasses_round=spread(0.0, 1.0),
        glasses_size=1 + spread(-0.1, 0.1),
        glasses_thick=spread(0.6, 1.7),
        skin=linear(skin * rng.uniform(0.975, 1.025, 3)),
        hair=linear(np.clip(hair, 0, 1)),
        iris=linear(np.clip(iris, 0, 1)),
        cloth=linear(_CLOTH[rng.integers(0, len(_CLOTH))] * rng.uniform(0.8, 1.2)),
        glasses=linear(np.array([[0.08, 0.08, 0.09], [0.25, 0.16, 0.1], [0.45, 0.44, 0.42]])[rng.integers(0, 3)]),
    )


def stream(seed: int, person: int, photo: int, use: int = 0) -> Random:
    """The random numbers of one photo (photo >= 0) or of the person (photo = -1), independent of all others and of
    those for another use."""
    key = np.array([seed, (person << 32) + photo + 1], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, use]))
