"""A small set in the layout of the reader `xgaze`, and what damage does to it."""

from pathlib import Path

import cv2
import numpy as np

from slyk.datasets.raw import Raw
from slyk.datasets.xgaze import MODEL_ROWS
from slyk.geometry.camera import Array
from tests.datasets.damage import FIXED_NAMES, TEXTS, Case, Cases, cut, doubled, edited, emptied, gone
from tests.datasets.trees import save_photo

CAMERA = np.array([[1000.0, 0, 99.5], [0, 1010, 59.5], [0, 0, 1]])
SIZE_PX = (200, 120)
MODEL = np.zeros((50, 3))
MODEL[list(MODEL_ROWS)] = [(-45, -20, 4), (-18, -20, 0), (18, -20, 0), (45, -20, 4), (-11, 14, -10), (11, 14, -10)]
LANDMARKS = np.stack([np.arange(68.0), np.arange(68.0) + 20], axis=1)


def write_xml(
    path: Path, *, camera: Array = CAMERA, lens: Array | None = None, size: tuple[int, int] = SIZE_PX
) -> None:
    storage = cv2.FileStorage("camera.xml", cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    storage.write("image_Width", size[0])
    storage.write("image_Height", size[1])
    storage.write("Camera_Matrix", camera)
    storage.write("Distortion_Coefficients", np.zeros((1, 5)) if lens is None else lens.reshape(1, 5))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(storage.releaseAndGetString())


def line(
    camera: str = "cam00.JPG",
    *,
    screen: str = "960,540",
    target: str = "0,-3,0",
    pose: str = "0,0,0,0,0,605",
    landmarks: Array = LANDMARKS,
) -> str:
    return f"frame0007,{camera},{screen},{target},{pose}," + ",".join(f"{value:g}" for value in landmarks.ravel())


def make(root: Path, lines: str, person: str = "subject0000", kind: str = "train") -> Raw:
    """A set of one person with these lines; the face centre is (0, -3, 601) with the head straight at 605 mm."""
    name = f"{person}_update" if kind == "updated" else person
    path = root / f"data/annotation_{kind}/{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lines.encode())
    np.savetxt(root / "face_model.txt", MODEL)
    for number in (0, 3, 17):
        write_xml(root / f"avg_cams_final/{person}/cam{number:02d}.xml")
    return Raw(root)


def clean(root: Path) -> None:
    make(root, f"{line()}\n{line('cam17.JPG')}\n")
    make(root, line(), "subject0001")
    for name in ("subject0000/frame0007/cam00", "subject0000/frame0007/cam17", "subject0001/frame0007/cam00"):
        save_photo(root, f"data/train/{name}.JPG", SIZE_PX)


FOLDER, KEY = "data/train/subject0000/frame0007", "train/subject0000/frame0007/cam17"
LABELS, PHOTO, EMPTY = (
    "data/annotation_train/subject0000.csv",
    f"{FOLDER}/cam17.JPG",
    "data/annotation_train/subject0001.csv",
)
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=[KEY]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(
        edited(LABELS, "cam17.JPG,960,540,0", "cam17.JPG,960,540,nan"), [(PHOTO, "bad_label")], lost=[KEY]
    ),
    **TEXTS,
    **FIXED_NAMES,
    "duplicate_key": Case(doubled(LABELS, "cam17"), new=[f"{KEY}-2"]),
    "empty_person": Case(emptied(EMPTY), [(EMPTY, "bad_label")], lost=["train/subject0001/frame0007/cam00"]),
    "off_screen": Case(
        edited(LABELS, "cam17.JPG,960", "cam17.JPG,-1"), changed={KEY: {"tags": ["off_screen"], "labels": ...}}
    ),
    "camera_from_1": Case(edited(LABELS, "cam17", "cam18"), [(f"{FOLDER}/cam18.JPG", "bad_label")], lost=[KEY]),
}
