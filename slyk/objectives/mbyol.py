"""mBYOL: BYOL over an encoder of face, eyes and attention (arXiv:2402.01555; BYOL: arXiv:2006.07733)."""

import copy

import torch
from torch import Tensor, nn

from slyk.losses.cosine import symmetric_negative_cosine
from slyk.models.encoder import Encoder
from slyk.models.heads import byol_mlp
from slyk.objectives.objective import Objective, Pair


class MBYOL(Objective):
    """See Objective; embeddings are the attention's."""

    def __init__(self, encoder: Encoder, *, projector_hidden: int, projector_out: int, momentum: float) -> None:
        super().__init__(encoder, momentum)
        self.projector = byol_mlp(encoder.config.width, projector_hidden, projector_out)
        self.predictor = byol_mlp(projector_out, projector_hidden, projector_out)
        self.target_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def forward(self, pair: Pair) -> tuple[Tensor, Tensor]:
        embeddings = [self.encoder(view).embedding for view in pair]
        predictions = [self.predictor(self.projector(embedding)) for embedding in embeddings]
        with torch.no_grad():
            targets = [self.target_projector(self.target_encoder(view).embedding) for view in pair]
        loss = symmetric_negative_cosine(predictions[0].float(), predictions[1].float(), *(t.float() for t in targets))
        return loss, embeddings[0].detach()

    def followed(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(self.encoder, self.target_encoder), (self.projector, self.target_projector)]
