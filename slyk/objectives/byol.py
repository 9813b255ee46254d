"""Plain BYOL on whole faces (arXiv:2006.07733): the control of mBYOL, without eyes and without attention."""

import copy

import torch
from torch import Tensor, nn

from slyk.losses.cosine import symmetric_negative_cosine
from slyk.models.encoder import Encoder, Images
from slyk.models.heads import byol_mlp
from slyk.objectives.objective import Objective, Pair, face_branch_only


class BYOL(Objective):
    """See Objective; embeddings are the means of the face maps."""

    def __init__(self, encoder: Encoder, *, projector_hidden: int, projector_out: int, momentum: float) -> None:
        super().__init__(face_branch_only(encoder), momentum)
        self.projector = byol_mlp(encoder.face.num_channels, projector_hidden, projector_out)
        self.predictor = byol_mlp(projector_out, projector_hidden, projector_out)
        self.target_face = copy.deepcopy(self.encoder.face).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.projector).requires_grad_(False)

    def forward(self, pair: Pair) -> tuple[Tensor, Tensor]:
        embeddings = [self._embedding(self.encoder.face, view) for view in pair]
        predictions = [self.predictor(self.projector(embedding)).float() for embedding in embeddings]
        with torch.no_grad():
            targets = [self.target_projector(self._embedding(self.target_face, view)).float() for view in pair]
        return symmetric_negative_cosine(*predictions, *targets), embeddings[0].detach()

    def _embedding(self, face: nn.Module, view: Images) -> Tensor:
        return torch.as_tensor(face(self.encoder.normalize(view.face)).mean(dim=(2, 3)))

    def followed(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(self.encoder.face, self.target_face), (self.projector, self.target_projector)]
