"""The camera behind the lens: exposure, tone, blur, noise. Linear RGB -> BGR uint8."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from slyk.synthetic.identity import Image, Random
from slyk.synthetic.scene import Scene

_GREY = 0.26
"""Mean of linear light that the camera aims at."""

_PEAK = 2.0
"""Brightest linear light of skin after exposure; white is at about 7."""
_SHARPEN, _CLARITY = 0.26, 0.27
"""What cameras add of detail at 1.2 px, and of contrast at a thirtieth of the picture."""


class Meter(NamedTuple):
    """What the exposure goes by, linear light: mean of the picture, samples (N, 3) of the face."""

    mean: float
    face: Image


def develop(color: NDArray[Any], scene: Scene, meter: Meter, rng: Random) -> NDArray[np.uint8]:
    """The photo (H, W, 3) of linear light (H, W, 3) float32, exposed by its mean, that of the face and the sensor's
    choice, but so that the face's bright parts keep below white.

    The tone curve is the rational one of film emulations (K. Narkowicz, 2016): steep in the middle, soft at both ends.
    """
    sensor = scene.sensor
    level = 0.4 * meter.mean + 0.6 * float(meter.face.mean())
    metered = (_GREY / max(level, 1e-3)) ** 0.6
    peak = float(np.percentile(meter.face.max(axis=-1), 99))
    gain = min(float(np.exp(sensor.exposure)) * min(max(metered, 0.5), 2.5), _PEAK / max(peak, 1e-3))
    x = np.asarray(np.maximum(color * np.float32(gain), 0.0), dtype=np.float32)
    if scene.light.infrared:
        x[...] = x.mean(axis=-1, keepdims=True)
    tone = np.asarray((x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)) ** np.float32(1 / 2.2), dtype=np.float32)
    tone = _blur(_move(tone, sensor.motion_px), sensor.blur_px)
    tone += _kept_below_white(np.float32(_SHARPEN) * (tone - _blur(tone, 1.2)), tone)
    tone += _kept_below_white(np.float32(_CLARITY) * (tone - _wide_blur(tone)), tone)
    height, width = tone.shape[:2]
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(sensor.noise)
    grain = grain + rng.standard_normal((height, width, 3), dtype=np.float32) * np.float32(sensor.chroma_noise)
    done = np.clip((tone + grain)[..., ::-1] * 255 + np.float32(0.5), 0, 255)
    return np.ascontiguousarray(done.astype(np.uint8))


def _kept_below_white(gain: Image, tone: Image) -> Image:
    """A gain of contrast, less of it upwards near white: edges before a dark background would clip."""
    room = np.minimum(np.maximum(np.float32(4.0) * (1 - tone), 0), 1)
    return np.asarray(np.where(gain > 0, gain * room, gain))


def _blur(picture: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.float32)


def _move(picture: Image, way_px: tuple[float, float]) -> Image:
    """The mean over a way (x, y) that the picture goes during the exposure."""
    steps = int(np.ceil(np.hypot(*way_px)))
    if steps < 1:
        return picture
    moves = [np.array([[1, 0, way_px[0] * t], [0, 1, way_px[1] * t]]) for t in np.linspace(-0.5, 0.5, steps + 1)]
    size = picture.shape[1::-1]
    moved = [cv2.warpAffine(picture, move, size, borderMode=cv2.BORDER_REPLICATE) for move in moves]
    return np.asarray(np.mean(moved, axis=0), dtype=np.float32)


def _wide_blur(picture: Image) -> Image:
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(width // 8, 1), max(height // 8, 1)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), max(width / 240, 0.3))
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR))
