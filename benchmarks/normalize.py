"""From an index of whole photos to shards: slyk beside the barest loop of library calls and beside peers.

    python -m benchmarks.normalize [--only NAME ...] [--frames N] [--json PATH] [--cache DIR]

Frames are rendered photos of 1280x720 px; each gives a face of 314 px and two eyes of 96 px (224 px and 60 px with
their margins). Ends with exit status 1 where a target is missed. Takes about six minutes, the first time a half more.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import table
from benchmarks.normalizing import PHOTO_PX, frames, prepare
from benchmarks.table import Line, at_least, at_most, figure
from benchmarks.worker import call

REPEATS = 3
FEW, MANY = 1_000, 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=["speed", "ray", "parts", "memory"], help="some parts")
    parser.add_argument("--frames", type=int, default=1_000, help="a pass on one core; over Ray two times 2,000")
    parser.add_argument("--json", type=Path, help="write the lines there too")
    parser.add_argument("--cache", type=Path, default=Path("out/benchmarks/frames"), help="where the frames stay")
    args = parser.parse_args()
    prepare(args.cache)
    size = np.mean([frame.path.stat().st_size for frame in frames(args.cache)]) / 1024
    print(f"frames of {PHOTO_PX[0]}x{PHOTO_PX[1]} px, {size:.0f} KB; medians of {REPEATS} passes in turn")
    measures: dict[str, Callable[[], list[Line]]] = {
        "speed": lambda: speed(args.cache, args.frames),
        "ray": lambda: over_ray(args.cache),
        "parts": lambda: parts(args.cache, args.frames),
        "memory": lambda: memory(args.cache),
    }
    lines: list[Line] = []
    for name in args.only or measures:
        start = time.monotonic()
        for line in measures[name]():
            print(table.format_line(line), flush=True)
            lines.append(line)
        print(f"  {name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    if args.json:
        table.write(args.json, lines)
    print(table.summary(lines))
    sys.exit(table.status(lines))


def program(name: str, environment: dict[str, str], cache: Path, **arguments: Any) -> Any:
    """The answer of a program of `benchmarks.normalizing`, in a process of its own."""
    return call(name, environment, module="benchmarks.normalizing", folder=str(cache), **arguments)


def speed(cache: Path, num_frames: int) -> list[Line]:
    """One core: frames a second from the index to the manifest, and the ratios to the floor pass by pass."""
    rates = {
        name: np.array(values)
        for name, values in program("one_core", {}, cache, num_frames=num_frames, repeats=REPEATS).items()
    }
    lines = [
        figure(
            f"{name}, frames/s",
            float(np.median(values)),
            "1/s",
            f"{np.median(values / rates['floor']):.2f} of the floor",
        )
        for name, values in rates.items()
    ]
    return [
        *lines,
        at_least("slyk over the floor", float(np.median(rates["slyk"] / rates["floor"])), 0.90),
        figure(
            "slyk with a lens over the floor with a lens", float(np.median(rates["slyk, lens"] / rates["floor, lens"]))
        ),
    ]


def over_ray(cache: Path) -> list[Line]:
    """Ray Data on two cores against two floors, 2,000 frames a core, 250 a task."""
    if len(os.sched_getaffinity(0)) < 2:
        return [figure("Ray Data on 2 cores: skipped, one core only", 0.0)]
    floors = program("floors", {}, cache, num_frames=1_000, repeats=REPEATS)
    ray = program("over_ray", {"SLYK_NUM_CPUS": "2"}, cache, num_frames=4_000, repeats=REPEATS)
    floors += program("floors", {}, cache, num_frames=1_000, repeats=REPEATS)
    bare, rate = float(np.median(floors)), float(np.median(ray["rates"]))
    told = " ".join(f"{value:.0f}" for value in ray["rates"])
    note = f"{told} frames/s, floor {bare:.0f}; Ray up in {ray['start_s']:.1f} s, workers in {ray['warm_s']:.1f} s"
    return [at_least("Ray Data on 2 cores over two floors", rate / (2 * bare), 0.82, "", note)]


def parts(cache: Path, num_frames: int) -> list[Line]:
    """What stands beside the pictures: digests, sidecars and manifest, and what the data report measures."""
    seconds = program("parts", {}, cache, num_frames=num_frames)
    whole, measures = seconds.pop("whole"), seconds.pop("measures")
    note = ", ".join(f"{name} {value / whole:.3f}" for name, value in seconds.items())
    return [
        at_most("digests, sidecars and manifest, share of the stage", sum(seconds.values()) / whole, 0.05, "", note),
        figure("measures for the data report, share of the stage", measures / whole),
    ]


def memory(cache: Path) -> list[Line]:
    """Peak resident memory of the process that normalizes."""
    few, many = (program("memory", {}, cache, num_frames=count) for count in (FEW, MANY))
    note = f"{few:.0f} MB for {FEW:,} frames, {many:.0f} MB for {MANY:,}"
    return [at_most("peak memory, 20,000 frames over 1,000", many / few, 1.1, "", note)]


if __name__ == "__main__":
    main()
