"""Whether a network makes the same of the same inputs twice: else no other way can be held to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils import _pytree

from benchbench.core.errors import UnsupportedDeploymentError

# Sums of several threads may differ in their last digits.
_APART = 1e-4


def check_repeatable(call: Callable[[tuple[Tensor, ...]], object], inputs: Sequence[Tensor]) -> object:
    """What `call` makes of the inputs, and whether it makes the same of them again.

    Args:
        call: takes the inputs, of which each call gets its own copies -> a tensor, or any nest of tensors.
        inputs: one set.

    Returns:
        What the first call made.

    Raises:
        UnsupportedDeploymentError: it draws random numbers of its own, or remembers earlier calls.
    """
    # Each seeded by torch's generator, which goes on from call to call.
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        first, second = (call(own_copies(inputs)) for _ in range(2))
    ours, again = (_tensors(each) for each in (first, second))
    if len(ours) != len(again) or not all(map(_is_same, ours, again)):
        raise UnsupportedDeploymentError(
            "the network draws random numbers, or remembers earlier calls: of the same inputs it makes "
            "something else at every call",
            expected="outputs that its inputs decide",
            fix="take the noise as an input, or draw it in `__init__` and keep it in a buffer",
        )
    return first


def own_copies(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The same values in memory of their own: a network may change its inputs in place."""
    # What is made in inference mode can be neither compiled nor exported.
    with torch.inference_mode(False), torch.no_grad():
        return tuple(each.clone() for each in inputs)


def _tensors(made: object) -> list[Tensor]:
    found = [each for each in _pytree.tree_leaves(made) if isinstance(each, Tensor)]
    return [torch.view_as_real(each) if each.is_complex() else each for each in found]


def _is_same(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape:
        return False
    finite = torch.isfinite(first)
    if not torch.equal(finite, torch.isfinite(second)):
        return False
    # Where they are not finite there is nothing to compare.
    ours, again = (each[finite].double() for each in (first, second))
    if ours.numel() == 0:
        return True
    value_range = float(ours.max() - ours.min())
    # A single value has no range.
    scale = value_range if value_range > 0 else float(ours.abs().max())
    return float((ours - again).abs().max()) <= _APART * scale
