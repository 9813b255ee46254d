"""AffectNet: rendered faces in both of its layouts, and lines and arrays as they should not be."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.datasets import affectnet
from slyk.datasets.affectnet import units
from slyk.datasets.expressions import AFFECTNET, RAF_DB
from slyk.datasets.raw import Raw
from slyk.datasets.record import from_row, to_row
from slyk.errors import DataMissingError
from slyk.geometry.camera import project
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.affectnet import HEADER, LINE, POINTS, TRAINING, VALIDATION, make
from tests.datasets.trees import one, read_tree
from tests.layouts.rendered import Array, Export, Exported, Row, array

CLASS = {name: number for number, name in AFFECTNET.items()}


outcomes = partial(read_tree, affectnet)


def csv_line(row: Row, path: str) -> str:
    points = array(row, "landmarks_2d", 68, 2)
    coordinates = ";".join(f"{value:.2f}" for value in points.ravel())
    return f"{path},0,0,128,128,{coordinates},{CLASS[RAF_DB[row['emotion']]]},0.1,-0.2"


def as_csv(made: Exported, root: Path) -> None:
    lines: dict[str, list[str]] = {"train": [HEADER], "test": []}
    for row in made.rows:
        path = row["photo"].removeprefix("photos/")
        target = root / affectnet.IMAGES / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made.source / row["photo"], target)
        lines[row["split"]].append(csv_line(row, path))
    make(root, "\n".join(lines["train"]), TRAINING)
    make(root, "\n".join(lines["test"]), VALIDATION)


def as_npy(made: Exported, root: Path) -> None:
    for number, row in enumerate(made.rows):
        folder = root / ("train_set" if row["split"] == "train" else "val_set")
        for sub in ("images", "annotations"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made.source / row["photo"], folder / f"images/{number}.jpg")
        annotate(folder, number, CLASS[RAF_DB[row["emotion"]]], array(row, "landmarks_2d", 68, 2))


def annotate(folder: Path, number: int, expression: object, points: Array | list[str]) -> None:
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    values = {"exp": str(expression), "val": "0.1", "aro": "-0.2", "lnd": np.ravel(points)}
    for kind, value in values.items():
        np.save(folder / f"annotations/{number}_{kind}.npy", np.array(value))


@pytest.mark.slow
@pytest.mark.parametrize("layout", [as_csv, as_npy])
def test_a_rendered_set_comes_back(
    exported: Export, tmp_path: Path, spec: CropSpec, layout: Callable[[Exported, Path], None]
) -> None:
    made = exported("raf_db")
    layout(made, tmp_path)
    found = [one(outcome) for outcome in outcomes(tmp_path)]
    assert len(found) == len(made.rows)
    for record, row in zip(found, made.rows, strict=True):
        points = array(row, "landmarks_2d", 68, 2)
        assert record.labels["expression"] == RAF_DB[row["emotion"]] and record.split == row["split"]
        assert (record.labels["valence"], record.labels["arousal"]) == (0.1, -0.2)
        assert np.allclose(record.labels["landmarks_px"], points, atol=0.006) and record.labels["scheme"] == "68"
        eyes = points[[36, 39, 42, 45]].reshape(2, 2, 2).mean(axis=1)
        assert np.allclose(project(record.face.camera, record.face.eyes_mm), eyes, atol=0.02)
        assert (record.gaze, record.known, record.eyes) == (None, "aligned", "annotated")
        assert record.group.startswith(f"{row['split']}-bucket")
        assert to_row(from_row(to_row(record))) == to_row(record)
        photo = affectnet.picture(Raw(tmp_path), record.photo)
        for (x, y), colour in zip(eyes.round().astype(int), ((255, 0, 0), (0, 255, 0)), strict=True):
            cv2.circle(photo, (int(x), int(y)), 3, colour, -1)  # what is at the eyes comes to the middles
        crops, middle = crop(photo, record.face, spec), spec.eye_square_px // 2
        assert crops.right[middle, middle].argmax() == 0 and crops.left[middle, middle].argmax() == 1


def test_lines_as_people_have_them(tmp_path: Path) -> None:
    """No header, a byte order mark, Windows ends, spaces, quotes, a trailing `;`, 3.0 for 3, a unicode name."""
    text = "\r\n".join(
        [
            f"\ufeff{LINE}  ",
            "",
            LINE.replace("1/a.jpg,", ' "1/ä.JPG", ').replace(POINTS, f"{POINTS};").replace(",3,", ",3.0,"),
        ]
    )
    first, second = (one(outcome) for outcome in outcomes(make(tmp_path, text)))
    assert first.photo == "Manually_Annotated_Images/1/a.jpg" and first.key == "manually_annotated_images/1/a"
    assert second.photo == "Manually_Annotated_Images/1/ä.JPG"
    assert first.labels == second.labels
    assert first.labels["box_px"] == [10, 20, 150, 160] and first.labels["expression"] == "surprise"


def test_the_validation_set_is_the_test(tmp_path: Path) -> None:
    make(tmp_path, f"{HEADER}\n{LINE}\n", VALIDATION)
    record = one(outcomes(make(tmp_path, f"{HEADER}\n{LINE}\n"))[1])
    assert (record.split, record.tags) == ("test", ())


def test_affect_that_is_not_given(tmp_path: Path) -> None:
    labels = one(outcomes(make(tmp_path, LINE.replace("0.5,-0.25", "-2,-2")))[0]).labels
    assert "valence" not in labels and "arousal" not in labels


@pytest.mark.parametrize(
    ("wrong", "reason", "told"),
    [
        (LINE.replace(",3,", ",8,"), "not_an_expression", "none"),
        (LINE.replace(",3,", ",9,"), "not_an_expression", "uncertain"),
        (LINE.replace(",3,0.5,-0.25", ",10,-2,-2"), "not_an_expression", "no_face"),
        (LINE.replace(",3,", ",11,"), "bad_label", "expression 11"),
        (LINE.replace(",3,", ",smile,"), "bad_label", "could not convert"),
        (LINE.replace(",3,", ",,"), "bad_label", "could not convert"),
        (LINE.replace(",3,", ",nan,"), "bad_label", "not finite"),
        (LINE.replace(",0.5,", ",nan,"), "bad_label", "not finite"),
        (LINE.replace(",0.5,", ",1.5,"), "bad_label", "between -1 and 1"),
        (LINE.replace(";", ",", 1), "bad_label", "10 fields, not 9"),
        (LINE.replace(POINTS, POINTS.rpartition(";")[0]), "bad_label", "135 coordinates, not 136"),
        (LINE.replace(POINTS, ";".join(["5"] * 136)), "bad_label", "two eyes in one place"),
        (LINE.replace(POINTS, ";".join(["1e9"] * 136)), "bad_label", "outside of any photo"),
        (LINE.replace(",10,20,", ",ten,20,"), "bad_label", "the face box"),
        (LINE.replace(",10,20,", ',"10,20,'), "bad_label", "fields, not 9"),
        (HEADER, "bad_label", "could not convert"),
    ],
)
def test_wrong_lines_are_told_and_the_others_read(tmp_path: Path, wrong: str, reason: str, told: str) -> None:
    first, second, third = outcomes(make(tmp_path, f"{LINE}\n{wrong}\n{LINE}\n"))
    assert first.records and third.records and not second.records
    assert second.reason == reason and f"{TRAINING}, line 2" in second.detail and told in second.detail


def test_a_line_far_too_long_is_told(tmp_path: Path) -> None:
    first, second = outcomes(make(tmp_path, f"1/b.jpg,{'x' * 200_000}\n{LINE}\n"))
    assert (first.photo, first.reason) == ("Manually_Annotated_Images/1/b.jpg", "bad_label") and second.records


def test_landmarks_as_one_text_and_numbers_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "val_set/images").mkdir(parents=True)
    (tmp_path / "val_set/images/7.jpg").write_bytes(b"read later")
    annotate(tmp_path / "val_set", 7, 3, [POINTS])
    for kind, number in (("exp", 3), ("val", 0.5), ("aro", -0.25)):
        np.save(tmp_path / f"val_set/annotations/7_{kind}.npy", np.array(number))
    record = one(outcomes(tmp_path)[0])
    expected = one(outcomes(make(tmp_path / "csv", LINE))[0]).labels
    assert record.labels == {name: value for name, value in expected.items() if name != "box_px"}
    assert (record.split, record.key) == ("test", "val_set/images/7")


@pytest.mark.parametrize(
    ("kind", "content", "reason", "told"),
    [
        ("exp", None, "no_annotation", "0_exp.npy"),
        ("lnd", None, "no_annotation", "0_lnd.npy"),
        ("exp", "9", "not_an_expression", "uncertain"),
        ("exp", "happy", "bad_label", "could not convert"),
        ("val", float("nan"), "bad_label", "not finite"),
        ("lnd", [1.0, 2.0], "bad_label", "2 coordinates"),
        ("aro", b"\x93NUMPY cut", "bad_label", "0_aro.npy"),
        ("aro", b"", "bad_label", "empty_file"),
        ("aro", b"PK\x03\x04", "bad_label", "0_aro.npy"),
        ("aro", {"a": 1}, "bad_label", "allow_pickle"),
    ],
)
def test_wrong_arrays_are_told(tmp_path: Path, kind: str, content: object, reason: str, told: str) -> None:
    """Also arrays of objects: they are pickles, and nobody unpickles them."""
    (tmp_path / "train_set/images").mkdir(parents=True)
    for number in (0, 1):
        (tmp_path / f"train_set/images/{number}.jpg").write_bytes(b"read later")
        annotate(tmp_path / "train_set", number, 3, [POINTS])
    path = tmp_path / f"train_set/annotations/0_{kind}.npy"
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, np.array(content), allow_pickle=True)
    first, second = outcomes(tmp_path)
    assert second.records and (first.photo, first.reason) == ("train_set/images/0.jpg", reason)
    assert told in first.detail


def test_lists_come_before_arrays_and_what_is_missing_is_named() -> None:
    assert units(["train_set/images/0.jpg", TRAINING, "x.csv"]) == [TRAINING]
    assert units(["train_set/images/0.jpg", "train_set/annotations/0_exp.npy"]) == ["train_set/images/0.jpg"]
    with pytest.raises(DataMissingError, match=r"training\.csv or train_set"):
        units(["Manually_Annotated_Images/1/a.jpg"])
