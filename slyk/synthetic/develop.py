"""The camera behind the lens: exposure, tone, blur, noise. Linear RGB -> BGR uint8."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.identity import Random
from slyk.synthetic.scene import Scene


def develop(color: NDArray[Any], scene: Scene, rng: Random) -> NDArray[np.uint8]:
    """The photo (H, W, 3) of linear light (H, W, 3) float32, exposed by its mean and the sensor's choice."""
    sensor = scene.sensor
    metered = (0.20 / max(float(color.mean()), 1e-3)) ** 0.55
    gain = float(np.exp(sensor.exposure)) * min(max(metered, 0.6), 2.5)
    exposed = np.maximum(color * np.float32(gain), np.float32(0.0))
    shoulder = exposed / np.sqrt(1 + np.float32(0.18) * exposed * exposed)
    tone = np.minimum(shoulder, np.float32(1.6)) ** np.float32(1 / 2.2)
    bright = np.minimum(tone, np.float32(1.0))
    tone = tone + np.float32(0.2) * bright * (1 - bright) * (2 * bright - 1)  # a mild S of contrast
    tone = cv2.GaussianBlur(tone, (0, 0), sensor.blur_px)
    height, width = tone.shape[:2]
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(sensor.noise)
    grain = grain + rng.standard_normal((height, width, 3), dtype=np.float32) * np.float32(sensor.chroma_noise)
    done = np.clip((tone + grain)[..., ::-1] * 255 + np.float32(0.5), 0, 255)
    return np.ascontiguousarray(done.astype(np.uint8))
