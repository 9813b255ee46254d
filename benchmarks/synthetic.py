"""Every promise of the rendered data set in one table: measured figure, target, whether it is met.

    python -m benchmarks.synthetic [--only NAME ...] [--json PATH] [--cache DIR]

Ends with exit status 1 where a target is missed. The whole takes about 25 minutes, most of it `learnability`.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from benchmarks import eyes, looks, sameness, speed, table
from benchmarks.learnability import learnability
from benchmarks.photometry import read_portraits, rendered_crops
from benchmarks.table import Line
from benchmarks.texture import compare, summarize

NUM_PEOPLE = 80
SEEDS = (0, 1, 2)


def main() -> None:
    cache = Path("out/benchmarks")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(parts(cache)), help="some parts")
    parser.add_argument("--json", type=Path, help="write the lines there too")
    parser.add_argument("--cache", type=Path, default=cache, help="where the frames of learnability stay")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    measures = parts(args.cache)
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


def parts(cache: Path) -> dict[str, Callable[[], list[Line]]]:
    """Name -> what measures its lines, in the order of the table."""
    return {
        "speed": speed.one_core,
        "ray": speed.over_ray,
        "bytes": sameness.bytes_alike,
        "machines": sameness.machines_alike,
        "registration": eyes.registration,
        "gaze_step": eyes.gaze_step,
        "aliasing": eyes.aliasing,
        "lids": eyes.lid_coverage,
        "detectors": looks.detectors,
        "photometry": photometry,
        "clipping": looks.clipping,
        "shortcuts": looks.shortcuts,
        "learnability": lambda: learnability(cache, SEEDS),
    }


def photometry() -> list[Line]:
    """Renders against the statistics of real portraits."""
    portraits = read_portraits()
    return compare(portraits, summarize(list(rendered_crops(NUM_PEOPLE, portraits["eye_distance_px"]))))


if __name__ == "__main__":
    main()
