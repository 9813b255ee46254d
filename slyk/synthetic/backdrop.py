"""What is behind the person: muted walls, rooms, gardens or nothing, out of focus. Linear RGB."""

import cv2
import numpy as np

from slyk.synthetic.identity import Image
from slyk.synthetic.scene import Scene


def draw_backdrop(scene: Scene, width: int, height: int) -> Image:
    """Picture (height, width, 3) of the scene's backdrop; the same seed gives the same."""
    rng = np.random.Generator(np.random.Philox(scene.backdrop.seed))
    base = rng.uniform(0.08, 0.5) * (1 + rng.uniform(-0.12, 0.12, 3))
    t = np.linspace(-0.5, 0.5, 24)
    slope = rng.uniform(-0.5, 0.5, 2)
    wall = base * (1 + slope[0] * t[None, :, None] + slope[1] * t[:, None, None])
    for _ in range(int(rng.integers(0, 6))):
        x, y, w, h = rng.uniform(-0.1, 0.9) * 24, rng.uniform(-0.1, 0.9) * 24, rng.uniform(2, 12), rng.uniform(3, 18)
        tint = base * rng.uniform(0.4, 1.5) * (1 + rng.uniform(-0.1, 0.1, 3))
        wall[max(0, int(y)) : int(y + h), max(0, int(x)) : int(x + w)] = tint
    small = cv2.GaussianBlur(wall, (0, 0), float(rng.uniform(0.7, 1.6)))
    return np.asarray(cv2.resize((small * scene.light.level).astype(np.float32), (width, height)), dtype=np.float32)
