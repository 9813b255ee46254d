"""What holds of every layout: whole or not at all, the same bytes again, errors that say what to do."""

import os
import re
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.export import _held, export
from slyk.errors import DataMissingError, ParamsError, SlykError
from slyk.layouts import LAYOUTS, raf_db, teyed
from tests.drawn import REPOSITORY
from tests.layouts.rendered import MAT_HEADER_BYTES, Export, Rendered, annotated


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_set_gives_the_same_bytes(layout: str, exported: Export, tmp_path: Path) -> None:
    first = exported(layout)
    time.sleep(1.1)  # dates in files count seconds
    export(first.source, layout, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(first.out)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_photo_arrives_and_nothing_else_is_left(layout: str, exported: Export) -> None:
    made = exported(layout)
    assert [path.name for path in made.out.parent.iterdir()] == [made.out.name]
    assert made.out.stat().st_mode & 0o777 == 0o755
    if layout not in ("xgaze_224", "teyed"):
        photos = [name for name in contents(made.out) if name.lower().endswith(".jpg")]
        assert len(photos) == len(made.rows)


def test_no_mat_file_holds_a_date(exported: Export) -> None:
    files = [p for layout in ("mpiifacegaze", "gaze360") for p in exported(layout).out.rglob("*.mat")]
    assert len(files) == 8
    assert {p.read_bytes()[:MAT_HEADER_BYTES] for p in files} == {b"MATLAB 5.0 MAT-file, written by slyk".ljust(116)}


def test_photos_of_another_domain_are_refused(rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"'webcam'.* holds wide: its layouts: raf_db"):
        export(rendered("wide").root, "mpiifacegaze", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="render a set of the domain 'wild' there"):
        export(tmp_path / "nothing", "gaze360", tmp_path / "out")


def test_what_is_there_is_never_written_over(rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert export(rendered("wide").root, "raf_db", tmp_path / "out") == len(rendered("wide").rows)
    before = contents(tmp_path)
    with pytest.raises(ParamsError, match="is there already: choose another --out, or remove it if"):
        export(rendered("wide").root, "raf_db", tmp_path / "out")
    assert contents(tmp_path) == before


def test_a_failure_leaves_nothing_half_written(rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    source = shutil.copytree(rendered("wide").root, tmp_path / "set")
    Path(source / rendered("wide").rows[-1]["photo"]).unlink()
    with pytest.raises(SlykError, match=r"p002/002\.jpg: not found; render the set again"):
        export(source, "raf_db", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_photos_and_masks_are_told(layout: str, rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    source = shutil.copytree(rendered(LAYOUTS[layout].DOMAIN).root, tmp_path / "set")
    row = rendered(LAYOUTS[layout].DOMAIN).rows[0]
    for name in ("photo", "mask") if layout == "teyed" else ("photo",):
        whole = (source / row[name]).read_bytes()
        (source / row[name]).write_bytes(whole[: len(whole) * 2 // 3])
        with pytest.raises(SlykError, match=re.escape(f"{row[name]}: truncated; render the set again")):
            export(source, layout, tmp_path / "out")
        (source / row[name]).write_bytes(whole)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_damaged_annotations_are_told(rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    path, table = tmp_path / "annotations.parquet", pq.read_table(rendered("wide").root / "annotations.parquet")
    for changed, told in ((table[:0], "holds no photos"), (table.drop_columns("emotion"), "lacks emotion")):
        pq.write_table(changed, path)
        with pytest.raises(DataMissingError, match=f"{told}: render the set again"):
            export(tmp_path, "raf_db", tmp_path / "out")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataMissingError, match=r"cannot be read \(.*\): render the set again"):
        export(tmp_path, "raf_db", tmp_path / "out")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_full_disk_is_told(layout: str, rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    """Files may not grow beyond 1.5 kB meanwhile; writing then fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        with pytest.raises(SlykError, match=r"out was not written: .*mend it and run again"):
            export(rendered(LAYOUTS[layout].DOMAIN).root, layout, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_lost_frames_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = list(np.zeros((5, 48, 64, 3), np.uint8))
    monkeypatch.setattr(teyed, "_num_frames", lambda path: 4)
    with pytest.raises(OSError, match="4 of 5 frames arrived"):
        teyed._write_video(tmp_path / "a.mp4", iter(frames))


def test_places_that_cannot_be_are_told(rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    before = sorted(tmp_path.iterdir())
    for name, told in (
        ("file", "is there already"),
        ("file/below", "was not written: .*file: (File exists|Not a directory)"),
        ("link", "is a link: choose another"),
        ("dangling", "is a link: choose another"),
    ):
        with pytest.raises(SlykError, match=told):
            export(rendered("wide").root, "raf_db", tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_left_of_an_export_that_is_ended(
    rendered: Callable[[str], Rendered], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def write(source: Path, out: Path, table: pa.Table) -> Iterator[int]:
        (out / "half").write_text("written")
        os.kill(os.getpid(), signal.SIGTERM)
        yield 1

    monkeypatch.setattr(raf_db, "write", write)
    with pytest.raises(SystemExit) as ended:
        export(rendered("wide").root, "raf_db", tmp_path / "out")
    assert ended.value.code == 143 and list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_killed_exports_left_goes_but_not_what_others_write(
    rendered: Callable[[str], Rendered], tmp_path: Path
) -> None:
    for name in (".out.export-killed", ".out.export-runs", ".outer.export-killed", ".out.settings"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("written")
    with _held(tmp_path / ".out.export-runs"):
        export(rendered("wide").root, "raf_db", tmp_path / "out")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".out.export-runs", ".out.settings", ".outer.export-killed", "out"]


@pytest.mark.parametrize(("layout", "first"), [("mpiifacegaze", "p00"), ("xgaze", "subject0000")])
def test_people_keep_the_order_of_the_set(
    layout: str, first: str, rendered: Callable[[str], Rendered], tmp_path: Path
) -> None:
    """p1000 comes after p999."""
    made = rendered(LAYOUTS[layout].DOMAIN)
    names = {"p000": "p999", "p001": "p1000"}
    rows = [row | {"person": names[row["person"]]} for row in made.rows]
    (tmp_path / "set").mkdir()
    for name in ("photos", "masks"):
        (tmp_path / "set" / name).symlink_to(made.root / name)
    export(annotated(tmp_path / "set", rows).root, layout, tmp_path / "out")
    (photo, *_) = sorted(path for path in (tmp_path / "out").rglob("*.[jJ]*[gG]") if first in path.parts)
    assert photo.read_bytes() == (made.root / rows[0]["photo"]).read_bytes()


def test_the_command_tells_what_it_wrote(
    rendered: Callable[[str], Rendered], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLYK_ROOT", str(tmp_path))
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    shutil.copytree(rendered("wide").root, tmp_path / "data/raw/mine")
    done = CliRunner().invoke(app, ["data", "export", "mine", "--layout", "raf_db"])
    assert done.exit_code == 0, done.output
    assert f"{len(rendered('wide').rows)} photos" in done.output
    assert "RAF-DB" in done.output
    assert (tmp_path / "data/raw/raf_db/basic/EmoLabel/list_patition_label.txt").is_file()
    refused = CliRunner().invoke(app, ["data", "export", "mine", "--layout", "raf"])
    assert isinstance(refused.exception, ParamsError)
    assert "known: mpiifacegaze, gaze360" in str(refused.exception)
    assert "raf_db: {reader: raf_db, root: data/raw/raf_db, licence: Apache-2.0}" in done.output
    refused = CliRunner().invoke(app, ["data", "export", "yours", "--layout", "raf_db"])
    assert "unknown set yours; rendered sets of params.yaml: synthetic" in str(refused.exception)
    text = (
        (tmp_path / "params.yaml").read_text().replace("datasets: #", "datasets:\n  own: {reader: table, root: x} #", 1)
    )
    (tmp_path / "params.yaml").write_text(text)
    refused = CliRunner().invoke(app, ["data", "export", "own", "--layout", "raf_db"])
    assert "own is no rendered set, it is read as table" in str(refused.exception)
