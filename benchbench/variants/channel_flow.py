"""Where the channels of every tensor come from: what a change of width must change together.

One forward pass on the meta device follows dimension 1 of each tensor from the layer that made it to
the layers that take it. Additions tie two layers' channels together; concatenations keep them apart;
what comes from the network's inputs, leaves by its outputs, or goes through an operation that mixes
channels in a way that is not understood here, is pinned: it keeps its width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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

from benchbench.core.errors import ReplacementError

RESIZABLE = (_ConvNd, nn.Linear, _BatchNorm, _InstanceNorm, nn.GroupNorm, nn.PReLU)


class Group:
    """Channels that have one width: those of one layer, and of all that are added to them.

    Attributes:
        pinned: whether the width must stay.
        divisor: what the width must be a multiple of.
    """

    def __init__(self, *, pinned: bool = False) -> None:
        self.pinned = pinned
        self.divisor = 1
        self._parent: Group | None = None

    @property
    def root(self) -> Group:
        """The group that stands for all those joined with this one."""
        return self if self._parent is None else self._parent.root

    def join(self, other: Group) -> None:
        """Make both one group from now on."""
        mine, theirs = self.root, other.root
        if mine is theirs:
            return
        theirs._parent = mine
        mine.pinned |= theirs.pinned
        mine.divisor = math.lcm(mine.divisor, theirs.divisor)


@dataclass(frozen=True, slots=True)
class Segment:
    """`count` channels of a group; `factor` of them stand for one of the layer that made them."""

    group: Group
    count: int
    factor: Fraction = Fraction(1)


Segments = tuple[Segment, ...]


@dataclass(slots=True)
class LayerFlow:
    """What goes into a layer, and the group that it makes; a norm or a depthwise convolution makes none."""

    taken: Segments
    made: Group | None = None


@dataclass(slots=True)
class Flow:
    """The layers of a network by path, in the order of the forward pass."""

    layers: dict[str, LayerFlow] = field(default_factory=dict)


def pin(segments: Segments) -> None:
    """Keep the width of all that `segments` come from."""
    for segment in segments:
        segment.group.root.pinned = True


def unify(left: Segments, right: Segments) -> Segments:
    """Tie two tensors' channels together, one by one; where that cannot be done both are pinned."""
    same = len(left) == len(right) and all(
        (a.count, a.factor) == (b.count, b.factor) for a, b in zip(left, right, strict=False)
    )
    if not same:
        pin(left)
        pin(right)
        return left
    for a, b in zip(left, right, strict=True):
        a.group.join(b.group)
    return left


class Follower(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows channels while it is entered; `layers` lists what was met."""

    def __init__(self, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flow = Flow()
        self._inside = 0
        self._known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._paths = {each: path for path, each in module.named_modules()}
        for each in inputs:
            if each.ndim > 1:
                self._known[each] = (Segment(Group(pinned=True), each.shape[1]),)

    def segments(self, tensor: Tensor) -> Segments:
        """Where the tensor's channels come from; what was never followed is pinned."""
        if tensor in self._known:
            found: Segments = self._known[tensor]
            return found
        return (Segment(Group(pinned=True), tensor.shape[1]),) if tensor.ndim > 1 else ()

    @contextmanager
    def hooked(self, module: nn.Module) -> Iterator[None]:
        """Look at each resizable layer as a whole while the block runs."""
        handles = []
        try:
            for each in module.modules():
                if isinstance(each, RESIZABLE):
                    handles.append(each.register_forward_pre_hook(self._enter, with_kwargs=True))
                    handles.append(each.register_forward_hook(self._leave, with_kwargs=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, layer: nn.Module, args: Any, kwargs: Any) -> None:
        self._inside += 1

    def _leave(self, layer: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        self._inside -= 1
        given = next(iter((*args, *kwargs.values())))
        taken = self.segments(given)
        path = self._paths[layer]
        known = self.flow.layers.get(path)
        if known is not None:
            taken = unify(known.taken, taken)
        entry = known or LayerFlow(taken)
        self.flow.layers[path] = entry
        self._known[output] = self._through(layer, given, taken, entry)

    def _through(self, layer: nn.Module, given: Tensor, taken: Segments, entry: LayerFlow) -> Segments:
        if isinstance(layer, nn.Linear) and given.ndim != 2:
            # Features of a sequence stand in its last dimension, which is not followed.
            pin(taken)
            entry.made = entry.made or Group(pinned=True)
            return ()
        if isinstance(layer, (nn.Linear, _ConvNd)):
            groups = getattr(layer, "groups", 1)
            channels = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
            if groups > 1 and groups == layer.in_channels:
                times = channels // groups
                return tuple(Segment(each.group, each.count * times, each.factor * times) for each in taken)
            entry.made = entry.made or Group()
            if groups > 1:
                entry.made.root.divisor = math.lcm(entry.made.root.divisor, groups)
                self._divisible(taken, groups)
            return (Segment(entry.made, channels),)
        if isinstance(layer, nn.GroupNorm):
            self._divisible(taken, layer.num_groups)
        return taken

    @staticmethod
    def _divisible(taken: Segments, by: int) -> None:
        if len(taken) != 1 or taken[0].factor.denominator != 1:
            pin(taken)
            return
        root, times = taken[0].group.root, taken[0].factor.numerator
        root.divisor = math.lcm(root.divisor, by // math.gcd(by, times))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if self._inside:
            return out
        given = [each for each in tree_leaves((args, kwargs or {})) if isinstance(each, Tensor)]
        made = [each for each in tree_leaves(out) if isinstance(each, Tensor)]
        name = func._overloadpacket.__name__ if isinstance(func, torch._ops.OpOverload) else str(func)
        for each in made:
            self._known[each] = self._of_operator(name, given, args, each)
        return out

    def _of_operator(self, name: str, given: Sequence[Tensor], args: Any, out: Tensor) -> Segments:
        followed = [self.segments(each) for each in given if each in self._known]
        if out.ndim < 2 or not followed:
            for each in followed if out.ndim < 2 else ():
                pin(each)
            return ()
        if name == "cat" and (len(args) > 1 and args[1] in (1, 1 - out.ndim)):
            return tuple(segment for each in args[0] for segment in self.segments(each))
        channels = out.shape[1]
        several = [each for each in given if each in self._known and each.ndim > 1 and each.shape[1] > 1]
        wide = [self.segments(each) for each in several if each.shape[1] == channels]
        if name not in _MIXING and wide and len(wide) == len(several):
            first = wide[0]
            for other in wide[1:]:
                first = unify(first, other)
            return first
        if len(followed) == 1:
            return self._reshaped(name, given, args, followed[0], out)
        for each in followed:
            pin(each)
        return (Segment(Group(pinned=True), channels),)

    def _reshaped(
        self, name: str, given: Sequence[Tensor], args: Any, taken: Segments, out: Tensor
    ) -> Segments:
        source = next(each for each in given if each in self._known)
        before, after = source.shape[1], out.shape[1]
        is_flattened = name in ("view", "_unsafe_view", "reshape", "_reshape_copy", "clone") and out.ndim == 2
        if is_flattened and after == before * math.prod(source.shape[2:]):
            times = after // before
            return tuple(Segment(each.group, each.count * times, each.factor * times) for each in taken)
        if name in ("split", "glu", "split_with_sizes") and len(taken) == 1 and before % after == 0:
            parts = before // after
            root = taken[0].group.root
            if name != "split_with_sizes" and taken[0].factor == 1:
                root.divisor = math.lcm(root.divisor, parts)
                return (Segment(taken[0].group, after, Fraction(1, parts)),)
        pin(taken)
        return (Segment(Group(pinned=True), after),)


# Their dimension 1 is not that of their operands, even where it has the same size.
_MIXING_NAMES = """
    mm bmm addmm baddbmm convolution _convolution mv einsum transpose permute t index gather flip roll
    _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_attention_math
"""
_MIXING = frozenset(_MIXING_NAMES.split())


def refuse_parameters(module: nn.Module) -> None:
    """Let a network pass all of whose parameters belong to layers that can be resized.

    Raises:
        ReplacementError: some other module has parameters of its own; it is named.
    """
    for path, each in module.named_modules():
        own = [name for name, _ in each.named_parameters(recurse=False)]
        kind = type(each)
        is_torchs = isinstance(each, RESIZABLE) and kind.__module__.startswith("torch.nn.")
        if own and not is_torchs:
            raise ReplacementError(
                f"'width' cannot follow {path or type(module).__name__} ({kind.__name__}): its parameter "
                f"'{own[0]}' belongs to no layer of a known kind",
                expected="convolutions, linear layers, norms and PReLU of torch.nn",
                fix="use the width option of the architecture itself, or an ordinary layer in its place",
            )
