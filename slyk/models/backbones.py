"""Face trunks: timm networks cut before their pooling, so that they give a map (B, C, h, w)."""

from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from slyk.errors import ParamsError

BACKBONES: dict[str, str] = {
    "resnet18": "resnet18",  # the quick start
    "resnet50": "resnet50",
    "mobilenetv3_small": "mobilenetv3_small_100",  # the smallest: tests, old laptops
    "mobilenetv3_large": "mobilenetv3_large_100",
    "inception_resnet_v2": "inception_resnet_v2",  # the paper's (arXiv:2402.01555)
}
NUM_EYE_CHANNELS = (32, 64, 128)


class Trunk(nn.Module):
    """A timm network without its classifier: images (B, 3, H, W), normalized -> map (B, num_channels, h, w)."""

    def __init__(self, backbone: str, weights: str | None = None) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ParamsError(f"unknown backbone {backbone!r}; known: {', '.join(BACKBONES)}")
        self.network = timm.create_model(BACKBONES[backbone], pretrained=False, num_classes=0, global_pool="")
        if weights is not None:
            self._load(Path(weights))
        with torch.no_grad():
            was_training = self.network.training
            self.num_channels = int(self.network.eval()(torch.zeros(1, 3, 96, 96)).shape[1])
            self.network.train(was_training)

    def _load(self, path: Path) -> None:
        if not path.is_file():
            raise ParamsError(f"weights {path} not found: give a local .safetensors or .pth file of timm, or null")
        try:
            state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
            missing, _ = self.network.load_state_dict(state, strict=False)
        except Exception as error:  # torch and safetensors each have their own
            first = (str(error).splitlines() or [""])[0]
            raise ParamsError(f"weights {path} do not fit this backbone or are damaged: {first}") from None
        if missing:
            raise ParamsError(f"{path} lacks {len(missing)} tensors of the backbone, first {missing[0]}")

    def forward(self, images: Tensor) -> Tensor:
        return torch.as_tensor(self.network(images))


class EyeBranch(nn.Sequential):
    """Three 3x3 convolutions of stride 2 with batch norm: eyes (B, 3, 36, 60) -> map (B, 128, 5, 8)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for c_in, c_out in zip((3, *NUM_EYE_CHANNELS[:-1]), NUM_EYE_CHANNELS, strict=True):
            layers += [nn.Conv2d(c_in, c_out, 3, 2, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)]
        super().__init__(*layers)
