"""SIGKILL under a real `dvc repro`, at named points: the next one gives the bytes of an undisturbed run, nothing else.

A module on PYTHONPATH, which Python imports first in every process, watches the calls that write files and kills the
process group of `dvc repro` at the point that the environment names. The code that is tried knows nothing of it.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from jobs.shards import verify_shards
from slyk.datasets import listing
from slyk.errors import DataMissingError
from slyk.shards.manifest import load
from tests.drawn import REPOSITORY, draw_raw_set
from tests.stages import LISTING, RAW, kill, processes_of, small_params, wait_for

NUM_PEOPLE, NUM_PHOTOS = 6, 3
PEOPLE = [f"p{number:03d}-00000" for number in range(NUM_PEOPLE)]
OUT, REPORT = Path("data/shards/synthetic"), Path("reports/data/synthetic")
REPRO = ("repro", "normalize@synthetic")
PLAIN = {"SLYK_NUM_CPUS": "1", "SLYK_PLAIN": "1"}
RAY_1, RAY_2 = ({"SLYK_NUM_CPUS": str(count), "SLYK_PLAIN": "0"} for count in (1, 2))
KILLER = """
import os, signal, tempfile, time
from pathlib import Path

point, out, group = (os.environ.get(f"TEST_KILL_{name}", "") for name in ("AT", "OUT", "GROUP"))
mkstemp, fsync, replace = tempfile.mkstemp, os.fsync, os.replace


def complete():
    return sum(path.with_suffix(".tar").exists() for path in Path(out).glob("p*.json"))


def kill_if(here, *others):
    if point != here or not all(others):
        return
    while not Path(group).read_text():
        time.sleep(0.01)
    os.killpg(int(Path(group).read_text()), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def watched_mkstemp(suffix=None, prefix=None, dir=None, text=False):
    inside = str(dir) == out
    kill_if("before_first_shard", inside, str(prefix).endswith(".tar."))
    kill_if("before_manifest", inside, prefix == ".manifest.json.")
    return mkstemp(suffix, prefix, dir, text)


def watched_fsync(file):
    path = Path(os.readlink(f"/proc/self/fd/{file}"))
    inside = str(path.parent) == out
    kill_if("tar_not_synced", inside, ".tar." in path.name, complete() >= 1)
    if point == "half_a_manifest" and inside and path.name.startswith(".manifest.json."):
        os.ftruncate(file, os.fstat(file).st_size // 2)
        kill_if("half_a_manifest")
    fsync(file)


def watched_replace(source, target, **options):
    path = Path(target)
    replace(source, target, **options)
    inside = str(path.parent) == out
    kill_if("sidecar_missing", inside, path.suffix == ".tar", complete() >= 1)
    kill_if("between_shards", inside, path.suffix == ".json", complete() >= 3)
    kill_if("half_a_report", path.name == "report.json")


if point:
    tempfile.mkstemp, os.fsync, os.replace = watched_mkstemp, watched_fsync, watched_replace
"""
POINTS = {
    "before_first_shard": 0, "tar_not_synced": 1, "sidecar_missing": 1, "between_shards": 3, "before_manifest": 6,
    "half_a_manifest": 6, "half_a_report": 6,
}  # fmt: skip
"""Where it is killed -> how many shards are complete by then; where two write at a time, one more may be."""


LEAVE_HALF = ("tar_not_synced", "half_a_manifest")
"""Where a file that was being written stays, under its temporary name."""


class State(NamedTuple):
    """Of the folder of shards: bytes by name; and what tells whether a file was written again."""

    contents: dict[str, bytes]
    written: dict[str, tuple[int, int]]


def state(root: Path) -> State:
    files = sorted((root / OUT).iterdir())
    return State(
        {path.name: path.read_bytes() for path in files},
        {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files},
    )


def reports(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / REPORT).iterdir())}


def complete(state: State) -> list[str]:
    """Shards whose tar and sidecar are both there."""
    return sorted(
        name[:-4] for name in state.contents if name.endswith(".tar") and f"{name[:-4]}.json" in state.contents
    )


def kept(before: State, after: State) -> list[str]:
    """Shards of which neither file was written again."""
    same = {name for name, place in before.written.items() if after.written.get(name) == place}
    return [name for name in complete(after) if {f"{name}.tar", f"{name}.json"} <= same]


def environment(root: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SLYK_", "MLFLOW_", "TEST_"))}
    return ours | {
        "SLYK_ROOT": str(root),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{root / 'killer'}:{root}",
        "DVC_NO_ANALYTICS": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(root / "dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(root / "dvc"),
        "DVC_SITE_CACHE_DIR": str(root / "dvc"),
    }


def start(root: Path, arguments: tuple[str, ...], way: Mapping[str, str]) -> subprocess.Popen[str]:
    """DVC in the repository, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=root,
        env={**environment(root), **way},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def dvc(root: Path, *arguments: str, way: Mapping[str, str] = PLAIN, status: int = 0) -> str:
    """Runs DVC to its end and returns what it said."""
    process = start(root, arguments, way)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == status, said
    return said


def killed(root: Path, point: str, way: Mapping[str, str]) -> None:
    """Runs `dvc repro` until it is killed at a point, and waits for the end of all that it began."""
    group = root / "group"
    group.write_text("")
    told = {"TEST_KILL_AT": point, "TEST_KILL_OUT": str(root / OUT), "TEST_KILL_GROUP": str(group)}
    process = start(root, REPRO, {**way, **told})
    group.write_text(str(process.pid))
    said, _ = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, f"{point} was never reached: {said}"
    wait_for(lambda: not processes_of(root), "the end of all that the killed run began", 60)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC repository with the code, the two stages as dvc.yaml has them, and a set that is indexed; to be copied."""
    root = tmp_path_factory.mktemp("repository")
    for package in ("slyk", "pipelines", "jobs"):
        shutil.copytree(REPOSITORY / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(REPOSITORY / ".dvcignore", root / ".dvcignore")
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {name: stages[name] for name in ("index", "normalize")}}))
    (root / "killer").mkdir()
    (root / "killer" / "sitecustomize.py").write_text(KILLER)
    draw_raw_set(root / RAW, num_train=NUM_PEOPLE - 1, num_test=1, num_photos=NUM_PHOTOS)
    scan(root)
    write_params(root)
    dvc(root, "init", "--no-scm", "--quiet")
    dvc(root, "repro", "index@synthetic")
    return root


def write_params(root: Path, **normalize: Any) -> None:
    (root / "params.yaml").write_text(yaml.safe_dump(small_params(normalize=normalize), sort_keys=False))


@pytest.fixture
def root(indexed: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy to run in; what a test that failed left running ends here."""
    copy = Path(shutil.copytree(indexed, tmp_path / "repository"))
    yield copy
    for number in processes_of(copy):
        kill(number)


@pytest.fixture(scope="module")
def finished(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Likewise, with the shards of an undisturbed run."""
    root = Path(shutil.copytree(indexed, tmp_path_factory.mktemp("finished") / "repository"))
    dvc(root, *REPRO)
    assert complete(state(root)) == PEOPLE and load(root / OUT).num_samples == NUM_PEOPLE * NUM_PHOTOS
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "point"),
    [
        *((PLAIN, point) for point in POINTS),
        *((RAY_2, point) for point in list(POINTS)[:5]),
        (RAY_1, "tar_not_synced"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
def test_a_killed_run_is_finished_by_the_next(
    way: Mapping[str, str],
    point: str,
    root: Path,
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLYK_ROOT", str(root))
    killed(root, point, way)
    before, least = state(root), POINTS[point]
    num_complete = len(complete(before))
    assert least <= num_complete <= min(least + (way is RAY_2), NUM_PEOPLE)
    assert any(name.startswith(".") for name in before.contents) == (point in LEAVE_HALF) or way is RAY_2
    if point == "half_a_report":
        assert "manifest.json" in before.contents and not (root / REPORT / "report.html").exists()
    else:
        with pytest.raises(DataMissingError, match=r"manifest\.json not found: run `dvc repro normalize@synthetic`"):
            verify_shards("synthetic")
    said, after = dvc(root, *REPRO, way=way if point == "between_shards" else PLAIN), state(root)
    assert after.contents == state(finished).contents and reports(root) == reports(finished)
    assert kept(before, after) == complete(before)
    assert f"{num_complete} of {NUM_PEOPLE} shards were complete, {NUM_PEOPLE - num_complete} written" in said
    verify_shards("synthetic")
    assert not processes_of(root)


def scan(root: Path) -> None:
    listing.write(root / LISTING, listing.scan(root / RAW))


@pytest.mark.slow
def test_only_what_changed_is_written_again(finished: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(finished, tmp_path / "repository"))
    before = state(root)
    photos = root / RAW / "photos"
    shutil.copyfile(photos / "p003/000.jpg", photos / "p002/000.jpg")
    scan(root)
    said, after = dvc(root, *REPRO), state(root)
    assert "5 of 6 shards were complete, 1 written" in said
    assert kept(before, after) == [name for name in PEOPLE if name != "p002-00000"]
    assert before.contents["p002-00000.tar"] != after.contents["p002-00000.tar"]
    shutil.rmtree(photos / "p004")
    scan(root)
    said, less = dvc(root, *REPRO), state(root)
    assert "5 of 5 shards were complete, 0 written" in said
    assert kept(after, less) == complete(less) == [name for name in PEOPLE if name != "p004-00000"]
    assert set(after.contents) - set(less.contents) == {"p004-00000.tar", "p004-00000.json"}
    assert "p004" not in load(root / OUT).groups()
    assert "up to date" in dvc(root, *REPRO) and state(root) == less


@pytest.mark.slow
def test_too_many_rejects_leave_no_manifest(finished: Path, tmp_path: Path) -> None:
    """What is complete stays for the next run, which has a higher limit."""
    root = Path(shutil.copytree(finished, tmp_path / "repository"))
    before = state(root)
    for photo in (root / RAW / "photos/p001").glob("*.jpg"):
        photo.write_bytes(photo.read_bytes()[:1000])
    scan(root)
    write_params(root, max_reject_fraction=0.1)
    said = dvc(root, *REPRO, status=255)
    assert f"error: 3 of 18 rejected, more than max_reject_fraction = 0.1: see {root / OUT}/rejects.parquet" in said
    assert "3 x truncated, first: photos/p001/000.jpg" in said
    failed = state(root)
    assert "manifest.json" not in failed.contents and "rejects.parquet" in failed.contents
    assert kept(before, failed) == [name for name in PEOPLE if name != "p001-00000"]
    write_params(root, max_reject_fraction=0.2)
    assert "6 of 6 shards were complete, 0 written" in dvc(root, *REPRO)
    assert kept(failed, state(root)) == PEOPLE and load(root / OUT).num_samples == 15
