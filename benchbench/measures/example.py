"""What may be given as input to `count`: shapes, tensors and specifications, by position or by keyword."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from benchbench.core.contracts import InputSpec
from benchbench.core.errors import MeasurementError

Example = int | Tensor | InputSpec | Sequence[int] | Mapping[str, Any]
Inputs = Tensor | InputSpec | Mapping[str, Example] | Sequence[Example]

_FIX = "count(model, (1, 3, 256, 256))"


def read_inputs(given: Inputs | None) -> tuple[tuple[Tensor | InputSpec, ...], tuple[str, ...]]:
    """One tensor or specification per value, and its place in the call (core/arguments.py).

    Raises:
        MeasurementError: nothing is given, or something that is no input.
    """
    parts: Any = [given] if isinstance(given, (Tensor, InputSpec)) else given
    if not parts:
        raise MeasurementError(
            "no input is known for this module",
            expected="a shape such as (1, 3, 256, 256), or one per argument",
            fix=_FIX,
        )
    if isinstance(parts, Mapping):
        found = [pair for name, each in parts.items() for pair in _named(each, name)]
    elif not isinstance(parts, Sequence) or isinstance(parts, str):
        raise _no_input(parts)
    elif all(isinstance(each, int) for each in parts):
        found = [(_one(parts), "")]
    else:
        found = [pair for each in parts for pair in _named(each, "")]
    return tuple(value for value, _ in found), tuple(place for _, place in found)


def _named(given: Any, place: str) -> list[tuple[Tensor | InputSpec, str]]:
    if isinstance(given, Mapping):
        return [(_one(each), f"{place}.{entry}") for entry, each in given.items()]
    value = _one(given)
    return [(value, place or (value.place if isinstance(value, InputSpec) else ""))]


def _one(given: Any) -> Tensor | InputSpec:
    if isinstance(given, (Tensor, InputSpec)):
        return given
    try:
        return InputSpec.model_validate({"shape": given})
    except ValidationError:
        raise _no_input(given) from None


def _no_input(given: object) -> MeasurementError:
    return MeasurementError(
        f"{given!r} is no input",
        expected="a shape such as (1, 3, 256, 256), a tensor or an InputSpec; by keyword in a mapping",
        fix=_FIX,
    )
