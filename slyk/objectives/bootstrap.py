"""BYOL (arXiv:2006.07733): the projection of one view predicts that of the other by a network that follows slowly.

`equivariance: conditioned` is our addition. Views are turned and mirrored at random, and BYOL learns to forget how,
and gaze with it. A predictor that is told the turn from its view to the other can predict what the turn changes, so
that the embedding may keep it. `shuffled` tells it another sample's turn: a control with the same number of weights.
"""

import copy

import torch
from torch import Tensor, nn

from slyk.losses.cosine import symmetric_negative_cosine
from slyk.models.encoder import Encoder, Images
from slyk.models.heads import byol_mlp
from slyk.objectives.objective import Objective, ObjectiveConfig, Outcome, Pair

TURN_WIDTH = 64


class Predictor(nn.Module):
    """Projections (B, D) and turns (B, 2, 2) from their views to the others -> predictions (B, D)."""

    def __init__(self, config: ObjectiveConfig) -> None:
        super().__init__()
        width, told = config.projector_out, config.equivariance != "none"
        self.turns = nn.Sequential(nn.Linear(4, TURN_WIDTH), nn.ReLU()) if told else None
        self.mlp = byol_mlp(width + TURN_WIDTH * told, config.projector_hidden, width)
        self.shuffled = config.equivariance == "shuffled"

    def forward(self, projections: Tensor, turns: Tensor) -> Tensor:
        if self.turns is not None:
            if self.shuffled:
                turns = turns.roll(1, dims=0)
            projections = torch.cat([projections, self.turns(turns.flatten(1)).to(projections.dtype)], dim=1)
        return torch.as_tensor(self.mlp(projections))


class Bootstrap(Objective):
    """See Objective. width: of embeddings; learner: the part of the encoder that embeds and that the target copies."""

    def __init__(self, encoder: Encoder, config: ObjectiveConfig, *, width: int, learner: nn.Module) -> None:
        super().__init__(encoder, config)
        self.projector = byol_mlp(width, config.projector_hidden, config.projector_out)
        self.predictor = Predictor(config)
        self.target_encoder = copy.deepcopy(learner).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def embedded(self, learner: nn.Module, images: Images) -> Tensor:
        """(B, width) by the online or the target learner."""
        raise NotImplementedError

    def learner(self) -> nn.Module:
        """The online learner."""
        raise NotImplementedError

    def embed(self, images: Images) -> Tensor:
        return self.embedded(self.learner(), images)

    def forward(self, pair: Pair) -> Outcome:
        batches = self.batches(pair)
        turns = torch.cat([pair.turn, pair.turn.mT]).chunk(len(batches))  # a turn's inverse is its transpose
        embeddings = [self.embed(images) for images in batches]
        projections = [self.projector(e) for e in embeddings]
        predictions = [self.predictor(p, turn) for p, turn in zip(projections, turns, strict=True)]
        with torch.no_grad():
            targets = [self.target_projector(self.embedded(self.target_encoder, images)) for images in batches]
        views = (*torch.cat(predictions).float().chunk(2), *torch.cat(targets).float().chunk(2))
        watched = (torch.cat(parts).chunk(2)[0].detach() for parts in (embeddings, projections))
        return Outcome(symmetric_negative_cosine(*views), *watched)

    def followed(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(self.learner(), self.target_encoder), (self.projector, self.target_projector)]
