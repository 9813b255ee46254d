"""`slyk data export`: a rendered set written again in the layout of the real data set that it resembles."""

import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from slyk.config import load_params
from slyk.errors import DataMissingError, ParamsError
from slyk.files import resolve
from slyk.layouts import LAYOUTS, Layout

ANNOTATIONS = "annotations.parquet"


def export_command(name: str, layout: str, out: Path | None) -> None:
    """Exports the set `name` and says what came of it. Raises ParamsError, DataMissingError."""
    datasets = load_params(resolve("params.yaml")).datasets
    source = resolve(datasets[name].root if name in datasets else f"data/raw/{name}")
    if layout not in LAYOUTS:
        raise ParamsError(f"unknown layout {layout!r}; known: {', '.join(LAYOUTS)}")
    target = resolve(out or f"data/raw/{layout}")
    num_photos = export(source, layout, target)
    print(f"export: {num_photos} photos of {source} in the layout of {LAYOUTS[layout].TITLE} in {target}", flush=True)


def export(source: Path, name: str, out: Path) -> int:
    """Writes the set below `source` in a layout of `LAYOUTS` to `out`, whole or not at all; the number of photos.

    Raises DataMissingError where there is no such set, ParamsError for photos of another domain and for an `out` that
    holds something.
    """
    layout = LAYOUTS[name]
    table = _annotations(source, name, layout)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ParamsError(f"{out} is there already and not empty: remove it, or name another with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        num_photos, shown = 0, 0
        for count in layout.write(source, unfinished, table):
            num_photos += count
            if num_photos - shown >= 500:
                print(f"  {num_photos} of {len(table)} photos", flush=True)
                shown = num_photos
        unfinished.chmod(0o755)
        unfinished.replace(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return num_photos


def _annotations(source: Path, name: str, layout: Layout) -> pa.Table:
    path = source / ANNOTATIONS
    if not path.is_file():
        raise DataMissingError(
            f"{path} not found: render a set of the domain {layout.DOMAIN!r} there, named under render in params.yaml, "
            "with dvc repro (docs/layouts.md)"
        )
    table = pq.read_table(path)
    found = sorted(pc.unique(table["domain"]).to_pylist()) if "domain" in table.column_names else ["unknown"]
    if found != [layout.DOMAIN]:
        fitting = [other for other, module in LAYOUTS.items() if found == [module.DOMAIN]]
        advice = f"its layouts: {', '.join(fitting)}" if fitting else f"render it with domain {layout.DOMAIN!r}"
        raise ParamsError(
            f"layout {name} takes photos of the domain {layout.DOMAIN!r}, {path} holds {', '.join(found)}: {advice}"
        )
    return table
