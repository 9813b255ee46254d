"""What holds of every layout: whole or not at all, the same bytes again, errors that say what to do."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.export import export
from slyk.errors import DataMissingError, ParamsError
from slyk.layouts import LAYOUTS
from tests.drawn import REPOSITORY
from tests.layouts.rendered import MAT_HEADER_BYTES, Export, Rendered


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


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
    with pytest.raises(ParamsError, match="not empty: remove it, or name another with --out"):
        export(rendered("wide").root, "raf_db", tmp_path / "out")
    assert contents(tmp_path) == before


def test_a_failure_leaves_nothing_half_written(rendered: Callable[[str], Rendered], tmp_path: Path) -> None:
    source = shutil.copytree(rendered("wide").root, tmp_path / "set")
    Path(source / rendered("wide").rows[-1]["photo"]).unlink()
    with pytest.raises(AssertionError, match="cannot be decoded"):
        export(source, "raf_db", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


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
