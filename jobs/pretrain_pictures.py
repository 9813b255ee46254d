"""What a network saw in pretraining and sees after it, as pictures: views, nearest faces of other people, the regions
that FRA found, what MAE draws of hidden patches."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jobs.sheet import CELL_PX, LINE_PX, Picture, cell, enlarged, eye_pair, pictures_of, png, sheet, with_gaze
from slyk.files import write_atomic
from slyk.geometry.angles import angular_error, pitchyaw_from_vector, vector_from_pitchyaw
from slyk.models.encoder import Images
from slyk.models.regions import Regions
from slyk.objectives.masked import Masked
from slyk.objectives.objective import Objective
from slyk.objectives.region_awareness import RegionAwareness
from slyk.objectives.watching import Photos, places_of, seen_by
from slyk.training.batches import Augmented, Batch, Samples, Seeing
from slyk.training.loop import resolve_precision
from slyk.training.probes import Seen, nearest_of_others, neighbours
from slyk.views.augmentation import Augmentation

NUM_ASKED, NUM_NEAREST, NUM_FACES = 8, 5, 6
PLAIN_SHARE = 1.5  # of an even share: a region that stands out has at least so much of some place


def save_pictures(
    folder: Path, module: Objective, photos: Photos, samples: Samples, seeing: Seeing, precision: str
) -> list[Path]:
    """Writes `views.png`, of samples, `neighbours.png`, of photos, and of FRA `regions.png`, of MAE
    `reconstructions.png`; the same bytes for the same network, photos, samples and precision."""
    device = torch.device("cpu")
    module = module.to(device).eval()
    features = seen_by(module, photos, device, resolve_precision(precision, device))
    drawn = {
        "views.png": views_sheet(samples, seeing),
        "neighbours.png": neighbours_sheet(photos, features),
    }
    chosen = evenly(len(photos.people), NUM_FACES)
    faces = Images(*(part[torch.from_numpy(chosen)] for part in photos.images))
    if isinstance(module, RegionAwareness):
        with torch.no_grad():
            drawn["regions.png"] = regions_sheet(faces, module.regions(faces))
    if isinstance(module, Masked):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            drawn["reconstructions.png"] = reconstructions_sheet(faces, *module.pictures(faces.face))
    for name, picture in drawn.items():
        write_atomic(folder / name, png(picture))
    return [folder / name for name in drawn]


def evenly(total: int, count: int) -> NDArray[np.int64]:
    """Up to `count` of `total` places."""
    return places_of(total, min(count, total))


def views_sheet(samples: Samples, seeing: Seeing) -> Picture:
    """A row a sample: as it is stored, then its views in the first epoch, each with its eyes where those are seen."""
    places = [(0, index) for index in evenly(len(samples), NUM_FACES).tolist()]
    stored = replace(seeing, augmentations=(Augmentation(),), on_device=False)
    before, after = (Augmented(samples, way)[places] for way in (stored, replace(seeing, on_device=False)))
    assert isinstance(before, Batch) and isinstance(after, Batch)
    gaze = after.gaze.double().numpy()
    second = vector_from_pitchyaw(gaze)
    second[:, :2] = np.einsum("nij,nj->ni", after.turn.double().numpy(), second[:, :2])
    views = [(before.views[0], before.gaze.double().numpy()), (after.views[0], gaze)]
    views += [(view, pitchyaw_from_vector(second)) for view in after.views[1:]]
    columns = [list(map(with_gaze, pictures_of(images.face), gazes)) for images, gazes in views]
    if seeing.eyes:
        eyes = [list(map(eye_pair, pictures_of(images.right), pictures_of(images.left))) for images, _ in views]
        columns = [column for both in zip(columns, eyes, strict=True) for column in both]
    lines = ["Left: photos as they are stored. Right: their views in the first epoch.", "Arrow: gaze."]
    if seeing.eyes:
        lines[1] += " Beside each face its eyes, the right one above."
    return sheet(
        [[cell(picture, "") for picture in row] for row in zip(*columns, strict=True)],
        lines,
        apart=2 if seeing.eyes else 1,
    )


def reconstructions_sheet(images: Images, seen: Tensor, whole: Tensor) -> Picture:
    """A row a face: what the encoder sees of it, what is drawn from that, the face."""
    columns = [
        [cell(enlarged(face), caption) for face in pictures_of(faces)]
        for caption, faces in (("what is seen", seen), ("what is drawn", whole), ("the photo", images.face))
    ]
    lines = [
        "The network sees few patches of each photo and draws the others.",
        "Mean and contrast of each drawn patch are the photo's, the pattern in it is the network's.",
    ]
    return sheet(list(zip(*columns, strict=True)), lines, apart=3)


def neighbours_sheet(photos: Photos, seen: Seen) -> Picture:
    """A row for each of some photos, and beside it the photos of other people with the nearest features."""
    told = neighbours(seen)
    asked = evenly(len(seen.people), NUM_ASKED)
    nearest = nearest_of_others(seen.features, seen.people, NUM_NEAREST)
    faces = pictures_of(photos.images.face)
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
    faces, heatmaps = pictures_of(images.face), regions.heatmaps.numpy()
    count, (height, width) = heatmaps.shape[1], heatmaps.shape[2:]
    colors = region_colors(count)
    even = 1 / count
    largest = float(heatmaps.max())
    most = max(largest, PLAIN_SHARE * even)  # what is nearly even looks even
    rows = []
    for face, maps in zip(faces, heatmaps, strict=True):
        shown = enlarged(face)
        fine = np.stack([cv2.resize(part, (CELL_PX, CELL_PX), interpolation=cv2.INTER_LINEAR) for part in maps])
        painted = (0.55 * shown + 0.45 * colors[fine.argmax(axis=0)]).astype(np.uint8)
        row = [cell(shown, ""), cell(painted, "")]
        for number, part in enumerate(fine):
            heat = np.rint(255 * part.clip(0) / most).astype(np.uint8)
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
            f"fits best, then the share of each, dark 0 to yellow {most:.3f}, even {even:.3f}.",
            f"No region stands out: the largest share of any place is {largest:.3f}. It learned too little for that."
            if largest < PLAIN_SHARE * even
            else f"Places where a region fits best:  {shares}",
        ],
        apart=2,
    )


def region_colors(count: int) -> NDArray[np.float64]:
    """(count, 3) BGR, as different as can be."""
    hues = (np.arange(count) * 180 // count).astype(np.uint8)
    hsv = np.stack([hues, np.full(count, 210, np.uint8), np.where(np.arange(count) % 2, 170, 250).astype(np.uint8)], 1)
    return np.asarray(cv2.cvtColor(hsv[None], cv2.COLOR_HSV2BGR)[0], np.float64)
