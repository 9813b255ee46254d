"""What self-supervised objectives share: an online network that learns, and a target that follows it."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from slyk.models.encoder import Encoder, Images


class Pair(NamedTuple):
    """Two augmented views of the same faces."""

    first: Images
    second: Images


class Objective(nn.Module):
    """Pair -> loss and online embeddings (B, D) of the first view, these without a gradient.

    encoder: what is kept in the end; momentum: of the target at the first step.
    """

    def __init__(self, encoder: Encoder, momentum: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.momentum = momentum

    def followed(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """Pairs of online and target network."""
        raise NotImplementedError

    @torch.no_grad()
    def after_step(self, momentum: float) -> None:
        """Moves the target: theta' <- m theta' + (1 - m) theta. Batch-norm statistics stay each network's own."""
        online: list[Tensor] = [p for network, _ in self.followed() for p in network.parameters()]
        target: list[Tensor] = [p for _, network in self.followed() for p in network.parameters()]
        torch._foreach_lerp_(target, online, 1 - momentum)


def face_branch_only(encoder: Encoder) -> Encoder:
    """The encoder, of which only the trunk of the face learns; eyes and attention stay as they were drawn."""
    encoder.requires_grad_(False)
    encoder.face.requires_grad_(True)
    return encoder
