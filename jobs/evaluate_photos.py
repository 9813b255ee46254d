"""From a photo alone to gaze, measured: rendered photos of test people, annotations hidden until the comparison.

Beside it stands the error of the same model on crops cut by the annotations: the difference is what detection and the
guessed camera cost.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from slyk.datasets import listing, synthetic
from slyk.datasets.raw import Raw
from slyk.datasets.record import ReadOptions, Record
from slyk.errors import DataMissingError
from slyk.files import resolve, write_json
from slyk.geometry.angles import Array, angular_error
from slyk.geometry.camera import project
from slyk.inference import FacePrediction, GazeEstimator
from slyk.photos import read_photo
from slyk.shards.crops import crop
from slyk.shards.sample import from_crops

PROGRESS_PHOTOS = 100


class Measured(NamedTuple):
    """One photo. gaze: true, camera frame; crop_error_deg: through the annotated geometry; the rest is NaN where the
    face was not found."""

    gaze: Array
    crop_error_deg: float
    error_deg: float
    eyes: str
    eye_error: float
    eye_error_mm: float
    other_faces: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="folder of the rendered set")
    parser.add_argument("--model", required=True, help="folder of a gaze model")
    parser.add_argument("--out", required=True, help="where the JSON goes")
    parser.add_argument("--every", type=int, default=1, help="take each n-th photo only")
    args = parser.parse_args()
    report = end_to_end(resolve(args.model), resolve(args.raw), every=args.every)
    write_json(resolve(args.out), report)
    print_report(report)


def end_to_end(model: Path, raw_root: Path, *, split: str = "test", every: int = 1) -> dict[str, Any]:
    """The report on the people of a split. Raises DataMissingError where nobody of it was rendered."""
    estimator = GazeEstimator.load(model)
    records = split_records(raw_root, split)[::every]
    console = Console(stderr=True)
    measured = []
    for record in track(records, "photos", console=console, disable=not console.is_terminal):
        measured.append(measure(estimator, raw_root, record))
        if len(measured) % PROGRESS_PHOTOS == 0 and not console.is_terminal:
            print(f"  {len(measured)}/{len(records)} photos", flush=True)
    return summarize(measured)


def split_records(raw_root: Path, split: str) -> list[Record]:
    """The annotated records of a split, by photo."""
    photos = synthetic.units([entry.path for entry in listing.scan(raw_root)])
    outcomes = synthetic.read(Raw(raw_root), photos, ReadOptions())
    records = [record for outcome in outcomes for record in outcome.records if record.split == split]
    if not records:
        raise DataMissingError(f"{raw_root} holds no photo of the {split} split: run `dvc repro render`")
    return records


def measure(estimator: GazeEstimator, raw_root: Path, record: Record) -> Measured:
    """Predicts on the photo alone, then compares: gaze in the camera frame, eyes in shares of their true distance."""
    assert record.gaze is not None
    photo = read_photo(raw_root / record.photo)
    faces = estimator.predict_photo(photo)
    sample = from_crops(record, crop(photo, record.face, estimator.bundle.spec))
    crop_error = _error_deg(estimator.gaze_in_camera([sample])[0], record)
    eyes_px = project(record.face.camera, record.face.eyes_mm)
    face = next((face for face in _by_distance(faces, eyes_px) if _holds(face, eyes_px)), None)
    if face is None:
        return Measured(record.gaze, crop_error, np.nan, "", np.nan, np.nan, len(faces))
    error_px = np.linalg.norm(face.eyes_px - eyes_px, axis=1).mean()
    share = float(error_px / np.linalg.norm(eyes_px[1] - eyes_px[0]))
    px_per_mm = record.face.camera[0, 0] / record.face.eyes_mm[:, 2].mean()
    return Measured(
        record.gaze,
        crop_error,
        _error_deg(face.gaze, record),
        face.eyes,
        share,
        float(error_px / px_per_mm),
        len(faces) - 1,
    )


def _error_deg(gaze: Array, record: Record) -> float:
    assert record.gaze is not None
    return float(np.degrees(angular_error(gaze, record.gaze)))


def _by_distance(faces: list[FacePrediction], eyes_px: Array) -> Iterator[FacePrediction]:
    middle = eyes_px.mean(axis=0)
    yield from sorted(faces, key=lambda face: float(np.linalg.norm(face.eyes_px.mean(axis=0) - middle)))


def _holds(face: FacePrediction, eyes_px: Array) -> bool:
    """Whether the box is around the face: both eyes in it, and not much larger than they ask for."""
    x, y, width, height = face.box_px
    inside = np.all((eyes_px >= (x, y)) & (eyes_px <= (x + width, y + height)))
    return bool(inside and width < 6 * np.linalg.norm(eyes_px[1] - eyes_px[0]))


def summarize(measured: list[Measured]) -> dict[str, Any]:
    """Means over photos, and apart for found and assumed eyes; degrees, millimetres, shares."""
    detected = [m for m in measured if m.eyes]
    gaze = np.stack([m.gaze for m in measured])
    report: dict[str, Any] = {
        "num_photos": len(measured),
        "detected_share": len(detected) / len(measured),
        "mean_gaze_error_deg": float(np.degrees(angular_error(gaze, gaze.mean(axis=0)[None])).mean()),
        "other_faces": sum(m.other_faces for m in measured),
        "crop_error_deg": _mean([m.crop_error_deg for m in measured]),
        "crop_error_of_detected_deg": _mean([m.crop_error_deg for m in detected]),
        "end_to_end_error_deg": _mean([m.error_deg for m in detected]),
        "end_to_end_median_deg": float(np.median([m.error_deg for m in detected])) if detected else None,
    }
    for eyes in ("found", "assumed"):
        part = [m for m in detected if m.eyes == eyes]
        report[eyes] = {
            "share": len(part) / len(measured),
            "end_to_end_error_deg": _mean([m.error_deg for m in part]),
            "crop_error_deg": _mean([m.crop_error_deg for m in part]),
            "eye_error_of_eye_distance": _mean([m.eye_error for m in part]),
            "eye_error_mm": _mean([m.eye_error_mm for m in part]),
        }
    return report


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def print_report(report: dict[str, Any]) -> None:
    """The report as a small table."""
    table = Table(title=f"{report['num_photos']} photos of test people, annotations hidden")
    for name in ("eyes", "share", "end to end (deg)", "exact crops (deg)", "eye error (of distance)", "eye error (mm)"):
        table.add_column(name, justify="left" if name == "eyes" else "right")
    for eyes in ("found", "assumed"):
        part = report[eyes]
        shown = [
            part[k] for k in ("end_to_end_error_deg", "crop_error_deg", "eye_error_of_eye_distance", "eye_error_mm")
        ]
        table.add_row(eyes, f"{part['share']:.1%}", *(("-" if value is None else f"{value:.3g}") for value in shown))
    both = (report["end_to_end_error_deg"], report["crop_error_of_detected_deg"])
    table.add_row("all", f"{report['detected_share']:.1%}", *(("-" if v is None else f"{v:.3g}") for v in both), "", "")
    table.add_row("no face found", f"{1 - report['detected_share']:.1%}", "", "", "", "")
    table.add_row("mean gaze of these photos for each", "100.0%", f"{report['mean_gaze_error_deg']:.3g}", "", "", "")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
