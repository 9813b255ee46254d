"""Face trunks: timm networks cut before their pooling, so that they give a map (B, C, h, w)."""

from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from slyk.errors import ParamsError
from slyk.models.attention import attend_so

BACKBONES: dict[str, str] = {
    "resnet18": "resnet18",  # the quick start
    "resnet50": "resnet50",
    "mobilenetv3_small": "mobilenetv3_small_100",  # the smallest: tests, old laptops
    "mobilenetv3_large": "mobilenetv3_large_100",
    "inception_resnet_v2": "inception_resnet_v2",  # the paper's (arXiv:2402.01555)
    "vit_tiny": "vit_tiny_patch16_224",  # of small patches: a face of 96 px has 36 of 16 px, too few to hide some
    "vit_small": "vit_small_patch16_224",
    "vit_base": "vit_base_patch16_224",  # that of MAE's paper (arXiv:2111.06377)
}
DILATED = ("resnet18", "resnet50")  # whose last stage timm can dilate
PATCH_PX: dict[str, int] = {"vit_tiny": 8, "vit_small": 16, "vit_base": 16}
LEAST_PX: dict[str, int] = {"inception_resnet_v2": 75}  # whose convolutions eat the edges
NUM_EYE_CHANNELS = (32, 64, 128)
POSITION_TEMPERATURE = 10_000.0
PROBE_PX = 96


class Trunk(nn.Module):
    """A timm network without its classifier: images (B, 3, H, W), normalized -> map (B, num_channels, h, w).

    stride: h is H / stride; 16 dilates the last stage instead of halving its map, with the same weights.
    """

    def __init__(self, backbone: str, weights: str | None = None, stride: int = 32) -> None:
        super().__init__()
        self.name = backbone
        self.network = self._made(backbone, stride)
        if weights is not None:
            self._load(Path(weights))
        with torch.no_grad():
            was_training = self.network.training
            self.num_channels = int(self.eval()(torch.zeros(1, 3, PROBE_PX, PROBE_PX)).shape[1])
            self.train(was_training)

    def _made(self, backbone: str, stride: int) -> nn.Module:
        if stride != 32 and backbone not in DILATED:
            raise ParamsError(f"{backbone} has no map of stride {stride}: set encoder.stride to 32, or take a resnet")
        finer = {} if stride == 32 else {"output_stride": stride}
        network: nn.Module = timm.create_model(
            BACKBONES[backbone], pretrained=False, num_classes=0, global_pool="", **finer
        )
        return network

    def _load(self, path: Path) -> None:
        if not path.is_file():
            raise ParamsError(f"weights {path} not found: give a local .safetensors or .pth file of timm, or null")
        try:
            state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
            missing, _ = self.network.load_state_dict(state, strict=False)
        except Exception as error:  # torch and safetensors each have their own
            if type(error).__name__ == "UnpicklingError":  # whose advice is to unpickle anything
                raise ParamsError(
                    f"weights {path} are damaged or hold more than tensors: give a local file of timm, or null"
                ) from None
            first = " ".join(line.strip() for line in str(error).splitlines()[:2])
            raise ParamsError(f"weights {path} do not fit this backbone or are damaged: {first}") from None
        if missing:
            raise ParamsError(f"{path} lacks {len(missing)} tensors of the backbone, first {missing[0]}")
        self._agree(state, path)

    def _agree(self, state: dict[str, Tensor], path: Path) -> None:
        """Looks at what a file holds and the network does not. Raises ParamsError."""

    def check(self, face_px: int) -> None:
        """Raises ParamsError where faces of this size cannot be seen."""
        least = LEAST_PX.get(self.name, 1)
        if face_px < least:
            raise ParamsError(f"face_px {face_px} is too small for {self.name}: choose {least} at least")

    def forward(self, images: Tensor) -> Tensor:
        return torch.as_tensor(self.network(images))


class PatchTrunk(Trunk):
    """A vision transformer (arXiv:2010.11929) without class token: the map is of the patches' tokens, normalized.

    Positions are fixed sines and cosines, as MAE's, so that H and W may be any multiples of the patch.
    """

    def _made(self, backbone: str, stride: int) -> nn.Module:
        self.patch_px = PATCH_PX[backbone]
        if stride != 32:
            raise ParamsError(f"{backbone} sees patches of {self.patch_px} px: leave encoder.stride at 32")
        network: nn.Module = timm.create_model(
            BACKBONES[backbone], pretrained=False, num_classes=0, global_pool="", class_token=False, pos_embed="none",
            patch_size=self.patch_px, dynamic_img_size=True, weight_init="jax",
        )  # fmt: skip
        attend_so(network.blocks)
        return network

    def _agree(self, state: dict[str, Tensor], path: Path) -> None:
        """Fixed positions of a file are ours; a class token is left out."""
        if (learned := state.get("pos_embed")) is None:
            return
        side = int(learned.shape[1] ** 0.5)
        ours = grid_positions(side, side, learned.shape[2])
        if not torch.allclose(learned[0, -(side**2) :].float(), ours, atol=1e-3):
            raise ParamsError(f"{path} holds positions that were learned, here they are fixed: give weights of an MAE")

    def check(self, face_px: int) -> None:
        if face_px % self.patch_px or face_px < 2 * self.patch_px:
            raise ParamsError(
                f"face_px {face_px} does not fit {self.name}: choose a multiple of its patch of {self.patch_px} px, "
                f"at least {2 * self.patch_px}"
            )

    def grid(self, images: Tensor) -> tuple[int, int]:
        """How many patches images (B, 3, H, W) have in height and width. Raises ParamsError."""
        for size in set(images.shape[2:]):
            self.check(size)
        return images.shape[2] // self.patch_px, images.shape[3] // self.patch_px

    def tokens(self, images: Tensor, chosen: Tensor | None = None) -> Tensor:
        """(B, N, C) of the patches, row by row; of `chosen` (B, M), their numbers, (B, M, C): what nobody else sees."""
        height, width = self.grid(images)
        patches = self.network.patch_embed(images).flatten(1, 2)  # type: ignore[operator]
        patches = patches + grid_positions(height, width, patches.shape[2], images.device)
        if chosen is not None:
            patches = taken(patches, chosen)
        return torch.as_tensor(self.network.norm(self.network.blocks(patches)))  # type: ignore[operator]

    def forward(self, images: Tensor) -> Tensor:
        return self.tokens(images).mT.reshape(len(images), -1, *self.grid(images))


def trunk(backbone: str, weights: str | None = None, stride: int = 32) -> Trunk:
    """The trunk of a name of BACKBONES, with timm weights of a local file. Raises ParamsError."""
    if backbone not in BACKBONES:
        raise ParamsError(f"unknown backbone {backbone!r}; known: {', '.join(BACKBONES)}")
    return (PatchTrunk if backbone in PATCH_PX else Trunk)(backbone, weights, stride)


def taken(rows: Tensor, chosen: Tensor) -> Tensor:
    """(B, N, C) and numbers (B, M) of rows -> (B, M, C)."""
    return rows.gather(1, chosen[:, :, None].expand(-1, -1, rows.shape[2]))


def grid_positions(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """(h w, channels), row by row: sines, then cosines of the column, then of the row, at falling frequencies.

    The encoding of MAE's released weights; channels / 4 frequencies, 10000^(-k / (channels / 4)).
    """
    quarter = channels // 4
    frequencies = POSITION_TEMPERATURE ** (-torch.arange(quarter, device=device) / quarter)

    def axis(size: int) -> Tensor:
        angles = torch.arange(size, device=device)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    rows = axis(height)[:, None].expand(height, width, 2 * quarter)
    columns = axis(width)[None].expand(height, width, 2 * quarter)
    return torch.cat([columns, rows], dim=2).flatten(0, 1)


class EyeBranch(nn.Sequential):
    """Three 3x3 convolutions of stride 2 with batch norm: eyes (B, 3, 36, 60) -> map (B, 128, 5, 8)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for c_in, c_out in zip((3, *NUM_EYE_CHANNELS[:-1]), NUM_EYE_CHANNELS, strict=True):
            layers += [nn.Conv2d(c_in, c_out, 3, 2, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]
        super().__init__(*layers)
