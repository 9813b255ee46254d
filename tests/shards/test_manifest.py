"""The manifest: written last, the same for the same shards."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slyk.errors import CorruptShardError, DataMissingError, ParamsError
from slyk.files import digest
from slyk.shards import manifest
from slyk.shards.sample import EYE_MEMBERS
from tests.drawn import SMALL_SPEC


def test_groups_and_counts(shards: Path) -> None:
    loaded = manifest.load(shards)
    assert (loaded.dataset, loaded.licence, loaded.num_samples) == ("synthetic", "Apache-2.0", 16)
    assert loaded.groups() == ["p000", "p001", "p002", "p003"]
    assert loaded.groups("test") == ["p003"]
    assert loaded.groups("train", labelled=True) == ["p000", "p001", "p002"]
    assert loaded.crops == SMALL_SPEC.as_dict()


def sidecars(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_bytes()) for path in folder.glob("p*.json")]


def test_the_order_of_writing_does_not_matter(shards: Path, tmp_path: Path) -> None:
    for name, parts in (("a", sidecars(shards)), ("b", sidecars(shards)[::-1])):
        (tmp_path / name).mkdir()
        manifest.write(tmp_path / name, "synthetic", "Apache-2.0", SMALL_SPEC.as_dict(), parts)
        assert (tmp_path / name / manifest.NAME).read_bytes() == (shards / manifest.NAME).read_bytes()


def test_the_digest_covers_everything(shards: Path, tmp_path: Path) -> None:
    before = manifest.load(shards).digest
    for change in ({"licence": "CC"}, {"crops": {"focal_px": 1.0}}):
        values = {"dataset": "synthetic", "licence": "Apache-2.0", "crops": SMALL_SPEC.as_dict()} | change
        manifest.write(tmp_path, **values, sidecars=sidecars(shards))  # type: ignore[arg-type]
        assert manifest.load(tmp_path).digest != before
    parts = sidecars(shards)
    parts[0]["sha256"] = "0" * 64
    manifest.write(tmp_path, "synthetic", "Apache-2.0", SMALL_SPEC.as_dict(), parts)
    assert manifest.load(tmp_path).digest != before


def test_unlabelled_groups_are_told_apart(shards: Path, tmp_path: Path) -> None:
    parts = sidecars(shards)
    for part in parts:
        part["num_labelled"] = 0 if part["group"] == "p001" else part["num_labelled"]
    manifest.write(tmp_path, "synthetic", "Apache-2.0", SMALL_SPEC.as_dict(), parts)
    assert manifest.load(tmp_path).groups("train", labelled=True) == ["p000", "p002"]
    assert manifest.load(tmp_path).groups("train") == ["p000", "p001", "p002"]


def test_tags_are_counted_by_group(shards: Path, tmp_path: Path) -> None:
    parts = sidecars(shards)
    for part in parts:
        part["tags"] = {"p001": {"validation": 4}, "p002": {"validation": 1, "dark": 2}}.get(str(part["group"]), {})
    manifest.write(tmp_path, "synthetic", "Apache-2.0", SMALL_SPEC.as_dict(), parts)
    assert manifest.load(tmp_path).tagged("validation") == {"p001": 1.0, "p002": 0.25}
    assert manifest.load(tmp_path).tagged("dark") == {"p002": 0.5}
    assert manifest.load(tmp_path).tagged("light") == {}


def test_a_manifest_of_another_format(shards_copy: Path) -> None:
    body = json.loads((shards_copy / manifest.NAME).read_bytes()) | {"format": 1}
    body["digest"] = digest({name: value for name, value in body.items() if name != "digest"})
    (shards_copy / manifest.NAME).write_text(json.dumps(body))
    with pytest.raises(DataMissingError, match=r"written by another slyk .*run `dvc repro normalize@synthetic`"):
        manifest.load(shards_copy)


@pytest.mark.parametrize(
    "change", [lambda text: text[:-9], lambda _: "[]", lambda _: "{}", lambda text: text.replace('"test"', '"train"')]
)
def test_a_changed_manifest_is_refused(shards_copy: Path, change: Callable[[str], str]) -> None:
    path = shards_copy / manifest.NAME
    path.write_text(change(path.read_text()))
    with pytest.raises(CorruptShardError, match="is not as it was written"):
        manifest.load(shards_copy)


def test_an_unfinished_folder(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=f"dvc repro normalize@{tmp_path.name}"):
        manifest.load(tmp_path)


def test_a_set_tells_whether_it_shows_faces(shards: Path, tmp_path: Path) -> None:
    assert manifest.load(shards).faces() == manifest.load(shards)
    manifest.write(tmp_path, "eyes", "CC0", {"one_eye_px": 96}, sidecars(shards), EYE_MEMBERS)
    eyes = manifest.load(tmp_path)
    assert eyes.members == EYE_MEMBERS and not eyes.shows_faces
    with pytest.raises(ParamsError, match="eyes shows one eye a photo and no face; it is for landmarks"):
        eyes.faces()


def test_members_that_nobody_knows_are_refused(shards_copy: Path) -> None:
    body = json.loads((shards_copy / manifest.NAME).read_text())
    body["members"] = ["cls", "pyd"]
    body["digest"] = digest({name: value for name, value in body.items() if name != "digest"})
    (shards_copy / manifest.NAME).write_text(json.dumps(body))
    with pytest.raises(CorruptShardError, match="cls"):
        manifest.load(shards_copy)
