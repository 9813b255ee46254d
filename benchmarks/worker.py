"""Small programs for processes of their own: `python -m benchmarks.worker NAME JSON` prints its answer as JSON.

A process of its own has the environment that a measurement asks for: threads, numba or not, features of the processor.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import cv2
import numpy as np

from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.render import make_person, render_person, take_photo
from slyk.synthetic.scene import make_scene

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def call(name: str, environment: dict[str, str], *, module: str = "benchmarks.worker", **arguments: Any) -> Any:
    """The answer of a program run in a process of its own with one thread, unless the environment says otherwise."""
    command = [sys.executable, "-m", module, name, json.dumps(arguments)]
    done = subprocess.run(command, env={**os.environ, **ONE_THREAD, **environment}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} with {environment} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def rate(seed: int, num_people: int, num_photos: int, photo_px: int) -> dict[str, float]:
    """Photos a second by the clock of the process and by that on the wall, without the building of identities: whole
    shots, with annotation, mask and JPEG."""
    warm_up(photo_px)
    cpu = wall = 0.0
    for number in range(num_people):
        shots = render_person(
            seed, number, domain="wide", num_photos=num_photos + 1, photo_px=photo_px, eye_supersampling=2
        )
        next(shots)  # builds the identity
        cpu, wall = cpu - time.process_time(), wall - time.perf_counter()
        count = sum(1 for _ in shots)
        cpu, wall = cpu + time.process_time(), wall + time.perf_counter()
        assert count == num_photos
    return {"cpu": num_people * num_photos / cpu, "wall": num_people * num_photos / wall}


def build(seed: int, num_people: int) -> float:
    """Seconds of the process for an identity, the median over people."""
    warm_up(96)
    seconds = []
    for number in range(num_people):
        start = time.process_time()
        make_person(seed, number)
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def warm_up(photo_px: int) -> None:
    """Compiles and imports what a photo needs."""
    cv2.setNumThreads(1)
    list(render_person(0, 0, domain="wide", num_photos=1, photo_px=photo_px, eye_supersampling=2))


def hashes(seed: int, num_photos: int, photo_px: int, threads: int) -> list[str]:
    """Digests of photo, mask and annotation of the first photos of a person of each domain."""
    cv2.setNumThreads(threads)
    found = []
    for number, name in enumerate(DOMAINS):
        shots = render_person(seed, number, domain=name, num_photos=num_photos, photo_px=photo_px, eye_supersampling=2)
        for shot in shots:
            told = json.dumps(shot.annotation, sort_keys=True).encode()
            found.append(hashlib.sha256(shot.photo + shot.mask + told).hexdigest())
    return found


def photos(path: str, seed: int, num_people: int, num_photos: int, photo_px: int) -> int:
    """Writes photos of domain `wide` before JPEG, an array (N, H, W, 3), and tells their number."""
    cv2.setNumThreads(1)
    pictures = []
    for number in range(num_people):
        who = make_person(seed, number)
        shots = DOMAINS["wide"].shots(who.identity, who.head, seed=seed, number=number, photo_px=photo_px)
        for photo, setup in enumerate(islice(shots, num_photos)):
            scene = make_scene(who.identity, who.head, setup)
            pictures.append(take_photo(who, scene, seed=seed, number=number, photo=photo, samples=2).photo)
    np.save(path, np.stack(pictures))
    return len(pictures)


def render_over_ray(seed: int, num_people: int, num_photos: int, photo_px: int, repeats: int) -> dict[str, Any]:
    """Ray Data over people on SLYK_NUM_CPUS cores: seconds to start Ray and its workers, photos a second of each
    repeat."""
    from jobs.cluster import connect, num_cpus

    start = time.perf_counter()
    with connect() as ray:

        def task(row: dict[str, Any]) -> dict[str, Any]:
            cv2.setNumThreads(1)
            shots = render_person(
                seed, int(row["person"]), domain="wide", num_photos=int(row["photos"]), photo_px=photo_px,
                eye_supersampling=2,
            )  # fmt: skip
            return {"count": sum(1 for _ in shots)}

        def run(count: int, photos: int) -> float:
            begin = time.perf_counter()
            people = [{"person": number, "photos": photos} for number in range(count)]
            data = ray.data.from_items(people, override_num_blocks=count).map(task)
            done = sum(row["count"] for row in data.iter_rows())
            assert done == count * photos
            return float(done / (time.perf_counter() - begin))

        run(2 * num_cpus(), 2)  # starts the workers
        started = time.perf_counter() - start
        return {"start_s": started, "rates": [run(num_people, num_photos) for _ in range(repeats)]}


PROGRAMS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (rate, build, hashes, photos, render_over_ray)}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]](**json.loads(sys.argv[2]))))
