"""Two small networks and their training, the same numbers for the same seed on one machine; one thread."""

import time
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.frames import Frames
from slyk.geometry.camera import Array
from slyk.shards.crops import CropSpec
from slyk.synthetic.identity import Random
from slyk.views.augmentation import Augmentation
from slyk.views.single import View, center, view

FACE_PX = 112
JITTER = Augmentation(flip=0.5, shift_mm=3.0, scale=0.06)
BATCH = 64
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.05
EPOCHS = {"eyes": 22, "face": 20}
"""About 130 s of one quiet core each."""


class Trained(NamedTuple):
    """model; images: how many it saw; cpu_s: what the training took."""

    model: nn.Module
    images: int
    cpu_s: float


class EyesNet(nn.Module):
    """(B, 2, 36, 60) right and left eye -> pitch and yaw (B, 2): four layers that see both eyes, the left in a mirror,
    so that 32 people are 64 eyes to learn from."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _layers((1, 24, 48, 96, 96), num_pools=3)
        self.head = _head(2 * 96 * 4 * 7)

    def forward(self, images: Tensor) -> Tensor:
        right, left = images[:, :1], images[:, 1:].flip(3)
        seen = self.layers(torch.cat([right, left]))
        found: Tensor = self.head(torch.cat(seen.chunk(2), dim=1))
        return found


def make_net(part: str) -> nn.Module:
    """The network for "eyes", or five layers on a "face" (B, 1, 112, 112)."""
    if part == "eyes":
        net: nn.Module = EyesNet()
    else:
        stem = [nn.Conv2d(1, 24, 5, 2, 2, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2)]
        net = nn.Sequential(*stem, _layers((24, 48, 96, 128, 128), num_pools=2), _head(128 * 7 * 7))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster on a CPU
    return net


def _layers(widths: tuple[int, ...], num_pools: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i, (narrow, wide) in enumerate(pairwise(widths)):
        layers += [nn.Conv2d(narrow, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if i < num_pools else []
    return nn.Sequential(*layers)


def _head(width: int) -> nn.Sequential:
    hidden = [nn.Dropout(0.3), nn.Linear(width, 128), nn.BatchNorm1d(128), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, 2))


def train(part: str, frames: Frames, spec: CropSpec, *, seed: int, epochs: int) -> Trained:
    """A network from nothing: AdamW, one-cycle learning rate, L1 on pitch and yaw, crops jittered by up to 3 mm."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    model = make_net(part)
    steps = len(frames.gaze) // BATCH
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, epochs * steps, pct_start=0.2)
    start = time.process_time()
    model.train()
    for _ in range(epochs):
        order = rng.permutation(len(frames.gaze))
        for step in range(steps):
            images, gaze = batch(part, frames, order[step * BATCH : (step + 1) * BATCH], spec, rng)
            loss = nn.functional.l1_loss(model(images), gaze)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return Trained(model, epochs * steps * BATCH, time.process_time() - start)


def predict(part: str, model: nn.Module, frames: Frames, spec: CropSpec) -> Array:
    """Pitch and yaw (N, 2) of all frames, without jitter."""
    model.eval()
    found = []
    with torch.inference_mode():
        for some in np.array_split(np.arange(len(frames.gaze)), max(1, len(frames.gaze) // 200)):
            found.append(model(batch(part, frames, some, spec, None)[0]).numpy())
    return np.concatenate(found).astype(np.float64)


def batch(
    part: str, frames: Frames, which: NDArray[np.int64], spec: CropSpec, rng: Random | None
) -> tuple[Tensor, Tensor]:
    """Images (B, 2, 36, 60) or (B, 1, 112, 112), each of mean 0 and SD 1, and gaze (B, 2); jittered where `rng`."""
    views = [_view(frames, int(i), spec, rng) for i in which]
    shown = [(v.right, v.left) if part == "eyes" else (v.face,) for v in views]
    images = np.stack([np.stack([image[..., 0] for image in some]) for some in shown])
    level, spread = (f(images, axis=(2, 3), keepdims=True) for f in (np.mean, np.std))
    images = ((images - level) / (spread + 1.0)).astype(np.float32)
    gaze = np.stack([v.gaze for v in views if v.gaze is not None]).astype(np.float32)
    return torch.from_numpy(images).contiguous(memory_format=torch.channels_last), torch.from_numpy(gaze)


def _view(frames: Frames, i: int, spec: CropSpec, rng: Random | None) -> View:
    sample = frames.sample(i)
    return center(sample, spec, FACE_PX) if rng is None else view(sample, spec, FACE_PX, JITTER, rng)
