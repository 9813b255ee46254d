"""A small set in the layout of the reader `gazehub`, and what damage does to it."""

from pathlib import Path

from slyk.datasets.raw import Raw
from tests.datasets.damage import NO_SCREEN, ODD, TEXTS, Case, Cases, cut, doubled, edited, emptied, gone, moved, steps
from tests.datasets.trees import save_photo

MPII = "Face Left Right Origin WhichEye 3DGaze 3DHead 2DGaze 2DHead Rmat Smat GazeOrigin"
DIAP = "Face Left Right metapath 3DGaze 3DHead 2DGaze 2DHead Rvec Svec GazeOrigin"
RT = "Face Left Right Origin 3DGaze 3DHead 2DGaze 2DHead"
ETH = "face gaze head origin cam_index frame_index normmat"
G360 = "Face Left Right Origin 3DGaze 2DGaze"
YAW_PITCH = "0.17453293,-0.08726646"  # 10 and -5 degrees
VECTOR = "-0.1729874,0.0871557,-0.9810603"  # -cos p sin y, -sin p, -cos p cos y
ZEROS = "0,0,0"
LINES = {
    MPII: f"p00/face/1.jpg p00/left/1.jpg p00/right/1.jpg day01/0005.jpg left {VECTOR} {ZEROS} {YAW_PITCH} 0.1,0.2 "
    f"{ZEROS} 1.0,1.0,1.0 0,0,600",
    DIAP: f"p1/face/1.jpg p1/left/1.jpg p1/right/1.jpg 1_A_DS_M_1 {VECTOR} {ZEROS} {YAW_PITCH} 0.1,0.2 {ZEROS} "
    "1,1,0.5 0,0,600",
    RT: f"s001_glasses/original/face/face_1_rgb.png l r s001 {VECTOR} {ZEROS} {YAW_PITCH} 0.1,0.2",
    ETH: "subject0059/1.jpg -0.08726646,0.17453293 0.2,0.1 subject0059/0.jpg 3 0 1,0,0,0,1,0,0,0,1",
    G360: f"train/Face/7371.jpg l r rec_001/head/000000/001620.jpg 0.1729874,-0.0871557,-0.9810603 {YAW_PITCH}",
}


def make(root: Path, text: str, name: str = "Label/p00.label") -> Raw:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return Raw(root)


def clean(root: Path) -> None:
    make(root, f"{MPII}\n{LINES[MPII]}\n{LINES[MPII].replace('face/1', 'face/2')}\n")
    make(root, f"{MPII}\n{LINES[MPII].replace('p00', 'p01')}\n", "Label/p01.label")
    for name in ("p00/face/1", "p00/face/2", "p01/face/1"):
        save_photo(root, f"Image/{name}.jpg")


LABELS, PHOTO, KEY = "Label/p00.label", "Image/p00/face/2.jpg", "p00/face/2"
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=[KEY]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(
        edited("Label/p01.label", VECTOR, "nan,0,-1"), [("Image/p01/face/1.jpg", "bad_label")], lost=["p01/face/1"]
    ),
    **TEXTS,
    "unicode_path": Case(
        steps(moved(PHOTO, f"Image/p00/face/{ODD}.jpg"), edited(LABELS, "face/2", f"face/{ODD}")),
        renamed={PHOTO: f"Image/p00/face/{ODD}.jpg"},
    ),
    "duplicate_key": Case(doubled(LABELS, "face/2"), new=[f"{KEY}-2"]),
    "empty_person": Case(emptied("Label/p01.label"), [("Label/p01.label", "bad_label")], lost=["p01/face/1"]),
    **NO_SCREEN,
    "camera_from_1": "the number of a camera is not read",
}
