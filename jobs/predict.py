"""Photos and folders of photos -> a table of gaze and an overlay of each photo. Nothing but a bundle is needed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track

from jobs.overlay import Picture, draw
from slyk.calibration import read_camera
from slyk.datasets.folder import is_photo
from slyk.errors import DataMissingError, ParamsError, PhotoError
from slyk.files import write_atomic
from slyk.geometry.camera import Array, camera_matrix, guess_camera
from slyk.inference import FacePrediction, GazeEstimator
from slyk.photos import as_text, read_photo
from slyk.tables import write_parquet

Camera = tuple[float, float, float, float]
PROGRESS_PHOTOS = 50


@dataclass(frozen=True)
class Summary:
    """Counts of photos and faces; means and standard deviations in degrees, NaN without a face."""

    photos: int
    faces: int
    eyes_found: int
    eyes_assumed: int
    no_face: int
    unreadable: int
    pitch_mean_deg: float
    pitch_sd_deg: float
    yaw_mean_deg: float
    yaw_sd_deg: float

    def line(self) -> str:
        found = f"({self.eyes_found} with both eyes found, {self.eyes_assumed} assumed)"
        faces, photos = (
            f"{count} {word}{'' if count == 1 else 's'}"
            for count, word in ((self.faces, "face"), (self.photos, "photo"))
        )
        text = f"{photos}, {faces} {found}, {self.no_face} without a face, {self.unreadable} unreadable"
        if not self.faces:
            return text
        pitch = f"pitch {self.pitch_mean_deg:+.1f} (SD {self.pitch_sd_deg:.1f})"
        return f"{text}; {pitch}, yaw {self.yaw_mean_deg:+.1f} (SD {self.yaw_sd_deg:.1f}) deg"


def predict(
    paths: Sequence[Path], out: Path, model: Path, camera: Camera | None = None, *, min_face_px: int = 40
) -> Summary:
    """Writes predictions.parquet, predictions.csv (a row a face) and overlays/ below `out`.

    A photo without a face or one that cannot be read gets a row with status and reason: a result, not an error.
    camera: focal x, focal y, centre x, centre y in px of every photo; None guesses. A photo that does not hold this
    centre is of another size. Raises DataMissingError where a path is not there, holds no photo, or the model is not.
    """
    photos = find_photos(paths)
    estimator = GazeEstimator.load(model)
    _remove_overlays(out)
    if set(estimator.bundle.config.get("datasets", {})) == {"synthetic"}:
        print("note: this model has seen rendered faces only and is biased on real ones (README)", flush=True)
    rows: list[dict[str, Any]] = []
    console = Console(stderr=True)
    for count, (name, path) in enumerate(track(photos, "photos", console=console, disable=not console.is_terminal), 1):
        rows += _predict_one(estimator, name, path, out, camera, min_face_px)
        if count % PROGRESS_PHOTOS == 0 and not console.is_terminal:
            print(f"  {count}/{len(photos)} photos", flush=True)
    table = pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)
    write_parquet(out / "predictions.parquet", table)
    write_atomic(out / "predictions.csv", table.to_csv(index=False, lineterminator="\n", float_format="%.4f").encode())
    return summarize(table)


def predict_command(paths: Sequence[Path], out: Path, model: Path, camera: str | None = None) -> None:
    """`slyk predict`: predictions, and a line about them on stdout."""
    summary = predict(paths, out, model, parse_camera(camera))
    print(summary.line())
    print(f"{out}: predictions.csv, predictions.parquet, overlays/")


def parse_camera(text: str | None) -> Camera | None:
    """`focal x,focal y,centre x,centre y` in px, or the path of a calibration file."""
    if text is None:
        return None
    if "," not in text:
        matrix = read_camera(Path(text))
        return float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2])
    try:
        focal_x, focal_y, center_x, center_y = (float(part) for part in text.split(","))
    except ValueError:
        focal_x = focal_y = center_x = center_y = -1.0
    if min(focal_x, focal_y) <= 0 or not np.isfinite([focal_x, focal_y, center_x, center_y]).all():
        raise ParamsError(f"camera {text!r}: expected four numbers in px, fx,fy,cx,cy, focal lengths above 0")
    return focal_x, focal_y, center_x, center_y


def find_photos(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """(name, path) of every photo, folders searched through; the name is unique and relative to what was given."""
    given = list(paths)
    found: dict[str, Path] = {}
    for path in given:
        for name, photo in _below(path, alone=len(given) == 1):
            unique, number = as_text(name), 2
            while unique in found:
                unique, number = f"{number}/{as_text(name)}", number + 1
            found[unique] = photo
    if not found:
        raise DataMissingError(f"no photo in {', '.join(str(p) for p in given)}: give photos or a folder of them")
    return list(found.items())


def _below(path: Path, *, alone: bool) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        if not path.exists():
            raise DataMissingError(f"{path} not found: give photos or a folder of them")
        yield path.name, path
        return
    for photo in sorted(path.rglob("*")):
        relative = photo.relative_to(path)
        if is_photo(relative.as_posix()) and photo.is_file():
            yield (relative if alone else Path(path.resolve().name) / relative).as_posix(), photo


FACE_COLUMNS = [
    *("face", "box_x", "box_y", "box_width", "box_height", "eyes"),
    *("right_eye_x", "right_eye_y", "left_eye_x", "left_eye_y"),
    *("pitch_deg", "yaw_deg", "gaze_x", "gaze_y", "gaze_z", "face_center_x", "face_center_y", "distance_mm"),
]
COLUMNS = ["photo", "status", "reason", *FACE_COLUMNS, "overlay"]
_TEXT = ("photo", "status", "reason", "eyes", "overlay")
_COUNTS = ("face", "box_x", "box_y", "box_width", "box_height")
TYPES = {name: "object" if name in _TEXT else "Int64" if name in _COUNTS else "float64" for name in COLUMNS}


def _predict_one(
    estimator: GazeEstimator, name: str, path: Path, out: Path, camera: Camera | None, min_face_px: int
) -> list[dict[str, Any]]:
    try:
        photo = read_photo(path)
    except PhotoError as error:
        return [{"photo": name, "status": "unreadable", "reason": error.reason}]
    matrix = _matrix(photo, camera)
    if not (0 <= matrix[0, 2] <= photo.shape[1] and 0 <= matrix[1, 2] <= photo.shape[0]):
        return [{"photo": name, "status": "unreadable", "reason": "camera_of_another_size"}]
    faces = estimator.predict_photo(photo, camera=matrix, min_face_px=min_face_px)
    overlay = f"overlays/{name}" + ("" if name.endswith(".jpg") else ".jpg")
    done, data = cv2.imencode(".jpg", draw(photo, faces, matrix), [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    write_atomic(out / overlay, bytes(data))
    common = {"photo": name, "overlay": overlay}
    if not faces:
        return [common | {"status": "no_face", "reason": "no_face"}]
    return [common | {"status": "ok"} | _row(face) for face in faces]


def _remove_overlays(out: Path) -> None:
    """Deletes the pictures that an earlier run listed in its table, and nothing else."""
    if not (out / "predictions.parquet").is_file():
        return
    for name in pd.read_parquet(out / "predictions.parquet", columns=["overlay"])["overlay"].dropna().unique():
        if (out / name).resolve().is_relative_to((out / "overlays").resolve()):
            (out / name).unlink(missing_ok=True)


def _matrix(photo: Picture, camera: Camera | None) -> Array:
    if camera is None:
        return guess_camera(photo.shape[1], photo.shape[0])
    focal_x, focal_y, center_x, center_y = camera
    matrix = camera_matrix(focal_x, (center_x, center_y))
    matrix[1, 1] = focal_y
    return matrix


def _row(face: FacePrediction) -> dict[str, Any]:
    box, angles = face.box_px, (face.pitch_deg, face.yaw_deg)
    values = (face.face, *box, face.eyes, *face.eyes_px.ravel(), *angles, *face.gaze, *face.face_center_px)
    return dict(zip(FACE_COLUMNS, (*values, face.distance_mm), strict=True))


def summarize(table: pd.DataFrame) -> Summary:
    """The summary of a table of predictions."""
    faces = table[table["status"] == "ok"]
    angles = faces[["pitch_deg", "yaw_deg"]].to_numpy(dtype=np.float64)
    mean, sd = (angles.mean(axis=0), angles.std(axis=0)) if len(faces) else (np.full(2, np.nan),) * 2
    return Summary(
        photos=table["photo"].nunique(),
        faces=len(faces),
        eyes_found=int((faces["eyes"] == "found").sum()),
        eyes_assumed=int((faces["eyes"] == "assumed").sum()),
        no_face=int((table["status"] == "no_face").sum()),
        unreadable=int((table["status"] == "unreadable").sum()),
        pitch_mean_deg=float(mean[0]),
        pitch_sd_deg=float(sd[0]),
        yaw_mean_deg=float(mean[1]),
        yaw_sd_deg=float(sd[1]),
    )
