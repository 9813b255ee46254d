"""FRA, facial region awareness (arXiv:2403.02138): BYOL on whole faces and on regions that the network finds itself."""

import copy

import torch
from torch import Tensor, nn

from slyk.losses.regions import instance_loss, region_loss, relation_loss
from slyk.models.encoder import Encoder, Images
from slyk.models.regions import RegionNeck, Regions, place_mlp
from slyk.objectives.objective import Objective, Pair, face_branch_only

NUM_REGIONS = 8
RELATION_WEIGHT = 0.1


class RegionAwareness(Objective):
    """See Objective; embeddings are the means of the face maps."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        projector_hidden: int,
        projector_out: int,
        momentum: float,
        num_regions: int = NUM_REGIONS,
    ) -> None:
        super().__init__(face_branch_only(encoder), momentum)
        sizes = {"hidden": projector_hidden, "width": projector_out, "num_regions": num_regions}
        self.neck = RegionNeck(encoder.face.num_channels, **sizes)
        self.face_predictor = place_mlp(projector_out, projector_hidden, projector_out)
        self.region_predictor = place_mlp(projector_out, projector_hidden, projector_out)
        self.target_face = copy.deepcopy(self.encoder.face).requires_grad_(False)
        self.target_neck = copy.deepcopy(self.neck).requires_grad_(False)

    def forward(self, pair: Pair) -> tuple[Tensor, Tensor]:
        maps = [self.encoder.face(self._picture(view)) for view in pair]
        seen = [self._seen(self.neck, features) for features in maps]
        with torch.no_grad():
            targets = [self._seen(self.target_neck, self.target_face(self._picture(view))) for view in pair]
        consistency = self._consistency(seen[0], targets[1]) + self._consistency(seen[1], targets[0])
        relation = sum(
            relation_loss(pixels(own.scores), pixels(target.scores)) for own, target in zip(seen, targets, strict=True)
        )
        return consistency + RELATION_WEIGHT * relation / 2, maps[0].mean(dim=(2, 3)).detach()

    def _picture(self, view: Images) -> Tensor:
        return torch.as_tensor(self.encoder.normalize(view.face))

    @staticmethod
    def _seen(neck: RegionNeck, features: Tensor) -> Regions:
        return Regions(*(part.float() for part in neck(features)))

    def _consistency(self, online: Regions, target: Regions) -> Tensor:
        """One view predicts the other: half for whole faces, half for regions."""
        face = self.face_predictor(online.face).float()
        regions = self.region_predictor(online.regions.flatten(0, 1)).unflatten(0, online.regions.shape[:2]).float()
        return (instance_loss(face, target.face) + region_loss(regions, target.regions)) / 2

    def followed(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(self.encoder.face, self.target_face), (self.neck, self.target_neck)]


def pixels(scores: Tensor) -> Tensor:
    """(B, K, h, w) -> (B h w, K)."""
    return scores.permute(0, 2, 3, 1).flatten(0, 2)
