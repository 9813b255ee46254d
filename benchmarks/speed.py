"""Photos a second: on one core with and without numba, and over Ray on two."""

import os
from typing import Any

import numpy as np

from benchmarks.table import Line, at_least, at_most, figure
from benchmarks.worker import call

SEED = 60_000
PX = 224
REPEATS = 3
RAY: dict[str, Any] = {"seed": SEED, "num_people": 20, "num_photos": 58, "photo_px": PX, "repeats": 2}
"""As many photos of a person as in the quick start: Ray Data needs about 0.15 s from the end of a task to the next, and
in its first second gives out one core only."""


def one_core() -> list[Line]:
    """Whole shots of 224 px with 2x eyes by process time, the clock's rate beside it; medians of three processes."""
    lines = []
    for name, environment, target, count in (("numba", {}, 15.0, 30), ("numpy", {"SLYK_NO_NUMBA": "1"}, 6.0, 10)):
        runs = [
            call("rate", environment, seed=SEED, num_people=2, num_photos=count, photo_px=PX) for _ in range(REPEATS)
        ]
        cpu, wall = (np.array([run[clock] for run in runs]) for clock in ("cpu", "wall"))
        lines.append(at_least(f"photos/s/core, {name}, process time", np.median(cpu), target, "1/s", _all(cpu)))
        lines.append(figure(f"photos/s/core, {name}, wall", np.median(wall), "1/s", _all(wall)))
    builds = np.array([call("build", {}, seed=SEED, num_people=8) for _ in range(REPEATS)])
    lines.append(at_most("identity build", float(np.median(builds)), 0.15, "s", _all(builds)))
    return lines


def over_ray() -> list[Line]:
    """Rate of Ray Data with two workers over twice that with one, identities built in the clock, Ray started before it;
    best of two. Beside it two plain processes at once against one: what the machine itself allows."""
    if len(os.sched_getaffinity(0)) < 2:
        return [figure("Ray Data on 2 cores: skipped, one core only", 0.0)]
    one, two = (call("render_over_ray", {"SLYK_NUM_CPUS": str(cores)}, **RAY) for cores in (1, 2))
    rates = [np.array(answer["rates"]) for answer in (one, two)]
    note = f"1: {_all(rates[0])}; 2: {_all(rates[1])}; Ray up in {one['start_s']:.0f} and {two['start_s']:.0f} s"
    alone, together = _plain()
    plain = f"alone {alone:.1f}/s, two at once {together:.1f}/s"
    return [
        at_least("Ray Data, 2 cores over twice 1 core", rates[1].max() / (2 * rates[0].max()), 0.85, "", note),
        figure("plain processes, 2 at once over twice 1", together / (2 * alone), "", plain),
    ]


def _plain() -> tuple[float, float]:
    """Wall rates of one process alone and of two at once, summed; best of three."""
    from concurrent.futures import ThreadPoolExecutor

    def run(_: int) -> Any:
        return call("rate", {}, seed=SEED, num_people=2, num_photos=30, photo_px=PX)["wall"]

    with ThreadPoolExecutor(2) as pool:
        return max(run(0) for _ in range(REPEATS)), max(sum(pool.map(run, range(2))) for _ in range(REPEATS))


def _all(values: Any) -> str:
    return " ".join(f"{value:.3g}" for value in values)
