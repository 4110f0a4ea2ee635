"""The counter itself: sees every operator that torch dispatches, and whose module asked for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch

# Torch loads it at the first operator on meta, which takes longer than to count most networks: that
# belongs to this import.
import torch._dynamo
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchbench.core.errors import UnsupportedOperatorError
from benchbench.measures.activations import Activations, tensors_in
from benchbench.measures.operators import (
    MACS,
    WEIGHT_PRODUCTS,
    Formula,
    base_name,
    elements,
    is_free,
    kind_of,
)


@dataclass(slots=True)
class Work:
    """What one module did itself, its children left out, and the most bytes that were alive meanwhile."""

    macs: int = 0
    macs_output_size: int = 0
    elementwise: Counter[str] = field(default_factory=Counter)
    peak_activation_bytes: int = 0
    output_shape: tuple[int, ...] = ()


class _Rule(NamedTuple):
    """How an operator is counted; all three empty: it is free."""

    formula: Formula | None = None
    on_weights: bool = False
    kind: str | None = None


class Tally:
    """Work by module path, over one forward pass.

    Args:
        model: whose modules are told apart.
        weights: its parameters and buffers as they are fed.
        inputs: what it is given.
    """

    def __init__(self, model: nn.Module, *, weights: Iterable[Tensor], inputs: Iterable[Tensor]) -> None:
        self.layers: dict[str, Work] = {}
        self.activations = Activations(weights=weights, inputs=inputs)
        self.unchecked_macs = 0
        self.flops = 0
        self._stack: list[str] = []
        self._kinds = {path: type(each).__name__ for path, each in model.named_modules()}

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
        path = self._stack[-1] if self._stack else ""
        work = self.layers.get(path)
        if work is None:
            work = self.layers[path] = Work()
        return work

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
        self,
        operator: torch._ops.OpOverload,
        rule: _Rule,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        out: Any,
    ) -> None:
        """Add one call of an operator that has a rule."""
        given, made = tensors_in(args, kwargs), tensors_in(out)
        constant = bool(given) and all(self.activations.is_constant(each) for each in given)
        # Statistics of a norm, indices of a pooling: what they are for eager code mostly drops.
        results = 1 if rule.kind in {"norm", "pooling"} else len(made)
        grown = self.activations.record(given, made[:results], constant=constant, by_products=made[results:])
        if rule.formula is not None:
            self._multiply(operator, rule, args, kwargs, out=out, made=made[0], constant=constant)
        elif rule.kind is not None:
            self._here.elementwise["weight" if constant else rule.kind] += elements(given, made)
        elif not grown:
            return
        self._note_peak()

    def keep(self, results: Sequence[Tensor]) -> None:
        """Count the memory of what came out of an operator whose inside does not count."""
        self.activations.keep(results)
        self._note_peak()

    def _note_peak(self) -> None:
        work = self._here
        work.peak_activation_bytes = max(work.peak_activation_bytes, self.activations.alive_bytes)

    def _multiply(
        self,
        operator: torch._ops.OpOverload,
        rule: _Rule,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        *,
        out: Any,
        made: Tensor,
        constant: bool,
    ) -> None:
        assert rule.formula is not None
        products = rule.formula(args, kwargs, made)
        work = self._here
        if constant and rule.on_weights:
            work.elementwise["weight"] += products.macs
            return
        work.macs += products.macs
        work.macs_output_size += products.macs_output_size
        if products.bias_elements:
            work.elementwise["bias"] += products.bias_elements
        theirs = flop_registry.get(operator._overloadpacket)
        if theirs is None:
            self.unchecked_macs += products.macs
        else:
            self.flops += theirs(*args, **kwargs, out_val=out)

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
        rule = _rule_of(func)
        if rule is None:
            with self:
                decomposed = func.decompose(*args, **kwargs)
            if decomposed is NotImplemented:
                raise self._unsupported(str(func))
            return decomposed
        out = func(*args, **kwargs)
        self._tally.record(func, rule, args, kwargs, out)
        return out

    def _unsupported(self, operator: str) -> UnsupportedOperatorError:
        return UnsupportedOperatorError(
            f"operator {operator} in {self._tally.place} has no counting rule",
            expected="convolution, matrix product, attention, or an operator listed in measures/operators.py",
            fix="add a rule for it to benchbench/measures/operators.py",
        )


class WholeAttention(TorchFunctionMode):
    """Takes attention for one operator where memory is counted: fused, it keeps no scores."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is functional.multi_head_attention_forward:
            # It calls attention while no mode looks: torch switches this one off until it returns.
            attention = functional.scaled_dot_product_attention
            functional.scaled_dot_product_attention = partial(self._as_one, attention)
            try:
                return func(*args, **(kwargs or {}))
            finally:
                functional.scaled_dot_product_attention = attention
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        return self._as_one(func, *args, **(kwargs or {}))

    def _as_one(self, attention: Any, *args: Any, **kwargs: Any) -> Any:
        with self._tally.activations.one_operator():
            out = attention(*args, **kwargs)
        self._tally.keep(tensors_in(out))
        return out


@lru_cache(maxsize=4096)
def _rule_of(operator: torch._ops.OpOverload) -> _Rule | None:
    name = base_name(operator)
    if name in MACS:
        return _Rule(formula=MACS[name], on_weights=name in WEIGHT_PRODUCTS)
    kind = kind_of(operator)
    if kind is not None:
        return _Rule(kind=kind)
    return _Rule() if is_free(operator) else None
