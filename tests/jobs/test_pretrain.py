"""Whom pretraining sees and whom it leaves out to be looked at, what it tells of them, and its pictures."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from jobs.pretrain import PretrainRecipe, set_apart, training_sources
from jobs.pretrain_pictures import NUM_FACES, evenly, neighbours_sheet, save_pictures, views_sheet
from jobs.roles import roles_of
from jobs.train_progress import UNTOLD
from slyk.bundle import load_bundle
from slyk.config import Params
from slyk.datasets import protocols
from slyk.errors import ParamsError
from slyk.objectives.watching import Watcher
from slyk.shards import manifest
from slyk.training.batches import Samples, Seeing
from slyk.training.probes import CONTROLS, Seen
from slyk.views.augmentation import Augmentation
from tests.drawn import draw_raw_set, write_shards
from tests.stages import ENCODER, run, small_params, write_params

SHARDS, MODEL, REPORT = "data/shards", "models/pretrain", "reports/pretrain"
ARGUMENTS = ("--shards", SHARDS, "--out", MODEL, "--report", REPORT)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of five training people, one of whom guards the gate, and a test person."""
    root = tmp_path_factory.mktemp("watched")
    raw = draw_raw_set(root / "raw", num_train=5, num_test=1, num_photos=8)
    write_shards(root / SHARDS / "synthetic", raw)
    write_params(root)
    return root


def recipe_of(root: Path, people: int = 1, **changes: object) -> PretrainRecipe:
    params = Params.model_validate(small_params(pretrain=changes))
    sources, watched = set_apart(training_sources(params, ("synthetic",), root / SHARDS), people)
    return PretrainRecipe.of(params, tuple(sources.values()), tuple(watched.values()))


def test_people_are_left_out_by_their_names_alone() -> None:
    names = [f"p{number:03d}" for number in range(20)]
    rest, some = protocols.set_apart(names, 5)
    assert (rest, some) == protocols.set_apart(reversed(names), 5)
    assert len(some) == 5 and {*rest, *some} == set(names) and not {*rest} & {*some}
    assert set(some) < set(protocols.set_apart(names, 6)[1])
    later = protocols.set_apart([*names, "p020"], 5)[1]
    assert len({*some} & {*later}) >= 4
    assert protocols.set_apart(names, 0) == (tuple(names), ())


def test_those_left_out_train_later_and_are_neither_gate_nor_test(root: Path) -> None:
    params = Params.model_validate(small_params())
    roles = roles_of(params, manifest.load(root / SHARDS / "synthetic"))
    everybody = training_sources(params, ("synthetic",), root / SHARDS)
    seen, watched = (part["synthetic"] for part in set_apart(everybody, 2))
    assert len(watched.groups) == 2 and {*seen.groups, *watched.groups} == set(roles.train)
    assert not {*watched.groups} & {*roles.gate, *roles.test, *seen.groups}
    assert everybody["synthetic"].groups == roles.train
    assert set_apart(everybody, 0) == (everybody, {})


def test_two_people_at_least_are_left(root: Path) -> None:
    sources = training_sources(Params.model_validate(small_params()), ("synthetic",), root / SHARDS)
    set_apart(sources, 2)
    with pytest.raises(ParamsError, match=r"watch\.people is 3, but synthetic has 4 training groups, of which two"):
        set_apart(sources, 3)


def test_a_run_is_another_one_with_other_people(root: Path) -> None:
    recipes = [recipe_of(root, 1), recipe_of(root, 2), recipe_of(root, 1, watch={"people": 1, "photos": 9})]
    prints = [json.dumps(recipe.fingerprint(), default=str) for recipe in recipes]
    assert len(set(prints)) == 3 and prints[0] == json.dumps(recipe_of(root, 1).fingerprint(), default=str)
    first = recipes[0]
    others = tuple(replace(source, groups=("p009",)) for source in first.watched)
    assert replace(first, watched=others).fingerprint() != first.fingerprint()


def test_a_run_is_another_one_with_other_weights(root: Path, tmp_path: Path) -> None:
    """At the same place: a run that was ended must not go on from what others began."""
    path = tmp_path / "weights.safetensors"
    recipe = recipe_of(root, encoder={**ENCODER, "weights": str(path)})
    prints = []
    for value in (0.0, 1.0):
        save_file({"x": torch.full((1,), value)}, path)
        prints.append(recipe.fingerprint())
    assert prints[0] != prints[1] and recipe_of(root).fingerprint()["weights"] is None


def test_probes_are_fitted_on_those_seen_and_judged_by_the_others(root: Path) -> None:
    recipe = recipe_of(root, 2)
    watcher = recipe.watcher(recipe.module(), torch.device("cpu"), "fp32")
    assert isinstance(watcher, Watcher)
    for photos, sources in ((watcher.fitted, recipe.sources), (watcher.judged, recipe.watched)):
        (source,) = sources
        assert {name.rpartition("/")[2] for name in photos.people} == set(source.groups)
        assert len(photos.people) == recipe.settings.watch.photos == 16
    nobody = recipe_of(root, 0)
    assert nobody.watcher(nobody.module(), torch.device("cpu"), "fp32") is None


@pytest.mark.slow
def test_the_stage_tells_of_people_whom_it_leaves_out(root: Path) -> None:
    write_params(root, pretrain={"watch": {"people": 2, "photos": 16, "least_deviation": 0.1}})
    said = run(root, "jobs.pretrain", *ARGUMENTS, SLYK_NUM_CPUS="1", SLYK_NUM_WORKERS="1")
    recipe = recipe_of(root, 2)
    config = load_bundle(root / MODEL).config
    assert config["groups"] == {"synthetic": list(recipe.sources[0].groups)}
    assert config["pretraining"]["objective"] == "mbyol" and "left" in config["pretraining"]["learned"]
    history = pd.read_csv(root / MODEL / "history.csv")
    assert set(history.columns) >= CONTROLS and history.iloc[1:].notna().all(axis=None)
    assert history["step"][0] == 0 and history.iloc[0].drop("loss").count() < history.iloc[1].count()
    for name in CONTROLS:
        assert history[name].nunique() == 1, name
    (last,) = [line for line in said.splitlines() if "epoch 2.0" in line]
    assert "gaze_probe_deg" in last and not any(f" {name} " in last for name in UNTOLD - {"step", "epoch"})
    assert len(last) < 330
    (before,) = [line for line in said.splitlines() if "before the first step" in line]
    assert all(f" {name} " in before for name in CONTROLS)
    assert cv2.imread(str(root / REPORT / "neighbours.png")) is not None
    names = [path.name for path in (root / "mlartifacts").rglob("*.png")]
    assert sorted(names) == ["neighbours.png", "views.png"]


@pytest.mark.slow
def test_a_collapse_ends_the_stage_with_what_to_do(root: Path) -> None:
    """No network spreads its projections beyond the even."""
    write_params(root, pretrain={"watch": {"people": 1, "photos": 16, "least_deviation": 1.5}})
    said = run(root, "jobs.pretrain", *ARGUMENTS, status=2, SLYK_NUM_CPUS="2", SLYK_NUM_WORKERS="2")
    assert "error: pretraining collapsed: after step " in said and "Lower learning_rate" in said


def drawn(root: Path, folder: Path, objective: str, *, least: int = 0) -> dict[str, bytes]:
    recipe = recipe_of(root, 2, objective=objective)
    torch.manual_seed(least)
    module = recipe.module()
    samples = Samples([source.opened() for source in recipe.sources])
    paths = save_pictures(
        folder, module, recipe.photos(module, of_watched=True), samples, recipe.seeing(module), recipe.precision
    )
    return {path.name: path.read_bytes() for path in paths}


def test_pictures_are_the_same_for_the_same_network(root: Path, tmp_path: Path) -> None:
    pictures = drawn(root, tmp_path / "a", "region_awareness")
    assert set(pictures) == {"neighbours.png", "regions.png", "views.png"}
    assert pictures == drawn(root, tmp_path / "b", "region_awareness")
    assert pictures != drawn(root, tmp_path / "c", "region_awareness", least=1)
    assert set(drawn(root, tmp_path / "d", "byol")) == {"neighbours.png", "views.png"}


def test_what_mae_draws_is_shown(root: Path, tmp_path: Path) -> None:
    patches = {"encoder": {**ENCODER, "backbone": "vit_tiny"}, "objective": "masked"}
    recipe = recipe_of(root, 2, **patches)
    module = recipe.module()
    photos, samples = recipe.photos(module, of_watched=True), Samples([source.opened() for source in recipe.sources])
    paths = save_pictures(tmp_path, module, photos, samples, recipe.seeing(module), recipe.precision)
    assert [path.name for path in paths] == ["views.png", "neighbours.png", "reconstructions.png"]
    assert recipe.told(module.encoder)["learned"] == ["face"]


def test_views_that_change_nothing_show_what_is_stored(root: Path) -> None:
    recipe = recipe_of(root, 2)
    samples = Samples([source.opened() for source in recipe.sources])
    seeing = Seeing(recipe.face_px, (Augmentation(), Augmentation()), seed=1)
    whole = views_sheet(samples, seeing)
    columns = [whole[50:, left : left + 144] for left in (6, 6 + 2 * 150 + 12, 6 + 4 * 150 + 12)]
    assert np.array_equal(columns[0], columns[1]) and np.array_equal(columns[0], columns[2])
    turned = views_sheet(samples, replace(seeing, augmentations=(Augmentation(flip=1.0), Augmentation())))
    assert not np.array_equal(turned[50:, 318:462], columns[0]) and np.array_equal(turned[50:, 6:150], columns[0])


def test_neighbours_stand_beside_their_photo(root: Path) -> None:
    """As many of other people as there are, with arrows where gaze is labelled."""
    recipe = recipe_of(root, 2)
    photos = recipe.photos(recipe.module(), of_watched=True)
    angle = np.linspace(0, 1, len(photos.people))
    features = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    seen = Seen(features, photos.people, photos.gaze, photos.head, photos.expressions)
    sheet = neighbours_sheet(photos, seen)
    assert sheet.shape[0] > 8 * 144 and sheet.shape[1] > 6 * 144
    unlabelled = seen._replace(gaze=np.full_like(seen.gaze, np.nan))
    assert not np.array_equal(sheet, neighbours_sheet(photos, unlabelled))
    alone = photos.people == photos.people[0]
    few = photos._replace(images=type(photos.images)(*(part[torch.from_numpy(alone)] for part in photos.images)))
    assert neighbours_sheet(few, seen.where(alone)).shape[1] < sheet.shape[1]


@pytest.mark.parametrize(("total", "count"), [(100, 6), (6, 6), (3, 3), (0, 0)])
def test_faces_are_taken_evenly(total: int, count: int) -> None:
    found = evenly(total, NUM_FACES).tolist()
    assert len(found) == count == len(set(found)) and all(0 <= place < total for place in found)
