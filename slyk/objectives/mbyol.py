"""mBYOL: BYOL over an encoder of face, eyes and attention (arXiv:2402.01555)."""

from torch import Tensor, nn

from slyk.models.encoder import Encoder, Images
from slyk.objectives.bootstrap import Bootstrap
from slyk.objectives.objective import ObjectiveConfig


class MBYOL(Bootstrap):
    """See Bootstrap; embeddings are the attention's."""

    sees_eyes = True

    def __init__(self, encoder: Encoder, config: ObjectiveConfig) -> None:
        super().__init__(encoder, config, width=encoder.config.width, learner=encoder)

    def learner(self) -> nn.Module:
        return self.encoder

    def embedded(self, learner: nn.Module, images: Images) -> Tensor:
        embedding: Tensor = learner(images).embedding
        return embedding
