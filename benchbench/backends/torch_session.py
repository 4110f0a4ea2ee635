"""A session of a function that torch runs: a module as it is, or what a compiler made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from benchbench.backends.flat import as_module_returns, flat_outputs
from benchbench.backends.placement import Placement
from benchbench.core.arguments import assemble
from benchbench.core.backends import Fact, Network, Session
from benchbench.core.errors import UnsupportedDeploymentError


def torch_session(
    function: Callable[..., object],
    network: Network,
    placement: Placement,
    *,
    facts: Mapping[str, Fact],
    fixed: bool,
) -> Session:
    """A session that calls `function` as the network would be called, in inference mode.

    Args:
        function: takes inputs as `placement` lays them.
        fixed: whether it takes the example inputs' shapes alone.
    """
    with torch.inference_mode(False), torch.no_grad():
        inputs = placement.convert(network.inputs)
    args, kwargs = assemble(inputs, network.places)

    def call() -> object:
        with torch.inference_mode():
            return function(*args, **kwargs)

    def run(given: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
        if fixed:
            check_shapes(given, inputs)
        own_args, own_kwargs = assemble(placement.convert(given), network.places)
        with torch.inference_mode():
            made = function(*own_args, **own_kwargs)
        return results_of(made)

    return Session(call=call, run=run, facts=facts)


def check_shapes(given: Sequence[Tensor], opened: Sequence[Tensor]) -> None:
    """Whether inputs have the shapes that a session was opened for.

    Raises:
        UnsupportedDeploymentError: they do not.
    """
    wanted, found = ([list(each.shape) for each in values] for values in (opened, given))
    if wanted != found:
        raise UnsupportedDeploymentError(
            f"it was opened for {', '.join(map(str, wanted))}, and was given {', '.join(map(str, found))}",
            fix="give it those, or declare `shapes: dynamic` if the backend has it",
        )


def results_of(made: object) -> Tensor | tuple[Tensor, ...]:
    """What a session's `run` returns of what a network made: memory of its own, usable everywhere."""
    plain = as_module_returns(flat_outputs(made))
    # A tensor of inference mode cannot be used where gradients are taken, and one that a compiler or a
    # graph owns is overwritten by the next call.
    return plain.clone() if isinstance(plain, Tensor) else tuple(each.clone() for each in plain)
