"""A frozen network's operators on one input, recorded as the dispatcher sees them.

It works the same on TorchScript, whose source nobody has, and on any eager module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

_RESHAPES = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)


@dataclass(frozen=True, slots=True)
class Slot:
    """A tensor that the network computes: 0 is its input."""

    index: int


@dataclass(frozen=True, slots=True)
class Call:
    """One operator: `target` on `args`, in which slots stand for computed tensors.

    `output` is the slot of its result, or of the first of its results.
    """

    target: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Slot


@dataclass(frozen=True, slots=True)
class Recording:
    """Calls in order, and the slot of the result."""

    calls: tuple[Call, ...]
    result: Slot


def unoptimised() -> AbstractContextManager[None]:
    """TorchScript's executor would compile for seconds what runs once."""
    made: AbstractContextManager[None] = torch.jit.optimized_execution(False)  # type: ignore[attr-defined]
    return made


def record(function: Callable[[Tensor], Tensor], example: Tensor) -> Recording:
    """Every operator that `function` dispatches on `example`, [N, C, H, W], weights as they are.

    What an operator writes in place is followed. A reshaping to N rows is recorded as one to any number;
    other sizes that depend on N stay as they were, so whoever replays it tries another N once.
    """
    recorder = _Recorder(example)
    with torch.no_grad(), unoptimised(), recorder:
        result = function(example)
    return Recording(tuple(recorder.calls), recorder.slots[id(result)])


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, example: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self.slots: dict[int, Slot] = {id(example): Slot(0)}
        # An identity is a tensor's only as long as the tensor lives.
        self._alive: list[Tensor] = [example]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        # In inference mode operators arrive whole (`conv2d`, `batch_norm`), and otherwise in their parts.
        with self:
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts

        def named(value: Any) -> Any:
            return self.slots.get(id(value), value) if isinstance(value, Tensor) else value

        said, said_kwargs = tree_map(named, args), tree_map(named, kwargs)
        made = func(*args, **kwargs)
        if func in _RESHAPES:
            # As `reshape`, because whoever replays it may order memory in another way.
            func = torch.ops.aten.reshape.default
            if made.shape[:1] == self._alive[0].shape[:1]:
                said = (said[0], [-1, *made.shape[1:]])
        first = made[0] if isinstance(made, (tuple, list)) else made
        if isinstance(first, Tensor) and any(
            isinstance(leaf, Slot) for leaf in _leaves(said) + _leaves(said_kwargs)
        ):
            slot = Slot(len(self._alive))
            self._alive.append(first)
            self.slots[id(first)] = slot
            self.calls.append(Call(func, tuple(said), said_kwargs, slot))
        return made


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [leaf for each in value for leaf in _leaves(each)]
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    return [value]
