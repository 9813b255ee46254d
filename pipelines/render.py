"""Stage `render`: params -> photos of people who never lived, exact annotations, and the listing of it all."""

import argparse
import hashlib
import io
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pyarrow as pa
import pyarrow.parquet as pq

from jobs import tracking
from jobs.cluster import connect
from jobs.stage import stage
from slyk.config import Params, Render, load_params
from slyk.datasets import listing
from slyk.files import code_digest, digest, resolve, sha256, write_atomic
from slyk.synthetic.annotate import document, schema
from slyk.synthetic.render import render_person

ANNOTATIONS = "annotations.parquet"
DOCUMENT = "README.md"
CODE = ("geometry", "synthetic")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="data/raw/synthetic")
    parser.add_argument("--listing", default="data/index/synthetic.files")
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    out, done = resolve(args.out), resolve(".slyk/render") / fingerprint(params)
    with tracking.stage_run("render", params=params, sections=("render",)) as run:
        rendered = render_all(params, out, done)
        tables = [pq.read_table(_finished(done, person)) for person in range(params.render.num_people)]
        table = pa.concat_tables(tables)
        write_table(out / ANNOTATIONS, table.drop_columns(["size", "sha256"]))
        write_atomic(out / DOCUMENT, document().encode())
        remove_others(out, {ANNOTATIONS, DOCUMENT, *table["photo"].to_pylist()})
        num_files = write_listing(resolve(args.listing), out, table)
        print(f"render: {rendered} people rendered, {len(table)} photos, {num_files} files listed", flush=True)
        run.log_metrics({"num_photos": len(table), "num_rendered_people": rendered})


def fingerprint(params: Params) -> str:
    """What the photos depend on: parameters, seed and code."""
    return digest({"render": params.render.model_dump(), "seed": params.seed, "code": code_digest(CODE)})[:16]


def render_all(params: Params, out: Path, done: Path) -> int:
    """Renders the people that are not there yet, one Ray Data row each; returns how many."""
    people = range(params.render.num_people)
    todo = [{"person": person} for person in people if not is_complete(out, _finished(done, person))]
    print(f"render: {len(people) - len(todo)} of {len(people)} people are there, rendering {len(todo)}", flush=True)
    if not todo:
        return 0
    task = partial(render_one, seed=params.seed, settings=params.render, out=out, done=done)
    start, num_photos = time.monotonic(), 0
    with connect() as ray:
        data = ray.data.from_items(todo, override_num_blocks=len(todo)).map(task)
        for count, row in enumerate(data.iter_rows(), start=1):
            num_photos += row["num_photos"]
            if count % 4 == 0 or count == len(todo):
                seconds = time.monotonic() - start
                left = seconds / count * (len(todo) - count)
                rate = num_photos / seconds
                print(f"  {count}/{len(todo)} people, {rate:.1f} photos/s, about {left:.0f} s left", flush=True)
    return len(todo)


def render_one(row: dict[str, Any], *, seed: int, settings: Render, out: Path, done: Path) -> dict[str, Any]:
    """Writes the photos of one person and, last, their annotations below `done`."""
    cv2.setNumThreads(1)  # as many people at once as there are cores
    number = int(row["person"])
    person, split = f"p{number:03d}", "train" if number < settings.num_train_people else "test"
    photos = render_person(
        seed,
        number,
        num_photos=settings.photos_per_person,
        photo_px=settings.photo_px,
        eye_supersampling=settings.eye_supersampling,
    )
    rows = []
    for index, (data, annotation) in enumerate(photos):
        photo = f"photos/{person}/{index:03d}.jpg"
        write_atomic(out / photo, data)
        check = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        rows.append({"photo": photo, "person": person, "split": split, **annotation, **check})
    fields = [*schema(), pa.field("size", pa.int64()), pa.field("sha256", pa.string())]
    write_table(_finished(done, number), pa.Table.from_pylist(rows, schema=pa.schema(fields)))
    return {"person": number, "num_photos": len(rows)}


def is_complete(out: Path, finished: Path) -> bool:
    """Whether a person's annotations are there and every photo holds the bytes that were written."""
    if not finished.is_file():
        return False
    checks = pq.read_table(finished, columns=["photo", "sha256"]).to_pylist()
    return all((out / c["photo"]).is_file() and sha256(out / c["photo"]) == c["sha256"] for c in checks)


def write_table(path: Path, table: pa.Table) -> None:
    """Parquet with the columns' descriptions; the same table gives the same bytes."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_atomic(path, buffer.getvalue())


def write_listing(path: Path, out: Path, table: pa.Table) -> int:
    """The listing of photos and annotations, by their bytes alone."""
    rows = table.select(["photo", "size", "sha256"]).to_pylist()
    entries = [listing.Entry(row["photo"], row["size"], row["sha256"][:16]) for row in rows]
    annotations = out / ANNOTATIONS
    entries.append(listing.Entry(ANNOTATIONS, annotations.stat().st_size, sha256(annotations)[:16]))
    return listing.write(path, entries)


def remove_others(out: Path, keep: set[str]) -> None:
    """Deletes files of other parameters, and folders that they leave empty."""
    for path in sorted(out.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif not path.is_dir() and path.relative_to(out).as_posix() not in keep:
            path.unlink()


def _finished(done: Path, person: int) -> Path:
    return done / f"p{person:03d}.parquet"


if __name__ == "__main__":
    stage(main)
