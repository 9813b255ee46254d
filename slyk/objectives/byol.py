"""Plain BYOL on whole faces: the control of mBYOL, without eyes and without attention."""

from torch import Tensor, nn

from slyk.models.encoder import Encoder, Images
from slyk.objectives.bootstrap import Bootstrap
from slyk.objectives.objective import ObjectiveConfig, face_branch_only, pooled


class BYOL(Bootstrap):
    """See Bootstrap; embeddings are the means of the face maps."""

    def __init__(self, encoder: Encoder, config: ObjectiveConfig) -> None:
        trunk = encoder.face
        super().__init__(face_branch_only(encoder), config, width=trunk.num_channels, learner=trunk)

    def learner(self) -> nn.Module:
        return self.encoder.face

    def embedded(self, learner: nn.Module, images: Images) -> Tensor:
        return pooled(self.encoder, learner, images)
