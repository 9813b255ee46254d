"""MAE, the masked autoencoder (arXiv:2111.06377): most patches of a face are hidden, and drawn from those that are not.

The honest baseline: it learns from one view of a face, so it has no reason to forget how the face was turned.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from slyk.errors import ParamsError
from slyk.losses.reconstruction import moments, patches, picture, reconstruction_loss
from slyk.models.attention import blocks, draw_evenly
from slyk.models.backbones import PATCH_PX, PatchTrunk, grid_positions, taken
from slyk.models.encoder import Encoder, Images
from slyk.objectives.objective import Objective, ObjectiveConfig, Outcome, Pair, face_branch_only, pooled

HEAD_WIDTH = 32  # of the decoder, as in the paper's


class Split(NamedTuple):
    """Numbers of patches, row by row: seen (B, S) by the encoder, hidden (B, M) from it."""

    seen: Tensor
    hidden: Tensor


def split(chance: Tensor, hidden_share: float) -> Split:
    """Of patches, each with a uniform number (B, N), those with the least are hidden: of all samples the same number,
    at least one, never all."""
    num_patches = chance.shape[1]
    num_hidden = min(max(1, round(hidden_share * num_patches)), num_patches - 1)
    order = chance.argsort(dim=1, stable=True)
    return Split(order[:, num_hidden:], order[:, :num_hidden])


class Decoder(nn.Module):
    """Tokens (B, S, C) of seen patches -> pixels (B, M, num_out) of hidden ones; it is told where each patch lies."""

    def __init__(self, num_in: int, config: ObjectiveConfig, num_out: int) -> None:
        super().__init__()
        width = config.decoder_width
        self.reduce = nn.Linear(num_in, width)
        self.unknown = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = blocks(width, width // HEAD_WIDTH, config.decoder_layers)
        self.norm = nn.LayerNorm(width)
        self.pixels = nn.Linear(width, num_out)
        draw_evenly(self)

    def forward(self, tokens: Tensor, which: Split, grid: tuple[int, int]) -> Tensor:
        known = self.reduce(tokens)
        unknown = self.unknown.to(known.dtype).expand(*which.hidden.shape, -1)
        positions = grid_positions(*grid, known.shape[2], tokens.device)
        # each token knows its place, so that the order of tokens means nothing
        both = torch.cat([known, unknown], dim=1) + positions[torch.cat(which, dim=1)]
        seen = self.norm(self.blocks(both)[:, known.shape[1] :])
        return torch.as_tensor(self.pixels(seen))


class _Drawn(NamedTuple):
    """tokens (B, S, C) of what was seen; predicted (B, M, D) of what was hidden; pixels (B, N, D): the truth."""

    which: Split
    tokens: Tensor
    predicted: Tensor
    pixels: Tensor


class Masked(Objective):
    """See Objective; embeddings are the means of the face maps, in training of the patches that were seen.

    Raises ParamsError for an encoder whose trunk has no patches.
    """

    num_views = 1

    def __init__(self, encoder: Encoder, config: ObjectiveConfig) -> None:
        if not isinstance(encoder.face, PatchTrunk):
            raise ParamsError(
                f"objective masked hides patches and {encoder.config.backbone} has none: "
                f"choose a pretrain.encoder.backbone of {', '.join(PATCH_PX)}"
            )
        super().__init__(face_branch_only(encoder), config)
        self.decoder = Decoder(encoder.face.num_channels, config, 3 * encoder.face.patch_px**2)

    def num_places(self, face_px: int) -> int:
        return (face_px // self.face.patch_px) ** 2

    def embed(self, images: Images) -> Tensor:
        return pooled(self.encoder, self.encoder.face, images)

    def forward(self, pair: Pair) -> Outcome:
        drawn = self._drawn(pair.first.face, pair.chance)
        loss = reconstruction_loss(drawn.predicted, taken(drawn.pixels, drawn.which.hidden))
        return Outcome(loss, drawn.tokens.float().mean(dim=1).detach(), None)

    @torch.no_grad()
    def pictures(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Of faces (B, 3, H, W) what the encoder sees, and the whole as it is drawn from that; all uint8 BGR.

        The network draws each patch but for its mean and deviation, which are the true ones here.
        """
        drawn = self._drawn(faces, torch.empty(0))
        true = taken(drawn.pixels, drawn.which.hidden)
        mean, deviation = moments(true)
        size, rows = self.face.patch_px, faces.shape[2] // self.face.patch_px
        places = drawn.which.hidden[:, :, None].expand_as(true)
        shown = (
            drawn.pixels.scatter(1, places, part)
            for part in (torch.zeros_like(true), drawn.predicted * deviation + mean)
        )
        seen, whole = (self.encoder.normalize.back(picture(part, size, rows)) for part in shown)
        return seen, whole

    @property
    def face(self) -> PatchTrunk:
        assert isinstance(self.encoder.face, PatchTrunk)
        return self.encoder.face

    def _drawn(self, faces: Tensor, chance: Tensor) -> "_Drawn":
        images = self.encoder.normalize(faces)
        height, width = grid = self.face.grid(images)
        if not chance.numel():
            chance = torch.rand(len(images), height * width, device=images.device)
        which = split(chance, self.config.hidden_share)
        tokens = self.face.tokens(images, which.seen)
        predicted = self.decoder(tokens, which, grid).float()
        return _Drawn(which, tokens, predicted, patches(images, self.face.patch_px))

    def followed(self) -> list[tuple[nn.Module, nn.Module]]:
        return []
