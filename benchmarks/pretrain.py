"""Pretraining: slyk's views and steps beside the barest loops and lightly's example.

    python -m benchmarks.pretrain [--only NAME ...] [--json PATH] [--cache DIR]
    python -m benchmarks.pretrain --gpu [--json PATH]

Parts: views, step, ranks, gpu. Ratios are taken in one run; ends with exit status 1 where a target is missed, also
where lightly is not installed: `make bench` runs this in an environment that has it. Takes about 15 minutes on two
cores. The part gpu runs where CUDA is, alone by --gpu, and leaves what it found with the name of the device.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import table
from benchmarks.table import Line
from benchmarks.worker import call
from slyk.files import write_json

REPEATS = 3
NETS = {"resnet18": (64, 2.0, 3), "inception_resnet_v2": (16, 1.7, 3)}
"""Backbone -> batch size, what its step must gain over lightly's, steps a pass."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=["views", "step", "ranks", "gpu"], help="some parts")
    parser.add_argument("--gpu", action="store_true", help="the part gpu alone")
    parser.add_argument("--json", type=Path, help="write the lines there too")
    parser.add_argument("--cache", type=Path, default=Path("out/benchmarks/pretrain"), help="where drawn shards stay")
    args = parser.parse_args()
    args.cache = args.cache.resolve()  # Ray's workers stand elsewhere
    measures: dict[str, Callable[[], list[Line]]] = {
        "views": lambda: program("augmenting", "measure", px=224, repeats=REPEATS, rounds=16),
        "step": lambda: step(args.cache),
        "ranks": lambda: ranks(args.cache),
        "gpu": lambda: gpu(args.json if args.gpu and args.json else args.cache / "gpu.json"),
    }
    lines: list[Line] = []
    for name in ["gpu"] if args.gpu else args.only or measures:
        start = time.monotonic()
        for line in measures[name]():
            print(table.format_line(line), flush=True)
            lines.append(line)
        print(f"  {name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    if args.json and not args.gpu:
        table.write(args.json, lines)
    print(table.summary(lines))
    sys.exit(table.status(lines))


def program(module: str, name: str, num_threads: int = 1, **arguments: Any) -> list[Line]:
    """Lines of a program of one of the parts, in a process of its own."""
    environment = {"OMP_NUM_THREADS": str(num_threads), "HF_HUB_OFFLINE": "1"}
    return [Line(*row) for row in call(name, environment, module=f"benchmarks.{module}", **arguments)]


def step(cache: Path) -> list[Line]:
    """One core against lightly, two threads beside it, and what the step costs besides the model."""
    lines = []
    for backbone, (size, limit, steps) in NETS.items():
        chosen = {"backbone": backbone, "size": size, "steps": steps, "repeats": REPEATS}
        lines += program("stepping", "measure", 1, **chosen, threads=1, limit=limit)
        lines += program("stepping", "measure", 2, **chosen, threads=2, limit=None)
    size = NETS["resnet18"][0]
    shards = str(cache / f"shards-{4 * size}")
    return lines + program(
        "stepping", "shares", 1, backbone="resnet18", size=size, steps=16, repeats=REPEATS, shards=shards
    )


def ranks(cache: Path) -> list[Line]:
    chosen = {"backbone": "resnet18", "size": NETS["resnet18"][0], "steps": 4, "repeats": REPEATS}
    return program("ranks_scaling", "measure", 1, **chosen, shards=str(cache / "shards"))


def gpu(path: Path) -> list[Line]:
    """Where CUDA is; the lines go into a file with the name of the device."""
    if not torch.cuda.is_available():
        return [table.figure("gpu: no CUDA device here, not counted", 0.0)]
    from benchmarks.gpu import Sizes, measure

    lines, machine = measure(torch.device("cuda"), Sizes())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"machine": machine, "lines": [line._asdict() for line in lines]})
    return lines


if __name__ == "__main__":
    main()
