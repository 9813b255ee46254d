"""slyk: raw gaze data sets to a trained, evaluated, registered and promoted gaze model.

Importing `slyk` before torchvision or timm lets both work beside a CPU build of torch (see `slyk._torchvision`).
"""

from slyk import _torchvision

__version__ = "0.1.0"

_torchvision.install()
