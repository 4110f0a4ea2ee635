"""torchvision's registry wheel beside a CPU torch: its missing operators, declared so that it imports.

That wheel is linked against CUDA. Beside another torch its compiled part does not load, and its import
fails because `torchvision::nms` does not exist. Nothing here imports torchvision.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
# A declaration lasts as long as its library object.
_declared: list[torch.library.Library] = []


def declare_missing_operators() -> tuple[str, ...]:
    """Declare those operators of torchvision whose absence stops its import, if they are absent.

    A torchvision that fits its torch brings them itself, and nothing is done. One that does not gets
    their schemas; calling them stays an error.

    Returns:
        The names that were declared.
    """
    if "torchvision" in sys.modules:
        return ()
    import torch

    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return ()
    for library in Path(found.origin).parent.glob("_C*"):
        try:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
        except OSError:
            # It is linked against another torch: what it would have brought is declared instead.
            break
    missing = [name for name in _SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    if missing:
        fragment = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in missing:
            fragment.define(_SCHEMAS[name])  # type: ignore[no-untyped-call]
        _declared.append(fragment)
    return tuple(missing)


def declare_when_imported() -> None:
    """Have `declare_missing_operators` called right before anything imports torchvision, and not else."""
    if not any(isinstance(each, _BeforeTorchvision) for each in sys.meta_path):
        sys.meta_path.insert(0, _BeforeTorchvision())


class _BeforeTorchvision:
    """A finder that finds nothing; it only sees torchvision come."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            declare_missing_operators()
        return None
