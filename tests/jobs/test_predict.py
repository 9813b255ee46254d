"""Predictions on a folder: a row for everything, overlays to look at, nothing heavy imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from jobs.overlay import ARROW_MM, arrow_px, draw
from jobs.predict import COLUMNS, find_photos, parse_camera, predict, predict_command
from slyk.errors import DataMissingError, ParamsError
from slyk.geometry.angles import vector_from_pitchyaw
from slyk.geometry.camera import Array, guess_camera, project, rays
from slyk.inference import FacePrediction
from slyk.photos import read_photo
from tests.photos import portrait, tile
from tests.test_inference import save_constant_model


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    (folder / "trip").mkdir()
    cv2.imwrite(str(folder / "one.jpg"), portrait(0).photo)
    cv2.imwrite(str(folder / "trip" / "three.png"), tile(3))
    cv2.imwrite(str(folder / "wall.jpg"), np.full((90, 120, 3), 80, np.uint8))
    (folder / "letter.jpg").write_text("dear reader")
    (folder / "notes.txt").write_text("not for us")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_constant_model(tmp_path_factory.mktemp("model"))


def test_a_row_for_every_face_and_for_every_photo_without(photos: Path, model: Path, tmp_path: Path) -> None:
    summary = predict([photos], tmp_path, model)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert list(table.columns) == COLUMNS
    assert table["photo"].tolist() == ["letter.jpg", "one.jpg", *["trip/three.png"] * 3, "wall.jpg"]
    assert table["status"].tolist() == ["unreadable", "ok", "ok", "ok", "ok", "no_face"]
    assert table["reason"].tolist()[0] == "not_a_photo" and table["reason"].tolist()[-1] == "no_face"
    assert table["face"].dropna().astype(int).tolist() == [0, 0, 1, 2]
    np.testing.assert_allclose(np.linalg.norm(table[["gaze_x", "gaze_y", "gaze_z"]].dropna(), axis=1), 1.0)
    assert (summary.photos, summary.faces, summary.no_face, summary.unreadable) == (4, 4, 1, 1)
    assert summary.pitch_mean_deg == pytest.approx(table["pitch_deg"].mean())
    again = pd.read_csv(tmp_path / "predictions.csv")
    assert list(again.columns) == COLUMNS and len(again) == len(table)


def test_overlays_show_every_photo_that_can_be_read(photos: Path, model: Path, tmp_path: Path) -> None:
    predict([photos], tmp_path, model)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    shown = sorted(p.relative_to(tmp_path).as_posix() for p in (tmp_path / "overlays").rglob("*.jpg"))
    assert shown == sorted(set(table["overlay"].dropna()))
    assert shown == ["overlays/one.jpg", "overlays/trip/three.png.jpg", "overlays/wall.jpg"]
    assert read_photo(tmp_path / "overlays/one.jpg").shape == (900, 900, 3)


def test_only_unreadable_photos_are_a_result_too(
    photos: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    strange.write_bytes(b"")
    predict_command([photos / "letter.jpg", strange], tmp_path, model)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert table["reason"].tolist() == ["not_a_photo", "empty_file"]
    assert table["photo"][1] == r"caf\udce9.jpg"
    assert "2 photos, 0 faces" in capsys.readouterr().out


def test_a_mistyped_path_stops_before_anything_is_written(photos: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"gone\.jpg not found"):
        predict_command([photos / "one.jpg", photos / "gone.jpg"], tmp_path / "out", model)
    assert not (tmp_path / "out").exists()


def test_a_camera_of_another_size_is_told(photos: Path, model: Path, tmp_path: Path) -> None:
    predict([photos / "one.jpg"], tmp_path, model, (9000.0, 9000.0, 3000.0, 2000.0))
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert table["reason"].tolist() == ["camera_of_another_size"]


def test_names_from_several_places_do_not_meet(photos: Path) -> None:
    names = [name for name, _ in find_photos([photos / "one.jpg", photos, photos / "one.jpg"])]
    assert len(set(names)) == len(names) == 6
    assert all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in names)


def test_a_folder_without_photos_says_so(tmp_path: Path, model: Path) -> None:
    with pytest.raises(DataMissingError, match="no photo"):
        predict([tmp_path], tmp_path / "out", model)


def test_overlays_of_an_earlier_run_go_and_nothing_else(tmp_path: Path, model: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(photos / name), np.full((80, 80, 3), 128, np.uint8))
    predict([photos], tmp_path / "out", model)
    (tmp_path / "out" / "overlays" / "mine.jpg").write_bytes(b"mine")
    (photos / "a.png").unlink()
    predict([photos], tmp_path / "out", model)
    assert sorted(f.name for f in (tmp_path / "out" / "overlays").iterdir()) == ["b.png.jpg", "mine.jpg"]


def test_camera_argument() -> None:
    assert parse_camera("900,901.5,320,240") == (900.0, 901.5, 320.0, 240.0)
    assert parse_camera(None) is None
    for wrong in ("900,900", "a,b,c,d", "0,900,1,1", "nan,1,1,1"):
        with pytest.raises(ParamsError, match="fx,fy,cx,cy"):
            parse_camera(wrong)
    with pytest.raises(ParamsError, match="not found"):
        parse_camera("none.xml")


def face_looking(gaze: Array, camera: Array, at_px: tuple[float, float], distance_mm: float = 600.0) -> FacePrediction:
    x, y = at_px
    eyes_px = np.array([[x - 25.0, y], [x + 25.0, y]])
    return FacePrediction(
        0, (int(x) - 60, int(y) - 50, 120, 120), eyes_px, "found", gaze, 0, 0, eyes_px[0], distance_mm
    )


def test_the_arrow_is_the_projection_of_the_gaze() -> None:
    camera = guess_camera(600, 400)
    gaze = vector_from_pitchyaw(np.array([0.3, -0.5]))
    start, end = arrow_px(face_looking(gaze, camera, (420.0, 120.0)), camera)
    point = rays(camera, start) * 600.0
    step = 1e-3
    slope = (project(camera, point + step * gaze) - project(camera, point)) / step
    np.testing.assert_allclose(end - start, ARROW_MM * slope, rtol=1e-3)
    assert end[0] > start[0] and end[1] < start[1]  # yaw < 0 is image-right, pitch > 0 is up


def test_a_look_into_the_lens_is_a_point_anywhere_in_the_photo() -> None:
    camera = guess_camera(600, 400)
    gaze = -rays(camera, np.array([500.0, 80.0]))
    start, end = arrow_px(face_looking(gaze, camera, (500.0, 80.0)), camera)
    np.testing.assert_allclose(start, end, atol=1e-9)


@pytest.mark.parametrize("shape", [(30, 20, 3), (400, 600, 3), (2000, 3000, 3)])
def test_overlays_of_any_size(shape: tuple[int, int, int]) -> None:
    photo = np.full(shape, 200, np.uint8)
    camera = guess_camera(shape[1], shape[0])
    face = face_looking(vector_from_pitchyaw(np.array([0.1, 0.4])), camera, (shape[1] * 0.9, shape[0] * 0.1))
    picture = draw(photo, [face], camera)
    assert 900 <= max(picture.shape[:2]) <= 1600
    assert (picture != 200).any(axis=-1).mean() > 0.002


@pytest.mark.slow
def test_neither_ray_nor_mlflow_nor_dvc_is_imported(photos: Path, model: Path, tmp_path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from jobs.predict import predict; "
        f"predict([Path({str(photos / 'one.jpg')!r})], Path({str(tmp_path)!r}), Path({str(model)!r})); "
        "print(json.dumps([m for m in ('ray', 'mlflow', 'dvc') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
