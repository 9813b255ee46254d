"""Stage `render@<set>`: params -> photos of people who never lived, masks, exact annotations, and the listing."""

import argparse
import hashlib
import io
import re
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
from slyk.config import load_params
from slyk.config.data import Render
from slyk.config.section import as_flat
from slyk.datasets import listing
from slyk.errors import ParamsError
from slyk.files import code_digest, digest, resolve, sha256, write_atomic
from slyk.synthetic.annotate import document, schema
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.render import render_person

ANNOTATIONS = "annotations.parquet"
DOCUMENT = "README.md"
CODE = ("geometry", "synthetic")
_KINDS = {"photos": r"\d{3,}\.jpg", "masks": r"\d{3,}\.png"}
PERSON = re.compile(r"p\d{3,}")
FILES = {name: re.compile(rf"{kind}|\.{kind}\.\w{{8}}") for name, kind in _KINDS.items()}
"""Of people's folders and of what lies in them, with what a killed run leaves while it writes (`write_atomic`)."""
CHECKS = pa.schema([("size", pa.int64()), ("sha256", pa.string()), ("mask_sha256", pa.string())])
"""Columns beside the annotations while people are rendered: size and digest of the photo, digest of the mask."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--listing", required=True)
    args = parser.parse_args()
    params = load_params(resolve("params.yaml"))
    if args.name not in params.render:
        raise ParamsError(
            f"render holds no {args.name!r}; params.yaml holds there: {', '.join(params.render) or 'none'}"
        )
    settings = params.render[args.name]
    out, done = resolve(args.out), resolve(".slyk/render") / args.name / fingerprint(settings, params.seed)
    check_place(out)
    with tracking.stage_run(f"render@{args.name}", params=params) as run:
        run.log_params(as_flat(settings, f"render.{args.name}."))
        rendered = render_all(settings, params.seed, out, done)
        tables = [pq.read_table(_finished(done, person)) for person in range(settings.num_people)]
        table = pa.concat_tables(tables)
        write_table(out / ANNOTATIONS, table.drop_columns(CHECKS.names))
        write_atomic(out / DOCUMENT, document().encode())
        remove_others(out, {*table["photo"].to_pylist(), *table["mask"].to_pylist()})
        num_files = write_listing(resolve(args.listing), out, table)
        print(f"{args.name}: {rendered} people rendered, {len(table)} photos, {num_files} files listed", flush=True)
        run.log_metrics({"num_photos": len(table), "num_rendered_people": rendered})


def fingerprint(settings: Render, seed: int) -> str:
    """What the photos depend on: parameters, seed and code."""
    return digest({"render": settings.model_dump(), "seed": seed, "code": code_digest(CODE)})[:16]


def render_all(settings: Render, seed: int, out: Path, done: Path) -> int:
    """Renders the people that are not there yet, one Ray Data row each; returns how many."""
    people = range(settings.num_people)
    todo = [{"person": person} for person in people if not is_complete(out, _finished(done, person))]
    print(
        f"{out.name}: {len(people) - len(todo)} of {len(people)} people are there, rendering {len(todo)}",
        flush=True,
    )
    if not todo:
        return 0
    task = partial(render_one, seed=seed, settings=settings, out=out, done=done)
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
    """Writes the photos and masks of one person and, last, their annotations below `done`."""
    cv2.setNumThreads(1)  # as many people at once as there are cores
    number = int(row["person"])
    person, split = f"p{number:03d}", "train" if number < settings.num_train_people else "test"
    shots = render_person(
        seed,
        settings.identity(number),
        domain=settings.domain,
        num_photos=settings.photos_per_person,
        photo_px=settings.photo_px or DOMAINS[settings.domain].PHOTO_PX,
        eye_supersampling=settings.eye_supersampling,
    )
    rows = []
    for index, shot in enumerate(shots):
        photo, mask = f"photos/{person}/{index:03d}.jpg", f"masks/{person}/{index:03d}.png"
        write_atomic(out / photo, shot.photo)
        write_atomic(out / mask, shot.mask)
        known = {"photo": photo, "mask": mask, "person": person, "split": split, "domain": settings.domain}
        digests = (hashlib.sha256(data).hexdigest() for data in (shot.photo, shot.mask))
        checks = dict(zip(CHECKS.names, (len(shot.photo), *digests), strict=True))
        rows.append(known | shot.annotation | checks)
    write_table(_finished(done, number), pa.Table.from_pylist(rows, schema=pa.schema([*schema(), *CHECKS])))
    return {"person": number, "num_photos": len(rows)}


def is_complete(out: Path, finished: Path) -> bool:
    """Whether a person's annotations are there and every photo and mask holds the bytes that were written."""
    if not finished.is_file():
        return False
    try:
        rows = pq.read_table(finished).to_pylist()  # all columns: any of them may be damaged
    except (OSError, ValueError, pa.ArrowException):
        return False
    files = [(out / row[f], row[check]) for row in rows for f, check in (("photo", "sha256"), ("mask", "mask_sha256"))]
    return all(path.is_file() and sha256(path) == expected for path, expected in files)


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


def check_place(out: Path) -> None:
    """Raises ParamsError where `out` holds something, but no sign of a rendered set."""
    if not out.exists() or not (found := sorted(path.name for path in out.iterdir())) or _is_rendered(out):
        return
    raise ParamsError(
        f"{out} holds files that are not of a rendered set ({', '.join(found[:3])}{' ...' if len(found) > 3 else ''}): "
        "move them elsewhere, or give the set another name in params.yaml"
    )


def _is_rendered(out: Path) -> bool:
    if _people(out / "photos"):
        return True
    try:
        return {"photo", "person", "split"} <= set(pq.read_schema(out / ANNOTATIONS).names)
    except (OSError, ValueError, pa.ArrowException):
        return False


def remove_others(out: Path, keep: set[str]) -> None:
    """Deletes photos and masks of other parameters and folders that they leave empty; follows no links."""
    for name, ours in FILES.items():
        for folder in _people(out / name):
            for path in sorted(folder.iterdir()):
                if ours.fullmatch(path.name) and path.relative_to(out).as_posix() not in keep and not _is_folder(path):
                    path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()


def _people(parent: Path) -> list[Path]:
    folders = sorted(parent.iterdir()) if _is_folder(parent) else []
    return [folder for folder in folders if PERSON.fullmatch(folder.name) and _is_folder(folder)]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _finished(done: Path, person: int) -> Path:
    return done / f"p{person:03d}.parquet"


if __name__ == "__main__":
    stage(main)
