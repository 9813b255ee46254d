"""What self-supervised objectives share: an online network that learns, and a target that may follow it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from slyk.models.encoder import Encoder, Images

Equivariance = Literal["none", "conditioned", "shuffled"]


class Pair(NamedTuple):
    """Two augmented views of the same B faces. turn (B, 2, 2): of O(2), carries the first into the second.

    An objective that takes one view (`num_views`) finds it in both places. chance (B, num_places): uniform in [0, 1),
    of what it hides; where it is empty, torch's generator is asked.
    """

    first: Images
    second: Images
    turn: Tensor
    chance: Tensor = torch.empty(0)


class Outcome(NamedTuple):
    """loss: a scalar with a gradient; embeddings (B, D) of the first view, online; compared (B, D'): what the loss
    compares of that view, all alike once an objective has collapsed, whatever is embedded. compared is None where the
    loss holds a view against the picture itself and so cannot collapse. Only the loss has a gradient."""

    loss: Tensor
    embeddings: Tensor
    compared: Tensor | None


@dataclass(frozen=True)
class ObjectiveConfig:
    """The sizes of what an objective adds to its encoder; each takes what it needs (slyk.config.training.Pretrain).

    momentum: of the target at the first step; together: both views pass the encoder in one batch, whose statistics they
    then share; the last four are FRA's number of regions and MAE's share of hidden patches and decoder.
    """

    projector_hidden: int
    projector_out: int
    momentum: float = 0.996
    equivariance: Equivariance = "none"
    together: bool = False
    num_regions: int = 8
    hidden_share: float = 0.75
    decoder_width: int = 128
    decoder_layers: int = 2


class Objective(nn.Module):
    """Pair -> Outcome. encoder: what is kept in the end."""

    num_views = 2
    sees_eyes = False

    def __init__(self, encoder: Encoder, config: ObjectiveConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config

    def embed(self, images: Images) -> Tensor:
        """Features (B, D) of faces by what the objective trains in the encoder: what probes read."""
        raise NotImplementedError

    def num_places(self, face_px: int) -> int:
        """How many places of a face of face_px x face_px it may hide, a number of `Pair.chance` each."""
        return 0

    def followed(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """Pairs of online and target network; none where nothing follows."""
        raise NotImplementedError

    @torch.no_grad()
    def after_step(self, momentum: float) -> None:
        """Moves the target: theta' <- m theta' + (1 - m) theta. Batch-norm statistics stay each network's own."""
        online: list[Tensor] = [p for network, _ in self.followed() for p in network.parameters()]
        target: list[Tensor] = [p for _, network in self.followed() for p in network.parameters()]
        if target:
            torch._foreach_lerp_(target, online, 1 - momentum)

    def batches(self, pair: Pair) -> list[Images]:
        """The views as the encoder takes them: one after the other or, by `together`, both as one batch."""
        if not self.config.together:
            return [pair.first, pair.second]
        return [Images(*(torch.cat(parts) for parts in zip(pair.first, pair.second, strict=True)))]


def face_branch_only(encoder: Encoder) -> Encoder:
    """The encoder, of which only the trunk of the face learns; eyes and attention stay as they were drawn."""
    encoder.requires_grad_(False)
    encoder.face.requires_grad_(True)
    return encoder


def pooled(encoder: Encoder, face: nn.Module, images: Images) -> Tensor:
    """The mean (B, C) of the map that a trunk gives of faces."""
    return torch.as_tensor(face(encoder.normalize(images.face)).mean(dim=(2, 3)))
