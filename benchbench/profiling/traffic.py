"""Bytes that each module's own operators read and write: weights, inputs and outputs, by shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# They make a tensor and write nothing to it.
_EMPTY = frozenset(
    {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
)


def bytes_moved(model: nn.Module, call: Callable[[], object]) -> Mapping[str, int]:
    """Module path -> bytes that its own operators move in one pass, its children's left out.

    An operator (ATen, as torch dispatches it) reads each tensor that it is given once and writes each
    that it makes once, with all elements; what works in place does both. Views and the making of empty
    tensors move nothing. So a convolution moves its input, weight, bias and output, and nothing of what
    it unfolds or of what stays in a cache: it is the least that must move, if each operator works alone.

    Args:
        model: whose modules are told apart.
        call: runs one pass of it; it is run here, once, without gradients.
    """
    moved: Counter[str] = Counter()
    stack = [""]
    with torch.inference_mode(False), torch.no_grad(), _following(model, stack), _Bytes(moved, stack):
        call()
    return moved


class _Bytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, moved: Counter[str], stack: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._moved = moved
        self._stack = stack

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given, made = _tensors((args, kwargs)), _tensors(out)
        if func._overloadpacket.__name__ not in _EMPTY and not _is_view(func, given, made):
            self._moved[self._stack[-1]] += sum(map(_bytes, (*given, *made)))
        return out


def _is_view(func: Any, given: list[Tensor], made: list[Tensor]) -> bool:
    if func._schema.is_mutable:
        return torch.Tag.inplace_view in func.tags
    # Told by what it did, since `reshape`'s operators copy or not as the strides have it.
    theirs = {_storage(each) for each in given}
    return bool(made) and all(_storage(each) in theirs for each in made)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else id(tensor)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _tensors(values: Any) -> list[Tensor]:
    return [each for each in tree_leaves(values) if isinstance(each, Tensor)]


@contextmanager
def _following(model: nn.Module, stack: list[str]) -> Iterator[None]:
    def enter(path: str) -> Callable[[nn.Module, Any], None]:
        return lambda module, args: stack.append(path)

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        stack.pop()

    handles = []
    try:
        for path, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(enter(path), prepend=True))
            handles.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
