"""A forward pass on the meta device: shapes without arithmetic, weights or memory. Torch is imported late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchbench.core.arguments import assemble

if TYPE_CHECKING:
    import torch
    from torch import nn


def holds_plain_tensors(module: nn.Module) -> bool:
    """Whether a submodule keeps tensors that are neither parameters nor buffers.

    A weight that torch's own hooks (weight or spectral norm) compute anew before each pass is none of them.
    """
    from torch import nn

    # What every module has: parameters, buffers and submodules, which are exchanged by name, and hooks.
    usual = frozenset(vars(nn.Module()))
    return any(
        _has_tensor(value) and name not in _recomputed(part)
        for part in module.modules()
        for name, value in vars(part).items()
        if name not in usual
    )


def meta_state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, as meta tensors of the same shape and dtype; no value is copied."""
    import torch

    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        name: torch.empty_like(tensor, device="meta", requires_grad=False) for name, tensor in state.items()
    }


def run_on_meta(module: nn.Module, *inputs: torch.Tensor, places: Sequence[str] = ()) -> Any:
    """What `module` returns for `inputs`, on meta; the module itself is left as it was.

    `places` says where each input goes in the call (core/arguments.py); empty means all positional.

    Raises:
        Exception: whatever the forward pass raises, a shape that does not fit first of all.
    """
    import torch

    with state_restored(module), torch.no_grad(), torch.device("meta"):
        args, kwargs = assemble([torch.empty_like(each, device="meta") for each in inputs], places)
        return torch.func.functional_call(module, meta_state(module), args, kwargs)


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
            if _same(table, entries):
                # A table that refuses changes (a frozen configuration) has none.
                continue
            if isinstance(table, list):
                table[:] = entries
            else:
                table.clear()
                table.update(entries)
        for part, before in attributes:
            vars(part).clear()
            vars(part).update(before)


def _same(table: dict[Any, Any] | list[Any], entries: dict[Any, Any] | list[Any]) -> bool:
    flat = [
        [part for pair in each.items() for part in pair] if isinstance(each, dict) else each
        for each in (table, entries)
    ]
    return len(flat[0]) == len(flat[1]) and all(now is then for now, then in zip(*flat, strict=True))


def _recomputed(part: nn.Module) -> set[str]:
    hooks: list[Any] = list(part._forward_pre_hooks.values())
    return {hook.name for hook in hooks if type(hook).__module__.startswith("torch.nn.utils.")}


def _has_tensor(value: object, depth: int = 2) -> bool:
    import torch

    if isinstance(value, torch.Tensor):
        return True
    if depth and isinstance(value, (list, tuple)):
        return any(_has_tensor(each, depth - 1) for each in value)
    if depth and isinstance(value, dict):
        return any(_has_tensor(each, depth - 1) for each in value.values())
    return False
