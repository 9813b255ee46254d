"""The programs behind `benchmarks.normalize`: the floor, the stage and its peers on the same frames, a process each."""

import hashlib
import io
import json
import os
import resource
import shutil
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import simplejpeg
from PIL import Image as Pillow

from jobs.cluster import connect, map_rows
from pipelines.normalize import Writer, shard_sizes
from pipelines.rejects import write_rejects
from slyk.datasets.index_table import tables_of
from slyk.datasets.index_writer import IndexWriter
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, Record
from slyk.geometry.camera import Array
from slyk.geometry.normalize import FaceGeometry, homography, normalizing_rotation
from slyk.shards import manifest, write
from slyk.shards.crops import CropSpec
from slyk.synthetic.render import render_person

SPEC = CropSpec(960.0, 600.0, 224, 1.4, 60, 1.6, 1.6)
QUALITY = 95
PHOTO_PX = (1280, 720)
PER_SHARD = 250
LENS = np.array([-0.2, 0.1, 0.001, -0.001, 0.0])
JPEG = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]


class Frame(NamedTuple):
    """path of a photo, its geometry, the homographies of its three squares with their sizes."""

    path: Path
    geometry: FaceGeometry
    ways: list[tuple[Array, int]]


def prepare(folder: Path, num_people: int = 4, per_person: int = 12) -> None:
    """Renders photos of domain `webcam` with their geometry into a folder, once."""
    if (folder / "geometry.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    told = {}
    for person in range(num_people):
        shots = render_person(
            70_000, person, domain="webcam", num_photos=per_person, photo_px=PHOTO_PX[0], eye_supersampling=2
        )
        for number, shot in enumerate(shots):
            name = f"{person}-{number:02d}.jpg"
            (folder / name).write_bytes(shot.photo)
            told[name] = {key: shot.annotation[key] for key in ("camera", "head_rotation", "face_center_mm", "eyes_mm")}
        print(f"  frames: {person + 1}/{num_people} people", file=sys.stderr, flush=True)
    (folder / "geometry.json").write_text(json.dumps(told, default=lambda value: np.asarray(value).tolist()))


def frames(folder: Path) -> list[Frame]:
    """The frames of `prepare`, by name."""
    shapes = {"camera": (3, 3), "head_rotation": (3, 3), "face_center_mm": (3,), "eyes_mm": (2, 3)}
    result = []
    for name, told in sorted(json.loads((folder / "geometry.json").read_text()).items()):
        geometry = FaceGeometry(**{key: np.array(told[key]).reshape(shape) for key, shape in shapes.items()})
        rotation = normalizing_rotation(geometry.face_center_mm, geometry.head_rotation)
        scale = float(np.linalg.norm(geometry.face_center_mm)) / SPEC.distance_mm
        eye = (SPEC.focal_px * SPEC.eye_zoom, SPEC.eye_square_px)
        squares = (
            (geometry.face_center_mm, SPEC.focal_px, SPEC.face_square_px),
            (geometry.eyes_mm[0], *eye),
            (geometry.eyes_mm[1], *eye),
        )
        ways = [
            (homography(geometry.camera, rotation, point, focal, size, scale), size) for point, focal, size in squares
        ]
        result.append(Frame(folder / name, geometry, ways))
    return result


def write_index(folder: Path, num_frames: int, *, lens: bool = False) -> Path:
    """An index of so many faces over the frames, in groups of two full shards."""
    shown = frames(folder)
    gaze = np.array([0.0, 0.0, -1.0])
    records = []
    for number in range(num_frames):
        frame, group = shown[number % len(shown)], f"p{number // (2 * PER_SHARD):03d}"
        geometry = frame.geometry
        if lens:
            geometry = FaceGeometry(**{**geometry.__dict__, "distortion": LENS})
        key = f"{group}/{number:06d}"
        records.append(Record(key, frame.path.name, group, "train", geometry, gaze, "annotated"))
    path = folder / f"index-{num_frames}{'-lens' if lens else ''}.parquet"
    versions = {frame.path.name: "1 v1" for frame in shown}
    with IndexWriter(path.with_suffix(".runs"), versions, str) as index:
        for table in tables_of(0, [Outcome(record.photo, (record,)) for record in records]):
            index.add(table)
        index.write(path, PER_SHARD)
    return path


def normalize(folder: Path, index: Path, out: Path, *, plain: bool = True) -> None:
    """The stage from the index to the manifest, without its MLflow run and its report."""
    writer = Writer(index, out, partial(photo_file, Raw(folder)), SPEC, QUALITY, "code")
    out.mkdir(parents=True)
    rows = [{"shard": name} for name in shard_sizes(index)]
    sidecars = [json.loads(row["sidecar"]) for row in map_rows(writer, rows, plain=plain)]
    assert not any(sidecar["rejects"] for sidecar in sidecars)
    write_rejects(out / "rejects.parquet", [])
    manifest.write(out, "frames", "none", SPEC.as_dict(), sidecars)


def floor(shown: Sequence[Frame], out: Path, num_frames: int, *, lens: bool = False) -> None:
    """The barest loop of library calls: one buffer for all photos, homographies given, one tar header for all."""
    header = tarfile.TarInfo("a").tobuf()
    buffer = np.empty((PHOTO_PX[1], PHOTO_PX[0], 3), np.uint8)
    with out.open("wb") as tar:
        for number in range(num_frames):
            frame = shown[number % len(shown)]
            photo = simplejpeg.decode_jpeg(frame.path.read_bytes(), "BGR", buffer=buffer)
            if lens:
                photo = cv2.undistort(photo, frame.geometry.camera, LENS)
            for way, size in frame.ways:
                data = cv2.imencode(".jpg", cv2.warpPerspective(photo, way, (size, size)), JPEG)[1].tobytes()
                tar.write(header + data + b"\0" * (-len(data) % 512))


def pillow(shown: Sequence[Frame], out: Path, num_frames: int) -> None:
    """torch's DataLoader over Pillow, as torchvision's perspective does it, into webdataset's TarWriter."""
    from torch.utils.data import DataLoader, Dataset
    from webdataset import TarWriter

    class Crops(Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return num_frames

        def __getitem__(self, number: int) -> dict[str, Any]:
            frame = shown[number % len(shown)]
            sample: dict[str, Any] = {"__key__": f"{number:06d}", "json": {"number": number}}
            with Pillow.open(frame.path) as photo:
                photo.load()
                for (way, size), name in zip(frame.ways, ("face", "right", "left"), strict=True):
                    inverse = np.linalg.inv(way)
                    cut = photo.transform(
                        (size, size),
                        Pillow.Transform.PERSPECTIVE,
                        (inverse / inverse[2, 2]).ravel()[:8].tolist(),
                        Pillow.Resampling.BILINEAR,
                    )
                    kept = io.BytesIO()
                    cut.save(kept, "JPEG", quality=QUALITY)
                    sample[f"{name}.jpg"] = kept.getvalue()
            return sample

    with TarWriter(str(out)) as tar:
        for sample in DataLoader(Crops(), batch_size=None):
            tar.write(sample)


def script(shown: Sequence[Frame], out: Path, num_frames: int) -> None:
    """As the field's own scripts go about it: the whole photo undistorted, pixels into HDF5, a chunk an image."""
    import h5py

    with h5py.File(out, "w") as file:
        kept = [
            file.create_dataset(
                str(i), (num_frames, size, size, 3), np.uint8, chunks=(1, size, size, 3), compression="lzf"
            )
            for i, (_, size) in enumerate(shown[0].ways)
        ]
        for number in range(num_frames):
            frame = shown[number % len(shown)]
            photo = cv2.undistort(np.asarray(cv2.imread(str(frame.path))), frame.geometry.camera, LENS)
            for dataset, (way, size) in zip(kept, frame.ways, strict=True):
                dataset[number] = cv2.warpPerspective(photo, way, (size, size))


def one_core(folder: str, num_frames: int, repeats: int) -> dict[str, list[float]]:
    """Frames a second of each way in turn, pinned to one core, one thread."""
    place, shown = Path(folder), frames(Path(folder))
    pin()
    index, lens = write_index(place, num_frames), write_index(place, num_frames, lens=True)
    ways: dict[str, Callable[[Path], None]] = {
        "floor": lambda out: floor(shown, out, num_frames),
        "slyk": lambda out: normalize(place, index, out),
        "floor, lens": lambda out: floor(shown, out, num_frames, lens=True),
        "slyk, lens": lambda out: normalize(place, lens, out),
        "Pillow": lambda out: pillow(shown, out, num_frames),
        "script": lambda out: script(shown, out, num_frames),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    floor(shown, place / "out", 20)
    for _ in range(repeats):
        for name, way in ways.items():
            remove(place / "out")
            start = time.perf_counter()
            way(place / "out")
            rates[name].append(num_frames / (time.perf_counter() - start))
    remove(place / "out")
    return rates


def floors(folder: str, num_frames: int, repeats: int) -> list[float]:
    """Frames a second of the floor alone."""
    place, shown, rates = Path(folder), frames(Path(folder)), []
    pin()
    for count in [20, *[num_frames] * repeats]:
        start = time.perf_counter()
        floor(shown, place / "out", count)
        rates.append(count / (time.perf_counter() - start))
    remove(place / "out")
    return rates[1:]


def over_ray(folder: str, num_frames: int, repeats: int) -> dict[str, Any]:
    """Frames a second through Ray Data on SLYK_NUM_CPUS cores; seconds for Ray and its workers to start."""
    place = Path(folder)
    index, few = write_index(place, num_frames), write_index(place, 4 * PER_SHARD)
    start = time.perf_counter()
    with connect():
        started = time.perf_counter() - start
        normalize(place, few, place / "few", plain=False)
        warmed, rates = time.perf_counter() - start, []
        for _ in range(repeats):
            remove(place / "rays")
            start = time.perf_counter()
            normalize(place, index, place / "rays", plain=False)
            rates.append(num_frames / (time.perf_counter() - start))
    remove(place / "few")
    remove(place / "rays")
    return {"start_s": started, "warm_s": warmed, "rates": rates}


def parts(folder: str, num_frames: int) -> dict[str, float]:
    """Seconds of the whole, and of what stands beside the pictures, measured from inside in one pass."""
    place = Path(folder)
    pin()
    index = write_index(place, num_frames)
    spent: dict[str, float] = {}

    def timed(owner: Any, name: str, part: str) -> None:
        function = getattr(owner, name)

        def run(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                spent[part] = spent.get(part, 0.0) + time.perf_counter() - start

        setattr(owner, name, run)

    timed(hashlib, "sha256", "digests")
    timed(zlib, "crc32", "digests")
    timed(write, "measure", "measures")
    timed(json, "dumps", "sidecars")
    timed(manifest, "write", "manifest")
    start = time.perf_counter()
    normalize(place, index, place / "parts")
    spent["whole"] = time.perf_counter() - start
    remove(place / "parts")
    return spent


def memory(folder: str, num_frames: int) -> float:
    """Peak resident memory in MB of a process that normalizes so many frames."""
    place = Path(folder)
    normalize(place, write_index_apart(place, num_frames), place / "mem")
    remove(place / "mem")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_index_apart(place: Path, num_frames: int) -> Path:
    """The index, written by another process: making one takes memory too."""
    from benchmarks.worker import call

    call("index", {}, module="benchmarks.normalizing", folder=str(place), num_frames=num_frames)
    return place / f"index-{num_frames}.parquet"


def index(folder: str, num_frames: int) -> str:
    return str(write_index(Path(folder), num_frames))


def pin() -> None:
    """One core, one thread."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


PROGRAMS: dict[str, Callable[..., Any]] = {f.__name__: f for f in (one_core, floors, over_ray, parts, memory, index)}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]](**json.loads(sys.argv[2]))))
