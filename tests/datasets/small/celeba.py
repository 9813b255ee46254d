"""A small set in the layout of the reader `celeba`, and what damage does to it."""

from collections.abc import Mapping
from pathlib import Path

from slyk.datasets.celeba import ATTRIBUTES
from tests.datasets.damage import (
    NO_CAMERAS,
    NO_SCREEN,
    ODD,
    TEXTS,
    Case,
    Cases,
    Step,
    cut,
    doubled,
    edited,
    gone,
    moved,
    steps,
)
from tests.datasets.trees import save_photo, save_text

NAMES = "5_o_Clock_Shadow Arched_Eyebrows Smiling Young"
LINES = ["000001.jpg -1  1  1 -1", "000002.jpg  1 -1 -1 -1", "000003.jpg -1 -1 -1  1"]
PARTITION = "000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n"
LANDMARKS = """3
lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y
000001.jpg 69  109  106  113   77  142   73  152  108  154
000002.jpg 69  110  107  112   81  135   70  151  108  153
"""
OWN_FOLDERS = {ATTRIBUTES: "Anno", "identity_CelebA.txt": "Anno", "list_landmarks_align_celeba.txt": "Anno"}


def make(
    root: Path, lines: list[str] = LINES, files: Mapping[str, str] | None = None, *, own: bool = False, end: str = "\n"
) -> Path:
    """files: partition, identity and landmarks, in place of what makes a clean set or beside it."""
    files = files or {}
    content = {
        ATTRIBUTES: end.join([str(len(lines)), f"{NAMES} ", *lines, ""]),
        "list_eval_partition.txt": files.get("partition", PARTITION),
        **({"identity_CelebA.txt": files["identity"]} if "identity" in files else {}),
        **({"list_landmarks_align_celeba.txt": files["landmarks"]} if "landmarks" in files else {}),
    }
    for name, text in content.items():
        folder = root / OWN_FOLDERS.get(name, "Eval") if own else root
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return root


FILES = {"identity": "000001.jpg 7\n000002.jpg 8\n000003.jpg 9\n", "landmarks": LANDMARKS}


def clean(root: Path) -> None:
    make(root, LINES, FILES)
    for number in (1, 2, 3):
        save_photo(root, f"img_align_celeba/00000{number}.jpg", (178, 218))


def counted(number: int) -> Step:
    """The first line says so many."""

    def step(root: Path) -> None:
        _, *rest = (root / ATTRIBUTES).read_text().split("\n")
        save_text(root, "\n".join([str(number), *rest]), ATTRIBUTES)

    return step


PHOTO, NOW = (f"img_align_celeba/{name}.jpg" for name in ("000002", ODD))
TABLES = (ATTRIBUTES, "list_eval_partition.txt", "identity_CelebA.txt", "list_landmarks_align_celeba.txt")
CASES: Cases = {
    "missing_image": Case(gone(PHOTO), [(PHOTO, "photo_missing")], lost=["000002"]),
    "truncated_jpeg": Case(cut(PHOTO), unread={PHOTO: "truncated"}),
    "nan_label": Case(edited(TABLES[3], "000002.jpg 69", "000002.jpg nan"), [(PHOTO, "bad_label")], lost=["000002"]),
    **TEXTS,
    "unicode_path": Case(
        steps(moved(PHOTO, NOW), *(edited(table, "000002", ODD) for table in TABLES)), renamed={PHOTO: NOW}
    ),
    "duplicate_key": Case(steps(doubled(ATTRIBUTES, "000002"), counted(4)), new=["000002-2"]),
    "empty_person": Case(steps(edited(ATTRIBUTES, f"{LINES[1]}\n", ""), counted(2)), lost=["000002"]),
    **NO_SCREEN,
    **NO_CAMERAS,
}
