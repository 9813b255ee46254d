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
    """Dropout and augmentation draw from (seed, step), so no generator is stored. Raises OSError."""
    state = {
        "module": module.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "history": history,
        "fingerprint": fingerprint,
    }
    with (folder / NAME).open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch's word for whatever befell the file
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def load(folder: Path, *, fingerprint: str, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Raises TrainingError where the checkpoint is damaged, or belongs to a run of other params, data or code."""
    try:
        state: dict[str, Any] = torch.load(folder / NAME, map_location=device, weights_only=True)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception:  # torch has many errors for half a file, an OSError among them
        raise TrainingError(f"{folder / NAME} is damaged: delete the folder of its run and start again") from None
    if state["fingerprint"] != fingerprint:
        raise TrainingError(f"{folder} belongs to another run ({state['fingerprint'][:12]}, not {fingerprint[:12]})")
    return state
