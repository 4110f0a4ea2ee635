"""Width multiplier: every inner channel count of a network times one number.

Howard et al. 2017 (MobileNets), section 3.3, on any network: what comes from the inputs and what leaves
by the outputs keeps its channels, everything between is multiplied and rounded.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves

from benchbench.core.arguments import assemble
from benchbench.core.contracts import InputSpec, Replacement
from benchbench.core.errors import ReplacementError
from benchbench.core.measurement import LayerReplacement
from benchbench.core.meta import meta_state, run_on_meta, state_restored
from benchbench.core.model import Options
from benchbench.variants.channel_flow import (
    Flow,
    Follower,
    Group,
    LayerFlow,
    Segments,
    pin,
    refuse_parameters,
)
from benchbench.variants.replace import describe


class WidthOptions(Options):
    """Options of `width`.

    Attributes:
        multiplier: of every inner channel count; 1 changes nothing.
        divisor: what every new channel count is a multiple of, rounded to the nearest.
    """

    multiplier: Annotated[float, Field(gt=0, le=8)]
    divisor: Annotated[int, Field(ge=1, le=128)] = 1


def change_width(
    module: nn.Module, inputs: Sequence[InputSpec], options: WidthOptions
) -> tuple[LayerReplacement, ...]:
    """Resize every layer of `module` in place; new layers have random weights.

    Args:
        module: made of torch.nn's convolutions, linear layers, norms and PReLU.
        inputs: its example inputs.
        options: how much.

    Raises:
        ReplacementError: a layer cannot be resized, the channels cannot be followed, or the resized
            network does not run or has another output shape; the layer is named, and nothing is changed.
    """
    _refuse(module)
    tensors = [torch.empty(spec.shape, dtype=getattr(torch, spec.dtype), device="meta") for spec in inputs]
    places = [spec.place for spec in inputs]
    flow, shapes = _follow(module, tensors, places)
    old = {path: module.get_submodule(path) for path in flow.layers}
    resized = {path: _resized(old[path], entry, options) for path, entry in flow.layers.items()}
    changed = {path: layer for path, layer in resized.items() if layer is not None}
    if not changed:
        raise ReplacementError(
            f"'width' with multiplier {options.multiplier:g} changes no layer",
            expected="channels that neither come from the inputs nor leave by the outputs",
        )
    _exchange(module, {old[path]: layer for path, layer in changed.items()})
    try:
        _check(module, tensors, places, shapes)
    except ReplacementError:
        _exchange(module, {layer: old[path] for path, layer in changed.items()})
        raise
    return tuple(_record(path, old[path], layer) for path, layer in changed.items())


def _refuse(module: nn.Module) -> None:
    for path, each in module.named_modules():
        own = {name for name, _ in each.named_parameters(recurse=False)}
        if parametrize.is_parametrized(each) or {"weight_g", "weight_orig"} & own:
            raise ReplacementError(
                f"'width' cannot resize {path}: its weight is parametrized",
                expected="plain weights",
                fix="build the network without spectral or weight norm, or use its own width option",
            )
    refuse_parameters(module)


def _follow(
    module: nn.Module, tensors: Sequence[Tensor], places: Sequence[str]
) -> tuple[Flow, list[tuple[int, ...]]]:
    follower = Follower(module, tensors)
    args, kwargs = assemble(tensors, places)
    with state_restored(module), torch.no_grad(), torch.device("meta"), follower.hooked(module):
        module.eval()
        with follower:
            output = torch.func.functional_call(module, meta_state(module), args, kwargs)
    made = [each for each in tree_leaves(output) if isinstance(each, Tensor)]
    for each in made:
        pin(follower.segments(each))
    return follower.flow, [tuple(each.shape) for each in made]


def _channels(segments: Segments, options: WidthOptions) -> int:
    parts = ((each.group.root, each.count / each.factor, each.factor) for each in segments)
    return sum(int(_width(group, int(before), options) * factor) for group, before, factor in parts)


def _width(group: Group, before: int, options: WidthOptions) -> int:
    if group.pinned:
        return before
    divisor = math.lcm(options.divisor, group.divisor)
    return max(divisor, math.floor(before * options.multiplier / divisor + 0.5) * divisor)


def _resized(layer: nn.Module, entry: LayerFlow, options: WidthOptions) -> nn.Module | None:
    """The layer at its new width, or None where nothing changes."""
    taken = _channels(entry.taken, options)
    sizes = _sizes(layer, entry, taken, options)
    if all(getattr(layer, name) == size for name, size in sizes.items()):
        return None
    weight = next(layer.parameters(), None)
    new = copy.deepcopy(layer) if weight is None else _rebuilt(layer, sizes, weight)
    for name, size in sizes.items():
        setattr(new, name, size)
    return new.train(layer.training)


def _sizes(layer: nn.Module, entry: LayerFlow, taken: int, options: WidthOptions) -> dict[str, int]:
    if isinstance(layer, nn.Linear):
        assert entry.made is not None
        return {
            "in_features": taken,
            "out_features": _width(entry.made.root, layer.out_features, options),
        }
    if isinstance(layer, _ConvNd):
        if entry.made is None:
            times = layer.out_channels // layer.groups
            return {"in_channels": taken, "out_channels": taken * times, "groups": taken}
        return {"in_channels": taken, "out_channels": _width(entry.made.root, layer.out_channels, options)}
    if isinstance(layer, nn.GroupNorm):
        return {"num_channels": taken}
    if isinstance(layer, nn.PReLU):
        return {"num_parameters": taken} if layer.num_parameters > 1 else {}
    return {"num_features": taken}


def _rebuilt(layer: nn.Module, sizes: dict[str, int], weight: Tensor) -> nn.Module:
    said: dict[str, Any] = {}
    for name in inspect.signature(type(layer).__init__).parameters:
        if name == "bias":
            said[name] = layer.bias is not None
        elif name not in ("self", "device", "dtype") and hasattr(layer, name):
            said[name] = getattr(layer, name)
    return type(layer)(**{**said, **sizes}, device=weight.device, dtype=weight.dtype)


def _exchange(module: nn.Module, new: Mapping[nn.Module, nn.Module]) -> None:
    paths = [(path, each) for path, each in module.named_modules(remove_duplicate=False) if each in new]
    for path, each in paths:
        parent, _, attribute = path.rpartition(".")
        setattr(module.get_submodule(parent), attribute, new[each])


def _check(
    module: nn.Module, tensors: Sequence[Tensor], places: Sequence[str], shapes: list[tuple[int, ...]]
) -> None:
    stack: list[str] = []
    paths = {each: path for path, each in module.named_modules()}

    def enter(each: nn.Module, args: Any) -> None:
        stack.append(paths[each])

    def leave(each: nn.Module, args: Any, output: Any) -> None:
        stack.pop()

    with state_restored(module):
        for each in module.modules():
            each.register_forward_pre_hook(enter)
            each.register_forward_hook(leave)
        try:
            output = run_on_meta(module.eval(), *tensors, places=places)
        except Exception as error:
            where = stack[-1] if stack and stack[-1] else type(module).__name__
            raise ReplacementError(
                f"'width' at {where}: the resized network does not run there ({error})",
                expected="a network in which no channel count stands as a number in a forward pass",
                fix="use the width option of the architecture itself",
            ) from error
    now = [tuple(each.shape) for each in tree_leaves(output) if isinstance(each, Tensor)]
    if now != shapes:
        raise ReplacementError(
            f"'width' changes the output shape from {shapes} to {now}",
            expected="the shape that it had",
            fix="use the width option of the architecture itself",
        )


def _record(path: str, before: nn.Module, after: nn.Module) -> LayerReplacement:
    return LayerReplacement(
        path=path,
        stage="",
        before=describe(before),
        after=describe(after),
        parameters_before=sum(each.numel() for each in before.parameters()),
        parameters_after=sum(each.numel() for each in after.parameters()),
    )


replacement = Replacement(options=WidthOptions, network=change_width)
