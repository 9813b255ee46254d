"""WFLW: rendered faces in its layout, and lines as they should not be."""

import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from slyk.datasets import wflw
from slyk.datasets.raw import Raw
from slyk.datasets.record import from_row, to_row
from slyk.datasets.wflw import units
from slyk.errors import DataMissingError
from slyk.geometry.camera import project
from slyk.shards.crops import CropSpec, crop
from tests.datasets.small.wflw import LINE, POINTS, TEST, TRAIN, line_of, make
from tests.datasets.trees import one, read_tree
from tests.layouts.rendered import Export, array

FROM_68 = {60: 36, 64: 39, 68: 42, 72: 45, 76: 48, 82: 54}
"""Corners of eyes and mouth: WFLW's number -> that of the 68 points."""


outcomes = partial(read_tree, wflw)


def test_a_rendered_set_comes_back(exported: Export, tmp_path: Path, spec: CropSpec) -> None:
    made = exported("raf_db")
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for row in made.rows:
        points = np.zeros((98, 2))
        points[list(FROM_68)] = array(row, "landmarks_2d", 68, 2)[list(FROM_68.values())]
        path = row["photo"].removeprefix("photos/")
        lines[row["split"]].append(line_of(points, path=path))
        (tmp_path / wflw.IMAGES / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made.source / row["photo"], tmp_path / wflw.IMAGES / path)
    make(tmp_path, "\n".join(lines["train"]))
    make(tmp_path, "\n".join(lines["test"]), TEST)
    found = {o.photo.removeprefix("WFLW_images/"): one(o) for o in outcomes(tmp_path)}
    assert len(found) == len(made.rows)
    for row in made.rows:
        record = found[row["photo"].removeprefix("photos/")]
        eyes = array(row, "landmarks_2d", 68, 2)[[36, 39, 42, 45]].reshape(2, 2, 2).mean(axis=1)
        assert np.allclose(project(record.face.camera, record.face.eyes_mm), eyes, atol=1e-4)
        assert (record.split, record.gaze, record.known, record.eyes) == (row["split"], None, "aligned", "annotated")
        assert record.group.startswith(f"{row['split']}-bucket")
        assert to_row(from_row(to_row(record))) == to_row(record)
        photo = wflw.picture(Raw(tmp_path), record.photo)
        for (x, y), colour in zip(eyes.round().astype(int), ((255, 0, 0), (0, 255, 0)), strict=True):
            cv2.circle(photo, (int(x), int(y)), 3, colour, -1)  # what is at the eyes comes to the middles
        crops, middle = crop(photo, record.face, spec), spec.eye_square_px // 2
        assert crops.right[middle, middle].argmax() == 0 and crops.left[middle, middle].argmax() == 1


def test_what_a_line_holds(tmp_path: Path) -> None:
    flags = ["1 0 0 0 0 0", "0 1 1 0 0 0", "0 0 0 1 1 1"]
    found = [one(o) for o in outcomes(make(tmp_path, "\n".join(line_of(POINTS, flag) for flag in flags)))]
    assert [r.tags for r in found] == [("pose",), ("expression", "illumination"), ("make_up", "occlusion", "blur")]
    assert np.allclose(found[0].labels["landmarks_px"], POINTS) and found[0].labels["scheme"] == "98"
    assert found[0].labels["box_px"] == [10, 20, 100, 120]


def test_faces_of_one_photo_have_keys_of_their_own_and_one_group(tmp_path: Path) -> None:
    lines = [LINE, line_of(POINTS, path="1--Handshaking/b.jpg"), LINE]
    found = [one(o) for o in outcomes(make(tmp_path, "\n".join(lines)))]
    assert [r.key for r in found] == ["train/0--parade/a-f0", "train/1--handshaking/b-f0", "train/0--parade/a-f1"]
    assert found[0].group == found[2].group and found[0].photo == found[2].photo


def test_lines_as_people_have_them(tmp_path: Path) -> None:
    """A byte order mark, Windows ends, tabs, double and trailing spaces, empty lines, names with spaces and umlauts."""
    text = "\r\n".join(["\ufeff" + LINE.replace(" ", "\t"), "", f"{line_of(POINTS, path='2--ä ö/c d.JPG')}  "])
    first, second = (one(o) for o in outcomes(make(tmp_path, text)))
    assert (first.photo, second.photo) == ("WFLW_images/0--Parade/a.jpg", "WFLW_images/2--ä ö/c d.JPG")
    assert first.labels == second.labels


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (LINE.partition(" ")[2], "206 fields, not 207"),
        (line_of(POINTS[:97]), "205 fields, not 207"),
        (line_of(np.full((98, 2), np.nan)), "not finite"),
        (line_of(np.full((98, 2), 5.0)), "two eyes in one place"),
        (line_of(POINTS * 1e4), "outside of any photo"),
        (line_of(POINTS, box="10 20 x 140"), "the face box"),
        (line_of(POINTS, "0 0 2 0 0 0"), "flags"),
        (line_of(POINTS, "0 0 yes 0 0 0"), "flag illumination"),
    ],
)
def test_wrong_lines_are_told_and_the_others_read(tmp_path: Path, wrong: str, told: str) -> None:
    first, second, third = outcomes(make(tmp_path, f"{LINE}\n{wrong}\n{LINE}\n"))
    assert first.records and third.records and not second.records
    assert (second.photo, second.reason) == ("WFLW_images/0--Parade/a.jpg", "bad_label")
    assert f"{TRAIN}, line 2" in second.detail and told in second.detail


def test_what_is_missing_is_named() -> None:
    assert units([TEST, "WFLW_images/0--Parade/a.jpg"]) == [TEST]
    with pytest.raises(DataMissingError, match=r"list_98pt_rect_attr_train\.txt"):
        units(["WFLW_images/0--Parade/a.jpg"])
