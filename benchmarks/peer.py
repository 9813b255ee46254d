"""BYOL as lightly's example puts it together, of lightly's parts or, where they cannot be had, of plain torch.

The composition (examples/pytorch/byol.py of lightly-ai/lightly, MIT) in our own words: fp32, a view after the other,
the target moved before the step, SGD. Its heads, its loss and its moving average come from the package.
"""

import copy
import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from benchmarks.pretraining import HIDDEN, OUT
from benchmarks.table import Line
from slyk.objectives.byol import BYOL
from slyk.views.augmentation import Augmentation

INSTALL = 'pip install -c constraints.txt -e ".[bench]", or: make bench'
MOMENTUM = 0.99
LEARNING_RATE = 0.06


class Parts(NamedTuple):
    """head: sizes in, hidden, out -> a perceptron whose `layers` are a Sequential; loss of predictions and targets;
    follow: moves the second network to the first by a momentum; told: where they come from."""

    head: Callable[[int, int, int], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    follow: Callable[[nn.Module, nn.Module, float], None]
    told: str


def is_there() -> bool:
    return importlib.util.find_spec("lightly") is not None


def missing(part: str) -> Line:
    """The line of a part that has no peer: missed, not left out."""
    return Line(f"{part}: lightly is not installed", 0.0, "installed", False, INSTALL)


def lightly_parts() -> Parts:
    """Raises ImportError without lightly."""
    from lightly.loss import NegativeCosineSimilarity
    from lightly.models.modules import BYOLProjectionHead
    from lightly.models.utils import update_momentum

    return Parts(
        BYOLProjectionHead,
        NegativeCosineSimilarity(),
        update_momentum,
        f"lightly {importlib.metadata.version('lightly')}",
    )


class _Head(nn.Module):
    def __init__(self, num_in: int, num_hidden: int, num_out: int) -> None:
        super().__init__()
        hidden = (nn.Linear(num_in, num_hidden, bias=False), nn.BatchNorm1d(num_hidden), nn.ReLU())
        self.layers = nn.Sequential(*hidden, nn.Linear(num_hidden, num_out))

    def forward(self, embeddings: Tensor) -> Tensor:
        return torch.as_tensor(self.layers(embeddings))


@torch.no_grad()
def _follow(online: nn.Module, target: nn.Module, momentum: float) -> None:
    moved: list[Tensor] = list(target.parameters())
    leading: list[Tensor] = list(online.parameters())
    torch._foreach_mul_(moved, momentum)
    torch._foreach_add_(moved, leading, alpha=1 - momentum)


def plain_parts() -> Parts:
    """The same of plain torch."""
    return Parts(_Head, lambda p, z: -cosine_similarity(p, z, dim=1).mean(), _follow, "rebuilt of plain torch")


class Composition(nn.Module):
    """Online and target networks with the weights of one of our objectives."""

    def __init__(self, ours: BYOL, parts: Parts) -> None:
        super().__init__()
        self.parts = parts
        trunk = ours.encoder.face
        self.backbone = nn.Sequential(copy.deepcopy(trunk.network), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.projector, self.predictor = parts.head(trunk.num_channels, HIDDEN, OUT), parts.head(OUT, HIDDEN, OUT)
        for head, own in ((self.projector, ours.projector), (self.predictor, ours.predictor.mlp)):
            head.get_submodule("layers").load_state_dict(own.state_dict())
        self.target_backbone = copy.deepcopy(self.backbone).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def step(self, optimizer: torch.optim.Optimizer, first: Tensor, second: Tensor) -> Tensor:
        """One step on two float views (B, 3, P, P); the loss, without a gradient."""
        self.parts.follow(self.backbone, self.target_backbone, MOMENTUM)
        self.parts.follow(self.projector, self.target_projector, MOMENTUM)
        predictions, targets = [], []
        for view in (first, second):
            predictions.append(self.predictor(self.projector(self.backbone(view))))
            targets.append(self.target_projector(self.target_backbone(view)).detach())
        loss = 0.5 * (self.parts.loss(predictions[0], targets[1]) + self.parts.loss(predictions[1], targets[0]))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=LEARNING_RATE)


def transform(px: int, first: Augmentation, second: Augmentation) -> Callable[[Any], list[Tensor]]:
    """lightly's BYOL transform with the probabilities and ranges of our views: a PIL picture -> two float views."""
    from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform

    def of(a: Augmentation) -> dict[str, Any]:
        brightness, contrast, saturation, hue = a.jitter_strength
        colors = {"cj_prob": a.jitter, "cj_bright": brightness, "cj_contrast": contrast, "cj_sat": saturation}
        places = {"min_scale": a.crop_area[0], "hf_prob": a.flip, "rr_prob": a.rotate, "rr_degrees": a.rotate_deg}
        rest = {"random_gray_scale": a.gray, "gaussian_blur": a.blur, "sigmas": a.blur_sigma}
        return {"input_size": px, "cj_hue": hue, "solarization_prob": a.solarize, **colors, **places, **rest}

    made: Callable[[Any], list[Tensor]] = BYOLTransform(
        BYOLView1Transform(**of(first)), BYOLView2Transform(**of(second))
    )
    return made
