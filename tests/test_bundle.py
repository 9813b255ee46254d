"""Bundles: equal models, equal bytes; damaged ones are refused."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from jobs.finetune import transfer
from slyk.bundle import Serving, bundle_digest, describe, load_bundle, save_bundle
from slyk.errors import DataMissingError, ParamsError, RegistryError
from slyk.models.encoder import Encoder, EncoderConfig
from slyk.models.pmn import PMN
from tests.drawn import SMALL_SPEC
from tests.models.test_encoder import CONFIG, random_images
from tests.models.test_pmn import SMALL


def save(folder: Path, network: Encoder | PMN) -> Path:
    save_bundle(folder, describe(network) | {"face_px": 32, "crops": SMALL_SPEC.as_dict()}, network.state_dict())
    return folder


@pytest.fixture(scope="module")
def network() -> PMN:
    torch.manual_seed(0)
    return PMN(SMALL)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, network: PMN) -> Path:
    """The bundle of `network`; not to be changed."""
    return save(tmp_path_factory.mktemp("saved"), network)


def test_a_model_comes_back_whole(saved: Path, network: PMN) -> None:
    bundle = load_bundle(saved)
    assert bundle.spec == SMALL_SPEC and bundle.face_px == 32
    model = bundle.model()
    assert isinstance(model, Serving) and not model.training
    images = random_images(2)
    with torch.no_grad():
        torch.testing.assert_close(model(*images), network.eval()(images))
    for name, value in network.state_dict().items():
        assert torch.equal(bundle.state[name], value), name


def test_equal_models_have_equal_bytes(tmp_path: Path, saved: Path, network: PMN) -> None:
    state = dict(reversed(network.state_dict().items()))
    save_bundle(tmp_path, dict(reversed(load_bundle(saved).config.items())), state)
    for file in ("config.json", "model.safetensors"):
        assert (saved / file).read_bytes() == (tmp_path / file).read_bytes()
    assert bundle_digest(saved) == bundle_digest(tmp_path)


def test_the_layout_in_memory_does_not_matter(tmp_path: Path, saved: Path) -> None:
    laid_out = load_bundle(saved).network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert bundle_digest(saved) == bundle_digest(save(tmp_path, laid_out))


def test_another_weight_is_another_digest(tmp_path: Path, saved: Path) -> None:
    bundle = load_bundle(saved)
    bundle.state["head.0.bias"][0] += 1e-6
    save_bundle(tmp_path, bundle.config, bundle.state)
    assert bundle_digest(saved) != bundle_digest(tmp_path)


def test_no_bundle(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(DataMissingError, match="holds no model"):
        load_bundle(tmp_path)
    shutil.copy(saved / "config.json", tmp_path)
    with pytest.raises(DataMissingError, match="holds no model"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_damaged_files_are_refused(tmp_path: Path, saved: Path, name: str) -> None:
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    os.truncate(tmp_path / name, (tmp_path / name).stat().st_size - 9)
    with pytest.raises(RegistryError, match="is damaged"):
        load_bundle(tmp_path)


def test_a_model_of_another_program_is_refused(tmp_path: Path, saved: Path) -> None:
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text('{"hidden_size": 768}')
    with pytest.raises(RegistryError, match="describes no model of slyk"):
        load_bundle(tmp_path)


def test_an_encoder_is_no_gaze_model(tmp_path: Path) -> None:
    bundle = load_bundle(save(tmp_path, Encoder(CONFIG)))
    assert isinstance(bundle.network(), Encoder)
    with pytest.raises(RegistryError, match="holds an encoder"):
        bundle.model()


def test_finetuning_takes_every_encoder_tensor(tmp_path: Path, network: PMN) -> None:
    torch.manual_seed(1)
    encoder = Encoder(CONFIG)
    nn.init.normal_(encoder.right[1].running_mean)  # type: ignore[arg-type]
    bundle = load_bundle(save(tmp_path, encoder))
    transfer(bundle, network.encoder)
    ours = network.encoder.state_dict()
    assert set(ours) == set(bundle.state)
    for name, tensor in bundle.state.items():
        assert torch.equal(ours[name], tensor), name


def test_an_encoder_that_does_not_fit_says_so(tmp_path: Path) -> None:
    bundle = load_bundle(save(tmp_path, Encoder(CONFIG)))
    with pytest.raises(ParamsError, match="does not fit: missing"):
        transfer(bundle, Encoder(EncoderConfig("mobilenetv3_small", 32, 4, layers=3)))


def test_the_config_is_json_to_read(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_bytes())
    assert config["kind"] == "pmn" and config["model"]["encoder"]["backbone"] == "mobilenetv3_small"
