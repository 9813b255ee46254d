"""The ears: a closed tube each, from the top of the helix to the lobe, bent round the side of the head. Millimetres."""

import numpy as np

from slyk.synthetic.head import ANGLES
from slyk.synthetic.identity import Array, Identity

_DOWN, _AROUND = 23, 21
_SIDE = slice(*np.searchsorted(ANGLES, np.deg2rad([60.0, 130.0])))
"""The head's columns of the left side."""


def build(person: Identity, vertices: Array) -> Array:
    """Vertices (2, D, A, 3) of both ears at rest, the subject's right one first, fitted to the head (R, C, 3)."""
    t = np.linspace(0.0, 1.0, _DOWN)[:, None]
    turn = np.linspace(0.0, 2 * np.pi, _AROUND)[None, :]
    height = -12.0 + 60.0 * person.ear * t + 0 * turn
    # the outline: broad above, narrow at the lobe, closed at both ends
    width = 16.5 * person.ear * np.sin(np.pi * np.clip(t, 0.0, 1.0)) ** 0.5 * (1.12 - 0.42 * t)
    across, thick = -np.cos(turn), np.sin(turn)
    behind = width * (1 + across)  # 0 where the ear is fixed, then to the rim at the back
    flare = np.sin(person.ear_angle)
    rim = np.exp(-(((across - 0.78) / 0.22) ** 2)) * (thick > -0.3)
    bowl = np.exp(-(((across + 0.15) / 0.45) ** 2) - (((t - 0.5) / 0.26) ** 2)) * (thick > 0)
    out = 2.0 + behind * flare + thick * 2.6 * np.sin(np.pi * t) ** 0.5 + 1.8 * rim * np.sin(np.pi * t) - 4.0 * bowl
    depth = 66.0 + 0.20 * (height - 18.0) + behind * np.cos(person.ear_angle)
    wall = _wall(vertices, height)
    right = np.stack([-(wall + out), height, depth], axis=-1)
    left = (right * np.array([-1.0, 1.0, 1.0]))[:, ::-1]
    return np.stack([right, left])


def shade() -> Array:
    """Factor (D, A) on the skin's colour: the bowl is dark, seen from outside; the same for both ears' grids."""
    t = np.linspace(0.0, 1.0, _DOWN)[:, None]
    turn = np.linspace(0.0, 2 * np.pi, _AROUND)[None, :]
    across, thick = -np.cos(turn), np.sin(turn)
    bowl = np.exp(-(((across + 0.2) / 0.42) ** 2) - (((t - 0.52) / 0.24) ** 2)) * (thick > 0)
    fold = np.exp(-(((across - 0.45) / 0.14) ** 2)) * np.sin(np.pi * t) * (thick > 0) * (t < 0.7)
    return np.asarray(1 - 0.55 * bowl - 0.22 * fold - 0.25 * (thick < -0.2))


def _wall(vertices: Array, height: Array) -> Array:
    """Distance of the head's side from the middle where the ears are fixed."""
    side = vertices[:, _SIDE]
    inside = np.argmin(np.abs(side[..., 2] - 68.0), axis=1)
    x, y = (side[np.arange(len(side)), inside, i] for i in (0, 1))
    order = np.argsort(y)
    return np.asarray(np.interp(height, y[order], x[order]) - 1.5)
