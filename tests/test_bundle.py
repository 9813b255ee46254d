"""Bundles: equal models, equal bytes; damaged ones are refused."""

import json
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


def test_a_model_comes_back_whole(tmp_path: Path, network: PMN) -> None:
    bundle = load_bundle(save(tmp_path, network))
    assert bundle.spec == SMALL_SPEC and bundle.face_px == 32
    model = bundle.model()
    assert isinstance(model, Serving) and not model.training
    images = random_images(2)
    with torch.no_grad():
        torch.testing.assert_close(model(*images), network.eval()(images))
    for name, value in network.state_dict().items():
        assert torch.equal(bundle.state[name], value), name


def test_equal_models_have_equal_bytes(tmp_path: Path, network: PMN) -> None:
    one = save(tmp_path / "one", network)
    state = {name: network.state_dict()[name] for name in reversed(list(network.state_dict()))}
    loaded = load_bundle(one)
    save_bundle(tmp_path / "two", dict(reversed(loaded.config.items())), state)
    for file in ("config.json", "model.safetensors"):
        assert (one / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert bundle_digest(one) == bundle_digest(tmp_path / "two")


def test_the_layout_in_memory_does_not_matter(tmp_path: Path, network: PMN) -> None:
    one = save(tmp_path / "one", network)
    laid_out = load_bundle(one).network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    two = save(tmp_path / "two", laid_out)
    assert bundle_digest(one) == bundle_digest(two)


def test_another_weight_is_another_digest(tmp_path: Path, network: PMN) -> None:
    one = save(tmp_path / "one", network)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["head.0.bias"][0] += 1e-6
    save_bundle(tmp_path / "two", load_bundle(one).config, state)
    assert bundle_digest(one) != bundle_digest(tmp_path / "two")


def test_no_bundle(tmp_path: Path, network: PMN) -> None:
    with pytest.raises(DataMissingError, match="holds no model"):
        load_bundle(tmp_path)
    save(tmp_path, network)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DataMissingError, match="holds no model"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_damaged_files_are_refused(tmp_path: Path, network: PMN, name: str) -> None:
    path = save(tmp_path, network) / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RegistryError, match="is damaged"):
        load_bundle(tmp_path)


def test_a_model_of_another_program_is_refused(tmp_path: Path, network: PMN) -> None:
    (save(tmp_path, network) / "config.json").write_text('{"hidden_size": 768}')
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


def test_the_config_is_json_to_read(tmp_path: Path, network: PMN) -> None:
    config = json.loads((save(tmp_path, network) / "config.json").read_bytes())
    assert config["kind"] == "pmn" and config["model"]["encoder"]["backbone"] == "mobilenetv3_small"
