"""What eyes do over time: fixations, saccades, smooth pursuits and blinks, 25 frames a second.

A frame's label tells what happened since the frame before, and speeds do not overlap: saccades of 3 degrees and more
last 21 ms + 2.2 ms a degree (the usual main sequence), so at least 75 degrees a second; pursuits go 8-25 degrees a
second, fixations less than 3. Fixations last 0.2-0.8 s, pursuits 0.5-2 s (our choice); blinks come every 3-9 s and last
4-8 frames, in which the gaze rests.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from slyk.synthetic.identity import Array, Random
from slyk.synthetic.scene import MOVEMENTS

RATE = 25
GAZE_LIMIT = np.deg2rad([19.0, 30.0])
"""Pitch, yaw to both sides, head frame."""
_BLINK, _FIXATION, _SACCADE, _PURSUIT = (
    MOVEMENTS.index(name) for name in ("blink", "fixation", "saccade", "smooth pursuit")
)
_SMALLEST = np.deg2rad(3.0)


class Moment(NamedTuple):
    """gaze (2,): pitch, yaw from between the eyes, head frame, radians; movement: of MOVEMENTS; blink: 0-1."""

    gaze: Array
    movement: int
    blink: float


def scanpath(rng: Random) -> Iterator[Moment]:
    """The moments of a recording, endless."""
    gaze = _somewhere(rng)
    until_blink = rng.uniform(0.2, 3.0) * RATE
    while True:
        part = list(_pursuit(rng, gaze) if rng.uniform() < 0.2 else _fixation(rng, gaze))
        yield from part
        gaze, until_blink = part[-1].gaze, until_blink - len(part)
        if until_blink < 0:
            yield from _blink(rng, gaze)
            until_blink = rng.uniform(3.0, 9.0) * RATE
            continue  # the eye opens where it closed
        jump = list(_saccade(rng, gaze))
        yield from jump
        gaze, until_blink = jump[-1].gaze, until_blink - len(jump)


def _somewhere(rng: Random) -> Array:
    """A point to look at: mostly near the middle."""
    return np.clip(rng.normal(0.0, 0.5, 2), -1, 1) * GAZE_LIMIT


def _fixation(rng: Random, gaze: Array) -> Iterator[Moment]:
    """Held, with a tremor of a few hundredths of a degree."""
    for _ in range(int(rng.integers(5, 21))):
        yield Moment(gaze + np.deg2rad(np.clip(rng.normal(0.0, 0.012, 2), -0.03, 0.03)), _FIXATION, 0.0)


def _saccade(rng: Random, gaze: Array) -> Iterator[Moment]:
    goal = _somewhere(rng)
    while np.linalg.norm(goal - gaze) < _SMALLEST:
        goal = _somewhere(rng)
    milliseconds = 21.0 + 2.2 * np.rad2deg(float(np.linalg.norm(goal - gaze)))
    number = max(1, round(milliseconds / 1000 * RATE))
    for share in np.arange(1, number + 1) / number:
        yield Moment(gaze + share * share * (3 - 2 * share) * (goal - gaze), _SACCADE, 0.0)


def _pursuit(rng: Random, gaze: Array) -> Iterator[Moment]:
    """Along a straight line that is turned back at the limits."""
    turn, speed = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(8.5, 24.0)) / RATE
    step = speed * np.array([np.sin(turn), np.cos(turn)])
    for _ in range(int(rng.integers(12, 51))):
        step = np.where(np.abs(gaze + step) > GAZE_LIMIT, -step, step)
        gaze = gaze + step
        yield Moment(gaze, _PURSUIT, 0.0)


def _blink(rng: Random, gaze: Array) -> Iterator[Moment]:
    """Closing takes 0.4 of the time."""
    number, depth = int(rng.integers(4, 9)), rng.uniform(0.85, 1.0)
    for share in np.arange(1, number + 1) / (number + 1):
        way = min(share / 0.4, (1 - share) / 0.6)
        yield Moment(gaze, _BLINK, float(depth * way * way * (3 - 2 * way)))
