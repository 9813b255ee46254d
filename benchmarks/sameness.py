"""Whether a seed gives the same photos: in other processes, on more threads, without numba, on older processors."""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Line, at_most, figure
from benchmarks.worker import call

SEED = 70_000
PX = 128
TWO_THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
OPENCV_FEATURES = "AVX2,FMA3,AVX,AVX512_SKX,AVX512_CLX,AVX512_ICL"


def bytes_alike() -> list[Line]:
    """Photos, masks and annotations whose bytes differ between processes, and between one and two threads."""
    here = _hashes({}, 1)
    note = f"{len(here)} photos of all domains"
    lines = [at_most("bytes that differ in another process", _differ(here, _hashes({}, 1)), 0, "", note)]
    if len(os.sched_getaffinity(0)) < 2:
        return [*lines, figure("threads: skipped, one core only", 0.0)]
    return [*lines, at_most("bytes that differ with 2 threads", _differ(here, _hashes(TWO_THREADS, 2)), 0, "", note)]


def _hashes(environment: dict[str, str], threads: int) -> list[str]:
    return list(call("hashes", environment, seed=SEED, num_photos=3, photo_px=PX, threads=threads))


def _differ(a: list[str], b: list[str]) -> int:
    assert len(a) == len(b)
    return sum(x != y for x, y in zip(a, b, strict=True))


def machines_alike() -> list[Line]:
    """Mean difference in grey levels of photos made without numba, and with the processor's newer features off."""
    variants = {
        "numpy instead of numba": {"SLYK_NO_NUMBA": "1"},
        "processor features off": {
            "NPY_DISABLE_CPU_FEATURES": " ".join(numpy_features()),
            "OPENCV_CPU_DISABLE": OPENCV_FEATURES,
            "OPENBLAS_CORETYPE": "Nehalem",
            "NUMBA_CPU_NAME": "generic",
            "NUMBA_CPU_FEATURES": "",
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        usual = _photos(Path(folder) / "usual.npy", {})
        lines = []
        for name, environment in variants.items():
            other = _photos(Path(folder) / "other.npy", environment)
            each = np.abs(usual - other).mean(axis=(1, 2, 3))
            note = f"worst photo {each.max():.4f}, bytes that differ {np.mean(usual != other):.5f}"
            lines.append(at_most(f"mean difference, {name}", float(each.mean()), 1.0, "grey levels", note))
    return lines


def numpy_features() -> list[str]:
    """What numpy would choose at run time on this processor, and can be told not to."""
    found: list[str] = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return found


def _photos(path: Path, environment: dict[str, str]) -> NDArray[np.float64]:
    call("photos", environment, path=str(path), seed=SEED, num_people=2, num_photos=5, photo_px=PX)
    return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
