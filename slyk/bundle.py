"""What a trained model is on disk: config.json + model.safetensors, no pickle, the same bytes for the same model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from slyk.errors import DataMissingError, RegistryError
from slyk.files import write_atomic, write_json
from slyk.models.encoder import Encoder, EncoderConfig, Images
from slyk.models.pmn import PMN, PMNConfig
from slyk.shards.crops import CropSpec

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class Serving(nn.Module):
    """face (B, 3, P, P), right, left (B, 3, 36, 60), uint8 BGR -> (B, 2) pitch and yaw, radians, normalized frame."""

    def __init__(self, network: PMN) -> None:
        super().__init__()
        self.network = network

    def forward(self, face: Tensor, right: Tensor, left: Tensor) -> Tensor:
        return torch.as_tensor(self.network(Images(face, right, left)))


@dataclass(frozen=True)
class Bundle:
    """config: what the model is and came from; state: its tensors."""

    config: dict[str, Any]
    state: dict[str, Tensor]

    @property
    def spec(self) -> CropSpec:
        return CropSpec(**self.config["crops"])

    @property
    def face_px(self) -> int:
        return int(self.config["face_px"])

    def network(self) -> nn.Module:
        """The module with its weights, in training's layout: an Encoder or a PMN."""
        model = self.config["model"]
        network: nn.Module
        if self.config["kind"] == "encoder":
            network = Encoder(EncoderConfig(**model))
        else:
            encoder = EncoderConfig(**model["encoder"])
            network = PMN(PMNConfig(encoder, tuple(model["hidden"]), model["dropout"], model["num_out"]))
        network.load_state_dict(self.state)
        return network

    def model(self, device: str = "cpu") -> nn.Module:
        """The network for predictions, see Serving."""
        if self.config["kind"] != "pmn":
            raise RegistryError(f"this bundle holds an {self.config['kind']}, not a gaze model")
        network = self.network()
        assert isinstance(network, PMN)
        return Serving(network).to(device).eval()


def describe(network: Encoder | PMN) -> dict[str, Any]:
    """`kind` and `model` of a bundle's config."""
    kind = "encoder" if isinstance(network, Encoder) else "pmn"
    return {"format": 1, "kind": kind, "model": asdict(network.config)}


def save_bundle(folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Writes weights, then config: a folder with a config is whole."""
    (folder / CONFIG).unlink(missing_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(state.items())}
    write_atomic(folder / WEIGHTS, save(tensors))
    write_json(folder / CONFIG, dict(config))


def load_bundle(folder: Path) -> Bundle:
    """Raises DataMissingError without a bundle, RegistryError where its files are damaged."""
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise DataMissingError(f"{folder} holds no model ({CONFIG}, {WEIGHTS}): run `dvc repro` or give another folder")
    try:
        bundle = Bundle(json.loads((folder / CONFIG).read_bytes()), load((folder / WEIGHTS).read_bytes()))
    except (ValueError, SafetensorError) as error:
        raise RegistryError(f"{folder} is damaged: {error}") from None
    if not isinstance(bundle.config, dict) or not {"format", "kind", "model"} <= set(bundle.config):
        raise RegistryError(f"{folder / CONFIG} describes no model of slyk: give a folder that slyk has written")
    return bundle


def bundle_digest(folder: Path) -> str:
    """sha256 over both files."""
    hasher = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        hasher.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return hasher.hexdigest()
