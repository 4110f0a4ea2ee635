"""Example inputs and sets of them, as they are given from Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from benchbench.backends.repeatable import own_copies
from benchbench.core.errors import MeasurementError, OptionError


def as_tensors(inputs: object) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """Example inputs and where each goes in the call.

    Args:
        inputs: the shape of one input, a tuple of tensors, or a mapping of keyword arguments to either.

    Returns:
        (tensors on the CPU in memory of their own, floating-point ones in float32; their places, empty where
        all are positional).

    Raises:
        MeasurementError: they are something else.
    """
    found: tuple[Tensor | None, ...] = ()
    places: tuple[str, ...] = ()
    if isinstance(inputs, Mapping):
        if all(isinstance(name, str) and name for name in inputs):
            places = tuple(inputs)
            found = tuple(_as_tensor(each, seed) for seed, each in enumerate(inputs.values()))
    # A tensor by itself would be taken apart along its first dimension.
    elif isinstance(inputs, Iterable) and not isinstance(inputs, Tensor):
        parts = tuple(inputs)
        is_shape = not any(isinstance(each, Tensor) for each in parts)
        found = (_as_tensor(parts, 0),) if is_shape else tuple(_as_tensor(each, 0) for each in parts)
    tensors = tuple(each for each in found if each is not None)
    if not tensors or len(tensors) != len(found):
        raise MeasurementError(
            f"inputs are neither a shape nor tensors: {named(inputs)}",
            expected="the sizes of one input, such as (1, 3, 256, 256), a tuple of tensors, such as (x,), "
            "or a mapping of keyword arguments to either",
        )
    plain = (each.to("cpu", torch.float32) if each.is_floating_point() else each.cpu() for each in tensors)
    return own_copies(tuple(plain)), places


def _as_tensor(given: object, seed: int) -> Tensor | None:
    """A tensor as it is, or drawn in a shape; None where it is neither."""
    if isinstance(given, Tensor):
        return given
    parts = tuple(given) if isinstance(given, Sequence) else ()
    sizes = [each for each in parts if isinstance(each, int) and each > 0]
    if not sizes or len(sizes) != len(parts):
        return None
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def as_sets(calibration: object, places: tuple[str, ...]) -> tuple[tuple[Tensor, ...], ...]:
    """Sets of inputs to calibrate on, each in the order of the example inputs.

    Args:
        calibration: a set is a tensor, a sequence of them, or a mapping of the places to them.
        places: as `as_tensors` returns them.

    Raises:
        OptionError: they are something else.
    """
    # A tensor by itself would be taken apart along its first dimension.
    if not isinstance(calibration, Iterable) or isinstance(calibration, (Tensor, Mapping, str)):
        raise OptionError(
            f"calibration: got {named(calibration)}",
            expected="a list of sets of inputs, such as [x, y], each shaped as `inputs`",
            option=("calibration",),
        )
    return tuple(_as_set(each, index, places) for index, each in enumerate(calibration))


def _as_set(given: object, index: int, places: tuple[str, ...]) -> tuple[Tensor, ...]:
    values: tuple[object, ...] = ()
    if isinstance(given, Tensor):
        values = (given,)
    elif isinstance(given, Mapping):
        values = tuple(given[name] for name in places) if given.keys() == set(places) else ()
    elif isinstance(given, Sequence) and not isinstance(given, str):
        values = tuple(given)
    tensors = tuple(each for each in values if isinstance(each, Tensor))
    if not tensors or len(tensors) != len(values):
        by_name = f", or a mapping of {', '.join(places)}" if places else ""
        raise OptionError(
            f"calibration: set {index} is {named(given)}",
            expected=f"a tensor, or a tuple of them{by_name}",
            option=("calibration", index),
        )
    return tensors


def named(given: object) -> str:
    """An argument in a line of at most 80 characters, without the values of tensors."""
    if isinstance(given, Tensor):
        return f"a tensor of {list(given.shape)}"
    if isinstance(given, Mapping):
        found = f"{{{', '.join(f'{name!r}: {named(each)}' for name, each in given.items())}}}"
    elif isinstance(given, (tuple, list)):
        found = f"({', '.join(map(named, given))})"
    else:
        found = repr(given)
    return f"{found.partition(chr(10))[0]:.80}"
