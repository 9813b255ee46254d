"""The gaze task by hand on three samples."""

import math

import pytest
import torch
from torch import Tensor, nn

from slyk.losses.explained_variance import Scope
from slyk.models.encoder import Images
from slyk.tasks import TASKS
from slyk.tasks.gaze import Gaze
from slyk.training.batches import Batch
from tests.losses.test_explained_variance import BY_HAND, PREDICTION, TARGET
from tests.models.test_encoder import random_images


class Fixed(nn.Module):
    """Answers with its parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = nn.Parameter(PREDICTION.float())

    def forward(self, images: Images) -> Tensor:
        assert images.face.shape[0] == len(self.answer)
        return self.answer * 1


BATCH = Batch((random_images(3),), torch.eye(2).expand(3, 2, 2), TARGET.float(), ["a", "b", "c"])


@pytest.mark.parametrize("scope", list(BY_HAND))
def test_the_loss_by_hand(scope: Scope) -> None:
    step = TASKS["gaze"](Fixed(), scope=scope).forward(BATCH)
    assert step.loss.item() == pytest.approx(BY_HAND[scope], rel=1e-3)


def test_the_error_by_hand() -> None:
    """One pitch is off by 0.1 at yaw 0, one yaw by 0.3 at pitch 0.2: two of three errors are not zero."""
    task = Gaze(Fixed())
    step = task.forward(BATCH)
    assert step.watched.shape == (3, 2, 2) and not step.watched.requires_grad
    cosine = math.sin(0.2) ** 2 + math.cos(0.2) ** 2 * math.cos(0.3)
    expected = math.degrees((0.1 + math.acos(cosine)) / 3)
    metrics = task.metrics([step.watched, step.watched])
    assert metrics == {"train_error_deg": pytest.approx(expected, rel=1e-4)}


def test_the_wrapped_module_is_the_one_that_runs() -> None:
    module, wrapped = Fixed(), Fixed()
    nn.init.zeros_(wrapped.answer)
    step = Gaze(module, wrapped).forward(BATCH)
    assert step.watched[:, 0].abs().max() == 0
