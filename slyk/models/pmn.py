"""The Patch Module Network: three bottlenecks over face and eyes, a perceptron on top (arXiv:2402.01555).

The paper gives a bottleneck as three convolutions with batch norm and ReLU, adaptive average pooling and a fully
connected layer to 512. Our choices: the face bottleneck reads the trunk's map; an eye bottleneck's convolutions are the
pretrained local branch; eyes pool to 3x5, since a mean over the eye forgets where the iris is (docs/methods.md); the
attention's embedding joins the three, so that every pretrained tensor has its use.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slyk.models.backbones import NUM_EYE_CHANNELS
from slyk.models.encoder import Encoder, EncoderConfig, Images
from slyk.models.heads import regression_mlp

WIDTH = 512
EYE_POOL = (3, 5)


@dataclass(frozen=True)
class PMNConfig:
    encoder: EncoderConfig
    hidden: tuple[int, ...]
    dropout: float
    num_out: int = 2


class PMN(nn.Module):
    """Images -> (B, num_out); for gaze pitch and yaw in radians, normalized frame."""

    def __init__(self, config: PMNConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder)
        self.face_bottleneck = nn.Sequential(
            *_conv(self.encoder.face.num_channels, WIDTH, 1),
            *_conv(WIDTH, WIDTH, 3),
            *_conv(WIDTH, WIDTH, 3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(WIDTH, WIDTH),
        )
        self.right_bottleneck, self.left_bottleneck = _eye_head(), _eye_head()
        num_features = 3 * WIDTH + config.encoder.width
        self.head = regression_mlp(num_features, config.hidden, config.num_out, config.dropout)

    def forward(self, images: Images) -> Tensor:
        features = self.encoder(images)
        parts = (
            self.face_bottleneck(features.face),
            self.right_bottleneck(features.right),
            self.left_bottleneck(features.left),
            features.embedding,
        )
        return torch.as_tensor(self.head(torch.cat(parts, dim=1)).float())


def _conv(num_in: int, num_out: int, size: int) -> list[nn.Module]:
    return [
        nn.Conv2d(num_in, num_out, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(num_out),
        nn.ReLU(inplace=True),
    ]


def _eye_head() -> nn.Sequential:
    """The end of an eye bottleneck; its three convolutions are the encoder's local branch."""
    num_pooled = NUM_EYE_CHANNELS[-1] * EYE_POOL[0] * EYE_POOL[1]
    return nn.Sequential(nn.AdaptiveAvgPool2d(EYE_POOL), nn.Flatten(), nn.Linear(num_pooled, WIDTH), nn.ReLU(True))
