"""What a pretrained network sees, as pictures: nearest faces of other people and, of FRA, the regions it found."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from slyk.files import write_atomic
from slyk.geometry.angles import angular_error, vector_from_pitchyaw
from slyk.geometry.camera import Array
from slyk.models.encoder import Images
from slyk.models.regions import Regions
from slyk.objectives.objective import Objective
from slyk.objectives.region_awareness import RegionAwareness
from slyk.objectives.watching import Photos, places_of, seen_by
from slyk.training.probes import Seen, nearest_of_others, neighbours

Picture = NDArray[np.uint8]

NUM_ASKED, NUM_NEAREST, NUM_FACES = 8, 5, 6
CELL_PX, GAP_PX, LINE_PX = 144, 6, 18
INK, FAINT, PAPER, GAZE, DARK = (61, 50, 38), (140, 130, 120), (255, 255, 255), (80, 235, 120), (24, 20, 16)


def save_pictures(folder: Path, module: Objective, photos: Photos) -> list[Path]:
    """Writes `neighbours.png` and, of FRA, `regions.png`; the same bytes for the same network and photos."""
    device = torch.device("cpu")
    module = module.to(device).eval()
    drawn = {"neighbours.png": neighbours_sheet(photos, seen_by(module, photos, device, "fp32"))}
    if isinstance(module, RegionAwareness):
        chosen = evenly(len(photos.people), NUM_FACES)
        faces = Images(*(part[torch.from_numpy(chosen)] for part in photos.images))
        with torch.no_grad():
            drawn["regions.png"] = regions_sheet(faces, module.regions(faces))
    for name, sheet in drawn.items():
        write_atomic(folder / name, png(sheet))
    return [folder / name for name in drawn]


def png(picture: Picture) -> bytes:
    done, data = cv2.imencode(".png", picture)
    assert done
    return bytes(data)


def evenly(total: int, count: int) -> NDArray[np.int64]:
    """Up to `count` of `total` places."""
    return places_of(total, min(count, total))


def neighbours_sheet(photos: Photos, seen: Seen) -> Picture:
    """A row for each of some photos, and beside it the photos of other people with the nearest features."""
    told = neighbours(seen)
    asked = evenly(len(seen.people), NUM_ASKED)
    nearest = nearest_of_others(seen.features, seen.people, NUM_NEAREST)
    faces = pictures_of(photos.images)
    rows = []
    for index in asked.tolist():
        row = [cell(with_gaze(faces[index], seen.gaze[index]), seen.people[index].rpartition("/")[2])]
        row += [
            cell(with_gaze(faces[other], seen.gaze[other]), apart(seen, index, other))
            for other in nearest[index].tolist()
            if other >= 0
        ]
        rows.append(row)
    lines = [
        "Left: photos of people whom pretraining left out. Right: photos of others whose features are nearest.",
        "Arrow: gaze. Degrees: between the gazes of both.",
    ]
    if "neighbour_gaze_deg" in told:
        nearest_deg, random_deg = told["neighbour_gaze_deg"], told["random_gaze_deg"]
        lines[1] += f" Over all {len(seen.people)} photos {nearest_deg:.1f} to the nearest, {random_deg:.1f} to any."
    return sheet(rows, lines, apart=1)


def apart(seen: Seen, one: int, other: int) -> str:
    """Person and the angle between the gazes, where both are labelled."""
    person = str(seen.people[other].rpartition("/")[2])
    gazes = vector_from_pitchyaw(seen.gaze[[one, other]])
    return f"{person}  {np.degrees(angular_error(*gazes)):.0f} deg" if np.isfinite(gazes).all() else person


def regions_sheet(images: Images, regions: Regions) -> Picture:
    """A row a face: the face, the region that each place fits best in colours, the share of each region."""
    faces, heatmaps = pictures_of(images), regions.heatmaps.numpy()
    count, (height, width) = heatmaps.shape[1], heatmaps.shape[2:]
    colors = region_colors(count)
    least, most = float(heatmaps.min()), float(heatmaps.max())
    rows = []
    for face, maps in zip(faces, heatmaps, strict=True):
        shown = enlarged(face)
        fine = np.stack([cv2.resize(part, (CELL_PX, CELL_PX), interpolation=cv2.INTER_LINEAR) for part in maps])
        painted = (0.55 * shown + 0.45 * colors[fine.argmax(axis=0)]).astype(np.uint8)
        row = [cell(shown, ""), cell(painted, "")]
        for number, part in enumerate(fine):
            heat = np.rint(255 * (part - least) / max(most - least, 1e-9)).astype(np.uint8)
            warm = cv2.applyColorMap(heat, cv2.COLORMAP_VIRIDIS)
            row.append(cell((0.35 * shown + 0.65 * warm).astype(np.uint8), f"{number + 1}"))
            row[-1][-LINE_PX + 3 : -4, CELL_PX - 24 :] = colors[number]
        rows.append(row)
    places = np.bincount(heatmaps.argmax(axis=1).ravel(), minlength=count)
    shares = "  ".join(f"{number + 1}: {100 * share:.0f} %" for number, share in enumerate(places / places.sum()))
    return sheet(
        rows,
        [
            f"Regions that the network found in maps of {height} x {width} places, enlarged: colours show the one that "
            f"fits best, then the share of each, dark {least:.3f} to yellow {most:.3f}, even {1 / count:.3f}.",
            f"Places where a region fits best:  {shares}",
        ],
        apart=2,
    )


def region_colors(count: int) -> NDArray[np.float64]:
    """(count, 3) BGR, as different as can be."""
    hues = (np.arange(count) * 180 // count).astype(np.uint8)
    hsv = np.stack([hues, np.full(count, 210, np.uint8), np.where(np.arange(count) % 2, 170, 250).astype(np.uint8)], 1)
    return np.asarray(cv2.cvtColor(hsv[None], cv2.COLOR_HSV2BGR)[0], np.float64)


def pictures_of(images: Images) -> Picture:
    """(B, P, P, 3) BGR."""
    return np.ascontiguousarray(images.face.permute(0, 2, 3, 1).numpy())


def enlarged(face: Picture) -> Picture:
    interpolation = cv2.INTER_AREA if len(face) > CELL_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(face, (CELL_PX, CELL_PX), interpolation=interpolation), np.uint8)


def with_gaze(face: Picture, gaze: Array) -> Picture:
    """The face, enlarged, with an arrow from its middle along the gaze, if there is a label."""
    shown = enlarged(face)
    if np.isfinite(gaze).all():
        start = np.full(2, CELL_PX / 2)
        end = start + 0.45 * CELL_PX * vector_from_pitchyaw(gaze)[:2]
        for color, thick in ((DARK, 4), (GAZE, 2)):
            cv2.arrowedLine(shown, point(start), point(end), color, thick, cv2.LINE_AA, tipLength=0.25)
    return shown


def point(at: Array) -> tuple[int, int]:
    return round(float(at[0])), round(float(at[1]))


def cell(picture: Picture, caption: str) -> Picture:
    """A picture with a line of text below it."""
    below = np.full((LINE_PX, CELL_PX, 3), PAPER, np.uint8)
    write(below, caption, (1, LINE_PX - 5), 0.4, INK)
    return np.vstack([picture, below])


def sheet(rows: Sequence[Sequence[Picture]], lines: Sequence[str], *, apart: int) -> Picture:
    """Cells in rows below some lines of text; after the first `apart` columns is a wider gap."""
    side = (CELL_PX + GAP_PX, CELL_PX + LINE_PX + GAP_PX)
    columns = max(map(len, rows))
    head = LINE_PX * len(lines) + 2 * GAP_PX
    size = (head + len(rows) * side[1], GAP_PX + columns * side[0] + 2 * GAP_PX)
    canvas = np.full((*size, 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        write(canvas, line, (GAP_PX, GAP_PX + LINE_PX * number + 12), 0.42, INK if number == 0 else FAINT)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = head + i * side[1], GAP_PX + j * side[0] + (2 * GAP_PX if j >= apart else 0)
            canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def write(canvas: Picture, text: str, at: tuple[int, int], scale: float, color: tuple[int, int, int]) -> None:
    """Text from `at` on, made smaller where it would not fit."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, 1)
    scale *= min(1.0, (canvas.shape[1] - 2 * at[0]) / max(width, 1))
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, color, 1, cv2.LINE_AA)
