"""FRA, facial region awareness (arXiv:2403.02138): BYOL on whole faces and on regions that the network finds itself."""

import copy

import torch
from torch import Tensor, nn

from slyk.errors import ParamsError
from slyk.losses.regions import instance_loss, region_loss, relation_loss
from slyk.models.encoder import Encoder, Images
from slyk.models.regions import NUM_HEADS, RegionNeck, Regions, in_full, place_mlp
from slyk.objectives.objective import Objective, ObjectiveConfig, Outcome, Pair, face_branch_only, pooled

RELATION_WEIGHT = 0.1


class RegionAwareness(Objective):
    """See Objective; embeddings are the means of the face maps.

    Regions are of a view: `together` joins the views in the trunk alone.
    """

    def __init__(self, encoder: Encoder, config: ObjectiveConfig) -> None:
        super().__init__(face_branch_only(encoder), config)
        hidden, width = config.projector_hidden, config.projector_out
        if width % NUM_HEADS:
            raise ParamsError(
                f"projector_out {width} cannot be shared by the {NUM_HEADS} attention heads of region_awareness: "
                f"choose a multiple of {NUM_HEADS}"
            )
        self.neck = RegionNeck(encoder.face.num_channels, hidden=hidden, width=width, num_regions=config.num_regions)
        self.face_predictor = place_mlp(width, hidden, width)
        self.region_predictor = place_mlp(width, hidden, width)
        self.target_face = copy.deepcopy(self.encoder.face).requires_grad_(False)
        self.target_neck = copy.deepcopy(self.neck).requires_grad_(False)

    def embed(self, images: Images) -> Tensor:
        return pooled(self.encoder, self.encoder.face, images)

    def forward(self, pair: Pair) -> Outcome:
        maps = self._maps(self.encoder.face, pair)
        seen = [self._seen(self.neck, features) for features in maps]
        with torch.no_grad():
            targets = [self._seen(self.target_neck, features) for features in self._maps(self.target_face, pair)]
        consistency = self._consistency(seen[0], targets[1]) + self._consistency(seen[1], targets[0])
        relation = sum(
            relation_loss(pixels(own.scores), pixels(target.scores)) for own, target in zip(seen, targets, strict=True)
        )
        embeddings = maps[0].mean(dim=(2, 3)).detach()
        return Outcome(consistency + RELATION_WEIGHT * relation / 2, embeddings, seen[0].face.detach())

    def regions(self, images: Images) -> Regions:
        """What the online network sees in faces, as it is."""
        return self._seen(self.neck, self.encoder.face(self.encoder.normalize(images.face)))

    def _maps(self, face: nn.Module, pair: Pair) -> tuple[Tensor, ...]:
        maps = [face(self.encoder.normalize(images.face)) for images in self.batches(pair)]
        return torch.cat(maps).chunk(2) if self.config.together else tuple(maps)

    @staticmethod
    def _seen(neck: RegionNeck, features: Tensor) -> Regions:
        return Regions(*(in_full(part) for part in neck(features)))

    def _consistency(self, online: Regions, target: Regions) -> Tensor:
        """One view predicts the other: half for whole faces, half for regions."""
        face = in_full(self.face_predictor(online.face))
        regions = in_full(self.region_predictor(online.regions.flatten(0, 1))).reshape(online.regions.shape)
        return (instance_loss(face, target.face) + region_loss(regions, target.regions)) / 2

    def followed(self) -> list[tuple[nn.Module, nn.Module]]:
        return [(self.encoder.face, self.target_face), (self.neck, self.target_neck)]


def pixels(scores: Tensor) -> Tensor:
    """(B, K, h, w) -> (B h w, K)."""
    return scores.permute(0, 2, 3, 1).flatten(0, 2)
