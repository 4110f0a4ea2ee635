"""The counter itself: sees every operator that torch dispatches, and whose module asked for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from benchbench.core.errors import UnsupportedOperatorError
from benchbench.measures.operators import (
    MACS,
    WEIGHT_PRODUCTS,
    Products,
    base_name,
    elements,
    is_free,
    kind_of,
)


@dataclass(slots=True)
class Work:
    """What one module did itself, its children left out."""

    macs: int = 0
    macs_output_size: int = 0
    elementwise: Counter[str] = field(default_factory=Counter)
    output_shape: tuple[int, ...] = ()


class Tally:
    """Work by module path, over one forward pass.

    Args:
        model: whose modules are told apart.
        weights: its parameters and buffers as they are fed.
    """

    def __init__(self, model: nn.Module, *, weights: Sequence[Tensor]) -> None:
        self.layers: dict[str, Work] = {}
        self.unchecked_macs = 0
        self._stack: list[str] = []
        self._kinds = {path: type(each).__name__ for path, each in model.named_modules()}
        # Tensors that follow from the weights alone, whatever the input is.
        self._constant: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        for weight in weights:
            self._constant[weight] = True

    @property
    def macs(self) -> int:
        """The sum over all modules."""
        return sum(work.macs for work in self.layers.values())

    @property
    def place(self) -> str:
        """Path and type of the innermost module at work, for people."""
        path = self._stack[-1] if self._stack else ""
        return f"'{path}' ({self._kinds[path]})" if path else self._kinds[""]

    @property
    def _here(self) -> Work:
        return self.layers.setdefault(self._stack[-1] if self._stack else "", Work())

    @contextmanager
    def following(self, model: nn.Module) -> Iterator[None]:
        """Keep track of the innermost module while the block runs; hooks are gone afterwards."""
        handles = []
        try:
            for path, module in model.named_modules():
                handles.append(module.register_forward_pre_hook(self._enter(path), prepend=True))
                handles.append(module.register_forward_hook(self._leave, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def record(
        self, operator: torch._ops.OpOverload, args: Sequence[Any], kwargs: dict[str, Any], out: Any
    ) -> None:
        """Add one call of an operator that has a rule."""
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        made = [each for each in tree_leaves(out) if isinstance(each, Tensor)]
        constant = bool(given) and all(each in self._constant for each in given)
        for each in made:
            if constant:
                self._constant[each] = True
            elif each in self._constant:
                del self._constant[each]

        name = base_name(operator)
        if name in MACS:
            products = MACS[name](args, kwargs, made[0])
            if constant and name in WEIGHT_PRODUCTS:
                self._here.elementwise["weight"] += products.macs
            else:
                self._multiply(operator, products)
        elif (kind := kind_of(operator)) is not None:
            self._here.elementwise["weight" if constant else kind] += elements(given, made)

    def _multiply(self, operator: torch._ops.OpOverload, products: Products) -> None:
        work = self._here
        work.macs += products.macs
        work.macs_output_size += products.macs_output_size
        if products.bias_elements:
            work.elementwise["bias"] += products.bias_elements
        if operator._overloadpacket not in flop_registry:
            self.unchecked_macs += products.macs

    def _enter(self, path: str) -> Callable[[nn.Module, Any], None]:
        def enter(module: nn.Module, args: Any) -> None:
            self._stack.append(path)

        return enter

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        path = self._stack.pop()
        if isinstance(output, Tensor) and path in self.layers:
            self.layers[path].output_shape = tuple(output.shape)


class CountingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what is dispatched while it is entered.

    Raises:
        UnsupportedOperatorError: an operator computes, has no rule and does not decompose.
    """

    def __init__(self, tally: Tally) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tally = tally

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not isinstance(func, torch._ops.OpOverload):
            raise self._unsupported(str(func))
        if base_name(func) not in MACS and kind_of(func) is None and not is_free(func):
            with self:
                decomposed = func.decompose(*args, **kwargs)
            if decomposed is NotImplemented:
                raise self._unsupported(str(func))
            return decomposed
        out = func(*args, **kwargs)
        self._tally.record(func, args, kwargs, out)
        return out

    def _unsupported(self, operator: str) -> UnsupportedOperatorError:
        return UnsupportedOperatorError(
            f"operator {operator} in {self._tally.place} has no counting rule",
            expected="convolution, matrix product, attention, or an operator listed in measures/operators.py",
            fix="add a rule for it to benchbench/measures/operators.py",
        )
