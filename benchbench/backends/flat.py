"""A network whose call is a flat sequence of tensors and whose result is one: what exporters understand."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils import _pytree

from benchbench.core.arguments import assemble
from benchbench.core.backends import Network
from benchbench.core.errors import UnsupportedDeploymentError

_TENSOR = object()


class Flat(nn.Module):
    """Positional tensors in, a tuple of tensors out, in the order of the network's inputs and results."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.module = network.module
        self._places = network.places

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Call the network; what it returns beside tensors is left out."""
        args, kwargs = assemble(inputs, self._places)
        return flat_outputs(self.module(*args, **kwargs))


def flat_outputs(made: object) -> tuple[Tensor, ...]:
    """The tensors of what a network returned, in order.

    Raises:
        UnsupportedDeploymentError: there is none.
    """
    found = tuple(each for each in _pytree.tree_leaves(made) if isinstance(each, Tensor))
    if not found:
        raise UnsupportedDeploymentError(f"the network returns no tensor, but a {type(made).__name__}")
    return found


def as_module_returns(outputs: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    """Float32 on the CPU; a single tensor by itself."""
    plain = tuple(
        each.detach().to("cpu", torch.float32) if each.is_floating_point() else each.cpu() for each in outputs
    )
    return plain[0] if len(plain) == 1 else plain


class Structure:
    """The nest that a network returned: a dictionary, a list, a named tuple, or a tensor by itself.

    What is no tensor in it, such as None or a number, is kept as the network returned it.

    Args:
        returned: what the network made of its example inputs.

    Raises:
        UnsupportedDeploymentError: there is no tensor in it.
    """

    def __init__(self, returned: object) -> None:
        self._count = len(flat_outputs(returned))
        leaves, self._spec = _pytree.tree_flatten(returned)
        # The tensors themselves would be held for as long as the structure is.
        self._leaves = [_TENSOR if isinstance(each, Tensor) else each for each in leaves]

    def rebuild(self, made: Tensor | tuple[Tensor, ...]) -> object:
        """The same nest, of other tensors.

        Args:
            made: in the order of the network's; a single one may be by itself.

        Raises:
            UnsupportedDeploymentError: they are not as many.
        """
        own = (made,) if isinstance(made, Tensor) else made
        if len(own) != self._count:
            raise UnsupportedDeploymentError(
                f"it returns {len(own)} tensors, and the network {self._count} for its example inputs",
                fix="have `forward` return as many whatever its inputs are",
            )
        left = iter(own)
        leaves = [next(left) if each is _TENSOR else each for each in self._leaves]
        found: object = _pytree.tree_unflatten(leaves, self._spec)
        return found
