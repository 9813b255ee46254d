"""Small perceptrons: BYOL's projector and predictor, the regression head."""

from collections.abc import Sequence

from torch import nn


def byol_mlp(num_in: int, num_hidden: int, num_out: int) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear: projector and predictor of BYOL (arXiv:2006.07733, section 3.3)."""
    return nn.Sequential(
        nn.Linear(num_in, num_hidden, bias=False),
        nn.BatchNorm1d(num_hidden),
        nn.ReLU(inplace=True),
        nn.Linear(num_hidden, num_out),
    )


def regression_mlp(num_in: int, hidden: Sequence[int], num_out: int, dropout: float) -> nn.Sequential:
    """Linear layers with ReLU and dropout between them."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(num_in, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        num_in = width
    return nn.Sequential(*layers, nn.Linear(num_in, num_out))
