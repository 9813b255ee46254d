"""Every trunk of the dict, and the eye branch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from slyk.config.training import MIN_FACE_PX
from slyk.errors import ParamsError
from slyk.models.backbones import (
    BACKBONES,
    DILATED,
    LEAST_PX,
    PATCH_PX,
    EyeBranch,
    PatchTrunk,
    grid_positions,
    taken,
    trunk,
)

HEAVY = ("resnet50", "inception_resnet_v2", "vit_base")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in HEAVY else ()) for n in BACKBONES])
def test_a_trunk_gives_a_map_and_gradients(name: str) -> None:
    made = trunk(name)
    assert made.training and made.network.training
    features = made(torch.randn(2, 3, 96, 96))
    assert features.shape[:2] == (2, made.num_channels) and features.ndim == 4
    features.square().mean().backward()
    for one, parameter in made.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), one


def test_an_unknown_trunk_lists_the_known_ones() -> None:
    with pytest.raises(ParamsError, match="known: resnet18"):
        trunk("resnet19")


def test_local_weights_are_taken(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = trunk("mobilenetv3_small")
    save_file(first.network.state_dict(), tmp_path / "w.safetensors")
    torch.save(first.network.state_dict(), tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        second = trunk("mobilenetv3_small", str(tmp_path / name))
        for key, value in first.network.state_dict().items():
            assert torch.equal(second.network.state_dict()[key], value), key


def test_wrong_weights_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="not found: give a local"):
        trunk("mobilenetv3_small", str(tmp_path / "none.safetensors"))
    save_file({"other": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ParamsError, match=r"lacks \d+ tensors of the backbone, first conv_stem"):
        trunk("mobilenetv3_small", str(tmp_path / "w.safetensors"))
    for name in ("w.safetensors", "w.pth"):
        (tmp_path / name).write_bytes(b"no weights")
        with pytest.raises(ParamsError, match=r"are damaged") as caught:
            trunk("mobilenetv3_small", str(tmp_path / name))
        assert "weights_only" not in str(caught.value)  # torch's advice is to unpickle anything
    save_file(trunk("mobilenetv3_large").network.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(ParamsError, match=r"do not fit this backbone or are damaged: .* size mismatch for "):
        trunk("mobilenetv3_small", str(tmp_path / "w.safetensors"))


def test_the_eye_branch() -> None:
    assert EyeBranch()(torch.zeros(2, 3, 36, 60)).shape == (2, 128, 5, 8)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in HEAVY else ()) for n in DILATED])
def test_a_finer_map_of_the_same_weights(name: str) -> None:
    coarse, fine = trunk(name).eval(), trunk(name, stride=16).eval()
    fine.load_state_dict(coarse.state_dict())
    images = torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    assert coarse(images).shape == (1, coarse.num_channels, 3, 4)
    assert fine(images).shape == (1, coarse.num_channels, 6, 8)


@pytest.mark.parametrize("name", sorted(set(BACKBONES) - set(DILATED)))
def test_a_trunk_without_a_finer_map_says_so(name: str) -> None:
    with pytest.raises(ParamsError, match=rf"{name} .* encoder.stride"):
        trunk(name, stride=16)


def patch_trunk(name: str = "vit_tiny") -> PatchTrunk:
    torch.manual_seed(0)
    made = trunk(name)
    assert isinstance(made, PatchTrunk)
    return made.eval()


def faces(num: int = 2, px: int = 32) -> torch.Tensor:
    return torch.randn(num, 3, px, px, generator=torch.Generator().manual_seed(1))


def test_a_map_of_patches() -> None:
    """A place for each patch; what is chosen of all patches is what a map has where the tokens saw each other only."""
    made = patch_trunk()
    images = faces()
    found = made(images)
    assert found.shape == (2, 192, 4, 4)
    everyone = torch.stack([torch.randperm(16), torch.arange(16)])
    torch.testing.assert_close(
        made.tokens(images, everyone), taken(found.flatten(2).mT, everyone), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(made.tokens(images)[1], found[1].flatten(1).mT)


def test_patches_left_out_are_not_seen() -> None:
    made, images = patch_trunk(), faces()
    chosen = torch.tensor([[0, 5, 15], [3, 4, 1]])
    before = made.tokens(images, chosen)
    assert before.shape == (2, 3, 192)
    hidden = images.clone()
    hidden[0, :, 8:16, 16:24] += 1.0  # patch 6 of the first face
    torch.testing.assert_close(made.tokens(hidden, chosen), before)
    hidden[0, :, 8:16, 8:16] += 1.0  # patch 5
    after = made.tokens(hidden, chosen)
    assert not torch.allclose(after[0], before[0]) and torch.equal(after[1], before[1])


def test_a_patch_knows_its_place() -> None:
    """Faces of one colour: tokens differ by their positions alone."""
    tokens = patch_trunk().tokens(torch.zeros(1, 3, 32, 32))[0]
    assert torch.pdist(tokens).min() > 1e-2


def test_positions_by_the_formula() -> None:
    height, width, channels = 3, 5, 16
    found = grid_positions(height, width, channels).numpy().reshape(height, width, channels)
    for row in range(height):
        for column in range(width):
            angles = [np.array([place / 10_000 ** (k / 4) for k in range(4)]) for place in (column, row)]
            expected = np.concatenate([part for a in angles for part in (np.sin(a), np.cos(a))])
            np.testing.assert_allclose(found[row, column], expected, atol=1e-6)


@pytest.mark.parametrize(("px", "fits"), [(96, True), (16, True), (100, False), (8, False)])
def test_faces_are_whole_patches(px: int, fits: bool) -> None:
    made = patch_trunk()
    if fits:
        made.check(px)
        return
    with pytest.raises(
        ParamsError, match=rf"face_px {px} does not fit vit_tiny: choose a multiple .* 8 px, at least 16"
    ):
        made.check(px)
    with pytest.raises(ParamsError, match=f"face_px {px}"):
        made(torch.zeros(1, 3, 96, px))


def test_a_trunk_of_convolutions_takes_any_face() -> None:
    trunk("mobilenetv3_small").check(97)


def test_weights_of_an_mae_fit_and_learned_positions_do_not(tmp_path: Path) -> None:
    """Files of timm hold a class token and the positions of its place and of 14 x 14 patches."""
    made, path = patch_trunk(), tmp_path / "w.safetensors"
    positions = torch.cat([torch.zeros(1, 192), grid_positions(14, 14, 192)])[None]
    state = made.network.state_dict() | {"cls_token": torch.zeros(1, 1, 192)}
    save_file(state | {"pos_embed": positions}, path)
    loaded = trunk("vit_tiny", str(path)).eval()
    torch.testing.assert_close(loaded(faces()), made(faces()))
    save_file(state | {"pos_embed": torch.randn(1, 197, 192)}, path)
    with pytest.raises(ParamsError, match="positions that were learned"):
        trunk("vit_tiny", str(path))


def test_patches_of_each_name() -> None:
    assert set(PATCH_PX) == {name for name in BACKBONES if name.startswith("vit_")}


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in PATCH_PX])
def test_the_least_face_that_a_trunk_sees(name: str) -> None:
    """Its shapes only: no memory is filled."""
    least = LEAST_PX.get(name, MIN_FACE_PX)
    with torch.device("meta"):
        made = trunk(name).eval()
        made.check(least)
        assert made(torch.zeros(1, 3, least, least)).shape[2:] == (1, 1)
        if name in LEAST_PX:
            with pytest.raises(RuntimeError):
                made(torch.zeros(1, 3, least - 1, least - 1))
            with pytest.raises(ParamsError, match=f"face_px {least - 1} is too small for {name}: choose {least}"):
                made.check(least - 1)
