"""TEyeD read as published code reads it, and the relations that its real files hold to."""

import re
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.export import export
from tests.layouts.rendered import Array, Export, Exported, Row, angle_deg, annotated, array

FOLDER = Path("TEyeDSSingleFiles/Dikablis")
HEADERS = {
    "gaze_vec": "X;Y;Z;",
    "eye_ball": "RADIUS;X;Y;Z;",
    **dict.fromkeys(("pupil_eli", "iris_eli", "pupil_in_iris_eli"), "ANGLE;CENTER X;CENTER Y;WIDTH;HEIGHT;"),
    **dict.fromkeys(("pupil_lm_2D", "iris_lm_2D"), "AVG INACCURACY;" + "LM X;LM Y;" * 8),
    **dict.fromkeys(("pupil_lm_3D", "iris_lm_3D"), "AVG INACCURACY;" + "LM X;LM Y;LM Z;" * 8),
    "lid_lm_2D": "AVG INACCURACY;" + "LM X;LM Y;" * 34,
    "lid_lm_3D": "AVG INACCURACY;" + "LM X;LM Y;LM Z;" * 34,
    **dict.fromkeys(("validity_pupil", "validity_iris", "validity_lid"), "VALIDITY;"),
    "eye_movements": "Eye Movement Type;",
}
PIXELS = {"pupil": 8, "iris": 8, "lid": 34}


class Video(NamedTuple):
    """tables: type -> values (N, K) after FRAME; rows: annotations of its frames; side: the eye shown."""

    name: str
    out: Path
    source: Path
    tables: dict[str, Array]
    rows: list[Row]
    side: str


def read(made: Exported) -> list[Video]:
    videos = []
    for person, side in (("p000", "right"), ("p001", "left")):
        name, tables = f"{person}_r00.mp4", {}
        for kind, header in HEADERS.items():
            lines = (made.out / FOLDER / "ANNOTATIONS" / f"{name}{kind}.txt").read_text().split("\n")
            if kind == "eye_movements":
                assert lines[0].startswith("eye movement type to number: Error = 1,Blink = 2,Fixation = 3")
                assert lines[1] == ""
                lines = lines[2:]
            assert lines[0] == f"FRAME;{header}" and lines[-1] == ""
            values = [[float(word) for word in line.split(";")[:-1]] for line in lines[1:-1]]
            assert all(line.endswith(";") for line in lines[1:-1])
            assert [row[0] for row in values] == list(range(1, len(values) + 1))
            tables[kind] = np.array(values)[:, 1:]
            assert tables[kind].shape[1] == header.count(";")
        rows = [row for row in made.rows if row["person"] == person]
        videos.append(Video(name, made.out / FOLDER, made.source, tables, rows, side))
    return videos


def frames(path: Path) -> list[NDArray[np.uint8]]:
    video = cv2.VideoCapture(str(path))
    found: list[NDArray[np.uint8]] = []
    assert video.get(cv2.CAP_PROP_FPS) == 25
    while True:
        there, frame = video.read()
        if not there:
            return found
        found.append(np.asarray(frame, dtype=np.uint8))


@pytest.fixture(scope="module")
def made(exported: Export) -> Exported:
    return exported("teyed")


@pytest.fixture(scope="module")
def videos(made: Exported) -> list[Video]:
    return read(made)


def test_videos_show_the_photos(videos: list[Video]) -> None:
    for video in videos:
        shown = frames(video.out / "VIDEOS" / video.name)
        assert len(shown) == len(video.rows) == len(video.tables["gaze_vec"])
        for frame, row in zip(shown, video.rows, strict=True):
            photo = cv2.imread(str(video.source / row["photo"]))
            assert photo is not None and frame.shape == photo.shape
            assert np.abs(frame.astype(int) - photo.astype(int)).mean() < 6


def test_segmentations_show_the_masks(videos: list[Video]) -> None:
    parts = {"pupil": (6,), "iris": (5, 6), "lid": (3, 4, 5, 6)}
    for video in videos:
        for part, regions in parts.items():
            shown = frames(video.out / "ANNOTATIONS" / f"{video.name}{part}_seg_2D.mp4")
            assert len(shown) == len(video.rows)
            for frame, row in zip(shown, video.rows, strict=True):
                mask = cv2.imread(str(video.source / row["mask"]), cv2.IMREAD_GRAYSCALE)
                assert mask is not None
                white, expected = frame[..., 0] > 128, np.isin(mask, regions)
                assert np.sum(white & expected) >= 0.85 * np.sum(white | expected), (part, row["frame"])


def test_gaze_is_the_pupil_on_the_eyeball(videos: list[Video]) -> None:
    for video in videos:
        valid = video.tables["validity_pupil"][:, 0] == 1
        assert valid.any() and set(np.unique(video.tables["validity_pupil"])) <= {1.0, -1.0}
        gaze, ball = video.tables["gaze_vec"][valid], video.tables["eye_ball"][valid]
        pupil = video.tables["pupil_eli"][valid][:, 1:3]
        assert np.allclose(gaze[:, :2], (pupil - ball[:, 1:3]) / ball[:, :1], atol=1e-5)
        assert np.allclose(np.linalg.norm(gaze, axis=1), 1, atol=2e-6) and np.all(gaze[:, 2] > 0)
        assert np.all(ball[:, 3] == 0)


def test_gaze_is_the_exact_optical_axis(videos: list[Video]) -> None:
    """In the frame that looks at the eyeball, found by turning and nodding; x image-right, y down, z to the camera."""
    for video in videos:
        index = ("right", "left").index(video.side)
        for gaze, ball, row in zip(video.tables["gaze_vec"], video.tables["eye_ball"], video.rows, strict=True):
            center, axis = array(row, "eyeball_center_mm", 2, 3)[index], array(row, "optical_axis", 2, 3)[index]
            pixel = array(row, "camera", 3, 3) @ center
            assert np.linalg.norm(ball[1:3] - pixel[:2] / pixel[2]) < 0.005 * row["size_px"][0]
            if np.all(gaze == -1):
                continue
            x, y, z = center
            turn = cv2.Rodrigues(np.array([0.0, -np.arctan2(x, z), 0.0]))[0]
            nod = cv2.Rodrigues(np.array([-np.arctan2(-y, np.hypot(x, z)), 0.0, 0.0]))[0]
            assert angle_deg(gaze, nod @ turn @ axis * np.array([1, 1, -1])) < 1e-3


def test_landmarks(videos: list[Video]) -> None:
    for video in videos:
        for part, count in PIXELS.items():
            flat = video.tables[f"{part}_lm_2D"][:, 1:].reshape(-1, count, 2)
            solid = video.tables[f"{part}_lm_3D"][:, 1:].reshape(-1, count, 3)
            valid = video.tables[f"validity_{part}"][:, 0] == 1
            exact = np.array([array(row, f"{part}_{video.side}_2d", count, 2) for row in video.rows])
            for points, expected in zip(flat, exact, strict=True):
                assert np.allclose(points[np.lexsort(points.T)], expected[np.lexsort(expected.T)], atol=2e-6)
            assert np.allclose(solid[valid][..., :2], flat[valid])
            if part == "lid":
                assert np.allclose(flat, exact, atol=2e-6)
                assert np.all(np.diff(flat[:, :17, 0]) > 0) and np.all(np.diff(flat[:, 17:, 0]) > 0)
                assert np.all(flat[:, 8, 1] <= flat[:, 25, 1])  # upper before lower
            else:  # start up and image-right, then up, as in the real files
                off = flat - flat.mean(axis=1, keepdims=True)
                around = np.unwrap(np.arctan2(-off[..., 1], off[..., 0]), axis=1)
                assert np.all(np.abs(around[:, 0] - np.pi / 4) < 0.6)
                assert np.allclose(np.diff(around, axis=1), np.pi / 4, atol=0.25)
                ball = video.tables["eye_ball"][:, None]
                squares = (solid[..., 0] - ball[..., 1]) ** 2 + (solid[..., 1] - ball[..., 2]) ** 2 + solid[..., 2] ** 2
                assert np.allclose(
                    np.sqrt(squares[valid]), np.broadcast_to(ball[..., 0], squares.shape)[valid], rtol=1e-4
                )


def test_ellipses_hold_the_projected_circles(videos: list[Video]) -> None:
    """OpenCV's own fit to many points of the circle through the eight exact ones."""
    for video in videos:
        for part in ("pupil", "iris"):
            valid = video.tables[f"validity_{part}"][:, 0] == 1
            for found, row, seen in zip(video.tables[f"{part}_eli"], video.rows, valid, strict=True):
                ring = array(row, f"{part}_{video.side}_3d", 8, 3)
                center, t = ring.mean(axis=0), np.linspace(0, 2 * np.pi, 200, endpoint=False)[:, None]
                circle = center + np.cos(t) * (ring[0] - center) + np.sin(t) * (ring[2] - center)
                pixels = circle @ array(row, "camera", 3, 3).T
                (x, y), (width, height), angle = cv2.fitEllipse((pixels[:, :2] / pixels[:, 2:]).astype(np.float32))
                if not seen:
                    assert np.all(found == -1)
                    continue
                assert np.allclose(found[1:], [x, y, width, height], atol=0.01)
                assert width <= height and abs((found[0] - angle + 90) % 180 - 90) < 0.5
            both = valid & (video.tables["validity_pupil"][:, 0] == 1)
        inner, iris, pupil = (video.tables[f"{name}_eli"][both] for name in ("pupil_in_iris", "iris", "pupil"))
        assert np.allclose(inner[:, :3], iris[:, :3]) and len(inner)
        assert np.allclose(inner[:, 3] / inner[:, 4], iris[:, 3] / iris[:, 4], rtol=1e-4)
        assert np.all(inner[:, 3:] >= pupil[:, 3:] - 1e-3)
        assert np.all(np.min(inner[:, 3:] - pupil[:, 3:], axis=1) < 1e-3)


def test_eye_movements(videos: list[Video]) -> None:
    for video in videos:
        kinds = video.tables["eye_movements"][:, 0]
        assert kinds.tolist() == [row["eye_movement"] for row in video.rows]
        assert set(kinds) <= {1, 2, 3, 4, 5}


def test_what_is_not_seen_turns_minus_one_but_for_2d_points(made: Exported, tmp_path: Path) -> None:
    rows = [dict(row) for row in made.rows]
    for row in rows:
        if row["frame"] == 4:
            for side in ("right", "left"):
                row[f"pupil_{side}_visible"] = [True] * 3 + [False] * 5
    (tmp_path / "set").mkdir()
    for name in ("photos", "masks"):
        (tmp_path / "set" / name).symlink_to(made.source / name)
    export(annotated(tmp_path / "set", rows).root, "teyed", tmp_path / "out")
    for before, after in zip(read(made), read(Exported(tmp_path / "out", tmp_path / "set", rows)), strict=True):
        hidden = after.tables
        assert (
            hidden["validity_pupil"][4, 0] == -1
            and hidden["validity_iris"][4, 0] == before.tables["validity_iris"][4, 0]
        )
        for kind in ("gaze_vec", "pupil_eli", "pupil_in_iris_eli", "pupil_lm_3D"):
            assert np.all(hidden[kind][4] == -1), kind
        assert hidden["pupil_lm_2D"][4, 0] == -1
        assert np.array_equal(hidden["pupil_lm_2D"][4, 1:], before.tables["pupil_lm_2D"][4, 1:])
        for kind in ("eye_ball", "iris_eli", "iris_lm_3D", "lid_lm_2D"):
            assert np.array_equal(hidden[kind], before.tables[kind]), kind
        text = (after.out / "ANNOTATIONS" / f"{after.name}gaze_vec.txt").read_text()
        assert "\n5;-1;-1;-1;\n" in text


def test_names(made: Exported) -> None:
    names = sorted(path.name for path in (made.out / FOLDER / "ANNOTATIONS").iterdir())
    kinds = {re.sub(r"^p00[01]_r00\.mp4", "", name) for name in names}
    assert kinds == {f"{kind}.txt" for kind in HEADERS} | {f"{part}_seg_2D.mp4" for part in PIXELS}
    assert len(names) == 2 * len(kinds)
