"""Reader of WFLW (Wu et al. 2018): 98 landmarks, a face box and six flags of each face.

    WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_{train,test}.txt      a line a face
    WFLW_images/0--Parade/0_Parade_marchingband_1_116.jpg

Fields of a line: 98 landmarks x, y (196); box x_min, y_min, x_max, y_max (4); flags 0 or 1 of pose, expression,
illumination, make-up, occlusion and blur, which become tags; path below the images. Coordinates are read as they are.
One photo may have several faces, each a record. Nobody is named: groups are hash buckets of photos.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from slyk.datasets.faces2d import Part, face_record, face_with_landmarks, landmarks, stem, whole
from slyk.datasets.fields import numbers, require
from slyk.datasets.lines import numbered_lines, words
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import PhotoError

TITLE = "WFLW"
LICENCE = "non-commercial research only"
SOURCE = "https://wywu.github.io/projects/LAB/WFLW.html"
PER_TASK = 1
_FOLDER = "WFLW_annotations/list_98pt_rect_attr_train_test"
LISTS: dict[str, Part] = {
    f"{_FOLDER}/list_98pt_rect_attr_train.txt": "train",
    f"{_FOLDER}/list_98pt_rect_attr_test.txt": "test",
}
IMAGES = "WFLW_images"
TAGS = ("pose", "expression", "illumination", "make_up", "occlusion", "blur")
_BOX, _FLAGS, _PATH = 196, 200, 206
picture = photo_file


def units(listed: Sequence[str]) -> list[str]:
    """The two lists."""
    return require([path for path in listed if path in LISTS], "labels of WFLW", next(iter(LISTS)))


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a line."""
    for name in chosen:
        faces: Counter[str] = Counter()
        for number, line in numbered_lines(raw, name):
            fields = words(line, most=_PATH + 1)
            photo = f"{IMAGES}/{fields[-1]}"
            try:
                yield Outcome(photo, (_record(photo, LISTS[name], faces[photo], fields),))
            except PhotoError as error:
                yield Outcome(photo, reason=error.reason, detail=f"{name}, line {number}: {error.detail}")
            faces[photo] += 1


def _record(photo: str, part: Part, face_number: int, fields: Sequence[str]) -> Record:
    """Raises PhotoError `bad_label`."""
    if len(fields) != _PATH + 1:
        raise PhotoError("bad_label", f"{len(fields)} fields, not {_PATH + 1}")
    points = landmarks(fields[:_BOX], 98)
    left, top, right, bottom = numbers(fields[_BOX:_FLAGS], "the face box").tolist()
    flags = [whole(field, f"flag {tag}") for tag, field in zip(TAGS, fields[_FLAGS:_PATH], strict=True)]
    if not set(flags) <= {0, 1}:
        raise PhotoError("bad_label", f"flags {flags}, known are 0 and 1")
    labels = {
        "landmarks_px": points.tolist(),
        "scheme": "98",
        "box_px": [left, top, right - left, bottom - top],
    }
    tags = [tag for tag, flag in zip(TAGS, flags, strict=True) if flag]
    name = f"{part}/{stem(fields[_PATH])}-f{face_number}"
    return face_record(photo, part, face_with_landmarks(points, "98"), "annotated", labels, name=name, tags=tags)
