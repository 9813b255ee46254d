"""What a user mistypes or lacks is told in a line, with exit status 2."""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import photometry, sheets
from jobs.stage import stage


def told(
    main: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> str:
    """The last line on stderr."""
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    with pytest.raises(SystemExit) as ended:
        stage(main)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("main", [photometry.main, sheets.main])
@pytest.mark.parametrize(("number", "reason"), [("0", "0 is less than 1"), ("-3", "-3 is less than 1"), ("x", "'x'")])
def test_numbers_of_people(
    main: Callable[[], None],
    number: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = told(main, monkeypatch, capsys, "--people", number)
    assert "argument --people: " in line and reason in line


def test_missing_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(photometry, "PORTRAITS", tmp_path / "portraits.json")
    line = f"error: {tmp_path}/portraits.json is missing or damaged"
    assert told(photometry.main, monkeypatch, capsys, "--people", "1").startswith(line)
    assert told(sheets.main, monkeypatch, capsys, "--portraits", str(tmp_path)).startswith(line)


def test_folders_without_portraits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--portraits", str(tmp_path), "--out", str(tmp_path / "sheet.png"))
    assert told(sheets.main, monkeypatch, capsys, *arguments).startswith(f"error: {tmp_path} holds no .jpg")
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((200, 150, 3), 90, np.uint8))
    assert "found in none of the 1 portraits in" in told(sheets.main, monkeypatch, capsys, *arguments)
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    assert "not_a_photo: a.jpg" in told(sheets.main, monkeypatch, capsys, *arguments)
