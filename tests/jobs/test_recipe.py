"""Recipes: what they hold, what they change in params.yaml and what they leave, networks that they build and train."""

import difflib
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from jobs import recipe
from jobs.pretrain import PretrainRecipe
from slyk.config import Params, load_params
from slyk.config.training import Pretrain, Watch
from slyk.errors import ParamsError
from slyk.objectives import OBJECTIVES
from slyk.shards.read import ShardSet
from slyk.training.batches import Augmented, Plan, Samples, loader
from slyk.training.loop import Settings, fit
from tests.drawn import REPOSITORY

NAMES = recipe.names()
PARAMS = (REPOSITORY / "params.yaml").read_text()
NOT_OF_METHODS = {"datasets", "precision", "compile", "checkpoints_per_epoch", "watch"}
OF_SOME = {  # field -> objectives that read it
    "num_regions": {"region_awareness"},
    "hidden_share": {"masked"},
    "decoder_width": {"masked"},
    "decoder_layers": {"masked"},
    "projector_hidden": {"byol", "mbyol", "region_awareness"},
    "projector_out": {"byol", "mbyol", "region_awareness"},
    "momentum": {"byol", "mbyol", "region_awareness"},
    "second_views": {"byol", "mbyol", "region_awareness"},
    "together": {"byol", "mbyol", "region_awareness"},
}


def values(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(recipe.read(name)))


def with_recipe(folder: Path, *names: str) -> Params:
    path = folder / "params.yaml"
    path.write_text(PARAMS)
    for name in names:
        recipe.recipe_command(path, name, write=True)
    return load_params(path)


def trial(params: Params, **changes: Any) -> PretrainRecipe:
    changed = params.model_copy(update={"pretrain": params.pretrain.model_copy(update=changes)})
    return PretrainRecipe.of(changed, ())


def test_each_objective_has_both() -> None:
    assert sorted(f"{name}-{kind}" for name in OBJECTIVES for kind in ("quick", "paper")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_all_that_its_objective_reads(name: str) -> None:
    """So that nothing of another recipe stays behind; what belongs to data and machines is left alone."""
    found = values(name)
    objective = found["pretrain"]["objective"]
    assert name.startswith(f"{objective}-") and set(found) == {"normalize", "pretrain"}
    read = {field for field in Pretrain.model_fields if objective in OF_SOME.get(field, {objective})}
    assert set(found["pretrain"]) == read - NOT_OF_METHODS
    assert set(found["normalize"]) == {"focal_px", "face_px", "eye_zoom"}


@pytest.mark.parametrize("name", NAMES)
def test_params_hold_it_afterwards(name: str, tmp_path: Path) -> None:
    params = with_recipe(tmp_path, "region_awareness-paper", name)
    for section, wanted in values(name).items():
        found = getattr(params, section).model_dump()
        chosen = Params.model_validate(yaml.safe_load(PARAMS) | {section: yaml.safe_load(PARAMS)[section] | wanted})
        for key in wanted:
            assert found[key] == getattr(chosen, section).model_dump()[key], key
    eye_mm = params.normalize.eye_px / (params.normalize.eye_zoom * params.normalize.focal_px / 600.0)
    assert eye_mm == pytest.approx(46.875)


@pytest.mark.parametrize("name", NAMES)
def test_only_lines_of_the_recipe_change(name: str) -> None:
    after = recipe.laid(PARAMS, recipe.read(name))
    changed = [line for line in difflib.ndiff(PARAMS.splitlines(), after.splitlines()) if line[0] in "+-"]
    keys = {key for section in values(name).values() for key in (*section, *section.get("encoder", {}))}
    unread = {key for key, objectives in OF_SOME.items() if name.split("-")[0] not in objectives}
    assert bool(changed) == (name != "mbyol-quick")  # params.yaml holds that one
    assert {line[2:].split(":")[0].strip() for line in changed if line[0] == "+"} <= keys
    assert {line[2:].split(":")[0].strip() for line in changed} <= keys | unread
    assert not any(line[2:].split(":")[1].strip() == "" for line in changed)  # null is spelt
    assert recipe.laid(after, recipe.read(name)) == after


@pytest.mark.parametrize("name", NAMES)
def test_the_first_recipe_is_what_params_come_with(name: str) -> None:
    """Byte by byte: nothing of another stays behind."""
    assert recipe.laid(recipe.laid(PARAMS, recipe.read(name)), recipe.read("mbyol-quick")) == PARAMS


def test_comments_and_layout_stay() -> None:
    """Also of a file that its owner has written in another style."""
    mine = PARAMS.replace("  objective: mbyol\n", "  # ours since May\n  objective: mbyol   # the control next\n\n")
    mine = mine.replace("  epochs: 2\n", "  epochs: 2 # short\n", 1)
    old = next(line for line in mine.splitlines() if line.startswith("  views:") and "30.0" in line)
    views = "  # a\n  views: # mine\n    flip: 0.5 # half\n    rotate: 0.25\n    rotate_deg: 30.0 # most\n\n  # second"
    mine = mine.replace(old, views).replace("  together: null\n", "  together: null # auto\n  # a choice\n")
    after = recipe.laid(mine, recipe.read("masked-quick"))
    assert "  # ours since May\n  objective: masked  # the control next\n\n" in after  # in its column
    assert "  epochs: 4 # short\n" in after and after.endswith(PARAMS[PARAMS.index("finetune:") :])
    assert yaml.safe_load(after)["pretrain"]["views"] == {"crop": 1.0, "crop_area": [0.2, 1.0], "flip": 0.5}
    views = "  # a\n  views: {crop: 1.0, crop_area: [0.2, 1.0], flip: 0.5} # mine\n\n  # second\n  epochs: 4 # short\n"
    assert f"  decoder_layers: 2\n{views}" in after
    assert "  micro_batch: null\n  # a choice\n  optimizer: adamw\n" in after


def test_links_and_ends_of_lines_stay(tmp_path: Path) -> None:
    mine, path = tmp_path / "mine.yaml", tmp_path / "params.yaml"
    mine.write_bytes(PARAMS.replace("\n", "\r\n").encode())
    path.symlink_to("mine.yaml")
    recipe.recipe_command(path, "byol-quick", write=True)
    assert path.is_symlink() and load_params(path).pretrain.objective == "byol"
    assert mine.read_bytes() == recipe.laid(PARAMS, recipe.read("byol-quick")).replace("\n", "\r\n").encode()


def test_the_list_has_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.recipe_command(tmp_path / "none", None, write=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES and all(40 < len(line) < 120 for line in lines)


def test_one_is_printed_and_nothing_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.recipe_command(tmp_path / "none", "byol-paper", write=False)
    assert capsys.readouterr().out == recipe.read("byol-paper")
    assert list(tmp_path.iterdir()) == []


def test_what_was_changed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_recipe(tmp_path, "byol-quick")
    out = capsys.readouterr().out.splitlines()
    assert "-  objective: mbyol" in out and "+  objective: byol" in out
    recipe.recipe_command(tmp_path / "params.yaml", "byol-quick", write=True)
    assert "this is byol-quick already" in capsys.readouterr().out


def test_what_is_wrong_is_told_and_nothing_written(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.replace("  objective: mbyol\n", "  objectiv: mbyol\n"))
    before = path.read_text()
    with pytest.raises(ParamsError, match=r"pretrain.objectiv: unknown key"):
        recipe.recipe_command(path, "byol-quick", write=True)
    assert path.read_text() == before
    for name, written in (("fra", True), ("fra", False)):
        with pytest.raises(ParamsError, match=r"unknown recipe 'fra'; known: byol-paper, .*, region_awareness-quick"):
            recipe.recipe_command(path, name, write=written)
    with pytest.raises(ParamsError, match=r"name a recipe to write; known: byol-paper"):
        recipe.recipe_command(path, None, write=True)
    wide = PARAMS.replace("  face_margin: 1.4\n", "  face_margin: 30.0\n")
    path.write_text(wide)
    with pytest.raises(ParamsError, match=r"left as it is: with byol-paper it would be wrong\n.*at most 4094"):
        recipe.recipe_command(path, "byol-paper", write=True)
    assert path.read_text() == wide and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-quick")])
def test_a_quick_start_trains(name: str, tmp_path: Path, shards: Path) -> None:
    """Two steps of four of its views through its own network."""
    watch = Watch(least_deviation=0.0)  # drawn faces are alike
    chosen = trial(with_recipe(tmp_path, name), batch_size=4, epochs=1, precision="fp32", watch=watch)
    torch.manual_seed(0)
    module = chosen.module()
    plan = Plan(8, 4, 1, 1)
    batches = loader(Augmented(Samples([ShardSet.open(shards)]), chosen.seeing(module)), plan, start=0)
    settings = Settings(2, 1, lambda step: 1.0, "fp32", None, torch.device("cpu"))
    before = {key: value.clone() for key, value in module.encoder.face.named_parameters()}
    reports = fit(
        chosen.trainable(module, module), chosen.optimizer(module), batches, settings, start=0, report_at={1, 2}
    )
    losses = [report.metrics["loss"] for report in reports]
    assert len(losses) == 2 and all(abs(loss) < 20 for loss in losses)
    assert all(not torch.equal(value, before[key]) for key, value in module.encoder.face.named_parameters())


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-paper")])
def test_the_papers_network_is_built(name: str, tmp_path: Path) -> None:
    """Its shapes only: no memory is filled."""
    chosen = trial(with_recipe(tmp_path, name))
    with torch.device("meta"):
        module = chosen.module()
    trained = [p for p in module.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trained) > 30e6 and all(p.is_meta for p in trained)
    optimizer = chosen.optimizer(module)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trained)
    assert optimizer.defaults.get("betas") == {"masked": (0.9, 0.95), "mbyol": (0.9, 0.999)}.get(name.split("-")[0])
    num_views = 1 if name.startswith("masked") else 2
    assert len(chosen.seeing(module).augmentations) == num_views and chosen.face_px == 224
