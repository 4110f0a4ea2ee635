"""Where the channels of every tensor come from, layer by layer.

One forward pass on the meta device follows dimension 1 of each tensor from the layer that made it to
the layers that take it. Additions tie two layers' channels together; concatenations keep them apart;
what comes from the network's inputs or leaves by its outputs is pinned: it keeps its width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from benchbench.core.arguments import assemble
from benchbench.core.errors import ReplacementError
from benchbench.core.meta import meta_state, state_restored
from benchbench.variants.channel_groups import (
    Group,
    Segment,
    Segments,
    interface,
    lost,
    pin,
    scaled,
    unify,
    use,
)
from benchbench.variants.channel_rules import through_operator

RESIZABLE = (_ConvNd, nn.Linear, _BatchNorm, _InstanceNorm, nn.GroupNorm, nn.PReLU)


@dataclass(slots=True)
class LayerFlow:
    """What goes into a layer, and the group that it makes; a norm or a depthwise convolution makes none."""

    taken: Segments
    made: Group | None = None


def follow_channels(
    module: nn.Module, tensors: Sequence[Tensor], places: Sequence[str]
) -> dict[str, LayerFlow]:
    """The resizable layers of `module` by path, in the order of the forward pass.

    Raises:
        ReplacementError: the channels of a layer cannot be followed, or no input reaches it; it is named.
    """
    follower = Follower(module, tensors)
    args, kwargs = assemble(tensors, places)
    with state_restored(module), torch.no_grad(), torch.device("meta"), follower.hooked(module):
        module.eval()
        with follower:
            output = torch.func.functional_call(module, meta_state(module), args, kwargs)
    for each in tree_leaves(output):
        if isinstance(each, Tensor):
            pin(follower.segments(each))
    _pin_dropped(follower.layers)
    _refuse_unclear(follower.layers)
    _refuse_unreached(module, follower.layers)
    return follower.layers


class Follower(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows channels while it is entered; `layers` lists what was met."""

    def __init__(self, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers: dict[str, LayerFlow] = {}
        self._inside = 0
        self._known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._paths = {each: path or type(each).__name__ for path, each in module.named_modules()}
        self._stack: list[str] = []
        for each in inputs:
            self._known[each] = interface(each.shape[1] if each.ndim > 1 else 0)

    def segments(self, tensor: Tensor) -> Segments:
        """Where the tensor's channels come from; those of a constant are given."""
        if tensor in self._known:
            found: Segments = self._known[tensor]
            return found
        return interface(tensor.shape[1] if tensor.ndim > 1 else 0)

    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[None]:
        """Look at each resizable layer as a whole while the block runs."""
        handles = []
        try:
            for each in module.modules():
                handles.append(each.register_forward_pre_hook(self._enter, with_kwargs=True))
                handles.append(each.register_forward_hook(self._leave, with_kwargs=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, layer: nn.Module, args: Any, kwargs: Any) -> None:
        self._stack.append(self._paths[layer])
        self._inside += isinstance(layer, RESIZABLE)

    def _leave(self, layer: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        path = self._stack.pop()
        if not isinstance(layer, RESIZABLE):
            return
        self._inside -= 1
        given = next(iter((*args, *kwargs.values())))
        taken = self._taken(layer, given)
        entry = self.layers.get(path)
        if entry is None:
            entry = self.layers[path] = LayerFlow(taken)
        else:
            taken = unify(entry.taken, taken, where=path)
        self._known[output] = _through(layer, taken, entry)

    def _taken(self, layer: nn.Module, given: Tensor) -> Segments:
        taken = self.segments(given)
        if isinstance(layer, nn.Linear):
            # Features of a sequence stand in its last dimension, which is not followed.
            followed = given.ndim == 2
        elif isinstance(layer, _ConvNd):
            followed = given.ndim == layer.weight.ndim
        else:
            followed = given.ndim > 1
        channels = given.shape[1] if given.ndim > 1 else 0
        if followed and sum(each.count for each in taken) == channels:
            return taken
        return lost([taken], channels, why=f"they are not dimension 1 of {list(given.shape)}")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if self._inside:
            return out
        given = [each for each in tree_leaves((args, kwargs or {})) if isinstance(each, Tensor)]
        known = {each: self._known[each] for each in given if each in self._known}
        name = str(func._overloadpacket.__name__) if isinstance(func, torch._ops.OpOverload) else str(func)
        where = self._stack[-1] if self._stack else "the network"
        for each in tree_leaves(out):
            if isinstance(each, Tensor):
                segments = through_operator(name, args, known, each, where=where)
                if segments is not None:
                    self._known[each] = segments
        return out


def _through(layer: nn.Module, taken: Segments, entry: LayerFlow) -> Segments:
    if isinstance(layer, (nn.Linear, _ConvNd)):
        groups = getattr(layer, "groups", 1)
        channels = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
        if groups > 1 and groups == layer.in_channels:
            return scaled(taken, Fraction(channels, groups))
        entry.made = entry.made or Group()
        if groups > 1:
            entry.made.require(Fraction(1, groups))
            _divisible(taken, groups)
        return (Segment(entry.made, channels),)
    if isinstance(layer, nn.GroupNorm):
        _divisible(taken, layer.num_groups)
    return taken


def _divisible(taken: Segments, by: int) -> None:
    for each in taken:
        each.group.require(each.factor / by)


def _pin_dropped(layers: dict[str, LayerFlow]) -> None:
    # What is computed and dropped here is an output in another mode of the same forward pass.
    for flow in layers.values():
        if flow.made is not None:
            use(flow.taken)
    for flow in layers.values():
        if flow.made is not None and not flow.made.root.used:
            flow.made.pin()


def _refuse_unclear(layers: dict[str, LayerFlow]) -> None:
    for path, flow in layers.items():
        groups = [("into", each.group.root) for each in flow.taken]
        groups += [("of", flow.made.root)] if flow.made is not None else []
        for word, group in groups:
            if group.unclear and not group.pinned:
                raise ReplacementError(
                    f"'width' cannot follow the channels {word} {path}: {group.unclear}",
                    expected="channels that stay dimension 1 from layer to layer",
                    fix="use the width option of the architecture itself",
                )


def _refuse_unreached(module: nn.Module, layers: dict[str, LayerFlow]) -> None:
    for path, each in module.named_modules():
        has_state = next(each.parameters(recurse=False), next(each.buffers(recurse=False), None)) is not None
        if isinstance(each, RESIZABLE) and has_state and path not in layers:
            raise ReplacementError(
                f"'width' cannot follow {path} ({type(each).__name__}): the example input does not reach it",
                expected="a forward pass that runs every layer",
                fix="build the network without that part, or use its own width option",
            )
