"""Label files line by line: where lines and words end, and parts that together are the file."""

from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slyk.datasets.lines import Part, divided, head_of, numbered_lines, opened, part_of, unread, words
from slyk.datasets.raw import Raw
from slyk.errors import DataMissingError
from tests.datasets.trees import save_text

RARE = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\u3000\xa0"
"""Where `str.splitlines` or `str.split` would cut."""


def test_lines_and_words_end_at_plain_signs_only(tmp_path: Path) -> None:
    raw = Raw(save_text(tmp_path, f"\ufeffa{RARE}b 1\r\n\r\t \nc\t 2 \rd", "l.txt"))
    assert list(numbered_lines(raw, "l.txt")) == [(1, f"a{RARE}b 1"), (4, "c\t 2"), (5, "d")]
    assert raw.text("l.txt") == f"a{RARE}b 1\n\n\t \nc\t 2 \nd"
    assert words(f" a{RARE}b \t 1\t") == [f"a{RARE}b", "1"] and words(" \t") == []
    assert words("1 2  3 4 ", most=3) == ["1", "2", "3 4"]


LINES = st.lists(st.text(st.sampled_from('aä\u2028\x85, "')), max_size=30)


@settings(max_examples=30)
@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 6), st.booleans())
def test_the_parts_are_the_file(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, per_part: int, marked: bool
) -> None:
    raw = Raw(tmp_path_factory.mktemp("set"))
    save_text(Path(raw.root), "\ufeff" * marked + end.join(lines) + "x", "l.txt")
    units = divided(raw, "l.txt", per_part=per_part)
    whole = list(numbered_lines(raw, "l.txt"))
    assert [line for unit in units for line in numbered_lines(raw, unit)] == whole
    assert len(units) == max(-(-len(lines) // per_part), 1)
    if len(units) > 1:
        data, parts = (Path(raw.root) / "l.txt").read_bytes(), [part_of(unit) for unit in units]
        assert b"".join(data[part.start : part.end] for part in parts) == data
        assert [part.line for part in parts] == [1 + per_part * i for i in range(len(parts))]


def test_a_part_is_read_alone_also_behind_a_url(tmp_path: Path) -> None:
    text = "".join(f"{number}\n" for number in range(100))
    save_text(tmp_path, text, "a #1.txt")
    fsspec.filesystem("memory").pipe("/lines/a #1.txt", text.encode())
    for raw in (Raw(tmp_path), Raw("memory://lines")):
        units = divided(raw, "a #1.txt", per_part=60)
        assert units == ["a #1.txt#1-0-170", "a #1.txt#61-170-290"]
        assert part_of(units[1]) == Part("a #1.txt", 61, 170, 290) and part_of("a #1.txt") == Part("a #1.txt")
        assert list(numbered_lines(raw, units[1])) == [(number, str(number - 1)) for number in range(61, 101)]
        assert next(numbered_lines(raw, head_of(units[1]))) == (1, "0")
        with pytest.raises(DataMissingError, match=r"gone\.txt: not_found"):
            opened(raw, "gone.txt#1-0-9")


def test_what_cannot_be_divided_is_left_to_the_reader(tmp_path: Path) -> None:
    raw = Raw(save_text(tmp_path, "", "empty.txt"))
    assert divided(raw, "empty.txt") == ["empty.txt"] and divided(raw, "gone.txt") == ["gone.txt"]
    (tmp_path / "bytes.txt").write_bytes(b"\xff\n\xfe\n")
    units = divided(raw, "bytes.txt", per_part=1)
    assert [list(numbered_lines(raw, unit)) for unit in units] == [[(1, "\ufffd")], [(2, "\ufffd")]]
    with pytest.raises(DataMissingError, match=r"empty\.txt is empty"):
        next(numbered_lines(raw, "empty.txt"))
    error = DataMissingError("it holds nothing")
    assert (unread(raw, "empty.txt", error).reason, unread(raw, "empty.txt", error).photo) == ("bad_label", "empty.txt")
    with pytest.raises(DataMissingError, match="it holds nothing"):
        unread(raw, "gone.txt", error)
