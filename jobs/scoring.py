"""A model's answer for every photo of chosen people: the table that reports and promotion stand on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from jobs.columns import HEAD, PREDICTED, TRUE
from slyk.bundle import Bundle
from slyk.errors import DataMissingError, RegistryError
from slyk.geometry.angles import Array
from slyk.metrics import errors_deg
from slyk.shards.read import ShardSet
from slyk.shards.sample import Sample
from slyk.training.batches import stack
from slyk.views.single import center


def score(bundle: Bundle, shards: ShardSet, *, batch_size: int) -> pd.DataFrame:
    """One row a labelled sample, in the order of the shards; none is left out.

    Columns: dataset, group, person (dataset/group), key; pitch, yaw (true), pred_pitch, pred_yaw, head_pitch, head_yaw
    in radians, normalized frame; error_deg. Raises RegistryError where the shards were cut differently than the model
    was trained on.
    """
    check_crops(bundle, shards)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = bundle.model(device)
    predictions: list[Array] = []
    rows: list[dict[str, Any]] = []
    for samples in _batches(shards, batch_size):
        views = [center(sample, shards.spec, bundle.face_px) for sample in samples]
        with torch.inference_mode():
            output = model(*(images.to(device) for images in stack(views)))
        predictions.append(output.double().cpu().numpy())
        rows += [_row(shards.manifest.dataset, sample) for sample in samples]
    if not rows:
        raise DataMissingError(
            f"{shards.folder} holds no photo with a gaze label of the chosen people: choose another protocol for "
            f"{shards.folder.name} in params.yaml (docs/protocols.md)"
        )
    table = pd.DataFrame(rows)
    table[PREDICTED] = np.concatenate(predictions)
    table["error_deg"] = errors_deg(table[PREDICTED].to_numpy(), table[TRUE].to_numpy())
    return table


def gaze_of(shards: ShardSet) -> Array:
    """Labels (N, 2), pitch and yaw in radians, of all labelled samples."""
    return np.array([sample.gaze for sample in shards if sample.gaze is not None]).reshape(-1, 2)


def check_crops(bundle: Bundle, shards: ShardSet) -> None:
    mine, theirs = bundle.spec.as_dict(), shards.spec.as_dict()
    changed = [f"{name} {mine[name]} -> {theirs[name]}" for name in mine if mine[name] != theirs[name]]
    if changed:
        raise RegistryError(
            f"{shards.folder} was cut differently than the model was trained on ({', '.join(changed)}): train again"
        )


def trained_on(bundle: Bundle) -> dict[str, set[str]]:
    """Data set -> groups that training or pretraining has seen, as the bundle records them."""
    seen: dict[str, set[str]] = {}
    for part in (bundle.config, bundle.config.get("pretrained") or {}):
        recorded: Mapping[str, Sequence[str]] = part["groups"] if part else {}
        for dataset, groups in recorded.items():
            seen.setdefault(dataset, set()).update(groups)
    return seen


def _row(dataset: str, sample: Sample) -> dict[str, Any]:
    assert sample.gaze is not None
    angles = dict(zip([*TRUE, *HEAD], [*sample.gaze, *sample.head], strict=True))
    person = f"{dataset}/{sample.group}"
    return {"dataset": dataset, "group": sample.group, "person": person, "key": sample.key} | angles


def _batches(shards: ShardSet, size: int) -> Iterator[list[Sample]]:
    batch: list[Sample] = []
    for sample in shards:
        if sample.gaze is None:
            continue
        batch.append(sample)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
