"""What each module's own operators read and write, by shape, and of which class most of that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchbench.core.profile import LayerClass
from benchbench.profiling.layer_classes import ARITHMETIC, class_of_operator

# They make a tensor and write nothing to it.
_EMPTY = frozenset(
    {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of one pass, by module path, children left out.

    Attributes:
        bytes_moved: by its own operators.
        classes: of the operators that move most of them, among convolutions and products where it has any.
    """

    bytes_moved: Mapping[str, int]
    classes: Mapping[str, LayerClass]


def follow_traffic(model: nn.Module, call: Callable[[], object]) -> Traffic:
    """What each module's own operators move in one pass.

    An operator (ATen, as torch dispatches it) reads each tensor that it is given once and writes each
    that it makes once, with all elements; what works in place does both. Views and the making of empty
    tensors move nothing. So a convolution moves its input, weight, bias and output, and nothing of what
    it unfolds or of what stays in a cache: it is the least that must move, if each operator works alone.

    Args:
        model: whose modules are told apart.
        call: runs one pass of it; it is run here, once, without gradients.
    """
    moved: Counter[tuple[str, LayerClass]] = Counter()
    stack = [""]
    with torch.inference_mode(False), torch.no_grad(), _following(model, stack), _Bytes(moved, stack):
        call()
    totals: Counter[str] = Counter()
    classes: dict[str, LayerClass] = {}
    # Scaling a weight may move more than the convolution with it, which is what the module is there for.
    ranked = sorted(moved.items(), key=lambda each: (each[0][1] not in ARITHMETIC, -each[1]))
    for (path, layer_class), count in ranked:
        totals[path] += count
        classes.setdefault(path, layer_class)
    return Traffic(totals, classes)


class _Bytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, moved: Counter[tuple[str, LayerClass]], stack: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._moved = moved
        self._stack = stack

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given, made = _tensors((args, kwargs)), _tensors(out)
        name = func._overloadpacket.__name__
        if name not in _EMPTY and not _is_view(func, given, made):
            key = (self._stack[-1], class_of_operator(name, args))
            self._moved[key] += sum(map(_bytes, (*given, *made)))
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
