"""Raw sets in a bucket: a real S3 server on this machine, its files, its refusals, its death."""

import csv
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import fsspec
import numpy as np
import pytest
import yaml
from fsspec.implementations.memory import MemoryFileSystem

from pipelines.index import raw_root
from slyk.config.data import Dataset
from slyk.datasets import listing, raw
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions
from slyk.datasets.registry import reader
from slyk.datasets.table_columns import ANGLES, CAMERA, HEAD
from slyk.errors import DataMissingError, ParamsError, PhotoError, StorageError
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.head_pose import SIX_POINTS_MM
from slyk.shards.crops import CropSpec
from slyk.shards.write import ShardPlan, write_shard
from tests.drawn import draw_face, geometry_at, rotation
from tests.layouts.rendered import Export
from tests.stages import processes_of, run, small_params, start, wait_for

BUCKET, PREFIX = "gaze", "наборы/set 1"
ROOT = f"s3://{BUCKET}/{PREFIX}"


@dataclass
class Server:
    """moto's S3 in a process of its own, so that it can die; what it holds dies with it."""

    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._answers, "the S3 server", 30)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def environment(self) -> dict[str, str]:
        """All that a client is told; nothing of whoever runs the tests."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def fill(self, folder: Path) -> None:
        """Puts the files of a folder below ROOT."""
        storage = fsspec.filesystem("s3")
        storage.makedirs(BUCKET, exist_ok=True)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        storage.pipe({f"{BUCKET}/{PREFIX}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files})

    def ask_for_credentials(self) -> None:
        """From now on keys count, and nobody has one."""
        url, kind = f"http://127.0.0.1:{self.port}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(url, b"0", kind, method="POST")).close()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server(free_port())
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    storages = fsspec.get_filesystem_class("s3")
    storages.clear_instance_cache()  # an earlier one knows another server
    yield made
    storages.clear_instance_cache()
    made.end()


def test_files_of_a_bucket(server: Server, tmp_path: Path) -> None:
    odd = "a b/q?x=1#y%20+[1]*.jpg"
    storage = fsspec.filesystem("s3")
    storage.makedirs(BUCKET)
    for name in ("лица/ä€.jpg", odd, "x/1.bin"):
        storage.pipe(f"{BUCKET}/{PREFIX}/{name}", name.encode())
    storage.pipe(f"{BUCKET}/{PREFIX}/empty", b"")
    storage.pipe(f"{BUCKET}/{PREFIX} of others/x", b"not ours")
    storage.call_s3("put_object", Bucket=BUCKET, Key=f"{PREFIX}/../evil.jpg", Body=b"outside")
    storage.call_s3("put_object", Bucket=BUCKET, Key=f"{PREFIX}/folder/", Body=b"")
    storage.invalidate_cache()
    found = Raw(ROOT + "/")
    assert found.exists()
    entries = list(listing.scan(ROOT))
    assert [(name, size) for name, size, _ in entries] == [(odd, 23), ("empty", 0), ("x/1.bin", 7), ("лица/ä€.jpg", 18)]
    assert entries[2].version == hashlib.md5(b"x/1.bin").hexdigest()
    assert found.read(odd) == odd.encode() and found.text("лица/ä€.jpg") == "лица/ä€.jpg"
    assert [found.stretch("x/1.bin", 2, end) for end in (5, 70, None, 2)] == [b"1.b", b"1.bin", b"1.bin", b""]
    assert found.stretch("empty", 0, None) == b""
    assert found.has("x/1.bin") and not found.has("x") and not found.has("x/2.bin") and not found.has("../evil.jpg")
    with found.local("x/1.bin") as path:
        assert path.read_bytes() == b"x/1.bin"
    for name, reason in (("none", "not_found"), ("empty", "empty_file"), ("../evil.jpg", "outside_root")):
        with pytest.raises(PhotoError) as caught:
            found.read(name)
        assert caught.value.reason == reason
    with pytest.raises(PhotoError, match="too_large_file"):
        found.read(odd, max_bytes=22)
    with pytest.raises(PhotoError, match="not_found"), found.local("none"):
        pass
    with pytest.raises(PhotoError, match="not_found"):
        found.stretch("none", 0, None)
    for url in ("s3://nowhere/set", f"s3://{BUCKET}/nothing"):
        with pytest.raises(DataMissingError, match=f"{url} not found: .* slyk data scan mine"):
            raw_root("mine", Dataset(reader="folder", root=url))
    server.ask_for_credentials()
    storage.invalidate_cache()
    for question in (
        found.exists,
        lambda: found.has("x/1.bin"),
        lambda: found.read("x/1.bin"),
        found.entries().__next__,
    ):
        with pytest.raises(StorageError, match=r"s3://.*: .*Forbidden.*|.*records.* AWS_ACCESS_KEY_ID"):
            question()


@pytest.mark.slow
def test_more_keys_than_one_answer_holds(server: Server, tmp_path: Path) -> None:
    """S3 lists 1,000 keys at a time."""
    for number in range(1_203):
        (tmp_path / f"{number:04d}.jpg").write_bytes(b"x")
    server.fill(tmp_path)
    assert [entry[:2] for entry in listing.scan(ROOT)] == [(f"{number:04d}.jpg", 1) for number in range(1_203)]


class FlakyFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """Memory behind a line that breaks twice."""

    protocol = "flaky"
    broken = 0

    def cat_file(self, *arguments: object, **options: object) -> bytes:
        if FlakyFileSystem.broken < 2:
            FlakyFileSystem.broken += 1
            raise ConnectionResetError("the line breaks")
        return bytes(super().cat_file(*arguments, **options))


def test_a_line_that_breaks_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    fsspec.filesystem("flaky").pipe("flaky://set/x.jpg", b"bytes")
    monkeypatch.setattr(raw, "PAUSES_S", (0.0, 0.0))
    assert Raw("flaky://set").read("x.jpg") == b"bytes" and FlakyFileSystem.broken == 2
    monkeypatch.setattr(FlakyFileSystem, "broken", 0)
    monkeypatch.setattr(raw, "PAUSES_S", (0.0,))
    with pytest.raises(StorageError, match=r"flaky://set cannot be read: the line breaks.* run it again"):
        Raw("flaky://set").read("x.jpg")


@pytest.mark.parametrize("url", ["gopher://set", "sftp://me:secret@host/set"])
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(ParamsError, match=f"root {url.split(':')[0]}:") as caught:
        Raw(url).exists()
    assert "secret" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mpiifacegaze", "gaze360", "xgaze", "xgaze_224"])
def test_real_layouts_give_the_same_shards(
    name: str, exported: Export, spec: CropSpec, server: Server, tmp_path: Path
) -> None:
    """Label files, MATLAB's, OpenCV's xml and HDF5, by the functions of the stages."""
    made = exported(name)
    server.fill(made.out)
    shards = {}
    for place, root in (("folder", Raw(made.out)), ("bucket", Raw(ROOT))):
        entries = [entry for entry, _, _ in root.entries()]
        outcomes = list(reader(name).read(root, reader(name).units(entries), ReadOptions()))
        records = [record for outcome in outcomes for record in outcome.records]
        assert records and len(entries) == sum(path.is_file() for path in made.out.rglob("*"))
        (tmp_path / place).mkdir()
        plan = ShardPlan("all", "all", "train", "plan")
        write_shard(
            tmp_path / place, plan, records, picture=partial(reader(name).picture, root), spec=spec, jpeg_quality=95
        )
        shards[place] = contents(tmp_path / place)
    assert shards["bucket"] == shards["folder"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


NUM_PEOPLE, NUM_PHOTOS = 4, 40


def draw_table(root: Path) -> None:
    """A set of the reader `table` whose names are of many scripts."""
    rng, rows = np.random.default_rng(0), []
    for person in range(NUM_PEOPLE):
        (root / f"фото {person}").mkdir(parents=True)
        for number in range(NUM_PHOTOS):
            center = np.array([*rng.uniform(-30, 30, 2), rng.uniform(550, 700)])
            geometry = geometry_at(center, rotation(*rng.uniform(-0.2, 0.2, 3)))
            pitch, yaw = rng.uniform(-0.4, 0.4, 2)
            photo = f"фото {person}/ñ+{number} 顔.jpg"
            done, data = cv2.imencode(".jpg", draw_face(geometry, vector_from_pitchyaw(np.array([pitch, yaw])), rng))
            assert done
            (root / photo).write_bytes(bytes(data))
            turn = cv2.Rodrigues(geometry.head_rotation)[0].ravel()
            shift = center - geometry.head_rotation @ SIX_POINTS_MM.mean(axis=0)
            fx, fy = geometry.camera[[0, 1], [0, 1]]
            cx, cy = geometry.camera[:2, 2]
            rows.append([photo, f"p{person}", fx, fy, cx, cy, *turn, *shift, pitch, yaw, "slyk", "radians"])
    with (root / "data.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["photo", "person", *CAMERA, *HEAD, *ANGLES], *rows])


def write_set(root: Path, place: str) -> None:
    """params.yaml with the set `mine` at a place."""
    params = small_params(index={"photos_per_shard": 20}, normalize={"max_reject_fraction": 0.0})
    params["datasets"]["mine"] = {"reader": "table", "root": place}
    (root / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True))


SCAN = ("jobs.cli", "data", "scan", "mine")
FILES = ("--listing", "data/index/mine.files", "--out", "index.parquet", "--rejects", "rejects.parquet")
INDEX = ("pipelines.index", "--dataset", "mine", *FILES)
NORMALIZE = ("pipelines.normalize", "--dataset", "mine", "--index", "index.parquet", "--rejects", "rejects.parquet")
SHARDS = "data/shards/mine"
OUT = ("--out", SHARDS, "--report", "reports/data/mine")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Path]:
    """A workspace with the set in a folder, and its shards."""
    root = tmp_path / "local"
    draw_table(root / "raw")
    write_set(root, "raw")
    for module, *arguments in (SCAN, INDEX, (*NORMALIZE, *OUT)):
        run(root, module, *arguments)
    assert len(list((root / SHARDS).glob("*.tar"))) == 8
    yield root
    wait_for(lambda: not processes_of(root), "the end of every Ray")


@pytest.mark.slow
def test_the_stages_on_a_bucket(local: Path, server: Server, tmp_path: Path) -> None:
    """Scan, index and normalize; the server dies in the middle, comes back, and only what is missing is written."""
    root, settings = tmp_path / "remote", server.environment

    def do(arguments: tuple[str, ...], status: int = 0) -> str:
        return run(root, *arguments, status=status, **settings)

    root.mkdir()
    write_set(root, ROOT)
    assert "s3://gaze/наборы/set 1 not found" in do(SCAN, 2)
    server.fill(local / "raw")
    assert f"mine: {NUM_PEOPLE * NUM_PHOTOS + 1} files listed" in do(SCAN)
    do(INDEX)
    stage, out = start(root, *NORMALIZE, *OUT, **settings, SLYK_PLAIN="0", SLYK_NUM_CPUS="1"), root / SHARDS
    wait_for(lambda: len(list(out.glob("*.json"))) >= 2, "two shards")
    server.end()
    said, _ = stage.communicate(timeout=200)
    assert stage.returncode == 2 and "Traceback" not in said, said
    assert f"error: {ROOT} cannot be read: Could not connect to the endpoint URL" in said and "run it again" in said
    complete = {path.name: path.stat() for path in out.glob("*.json")}
    assert 2 <= len(complete) < 8 and not (out / "manifest.json").exists() and not (out / "rejects.parquet").exists()
    again = Server(server.port)
    try:
        again.fill(local / "raw")
        said = do((*NORMALIZE, *OUT))
        assert f"{len(complete)} of 8 shards were complete, {8 - len(complete)} written" in said
        same = [name for name, old in complete.items() if (out / name).stat().st_ino == old.st_ino]
        assert len(same) == len(complete)
        ours, theirs = contents(out), contents(local / SHARDS)
        assert ours.keys() == theirs.keys()
        assert {name for name in ours if ours[name] != theirs[name]} <= {
            name for name in ours if name.endswith(".json")
        }
        again.ask_for_credentials()
        shutil.rmtree(out)
        said = do((*NORMALIZE, *OUT), 2)
        assert "error: s3://gaze" in said and "AWS_ACCESS_KEY_ID" in said and "Traceback" not in said, said
    finally:
        again.end()
    wait_for(lambda: not processes_of(root), "the end of every Ray")
