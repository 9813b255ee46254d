"""The state of a run between two steps: enough to go on as if nothing had happened."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from slyk.errors import TrainingError

NAME = "state.pt"


def save(
    folder: Path,
    *,
    module: nn.Module,
    optimizer: Optimizer,
    step: int,
    history: list[dict[str, float]],
    fingerprint: str,
) -> None:
    """Dropout and augmentation draw from (seed, step), so no generator is stored."""
    state = {
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "history": history,
        "fingerprint": fingerprint,
    }
    torch.save(state, folder / NAME)


def load(folder: Path, *, fingerprint: str, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Raises TrainingError where the checkpoint belongs to a run of other params, data or code."""
    state: dict[str, Any] = torch.load(folder / NAME, map_location=device, weights_only=True)
    if state["fingerprint"] != fingerprint:
        raise TrainingError(f"{folder} belongs to another run ({state['fingerprint'][:12]}, not {fingerprint[:12]})")
    return state
