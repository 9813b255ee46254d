"""Lets a CUDA build of torchvision import beside a CPU build of torch.

There the compiled library of torchvision cannot load, and `import torchvision` (so `import timm`) stops at
`operator torchvision::nms does not exist`. The finder below acts once, at the first import of torchvision: it tries
the real library, and only where that fails it declares the two operators that torchvision's Python code names.
Calling them then raises; nothing in slyk does.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_MISSING = ("nms", "qnms")
_kept: list[Any] = []  # a torch library lives as long as this reference


class _BeforeTorchvision:
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            _declare_missing_operators()
        return None


def _declare_missing_operators() -> None:
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
            return
        except OSError:
            break
    fragment = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in _MISSING:
        signature = f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        fragment.define(signature)  # type: ignore[no-untyped-call]
    _kept.append(fragment)


def install() -> None:
    """Arms the finder; a no-op when torchvision is loaded or the finder is armed already."""
    if "torchvision" not in sys.modules and not any(isinstance(f, _BeforeTorchvision) for f in sys.meta_path):
        sys.meta_path.insert(0, _BeforeTorchvision())
