"""Contact sheets: what the domains look like, and renders beside real portraits.

    python -m benchmarks.sheets [--domain webcam ...] [--out DIR] [--arrows] [--masks]
    python -m benchmarks.sheets --portraits DIR [--out DIR]
    python -m benchmarks.sheets --overview docs/images/domains.jpg --people 3

A row of a domain's sheet is a person. Portraits and renders alternate row by row, at one scale, pixel for pixel.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks.faces import Photo, find_eyes_px
from benchmarks.frontal import as_jpeg, render_frontal
from benchmarks.photometry import SAMPLES, SEED, count, photo_px_for, read_portraits
from jobs.stage import stage
from slyk.errors import SlykError
from slyk.files import write_atomic
from slyk.geometry.camera import Array, project
from slyk.photos import read_photo
from slyk.synthetic.annotate import landmarks_3d
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.regions import PALETTE, shrink
from slyk.synthetic.render import Person, make_person, take_photo
from slyk.synthetic.scene import Scene, make_scene

CELL_PX = 320
STRIDE = 29
"""Photos between two of a row, so that a row shows several recordings."""
ARROW_MM = 60.0
ARROW_SHARE = 0.3
"""Of the distance to the camera: how long an arrow is at most."""
NEAR_MM = 5.0
PORTRAIT_WINDOW = (3.6, 4.0)
"""Width and height around the eyes, in distances between them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", nargs="+", choices=sorted(DOMAINS), default=list(DOMAINS))
    parser.add_argument("--portraits", type=Path, help="a folder of portraits to lay renders beside")
    parser.add_argument("--out", type=Path, default=Path("reports/sheets"), help="a folder, or a .png for one sheet")
    parser.add_argument("--people", type=count, default=6)
    parser.add_argument("--photos", type=count, default=6, help="of each person")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--arrows", action="store_true", help="draw both visual axes and the 68 landmarks")
    parser.add_argument("--masks", action="store_true", help="lay the region mask beside each photo")
    parser.add_argument("--overview", type=Path, help="write one small .jpg of all domains, a column each, there")
    args = parser.parse_args()
    if args.out.suffix == ".png" and not args.portraits and len(args.domain) > 1:
        parser.error(f"{args.out} holds one sheet and {len(args.domain)} domains are asked for: name a folder")
    cv2.setNumThreads(1)
    if args.overview:
        save_overview(args.overview, args.people, args.seed)
        return
    if args.portraits:
        rows = portrait_rows(args.portraits, args.people, args.photos, args.seed)
        save(sheet_path(args.out, "portraits"), list(rows))
        return
    for name in args.domain:
        numbers = range(args.people)
        rows = (domain_row(name, n, args.photos, args.seed, args.arrows, args.masks) for n in numbers)
        save(sheet_path(args.out, name), list(rows))


def sheet_path(out: Path, name: str) -> Path:
    """`out` itself where it names a picture, else the picture of this name in it."""
    return out if out.suffix == ".png" else out / f"{name}.png"


def domain_row(name: str, number: int, num_photos: int, seed: int, arrows: bool, masks: bool) -> list[Photo]:
    """Photos of a person in a domain at its usual size, each in a cell."""
    who = make_person(seed, number)
    domain = DOMAINS[name]
    shots = domain.shots(who.identity, who.head, seed=seed, number=number, photo_px=domain.PHOTO_PX)
    cells = []
    for photo, setup in islice(enumerate(shots), 0, num_photos * STRIDE, STRIDE):
        scene = make_scene(who.identity, who.head, setup)
        picture = take_photo(who, scene, seed=seed, number=number, photo=photo, samples=SAMPLES)
        shown = as_jpeg(picture.photo, scene.sensor.jpeg_quality)
        if arrows:
            shown = with_arrows(shown, who, scene)
        cells.append(fit(shown))
        if masks:
            mask = PALETTE[shrink(picture.regions, SAMPLES)][..., ::-1]
            cells.append(fit(np.ascontiguousarray(mask), cv2.INTER_NEAREST))
    return cells


def with_arrows(photo: Photo, who: Person, scene: Scene) -> Photo:
    """The photo, enlarged to the cell, with the 68 landmarks (green) and the visual axis of each eye before the camera
    (red); eyes close to the camera get shorter arrows, so that these end in the picture."""
    zoom = CELL_PX / max(photo.shape[:2])
    shown = cv2.resize(photo, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)

    def pixel(points: Array) -> list[list[int]]:
        pixels = (project(scene.camera, points) + 0.5) * zoom - 0.5
        whole: list[list[int]] = np.clip(np.rint(pixels), -9999, 9999).astype(int).tolist()
        return whole

    points = landmarks_3d(who.head, scene)
    for x, y in pixel(points[points[:, 2] > NEAR_MM]):
        cv2.circle(shown, (x, y), 2, (90, 220, 90), -1, cv2.LINE_AA)
    for eye, axis in zip(scene.eyes, scene.visual, strict=True):
        length_mm = min(ARROW_MM, ARROW_SHARE * float(eye[2]))
        ends = np.stack([eye, eye + length_mm * axis])
        if ends[:, 2].min() > NEAR_MM:
            (x0, y0), (x1, y1) = pixel(ends)
            cv2.arrowedLine(shown, (x0, y0), (x1, y1), (40, 40, 230), 2, cv2.LINE_AA, tipLength=0.2)
    return np.asarray(shown, dtype=np.uint8)


def portrait_rows(folder: Path, num_people: int, num_columns: int, seed: int) -> Iterator[list[Photo]]:
    """Up to `num_people` rows of portraits, each followed by a row of renders of as many people.

    Raises SlykError without portraits, PhotoError for one that cannot be read.
    """
    sizes = read_portraits()["eye_distance_px"]
    paths = sorted(folder.glob("*.jpg"))
    if not paths:
        raise SlykError(f"{folder} holds no .jpg: name a folder of portraits")
    chosen = np.random.default_rng(seed).permutation(len(paths))
    real = windows(read_photo(paths[i]) for i in chosen)
    drawn = windows(
        as_jpeg(shot.picture.photo, shot.scene.sensor.jpeg_quality)
        for number in range(10_000)
        for shot in render_frontal(
            range(number, number + 1), 1, seed=seed, photo_px=photo_px_for(sizes[number % len(sizes)]), samples=SAMPLES
        )
    )
    for number in range(num_people):
        row = list(islice(real, num_columns))
        if not row and number == 0:
            raise SlykError(f"both eyes are found in none of the {len(paths)} portraits in {folder}")
        if not row:
            return
        yield row
        yield list(islice(drawn, num_columns))


def windows(photos: Iterator[Photo]) -> Iterator[Photo]:
    """The surroundings of the eyes of the photos in which both are found, enlarged twice, no pixel blended."""
    for photo in photos:
        eyes = find_eyes_px(photo)
        if eyes is None:
            continue
        half = 42 * np.array(PORTRAIT_WINDOW) / 2
        left, top = np.rint(eyes.mean(axis=0) - half * (1.0, 0.75)).astype(int)
        width, height = np.rint(2 * half).astype(int)
        edge = int(max(width, height))
        padded = cv2.copyMakeBorder(photo, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(40, 40, 40))
        window = padded[top + edge : top + edge + height, left + edge : left + edge + width]
        yield np.asarray(cv2.resize(window, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def fit(photo: Photo, interpolation: int | None = None) -> Photo:
    """The photo scaled to a longer side of CELL_PX."""
    zoom = CELL_PX / max(photo.shape[:2])
    how = interpolation if interpolation is not None else cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    size = (round(photo.shape[1] * zoom), round(photo.shape[0] * zoom))
    return np.asarray(cv2.resize(photo, size, interpolation=how), dtype=np.uint8)


def save_overview(path: Path, num_people: int, seed: int) -> None:
    """A column of square photos for each domain, a row for each person."""
    columns = [[square(domain_row(name, n, 1, seed, False, False)[0]) for n in range(num_people)] for name in DOMAINS]
    done, data = cv2.imencode(
        ".jpg", np.hstack([np.vstack(column) for column in columns]), [cv2.IMWRITE_JPEG_QUALITY, 85]
    )
    assert done
    write_atomic(path, bytes(data))
    print(f"sheet: {path}")


def square(photo: Photo) -> Photo:
    """The middle of a photo, 200 px a side."""
    height, width = photo.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    part = photo[top : top + side, left : left + side]
    return np.asarray(cv2.resize(part, (200, 200), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def save(path: Path, rows: list[list[Photo]]) -> None:
    """The sheet as PNG: cells of the largest cell's size, a dark line between them."""
    height, width = np.max([cell.shape[:2] for row in rows for cell in row], axis=0) + 2
    sheet = np.full((len(rows) * height, max(map(len, rows)) * width, 3), 40, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            top, left = i * height + 1, j * width + 1
            sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    done, data = cv2.imencode(".png", sheet)
    assert done
    write_atomic(path, bytes(data))
    print(f"sheet: {path}")


if __name__ == "__main__":
    stage(main)
