"""A change of a whole network, as opposed to one of its layers, and the check that it still fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from benchbench.core.contracts import InputSpec, Replacement
from benchbench.core.errors import ReplacementError
from benchbench.core.layer_record import LayerReplacement
from benchbench.core.meta import run_on_meta, state_restored
from benchbench.core.model import Options
from benchbench.core.suite import EVERYWHERE, ReplaceSpec

_FIX = "use the width option of the architecture itself"


def change_network(
    module: nn.Module,
    spec: ReplaceSpec,
    replacement: Replacement,
    *,
    options: Options,
    inputs: Sequence[InputSpec],
) -> Sequence[LayerReplacement]:
    """Let `replacement` change `module` in place, and check that its output shapes are what they were.

    Raises:
        ReplacementError: stages or layers were chosen, there is no example input, the network declines,
            or it does not run afterwards or has other output shapes; the layer is named.
    """
    name = spec.replacement.name
    chosen = [", ".join(each) for each in (spec.stages, spec.layers) if each != EVERYWHERE]
    if chosen:
        raise ReplacementError(
            f"'{name}' changes the whole network, since the layers of one stage fit those of the next; "
            f"it was given {' and '.join(chosen)}",
            fix="leave 'stages' and 'layers' out",
        )
    if not inputs:
        raise ReplacementError(
            f"'{name}' needs an example input to follow the channels by",
            expected="a network that `build` made, or its inputs",
            fix="replace(..., inputs=[InputSpec(shape=(1, 3, 256, 256))])",
        )
    assert replacement.network is not None
    before, _ = _run(module, inputs, f"'{name}' follows the network on the meta device, and it", None)
    records = replacement.network(module, inputs, options)
    after, last = _run(module, inputs, f"'{name}': the changed network", _FIX)
    if before != after:
        raise ReplacementError(
            f"'{name}' changes the output shape from {_told(before)} to {_told(after)}, after {last}",
            expected="the shape that it had",
            fix=_FIX,
        )
    return records


def example_tensors(inputs: Sequence[InputSpec]) -> tuple[list[Tensor], list[str]]:
    """Meta tensors of the shapes and dtypes of `inputs`, and their places in the call."""
    tensors = [torch.empty(each.shape, dtype=getattr(torch, each.dtype), device="meta") for each in inputs]
    return tensors, [each.place for each in inputs]


def _run(
    module: nn.Module, inputs: Sequence[InputSpec], subject: str, fix: str | None
) -> tuple[list[list[int]], str]:
    """Output shapes, and the last layer that ran."""
    tensors, places = example_tensors(inputs)
    paths = {each: path or type(each).__name__ for path, each in module.named_modules()}
    stack: list[str] = []
    left: list[str] = [type(module).__name__]

    def enter(each: nn.Module, args: Any) -> None:
        stack.append(paths[each])

    def leave(each: nn.Module, args: Any, output: Any) -> None:
        path = stack.pop()
        if next(each.parameters(recurse=False), None) is not None:
            left[0] = path

    with state_restored(module):
        for each in module.modules():
            each.register_forward_pre_hook(enter)
            each.register_forward_hook(leave)
        try:
            output = run_on_meta(module.eval(), *tensors, places=places)
        except Exception as error:
            where = stack[-1] if stack else type(module).__name__
            raise ReplacementError(
                f"{subject} does not run at {where} ({' '.join(str(error).split())})",
                expected="a forward pass whose arithmetic has no channel count or value written into it",
                fix=fix,
            ) from error
    return [list(each.shape) for each in tree_leaves(output) if isinstance(each, Tensor)], left[0]


def _told(shapes: list[list[int]]) -> str:
    return ", ".join(map(str, shapes))
