"""The audit finds what was planted and leaves a sound set in peace."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from slyk.audit import consistency, offsets, summary, verdicts


def samples(seed: int = 0, *, noise_mm: float = 1.2, count: int = 600) -> pd.DataFrame:
    """Eyes of 10.4 mm that follow gaze in the head, and noise; ten people."""
    rng = np.random.default_rng(seed)
    gaze, head = rng.uniform([-0.5, -0.7], [0.5, 0.7], (count, 2)), rng.normal(0, 0.2, (count, 2))
    turn = gaze - head
    dark = -10.4 * np.sin(turn[:, ::-1]) * [1.0, 0.5] + rng.normal(0, noise_mm, (count, 2))
    rows: list[dict[str, Any]] = [
        {
            "key": f"k{i}", "group": f"p{i % 10}", "split": "train", "luminance": 100.0, "contrast": 30.0,
            "sharpness": 12.0, "right_mm": dark[i].tolist(), "left_mm": dark[i].tolist(), "face_seen": 1.0,
            "right_seen": 1.0, "left_seen": 1.0, "gaze": gaze[i].tolist(), "head": head[i].tolist(),
        }
        for i in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def planted(column: int, share: float, *, person: str | None = None) -> pd.DataFrame:
    """A sound set in which the sign of pitch (0) or yaw (1) is wrong in a share of the photos, or of one person."""
    table = samples()
    wrong = np.random.default_rng(1).uniform(size=len(table)) < share
    if person is not None:
        wrong = (table["group"] == person).to_numpy()
    gaze = np.stack(table["gaze"].to_list())
    gaze[wrong, column] *= -1
    return table.assign(gaze=gaze.tolist())


@pytest.mark.parametrize("seed", range(5))
def test_a_sound_set_is_left_in_peace(seed: int) -> None:
    found = consistency(samples(seed))
    assert verdicts(found) == []
    assert found["yaw"]["correlation"] < -0.7 and found["pitch"]["correlation"] < -0.5


@pytest.mark.parametrize(("column", "name"), [(0, "pitch"), (1, "yaw")])
def test_a_fifth_of_flipped_labels_is_found(column: int, name: str) -> None:
    (told,) = verdicts(consistency(planted(column, 0.2)))
    assert told.startswith(name) and "mirrored" in told


@pytest.mark.parametrize(("column", "name"), [(0, "pitch"), (1, "yaw")])
def test_a_wrong_sign_throughout_is_found(column: int, name: str) -> None:
    told = verdicts(consistency(planted(column, 1.0)))
    assert any(text.startswith(f"{name} has the wrong sign") for text in told)


def test_one_mirrored_person_is_named() -> None:
    found = consistency(planted(1, 0.0, person="p3"))["yaw"]["groups"]
    assert next(iter(found)) == "p3" and found["p3"] > 0.6


def test_swapped_pitch_and_yaw_are_found() -> None:
    table = samples()
    table["gaze"] = [row[::-1] for row in table["gaze"]]
    assert any("does not follow" in text for text in verdicts(consistency(table)))


def eyes(seed: int = 0, *, count: int = 400) -> pd.DataFrame:
    """Single eyes of ten recordings, in each of which the camera stands otherwise: gaze in its frame, the dark in the
    eye's opening."""
    rng = np.random.default_rng(seed)
    turn, recording = rng.uniform([-0.4, -0.5], [0.4, 0.5], (count, 2)), np.arange(count) % 10
    camera = rng.uniform(-0.6, 0.6, (10, 2))[recording]
    dark = -0.37 * np.sin(turn[:, ::-1]) * [1.0, 0.6] + rng.normal(0, 0.02, (count, 2))
    rows: list[dict[str, Any]] = [
        {
            "key": f"k{i}", "group": f"r{recording[i]}", "split": "train", "luminance": 100.0, "contrast": 30.0,
            "sharpness": 12.0, "dark": dark[i].tolist(), "gaze": (turn[i] + camera[i]).tolist(),
        }
        for i in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def flipped(table: pd.DataFrame, column: int, wrong: "pd.Series[bool]") -> pd.DataFrame:
    gaze = np.stack(table["gaze"].to_list())
    gaze[wrong.to_numpy(), column] *= -1
    return table.assign(gaze=gaze.tolist())


@pytest.mark.parametrize("seed", range(3))
def test_sound_eyes_are_left_in_peace_however_their_cameras_stand(seed: int) -> None:
    table = eyes(seed)
    raw = np.corrcoef(np.stack(table["dark"].to_list())[:, 0], np.stack(table["gaze"].to_list())[:, 1])[0, 1]
    found = consistency(table)
    assert verdicts(found) == [] and found["yaw"]["correlation"] < -0.9 and found["pitch"]["correlation"] < -0.8
    assert found["yaw"]["correlation"] < raw - 0.05  # what the cameras' places would hide


@pytest.mark.parametrize(("column", "name"), [(0, "pitch"), (1, "yaw")])
def test_wrong_signs_of_eyes_are_found(column: int, name: str) -> None:
    table = eyes()
    throughout = flipped(table, column, pd.Series(True, index=table.index))
    assert any(text.startswith(f"{name} has the wrong sign") for text in verdicts(consistency(throughout)))
    one = consistency(flipped(table, column, table["group"] == "r3"))[name]["groups"]
    assert next(iter(one)) == "r3" and one["r3"] > 0.6


def test_eyes_that_tell_nothing_are_left_out() -> None:
    table = eyes(count=120)
    table.loc[:9, "dark"] = None
    table.loc[10:14, "gaze"] = None
    table.loc[15:17, "group"] = "alone"  # three photos have no middle worth the name
    seen = offsets(table)
    assert seen is not None and len(seen.groups) == 102 and "alone" not in set(seen.groups)
    assert offsets(eyes(count=20)) is None and consistency(eyes(count=20)) == {}
    told = summary(table, pd.DataFrame(), pd.DataFrame())
    assert set(told["angles_deg"]) == {"gaze"} and told["num_eyes_cut"] == 0 and told["num_labelled"] == 115


def test_too_little_to_tell() -> None:
    assert consistency(samples(count=20)) == {}
    table = samples(count=60)
    table["gaze"] = None
    assert consistency(table) == {}
    assert consistency(pd.DataFrame()) == {}


def test_counts() -> None:
    table = samples(count=40)
    table.loc[:3, "gaze"] = None
    table.loc[0, "left_seen"] = 0.5
    rejects = pd.DataFrame(
        {"stage": ["index", "index", "normalize"], "reason": ["bad_label", "bad_label", "truncated"]}
    )
    index = pd.DataFrame({"tags": [["off_screen"], [], ["off_screen", "x"]], "eyes": "annotated", "known": "measured"})
    told = summary(table, rejects, index)
    assert (told["num_faces"], told["num_samples"], told["num_labelled"], told["num_rejects"]) == (3, 40, 36, 3)
    assert told["rejects"] == {"index bad_label": 2, "normalize truncated": 1}
    assert told["tags"] == {"off_screen": 2, "x": 1} and told["num_eyes_cut"] == 1
    assert told["splits"] == {"train": 40} and told["groups"]["p0"] == 4
    assert 20 < told["mean_gaze_error_deg"] < 35


def test_nothing_at_all() -> None:
    empty = pd.DataFrame()
    told = summary(empty, empty, empty)
    assert told["num_samples"] == 0 and told["mean_gaze_error_deg"] is None
