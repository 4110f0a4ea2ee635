"""A forward pass on the meta device: shapes without arithmetic, weights or memory. Torch is imported late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

# nn.Module's own tables: what they hold is exchanged by name.
_SWAPPED = {"_parameters", "_buffers", "_modules"}


def holds_plain_tensors(module: nn.Module) -> bool:
    """Whether a submodule keeps tensors that are neither parameters nor buffers."""
    return any(
        _has_tensor(value)
        for part in module.modules()
        for name, value in vars(part).items()
        if name not in _SWAPPED
    )


def meta_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, as meta tensors of the same shape and dtype; no value is copied."""
    import torch

    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        name: torch.empty_like(tensor, device="meta", requires_grad=False) for name, tensor in state.items()
    }


def run_on_meta(module: nn.Module, *inputs: torch.Tensor) -> Any:
    """What `module` returns for `inputs`, on meta; the module itself is left as it was.

    Raises:
        Exception: whatever the forward pass raises, a shape that does not fit first of all.
    """
    import torch

    with state_restored(module), torch.no_grad(), torch.device("meta"):
        arguments = tuple(torch.empty_like(each, device="meta") for each in inputs)
        return torch.func.functional_call(module, meta_state(module), arguments)


@contextmanager
def state_restored(module: nn.Module) -> Iterator[None]:
    """Give every submodule its attributes back afterwards: modes, hooks, and what a forward pass caches."""
    attributes = [(part, dict(vars(part))) for part in module.modules()]
    # A cache that is a table of its own changes without its attribute changing.
    tables = [
        (value, value.copy())
        for _, before in attributes
        for value in before.values()
        if isinstance(value, (dict, list))
    ]
    try:
        yield
    finally:
        for table, entries in tables:
            if isinstance(table, list):
                table[:] = entries
            else:
                table.clear()
                table.update(entries)
        for part, before in attributes:
            vars(part).clear()
            vars(part).update(before)


def _has_tensor(value: object, depth: int = 2) -> bool:
    import torch

    if isinstance(value, torch.Tensor):
        return True
    if depth and isinstance(value, (list, tuple)):
        return any(_has_tensor(each, depth - 1) for each in value)
    if depth and isinstance(value, dict):
        return any(_has_tensor(each, depth - 1) for each in value.values())
    return False
