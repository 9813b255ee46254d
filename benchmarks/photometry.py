"""Renders against real portraits: contrast, sharpness, spectrum and gradients of skin and of eyes.

    python -m benchmarks.photometry [--people 80] [--json PATH]

Near-frontal people of domain `wide`, light, gaze, sensor and JPEG as drawn, as many pixels between the eyes as the
portraits have, seen by the same detector through the same crop.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from benchmarks import table
from benchmarks.faces import AREAS, Crop, aligned_face
from benchmarks.frontal import as_jpeg, render_frontal
from benchmarks.texture import NAMES, compare, summarize
from jobs.stage import stage
from slyk.errors import SlykError
from slyk.geometry.eyes import EYE_DISTANCE_MM
from slyk.synthetic.domains.wide import PHOTO_MM

PORTRAITS = Path(__file__).with_name("portraits.json")
SEED = 20_000
PHOTOS_PER_PERSON = 2
SAMPLES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=count, default=80)
    parser.add_argument("--json", type=Path, help="write the lines there")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    portraits = read_portraits()
    crops = list(rendered_crops(args.people, portraits["eye_distance_px"]))
    rendered = summarize(crops)
    lines = compare(portraits, rendered)
    print(f"{portraits['num_used']} portraits, {len(crops)} renders of {args.people} people")
    print_table(portraits, rendered)
    print(table.summary(lines))
    if args.json:
        table.write(args.json, lines)
    sys.exit(table.status(lines))


def count(text: str) -> int:
    """At least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def read_portraits() -> dict[str, Any]:
    """The statistics of the portraits. Raises SlykError where they are missing."""
    try:
        return dict(json.loads(PORTRAITS.read_text()))
    except (OSError, ValueError):
        raise SlykError(
            f"{PORTRAITS} is missing or damaged: restore it, or make it with python -m benchmarks.portraits"
        ) from None


def rendered_crops(num_people: int, eye_distance_px: list[float]) -> Iterator[Crop]:
    """Aligned crops of renders; the people share the portraits' quantiles of pixels between the eyes."""
    for number in range(num_people):
        photo_px = photo_px_for(eye_distance_px[number % len(eye_distance_px)])
        people = range(number, number + 1)
        for shot in render_frontal(people, PHOTOS_PER_PERSON, seed=SEED, photo_px=photo_px, samples=SAMPLES):
            face = aligned_face(as_jpeg(shot.picture.photo, shot.scene.sensor.jpeg_quality))
            if face is not None:
                yield face[0]


def photo_px_for(eye_distance_px: float) -> int:
    """The size of a photo of domain `wide` that shows an average face with so many pixels between the eyes."""
    return round(eye_distance_px / EYE_DISTANCE_MM * PHOTO_MM)


def print_table(real: dict[str, Any], rendered: dict[str, Any]) -> None:
    """Real, rendered and their ratio: medians over the photos, with percentiles 16 and 84 in brackets."""
    print(f"{'':<24} {'real':>24} {'rendered':>24} {'ratio':>7}")
    lines = {line.name: line for line in compare(real, rendered)}
    for part in AREAS:
        for name in NAMES:
            print(_row(f"{part} {name}", _spread(real[part][name]), _spread(rendered[part][name]), lines))
        print(_row(f"{part} gradients", "", "(distance)", lines))
        for who, statistics in (("real", real), ("rendered", rendered)):
            shares = " ".join(f"{share:5.3f}" for share in statistics[part]["gradient_histogram"])
            print(f"    shares, {who:<9} {shares}")


def _row(name: str, real: str, rendered: str, lines: dict[str, table.Line]) -> str:
    line = lines[f"photometry {name}"]
    verdict = {True: "ok", False: "MISSED", None: ""}[line.ok]
    return f"{name:<24} {real:>24} {rendered:>24} {line.measured:>7.2f}  {verdict}".rstrip()


def _spread(values: dict[str, float]) -> str:
    return f"{values['p50']:.2f} ({values['p16']:.2f}-{values['p84']:.2f})"


if __name__ == "__main__":
    stage(main)
