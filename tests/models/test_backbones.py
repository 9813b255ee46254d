"""Every trunk of the dict, and the eye branch."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from slyk.errors import ParamsError
from slyk.models.backbones import BACKBONES, EyeBranch, Trunk


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in ("resnet50", "inception_resnet_v2") else ()) for n in BACKBONES],
)
def test_a_trunk_gives_a_map_and_gradients(name: str) -> None:
    trunk = Trunk(name)
    assert trunk.training and trunk.network.training
    features = trunk(torch.randn(2, 3, 96, 96))
    assert features.shape[:2] == (2, trunk.num_channels) and features.ndim == 4
    features.mean().backward()
    first = next(trunk.parameters())
    assert first.grad is not None and torch.isfinite(first.grad).all()


def test_an_unknown_trunk_lists_the_known_ones() -> None:
    with pytest.raises(ParamsError, match="known: resnet18"):
        Trunk("resnet19")


def test_local_weights_are_taken(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = Trunk("mobilenetv3_small")
    save_file(first.network.state_dict(), tmp_path / "w.safetensors")
    torch.save(first.network.state_dict(), tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        second = Trunk("mobilenetv3_small", str(tmp_path / name))
        for key, value in first.network.state_dict().items():
            assert torch.equal(second.network.state_dict()[key], value), key


def test_wrong_weights_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="not found: give a local"):
        Trunk("mobilenetv3_small", str(tmp_path / "none.safetensors"))
    save_file({"other": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ParamsError, match=r"lacks \d+ tensors of the backbone, first conv_stem"):
        Trunk("mobilenetv3_small", str(tmp_path / "w.safetensors"))
    for name in ("w.safetensors", "w.pth"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(ParamsError, match=r"are damaged"):
            Trunk("mobilenetv3_small", str(tmp_path / name))


def test_the_eye_branch() -> None:
    assert EyeBranch()(torch.zeros(2, 3, 36, 60)).shape == (2, 128, 5, 8)
