"""params.yaml: what is read, and what is said when it is wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from slyk.config import Params, load_params
from slyk.config.data import MAX_SQUARE_PX, SetProtocol
from slyk.config.section import as_flat
from slyk.errors import ParamsError
from slyk.shards import limits
from tests.drawn import REPOSITORY


@pytest.fixture
def raw() -> dict[str, Any]:
    return dict(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))


def write(tmp_path: Path, raw: object) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def failure(tmp_path: Path, raw: object) -> str:
    path = write(tmp_path, raw)
    with pytest.raises(ParamsError) as caught:
        load_params(path)
    return str(caught.value)


def test_the_file_of_the_repository_is_valid(params: Params) -> None:
    rendered = params.render["synthetic"]
    assert rendered.num_people == rendered.num_train_people + rendered.num_test_people
    assert params.datasets["synthetic"].root == "data/raw/synthetic"
    assert params.protocol.num_gate_people < rendered.num_train_people


def test_sections_are_frozen(params: Params) -> None:
    with pytest.raises(ValidationError):
        params.index.min_face_px = 1  # type: ignore[misc]


def test_an_unknown_key_lists_the_known_ones(tmp_path: Path, raw: dict[str, Any]) -> None:
    raw["finetune"]["gaze"]["learning_rat"] = 0.1
    message = failure(tmp_path, raw)
    assert "finetune.gaze.learning_rat: unknown key" in message and "encoder_learning_rate" in message
    assert str(tmp_path / "params.yaml") in message


def test_an_unknown_key_of_a_data_set(tmp_path: Path, raw: dict[str, Any]) -> None:
    raw["datasets"]["synthetic"]["rot"] = "x"
    message = failure(tmp_path, raw)
    assert "datasets.synthetic.rot: unknown key" in message and "reader, root" in message


def test_all_errors_are_told_at_once(tmp_path: Path, raw: dict[str, Any]) -> None:
    raw["pretrain"]["batch_size"] = 1
    raw["normalize"]["eye_margin"] = "wide"
    del raw["promote"]["margin_deg"]
    message = failure(tmp_path, raw)
    assert "3 wrong entries" in message
    assert "pretrain.batch_size" in message and "found 1" in message
    assert "normalize.eye_margin" in message and "'wide'" in message
    assert "promote.margin_deg: missing key" in message


@pytest.mark.parametrize(
    ("section", "values", "told"),
    [
        ("pretrain", {"datasets": []}, "pretrain.datasets: Tuple should have at least 1 item"),
        ("pretrain", {"datasets": ["synthetic", "synthetic"]}, "pretrain.datasets: names a data set twice"),
        ("pretrain", {"datasets": ["celeb"]}, "pretrain.datasets holds 'celeb'; known under datasets: synthetic"),
        ("evaluate", {"datasets": ["celeb"]}, "evaluate.datasets holds 'celeb'; known under datasets: synthetic"),
        (
            "protocol",
            {"sets": {"mpii": {"name": "all"}}},
            "protocol.sets holds 'mpii'; known under datasets: synthetic",
        ),
        ("protocol", {"default": "loo"}, "protocol.default: Input should be 'as_shipped', 'official', 'leave_one_out'"),
        (
            "protocol",
            {"sets": {"synthetic": {"name": "folds", "folds": 5}}},
            "protocol.sets.synthetic.folds: unknown key",
        ),
        *(("finetune.gaze", {"epochs": count}, "gaze.epochs: Input should be") for count in (True, 0, 10**20, "3")),
        *(("finetune.gaze", {"dropout": share}, "gaze.dropout: ") for share in (1.0, -0.1, True)),
        ("finetune.gaze.views", {"blur_sigma": [2.0, 0.1]}, "blur_sigma: the smaller number comes first"),
        ("pretrain", {"face_px": 1}, "pretrain.face_px: Input should be greater than or equal to 16"),
        ("pretrain", {"face_px": 10_000}, "pretrain.face_px: Input should be less than or equal to 1024"),
        ("pretrain", {"projector_out": 1}, "pretrain.projector_out: Input should be greater than or equal to 2"),
        ("pretrain.encoder", {"width": 1, "heads": 1}, "pretrain.encoder.width: Input should be greater than"),
        ("pretrain.views", {"blur_sigma": [0.1, 1e5]}, "pretrain.views.blur_sigma: at most 5 px are blurred"),
        *(
            (section, {"warmup_epochs": 2.5, "epochs": 2}, "warmup_epochs 2.5 are more than all epochs, 2: lower them")
            for section in ("pretrain", "finetune.gaze")
        ),
        ("normalize", {"face_px": 1}, "normalize.face_px: Input should be greater than or equal to 16"),
        ("normalize", {"face_px": 4000}, "face_px times face_margin is 5600, at most 4094"),
        ("normalize", {"eye_zoom": 1e300}, "normalize.eye_zoom: Input should be less than or equal to"),
        ("normalize", {"focal_px": 1e-300}, "normalize.focal_px: Input should be greater than"),
        ("normalize", {"focal_px": True}, "normalize.focal_px: a number is expected"),
        ("datasets.synthetic", {"root": ""}, "datasets.synthetic.root: String should have at least 1 character"),
        *(("datasets.synthetic", {"licence": text}, "one line of printable text") for text in ("CC BY\n", "a\tb")),
        ("pretrain", {"learning_rate": float("inf")}, "pretrain.learning_rate: Input should be a finite number"),
        (
            "render",
            {"synthetic": {"domain": "studo"}},
            "render.synthetic.domain: Input should be 'wide', 'webcam', 'wild'",
        ),
        ("render", {"synthetic": {"domain": "wide"}}, "render.synthetic.photos_per_person: missing key"),
        ("datasets", {"far": {"reader": "synthetic", "root": "data/raw/far/"}}, "datasets.far is rendered, but render"),
        (
            "datasets",
            {"synthetic": {"reader": "folder", "root": "x"}},
            "datasets.synthetic is another set of that name",
        ),
        ("datasets", {"far": {"reader": "folder", "root": "./data/raw//synthetic/"}}, "but render makes that folder"),
        ("datasets", {"../up": {"reader": "folder", "root": "x"}}, "found '../up'"),
    ],
)
def test_what_no_stage_could_use(
    tmp_path: Path, raw: dict[str, Any], section: str, values: dict[str, Any], told: str
) -> None:
    place = raw
    for name in section.split("."):
        place = place[name]
    place |= values
    assert told in failure(tmp_path, raw)


def test_values_at_odds_are_told_without_all_the_others(tmp_path: Path, raw: dict[str, Any]) -> None:
    raw["pretrain"] |= {"objective": "masked", "equivariance": "shuffled"}
    told = failure(tmp_path, raw).splitlines()[1:]
    assert told == ["  pretrain: equivariance is for byol and mbyol, not for masked: say none"]


def test_numbers_as_people_write_them(tmp_path: Path, raw: dict[str, Any]) -> None:
    """YAML takes 1e-3 for a text."""
    raw["pretrain"] |= {"learning_rate": "1e-3", "weight_decay": 0}
    found = load_params(write(tmp_path, raw)).pretrain
    assert (found.learning_rate, found.weight_decay) == (0.001, 0.0)


def test_what_may_be_written_can_be_read() -> None:
    assert MAX_SQUARE_PX + 1 < limits.MAX_SIDE_PX and limits.MAX_TEXT == 4096


def test_a_width_that_heads_cannot_share(tmp_path: Path, raw: dict[str, Any]) -> None:
    raw["pretrain"]["encoder"] |= {"width": 30, "heads": 4}
    assert "pretrain.encoder: width must be a multiple of heads" in failure(tmp_path, raw)


def test_close_ups_of_eyes_are_a_set_like_others(tmp_path: Path, raw: dict[str, Any]) -> None:
    raw["render"]["eyes"] = raw["render"]["synthetic"] | {"domain": "near_eye"}
    raw["datasets"]["eyes"] = {"reader": "synthetic", "root": "data/raw/eyes"}
    assert load_params(write(tmp_path, raw)).datasets["eyes"].reader == "synthetic"


@pytest.mark.parametrize("name", ["num_test_people", "photos_per_person", "photo_px"])
def test_more_than_anybody_renders(tmp_path: Path, raw: dict[str, Any], name: str) -> None:
    raw["render"]["synthetic"][name] = 100_001
    assert f"render.synthetic.{name}: Input should be less than or equal to" in failure(tmp_path, raw)


def test_nothing_to_render(tmp_path: Path, raw: dict[str, Any]) -> None:
    del raw["render"]
    assert "datasets.synthetic is rendered, but render holds no 'synthetic'" in failure(tmp_path, raw)
    raw["datasets"]["synthetic"]["root"] = "elsewhere"
    assert load_params(write(tmp_path, raw)).render == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed: 1\nrender: {}\nseed: 2\n", "line 3 repeats the key 'seed' of line 1"),
        ("render:\n  a: {domain: wide, domain: wild}\n", "line 2 repeats the key 'domain' of line 2"),
    ],
)
def test_a_key_that_stands_twice(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=told) as caught:
        load_params(tmp_path / "params.yaml")
    assert str(tmp_path / "params.yaml") in str(caught.value)


@pytest.mark.parametrize(
    "raw, told",
    [(None, "1 wrong entry\n"), ([1, 2], "1 wrong entry\n"), ("text", "1 wrong entry\n"), ({}, "wrong entries\n")],
)
def test_other_documents_are_errors(tmp_path: Path, raw: object, told: str) -> None:
    assert told in failure(tmp_path, raw)


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="SLYK_ROOT"):
        load_params(tmp_path / "params.yaml")
    for data in (b"a: [", b"seed: \xff"):
        (tmp_path / "params.yaml").write_bytes(data)
        with pytest.raises(ParamsError, match="not valid YAML"):
            load_params(tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match="cannot be read"):
        load_params(tmp_path)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: !!python/object/apply:os.system ['true']")
    with pytest.raises(ParamsError, match="not valid YAML"):
        load_params(tmp_path / "params.yaml")


def test_the_protocol_of_a_set(params: Params) -> None:
    sets = {"a": SetProtocol(name="leave_one_out", fold=3, num_gate_people=0)}
    protocol = params.protocol.model_copy(update={"sets": sets, "default": "official"})
    assert protocol.of("a") == {
        "name": "leave_one_out",
        "fold": 3,
        "num_folds": None,
        "num_gate_people": 0,
        "without": (),
    }
    assert protocol.of("b") == {
        "name": "official",
        "fold": None,
        "num_folds": None,
        "num_gate_people": 6,
        "without": (),
    }


def test_flat_names(params: Params) -> None:
    flat = as_flat(params)
    assert flat["pretrain.encoder.backbone"] == params.pretrain.encoder.backbone
    assert flat["datasets.synthetic.reader"] == "synthetic"
    chosen = {"p.num_gate_people": params.protocol.num_gate_people, "p.default": "as_shipped"}
    assert as_flat(params.protocol, "p.") == chosen
    sets = {"a": SetProtocol(name="leave_one_out", fold=3)}
    assert as_flat(params.protocol.model_copy(update={"sets": sets}), "p.")["p.sets.a.fold"] == 3
    assert not any(isinstance(value, dict) for value in flat.values())


def test_no_set_trains_on_people_whom_another_tests_on() -> None:
    settings = load_params(REPOSITORY / "params.yaml").render["synthetic"]
    few, many = (settings.model_copy(update={"num_train_people": n, "num_test_people": 7}) for n in (3, 60))
    splits = [{s.identity(p) for p in range(s.num_train_people)} for s in (few, many)]
    tests = [{s.identity(p) for p in range(s.num_train_people, s.num_people)} for s in (few, many)]
    assert splits[0] == {0, 1, 2} and tests[0] == tests[1] and len(tests[0]) == 7
    assert not (splits[0] | splits[1]) & (tests[0] | tests[1])
