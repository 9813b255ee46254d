"""Saving between two steps and going on."""

from pathlib import Path

import pytest
import torch
from torch import nn

from slyk.errors import TrainingError
from slyk.training import checkpoint
from slyk.training.loop import adamw


def step(module: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    torch.manual_seed(seed)
    optimizer.zero_grad()
    module(torch.randn(4, 3)).square().sum().backward()
    optimizer.step()


def test_going_on_is_as_if_nothing_had_happened(tmp_path: Path) -> None:
    one, two = nn.Linear(3, 2), nn.Linear(3, 2)
    optimizer = adamw([(one, 0.1)], weight_decay=0.1)
    step(one, optimizer, 0)
    history = [{"step": 1.0, "loss": 0.5}]
    checkpoint.save(tmp_path, module=one, optimizer=optimizer, step=1, history=history, fingerprint="f")
    step(one, optimizer, 1)
    state = checkpoint.load(tmp_path, fingerprint="f")
    assert (state["step"], state["history"]) == (1, history)
    other = adamw([(two, 0.1)], weight_decay=0.1)
    two.load_state_dict(state["module"])
    other.load_state_dict(state["optimizer"])
    step(two, other, 1)
    assert torch.equal(one.weight, two.weight) and torch.equal(one.bias, two.bias)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)
    optimizer = adamw([(module, 0.1)], weight_decay=0.0)
    checkpoint.save(tmp_path, module=module, optimizer=optimizer, step=1, history=[], fingerprint="this run")
    with pytest.raises(TrainingError, match="belongs to another run"):
        checkpoint.load(tmp_path, fingerprint="that run")


def test_loading_runs_no_code(tmp_path: Path) -> None:
    torch.save({"fingerprint": "f", "module": print}, tmp_path / checkpoint.NAME)
    with pytest.raises(TrainingError, match="is damaged: delete the folder of its run and start again"):
        checkpoint.load(tmp_path, fingerprint="f")


def test_half_a_checkpoint_is_told(tmp_path: Path) -> None:
    module = nn.Linear(100, 100)
    optimizer = adamw([(module, 0.1)], weight_decay=0.0)
    checkpoint.save(tmp_path, module=module, optimizer=optimizer, step=1, history=[], fingerprint="f")
    whole = (tmp_path / checkpoint.NAME).read_bytes()
    for size in (0, len(whole) // 2):
        (tmp_path / checkpoint.NAME).write_bytes(whole[:size])
        with pytest.raises(TrainingError, match=r"state\.pt is damaged"):
            checkpoint.load(tmp_path, fingerprint="f")


def test_a_full_disk_is_what_it_is(tmp_path: Path) -> None:
    module = nn.Linear(1000, 100)
    (tmp_path / checkpoint.NAME).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(
            tmp_path,
            module=module,
            optimizer=adamw([(module, 0.1)], weight_decay=0.0),
            step=1,
            history=[],
            fingerprint="f",
        )
