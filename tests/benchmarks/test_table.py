"""Targets, the exit status that follows from them, and the JSON."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import synthetic
from benchmarks.table import Line, at_least, at_most, figure, format_line, status, summary, write


def test_targets_hold_at_their_limit() -> None:
    assert at_least("a", 15.0, 15.0).ok and not at_least("a", 14.999, 15.0).ok
    assert at_most("a", 1.0, 1.0).ok and not at_most("a", 1.001, 1.0).ok
    assert not at_least("a", float("nan"), 0.0).ok and not at_most("a", float("nan"), 0.0).ok


def test_one_missed_target_decides() -> None:
    good = [at_least("a", 2.0, 1.0), figure("b", 3.0)]
    assert status(good) == 0 and summary(good) == "1 of 1 targets met"
    bad = [*good, at_most("c", 2.0, 1.0)]
    assert status(bad) == 1 and summary(bad) == "1 of 2 targets met"
    assert "MISSED" in format_line(bad[-1]) and "ok" in format_line(bad[0])


def test_lines_are_kept_as_json(tmp_path: Path) -> None:
    write(tmp_path / "lines.json", [at_least("a", 2.0, 1.0, "1/s", "note")])
    expected = {"name": "a", "measured": 2.0, "target": ">= 1 1/s", "ok": True, "note": "note"}
    assert json.loads((tmp_path / "lines.json").read_text()) == [expected]


@pytest.mark.parametrize(("measured", "code"), [(2.0, 0), (0.5, 1)])
def test_the_command_ends_with_the_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, measured: float, code: int
) -> None:
    def parts(cache: Path) -> dict[str, object]:
        return {"one": lambda: [at_least("a figure", measured, 1.0)], "two": lambda: [Line("other", 0.0, "", False)]}

    monkeypatch.setattr(synthetic, "parts", parts)
    monkeypatch.setattr(sys, "argv", ["synthetic", "--only", "one", "--json", str(tmp_path / "out.json")])
    with pytest.raises(SystemExit) as end:
        synthetic.main()
    assert end.value.code == code
    assert capsys.readouterr().out.splitlines()[-1] == f"{1 - code} of 1 targets met"
    assert json.loads((tmp_path / "out.json").read_text())[0]["measured"] == measured
