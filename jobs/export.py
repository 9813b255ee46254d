"""`slyk data export`: a rendered set written again in the layout of the real data set that it resembles."""

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slyk.config import load_params
from slyk.errors import DataMissingError, ParamsError, SlykError
from slyk.files import resolve, root
from slyk.layouts import LAYOUTS, Layout
from slyk.synthetic.annotate import schema

ANNOTATIONS = "annotations.parquet"
NOTE = "RENDERED.md"


def export_command(name: str, layout: str, out: Path | None) -> None:
    """Exports the set `name` and says what came of it. Raises ParamsError, DataMissingError."""
    params = load_params(resolve("params.yaml"))
    datasets = params.datasets
    if name in datasets and datasets[name].reader != "synthetic":
        raise ParamsError(
            f"{name} is no rendered set, it is read as {datasets[name].reader}: only renders are exported"
        )
    if name not in datasets and not resolve(f"data/raw/{name}").is_dir():
        known = sorted({*params.render, *(key for key, found in datasets.items() if found.reader == "synthetic")})
        raise ParamsError(f"unknown set {name}; rendered sets of params.yaml: {', '.join(known) or 'none'}")
    source = resolve(datasets[name].root if name in datasets else f"data/raw/{name}")
    if layout not in LAYOUTS:
        raise ParamsError(f"unknown layout {layout!r}; known: {', '.join(LAYOUTS)}")
    target = resolve(out or f"data/raw/{layout}")
    num_photos = export(source, layout, target)
    print(f"export: {num_photos} photos of {source} in the layout of {LAYOUTS[layout].TITLE} in {target}")
    place = target.relative_to(root()) if target.is_relative_to(root()) else target
    line = f"{target.name}: {{reader: {layout}, root: {place}, licence: Apache-2.0}}"
    print(f"to read it back, under datasets in params.yaml: {line}", flush=True)


def export(source: Path, name: str, out: Path) -> int:
    """Writes the set below `source` in a layout of `LAYOUTS` to `out`, whole or not at all; the number of photos.

    Raises DataMissingError where there is no such set, ParamsError for photos of another domain and for an `out` that
    holds something, SlykError for damaged photos and where `out` cannot be written.
    """
    layout = LAYOUTS[name]
    table = _annotations(source, name, layout)
    try:
        _check_target(out)
        with _terminable(), _unfinished(out) as folder:
            num_photos = _write(layout, source, folder, table)
            (folder / NOTE).write_text(_note(name, layout), encoding="utf-8")
            folder.chmod(0o755)
            folder.replace(out)
    except OSError as error:
        place = error.filename2 or error.filename  # of two, as of a copy, the one to write
        raise SlykError(
            f"{out} was not written: {f'{place}: ' if place else ''}{error.strerror or error}; mend it and run again"
        ) from None
    return num_photos


def _note(name: str, layout: Layout) -> str:
    return (
        f"# No photo here shows a real person\n\nRendered by slyk (domain `{layout.DOMAIN}`) and written in the layout "
        f"`{name}` of {layout.TITLE}; this is not that data set. People stand in the order of the rendered set.\n\n"
        "Licence: Apache-2.0. What is exact and what was chosen: docs/layouts.md of slyk.\n"
    )


def _check_target(out: Path) -> None:
    if out.is_symlink():
        raise ParamsError(f"{out} is a link: choose another --out, or name the folder itself")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ParamsError(f"{out} is there already: choose another --out, or remove it if it is an old export")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the block as an exception, so that it cleans up; exit status 143."""

    def end(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # a second one would break the cleaning
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out`, removed at the end unless it was renamed; those of killed exports go first."""
    out.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{out.name}.export-"
    for left in [p for p in out.parent.iterdir() if p.name.startswith(prefix) and p.is_dir() and not p.is_symlink()]:
        with suppress(OSError), _held(left):  # held by another: an export that still runs
            shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=out.parent))
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """A lock that ends with the process, however it ends. Raises BlockingIOError where another holds it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _write(layout: Layout, source: Path, folder: Path, table: pa.Table) -> int:
    num_photos, shown = 0, 0
    for count in layout.write(source, folder, table):
        num_photos += count
        if num_photos - shown >= 500:
            print(f"  {num_photos} of {len(table)} photos", flush=True)
            shown = num_photos
    return num_photos


def _annotations(source: Path, name: str, layout: Layout) -> pa.Table:
    path = source / ANNOTATIONS
    if not path.is_file():
        raise DataMissingError(
            f"{path} not found: render a set of the domain {layout.DOMAIN!r} there, named under render in params.yaml, "
            "with dvc repro (docs/layouts.md)"
        )
    again = "render the set again (dvc repro render)"
    try:
        table = pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataMissingError(f"{path} cannot be read ({str(error).splitlines()[0]}): {again}") from None
    if not len(table):
        raise DataMissingError(f"{path} holds no photos: {again}")
    found = sorted(pc.unique(table["domain"]).to_pylist()) if "domain" in table.column_names else ["unknown"]
    if found != [layout.DOMAIN]:
        fitting = [other for other, module in LAYOUTS.items() if found == [module.DOMAIN]]
        advice = f"its layouts: {', '.join(fitting)}" if fitting else f"render it with domain {layout.DOMAIN!r}"
        raise ParamsError(
            f"layout {name} takes photos of the domain {layout.DOMAIN!r}, {path} holds {', '.join(found)}: {advice}"
        )
    lacking = [column for column in schema().names if column not in table.column_names]
    if lacking:
        raise DataMissingError(f"{path} lacks {', '.join(lacking)}: {again}")
    return table
