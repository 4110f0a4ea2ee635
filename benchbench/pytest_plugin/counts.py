"""`benchbench_counts`: what a module costs, so that an assertion on it reads well and fails well.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor, nn

from benchbench.core.errors import MeasurementError
from benchbench.core.stages import origin_of
from benchbench.core.units import format_quantity
from benchbench.measures.counting import Counts, Inputs, count

CountModule: TypeAlias = Callable[..., "ModuleCounts"]


class ModuleCounts(Counts):
    """`Counts` that fit on a line of a failed assertion."""

    def __repr__(self) -> str:
        shapes = ", ".join(str(shape) for shape in self.input_shapes)
        return (
            f"<{shapes}: {format_quantity(self.macs, 'MAC')}, {self.parameters:,} parameters, "
            f"activations of {format_quantity(self.peak_activation_bytes, 'B')}>"
        )


def count_module(model: nn.Module, inputs: Inputs | None = None) -> ModuleCounts:
    """Parameters, MACs and activation memory of one forward pass.

    Args:
        model: any module.
        inputs: a shape, tensors, or as `benchbench.count`. None takes those of the architecture that
            `benchbench.build` made, or the module's own `example_input_array` (Lightning).

    Raises:
        MeasurementError: no inputs are known, or the module does not take them.
    """
    __tracebackhide__ = True
    if inputs is None and origin_of(getattr(model, "_orig_mod", model)) is None:
        inputs = _example_of(model)
    return ModuleCounts.model_construct(**dict(count(model, inputs)))


def _example_of(model: nn.Module) -> Inputs:
    example: object = getattr(model, "example_input_array", None)
    if isinstance(example, Tensor):
        return example
    if isinstance(example, Sequence) and all(isinstance(each, Tensor) for each in example):
        return tuple(example)
    if isinstance(example, Mapping):
        return dict(example)
    raise MeasurementError(
        f"the input of {type(model).__name__} is not known: neither a network of benchbench.build, "
        "nor one with an example_input_array",
        expected="its shape, batch first, or tensors",
        fix="benchbench_counts(model, (1, 3, 256, 256))",
    )
