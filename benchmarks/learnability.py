"""Whether gaze can be learned from the renders, by people never seen, and from what.

    python -m benchmarks.learnability [--cache DIR] [--seeds 0 1 2]

Domain `wide`, 2,400 frames of 32 people to learn from, 600 of 8 others to be judged by; two grey eye crops or a grey
face, cut by the pipeline's own code; a network of four or five layers, about 150 s of one core for each of three seeds.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from benchmarks import table
from benchmarks.frames import Frames, crop_spec, load_frames, moved_down
from benchmarks.table import Line, at_least, at_most, figure
from benchmarks.tiny_nets import EPOCHS, predict, train
from slyk.metrics import errors_deg, mean_direction
from slyk.shards.crops import CropSpec

TRAIN_PEOPLE, TEST_PEOPLE = range(32), range(32, 40)
PER_PERSON = 75
TARGETS_DEG = {"eyes": 6.0, "face": 11.0}
SHIFT_MM = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("out/benchmarks"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    cv2.setNumThreads(1)
    lines = learnability(args.cache, args.seeds)
    print("\n".join(table.format_line(line) for line in lines))
    print(table.summary(lines))
    sys.exit(table.status(lines))


def learnability(cache: Path, seeds: Sequence[int]) -> list[Line]:
    """All lines of the protocol."""
    spec = crop_spec()
    known = load_frames(cache, TRAIN_PEOPLE, PER_PERSON, spec)
    unknown = load_frames(cache, TEST_PEOPLE, PER_PERSON, spec)
    lines = [
        *shortcuts(known, unknown),
        figure("left out: blinks", known.blinks.sum() + unknown.blinks.sum(), "photos"),
        figure("left out: sunglasses", known.sunglasses.sum() + unknown.sunglasses.sum(), "photos"),
    ]
    for part in ("eyes", "face"):
        lines += learned(part, known, unknown, spec, seeds)
    return lines


def shortcuts(known: Frames, unknown: Frames) -> list[Line]:
    """What needs no picture of an eye: the mean gaze of the training people, the head's exact direction."""
    mean = np.tile(mean_direction(known.gaze), (len(unknown.gaze), 1))
    return [
        at_least("mean gaze as prediction", errors_deg(mean, unknown.gaze).mean(), 20, "deg"),
        at_least("head pose as prediction", errors_deg(unknown.head, unknown.gaze).mean(), 20, "deg"),
    ]


def learned(part: str, known: Frames, unknown: Frames, spec: CropSpec, seeds: Sequence[int]) -> list[Line]:
    """Held-out errors of each seed and their mean; for eyes also how far a shift of the crops moves the pitch."""
    errors, shifts, lines = [], [], []
    for seed in seeds:
        trained = train(part, known, spec, seed=seed, epochs=EPOCHS[part])
        pred = predict(part, trained.model, unknown, spec)
        error = errors_deg(pred, unknown.gaze)
        people = [error[unknown.person == number].mean() for number in np.unique(unknown.person)]
        note = (
            f"median {np.median(error):.1f}, people {min(people):.1f}-{max(people):.1f}, "
            f"{trained.images} images, {trained.cpu_s:.0f} s"
        )
        lines.append(figure(f"learned from {part}, seed {seed}", error.mean(), "deg", note))
        print(table.format_line(lines[-1]), file=sys.stderr, flush=True)
        errors.append(error.mean())
        if part == "eyes":
            shifts.append(_pitch_shifts(trained.model, unknown, spec))
    lines.append(at_most(f"learned from {part}", float(np.mean(errors)), TARGETS_DEG[part], "deg"))
    if part == "eyes":
        worst = np.abs(np.mean(shifts, axis=0))
        note = "lower, higher: " + ", ".join(f"{value:+.2f}" for value in np.mean(shifts, axis=0))
        lines.append(at_most("pitch bias by eye crops 2 mm off", worst.max(), 1.5, "deg", note))
    return lines


def _pitch_shifts(model: nn.Module, frames: Frames, spec: CropSpec) -> list[float]:
    """Change of the mean predicted pitch in degrees where the eye crops are cut 2 mm lower, then 2 mm higher."""
    still = predict("eyes", model, frames, spec)[:, 0].mean()
    moved = (moved_down(frames, shift, spec) for shift in (SHIFT_MM, -SHIFT_MM))
    return [float(np.degrees(predict("eyes", model, f, spec)[:, 0].mean() - still)) for f in moved]


if __name__ == "__main__":
    main()
