"""docs/synthetic.md against the code: the ranges of a person and of expressions, the domains' gaze and shortcuts."""

import re
from dataclasses import fields
from functools import cache
from itertools import islice

import numpy as np
import pytest

from slyk.geometry.angles import Array, angular_error, pitchyaw_from_vector
from slyk.synthetic import draw
from slyk.synthetic.annotate import COLUMNS
from slyk.synthetic.domains import DOMAINS
from slyk.synthetic.head import build
from slyk.synthetic.identity import Identity, draw_identity, stream
from slyk.synthetic.scene import EMOTIONS, make_scene
from tests.drawn import REPOSITORY

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs" / "synthetic.md").read_text(encoding="utf-8")
RANGE = re.compile(r"`(\w+)` (-?[\d.]+) to (-?[\d.]+)")
Span = tuple[float, float]


def section(title: str, until: str) -> str:
    return PAGE[PAGE.index(title) : PAGE.index(until)]


def ranges(text: str) -> dict[str, Span]:
    return {name: (float(low), float(high)) for name, low, high in RANGE.findall(text)}


PERSON = section("**A person**", "**Expressions**")


@cache
def people() -> tuple[Identity, ...]:
    rng = stream(11, 0, 0)
    return tuple(draw_identity(rng) for _ in range(6000))


def test_every_number_of_a_person_has_its_range() -> None:
    numbers = {f.name for f in fields(Identity) if f.type is float or f.type == "float"}
    assert set(ranges(PERSON)) == numbers
    assert all(f"`{f.name}`" in PERSON for f in fields(Identity))


@pytest.mark.parametrize("name", ranges(PERSON))
def test_people_fill_the_range_and_stay_in_it(name: str) -> None:
    low, high = ranges(PERSON)[name]
    values = np.array([getattr(person, name) for person in people()])
    slack = 0.006 * (high - low)  # rounded on the page
    assert low - slack <= values.min() <= low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) <= values.max() <= high + slack


def test_expressions_are_those_of_the_page() -> None:
    told = {}
    for line in section("**Expressions**", "**Light, camera").splitlines():
        if row := re.match(r"\| (\d) (\w+) \|", line):
            assert EMOTIONS[int(row[1]) - 1] == row[2]
            told[row[2]] = ranges(line)
    assert tuple(told) == EMOTIONS
    rng = stream(12, 0, 0)
    drawn = [draw.expression(rng, neutral=1 / 7) for _ in range(9000)]
    for number, emotion in enumerate(EMOTIONS):
        faces = [face for index, face in drawn if index == number]
        for part in set(faces[0]._fields) - {"one_sided"}:
            values = np.array([getattr(face, part) for face in faces])
            low, high = told[emotion].get(part, (0.0, 0.0))
            assert np.all((values >= low) & (values <= high)), (emotion, part)
            assert values.min() <= low + 0.03 * (high - low) and values.max() >= high - 0.03 * (high - low)


def test_columns_that_are_named_exist() -> None:
    names = [column.name for column in COLUMNS]
    rows = section("| group | columns |", "## Frames").splitlines()
    named = re.findall(r"`([a-z0-9_]+)`", " ".join(row.split("|")[2] for row in rows if row))
    assert len(named) > 40
    assert [name for name in named if not any(part.startswith(name) or part.endswith(name) for part in names)] == []


def directions(domain: str) -> tuple[Array, Array]:
    """Gaze and head (N, 3), camera frame, of 20 people with 54 photos each, every 4th frame of `near_eye`."""
    gaze, head = [], []
    step = 4 if domain == "near_eye" else 1
    for number in range(20):
        rng = stream(5, number, -1)
        person = draw_identity(rng)
        skull, photo_px = build(person, rng), DOMAINS[domain].PHOTO_PX
        shots = DOMAINS[domain].shots(person, skull, seed=5, number=number, photo_px=photo_px)
        for setup in islice(shots, 0, 54 * step, step):
            seen = setup.target - setup.face_center
            if domain == "near_eye":
                seen = make_scene(person, skull, setup).visual[number % 2]
            gaze.append(seen / np.linalg.norm(seen))
            head.append(-setup.rotation[:, 2])
    return np.stack(gaze), np.stack(head)


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_gaze_and_shortcuts_of_the_domains(domain: str) -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{domain}` |"))
    *_, size, pitch, yaw, by_mean, by_head, _ = (cell.strip() for cell in row.split("|"))
    assert size.split()[0] == str(64 if domain == "wild" else DOMAINS[domain].PHOTO_PX)
    gaze, head = directions(domain)
    low, high = np.percentile(np.rad2deg(pitchyaw_from_vector(gaze)), [2.5, 97.5], axis=0)
    for axis, told in enumerate((pitch, yaw)):
        assert [float(v) for v in told.split(" to ")] == pytest.approx([low[axis], high[axis]], abs=0.6)
    for told, guess in ((by_mean, gaze.mean(axis=0)), (by_head, head)):
        assert float(told) == pytest.approx(np.rad2deg(angular_error(gaze, guess).mean()), abs=0.1)
