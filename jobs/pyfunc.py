"""The model as MLflow serves it: this file is logged as code (models from code), the bundle's two files beside it.

Input: one row a face; columns `face`, `right`, `left`: JPEG bytes of the squares that `slyk.shards.crops.crop` cuts, at
their stored sizes. Output: `pitch` and `yaw` in radians in the normalized camera of that crop
(`slyk.geometry.angles`); the crop's rotation, transposed, turns them back into the photo's camera.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.pyfunc import PythonModel, PythonModelContext

from slyk.bundle import Bundle, load_bundle
from slyk.shards.sample import Sample
from slyk.training.batches import stack
from slyk.views.single import View, center

COLUMNS = ("face", "right", "left")
BATCH = 64


class GazeModel(PythonModel):  # type: ignore[misc]
    """config.json + model.safetensors behind MLflow's interface; nothing is unpickled."""

    def load_context(self, context: PythonModelContext) -> None:
        self.bundle: Bundle = load_bundle(Path(context.artifacts["config"]).parent)
        self.network = self.bundle.model()

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """pitch and yaw a row. Raises ValueError naming row and column that hold no square of the right size."""
        views = [self._view(number, row) for number, row in enumerate(model_input.to_dict("records"))]
        outputs = [np.zeros((0, 2))]
        with torch.inference_mode():
            for start in range(0, len(views), BATCH):
                outputs.append(self.network(*stack(views[start : start + BATCH])).double().numpy())
        return pd.DataFrame(np.concatenate(outputs), columns=["pitch", "yaw"], index=model_input.index)

    def _view(self, number: int, row: Mapping[Any, Any]) -> View:
        spec = self.bundle.spec
        sizes = (spec.face_square_px, spec.eye_square_px, spec.eye_square_px)
        face, right, left = (_decode(number, n, row[n], px) for n, px in zip(COLUMNS, sizes, strict=True))
        sample = Sample("", "", face, right, left, None, np.zeros(2), np.eye(3), "assumed", "")
        return center(sample, spec, self.bundle.face_px)


def _decode(number: int, name: str, data: bytes, size_px: int) -> Any:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (size_px, size_px, 3):
        found = "no picture" if image is None else f"{image.shape[1]}x{image.shape[0]} px"
        raise ValueError(f"row {number}, {name}: {found}, expected a JPEG of {size_px}x{size_px} px")
    return image


mlflow.models.set_model(GazeModel())
