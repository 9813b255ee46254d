"""Reader of AffectNet (Mollahosseini, Hasani and Mahoor 2017), told apart by what is there: lists or arrays.

    Manually_Annotated_file_lists/{training,validation}.csv     a line a photo; the header may be missing
    Manually_Annotated_Images/<folder>/<hash>.jpg
or, as the set of eight classes is given out,
    {train_set,val_set}/images/<id>.jpg
    {train_set,val_set}/annotations/<id>_{exp,val,aro,lnd}.npy  0-d arrays of text, or arrays of numbers

Fields of a line: path below the images; face box x, y, width, height; 68 landmarks `x;y;x;y...`; expression; valence;
arousal; px of the photo. Expressions 8 to 10 (none, uncertain, no face) are rejected as `not_an_expression`. -2 as
valence or arousal means none given. The validation set is the only public test, so its split is `test`. Nobody is
named: groups are hash buckets.
"""

import io
import re
from collections.abc import Iterator, Sequence

import numpy as np

from slyk.datasets.expressions import AFFECTNET, NOT_AN_EXPRESSION
from slyk.datasets.faces2d import Part, csv_fields, face_record, face_with_landmarks, landmarks, whole
from slyk.datasets.fields import numbers, require
from slyk.datasets.lines import divided, numbered_lines, part_of
from slyk.datasets.pictures import photo_file
from slyk.datasets.raw import Raw
from slyk.datasets.record import Outcome, ReadOptions, Record
from slyk.errors import PhotoError

TITLE = "AffectNet"
LICENCE = "non-commercial research only, by agreement"
SOURCE = "http://mohammadmahoor.com/affectnet/"
PER_TASK = 500
LISTS: dict[str, Part] = {
    "Manually_Annotated_file_lists/training.csv": "train",
    "Manually_Annotated_file_lists/validation.csv": "test",
}
IMAGES = "Manually_Annotated_Images"
_PHOTO = re.compile(r"(train_set|val_set)/images/([^/]+)\.(?:jpg|jpeg|png)", re.IGNORECASE)
_NUM_FIELDS = 9
_HEADER = "subdirectory_filepath"
_MAX_NPY_BYTES = 2**16
_NONE_GIVEN = -2.0
picture = photo_file


def units(listed: Sequence[str]) -> list[str]:
    """The lists, or without any the photos that have arrays beside them."""
    lists = [path for path in listed if path in LISTS]
    photos = [path for path in listed if _PHOTO.fullmatch(path)]
    return require(lists or photos, "labels of AffectNet", f"{next(iter(LISTS))} or train_set/images/0.jpg")


def parts(raw: Raw, unit: str) -> list[str]:
    """Of a list."""
    return divided(raw, unit) if unit in LISTS else [unit]


def read(raw: Raw, chosen: Sequence[str], options: ReadOptions) -> Iterator[Outcome]:
    """An outcome a line of a list, or a photo."""
    for unit in chosen:
        if part_of(unit).file in LISTS:
            yield from _listed(raw, unit)
        else:
            yield _beside(raw, unit)


def _listed(raw: Raw, unit: str) -> Iterator[Outcome]:
    name = part_of(unit).file
    for number, line in numbered_lines(raw, unit):
        path = line.partition(",")[0].strip().strip('"')
        if number == 1 and path.lower() == _HEADER:
            continue
        photo = f"{IMAGES}/{path}"
        try:
            yield Outcome(photo, (_from_line(photo, LISTS[name], csv_fields(line)),))
        except PhotoError as error:
            yield Outcome(photo, reason=error.reason, detail=f"{name}, line {number}: {error.detail}")


def _from_line(photo: str, part: Part, fields: Sequence[str]) -> Record:
    """Raises PhotoError `bad_label`, `not_an_expression`."""
    if len(fields) != _NUM_FIELDS:
        raise PhotoError("bad_label", f"{len(fields)} fields, not {_NUM_FIELDS}")
    expression = _expression(fields[6])
    box = {"box_px": numbers(fields[1:5], "the face box").tolist()}
    return _record(photo, part, expression, fields[7:], fields[5], box)


def _beside(raw: Raw, photo: str) -> Outcome:
    match = _PHOTO.fullmatch(photo)
    assert match, photo
    part: Part = "train" if match[1] == "train_set" else "test"
    files = [f"{match[1]}/annotations/{match[2]}_{kind}.npy" for kind in ("exp", "val", "aro", "lnd")]
    try:
        expression, valence, arousal, points = (_text_of(raw, file) for file in files)
        return Outcome(photo, (_record(photo, part, _expression(expression), [valence, arousal], points, {}),))
    except PhotoError as error:
        detail = f"{match[1]}/annotations/{match[2]}_*.npy: {error.detail}"
        return Outcome(photo, reason=error.reason, detail=detail)


def _text_of(raw: Raw, name: str) -> str:
    """The values of an array, between `;`. Raises PhotoError `no_annotation` where there is none, `bad_label`."""
    try:
        data = io.BytesIO(raw.read(name, max_bytes=_MAX_NPY_BYTES))
        return ";".join(np.load(data, allow_pickle=False).astype(np.str_).ravel().tolist())
    except PhotoError as error:
        raise PhotoError("no_annotation" if error.reason == "not_found" else "bad_label", str(error)) from None
    except Exception as error:  # NumPy raises many kinds on damaged files
        raise PhotoError("bad_label", f"{name}: {error}") from None


def _expression(field: str) -> str:
    """The name of a class. Raises PhotoError `not_an_expression`, `bad_label`."""
    label = whole(field, "the expression")
    if label in NOT_AN_EXPRESSION:
        raise PhotoError("not_an_expression", NOT_AN_EXPRESSION[label])
    if label not in AFFECTNET:
        raise PhotoError("bad_label", f"expression {label}, known are 0 to 10")
    return AFFECTNET[label]


def _record(
    photo: str, part: Part, expression: str, affect: Sequence[str], points: str, more: dict[str, list[float]]
) -> Record:
    """affect: valence and arousal; points: coordinates between `;`. Raises PhotoError `bad_label`."""
    values = numbers(affect, "valence and arousal")
    if np.any((np.abs(values) > 1) & (values != _NONE_GIVEN)):
        raise PhotoError("bad_label", f"valence and arousal {values.tolist()}, both belong between -1 and 1")
    pairs = zip(("valence", "arousal"), values.tolist(), strict=True)
    points_px = landmarks(points.strip("; ").split(";"), 68)
    labels = {
        "expression": expression,
        **{name: value for name, value in pairs if value != _NONE_GIVEN},
        "landmarks_px": points_px.tolist(),
        "scheme": "68",
        **more,
    }
    return face_record(photo, part, face_with_landmarks(points_px, "68"), "annotated", labels)
