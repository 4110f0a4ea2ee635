"""Width multiplier: every inner channel count of a network times one number.

Howard et al. 2017 (MobileNets), section 3.3, on any network: what comes from the inputs and what leaves
by the outputs keeps its channels, everything between is multiplied and rounded.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import chain
from typing import Annotated, Any

from pydantic import Field
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from benchbench.core.contracts import InputSpec, Replacement
from benchbench.core.errors import ReplacementError
from benchbench.core.layer_record import LayerReplacement
from benchbench.core.model import Options
from benchbench.variants.channel_flow import RESIZABLE, LayerFlow, follow_channels
from benchbench.variants.channel_groups import Group, Segments
from benchbench.variants.replace import describe
from benchbench.variants.select import find_shared
from benchbench.variants.whole_network import example_tensors


class WidthOptions(Options):
    """Options of `width`.

    Attributes:
        multiplier: of every inner channel count; 1 changes nothing.
        divisor: what every new channel count is a multiple of: the nearest, or the next one up where that
            would lose more than a tenth (MobileNet's `make_divisible`). With 1, to the nearest. Groups of
            convolutions and norms are kept, and a channel count is a multiple of theirs too.
    """

    multiplier: Annotated[float, Field(gt=0, le=4)]
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
        ReplacementError: a layer cannot be resized, or its channels cannot be followed; it is named.
    """
    _refuse(module)
    flow = {} if isinstance(module, RESIZABLE) else follow_channels(module, *example_tensors(inputs))
    old = {path: module.get_submodule(path) for path in flow}
    resized = {path: _resized(old[path], entry, options, path=path) for path, entry in flow.items()}
    changed = {path: layer for path, layer in resized.items() if layer is not None}
    if not changed:
        raise ReplacementError(
            f"'width' with multiplier {options.multiplier:g} changes no layer",
            expected="channels that neither come from the inputs nor leave by the outputs",
        )
    _exchange(module, {old[path]: layer for path, layer in changed.items()})
    return tuple(_record(path, old[path], layer) for path, layer in changed.items())


def _refuse(module: nn.Module) -> None:
    shared = find_shared(module)
    for path, each in module.named_modules():
        if each in shared:
            raise ReplacementError(
                f"'width' cannot resize {path}: its weight is also that of {shared[each]}",
                expected="a weight of its own for every layer",
                fix="use the width option of the architecture itself",
            )
        own = [name for name, _ in each.named_parameters(recurse=False)]
        kind = type(each).__name__
        if parametrize.is_parametrized(each) or {"weight_g", "weight_orig"} & set(own):
            raise ReplacementError(
                f"'width' cannot resize {path or kind}: its weight is parametrized",
                expected="plain weights",
                fix="build the network without spectral or weight norm, or use its own width option",
            )
        is_known = isinstance(each, RESIZABLE) and type(each).__module__.startswith("torch.nn.")
        # A single number, such as the weight of a noise, fits every width.
        sized = [name for name in own if each.get_parameter(name).numel() > 1]
        if sized and not is_known:
            raise ReplacementError(
                f"'width' cannot follow {path or kind} ({kind}): its parameter '{sized[0]}' belongs to no "
                "layer of a known kind",
                expected="convolutions, linear layers, norms and PReLU of torch.nn",
                fix="use the width option of the architecture itself, or an ordinary layer in its place",
            )
        if is_known and (each._forward_hooks or each._forward_pre_hooks):
            raise ReplacementError(
                f"'width' cannot resize {path or kind}: it has forward hooks, which would be lost",
                fix="remove them first",
            )


def _channels(segments: Segments, options: WidthOptions) -> int:
    return sum(
        int(_width(each.group, int(each.count / each.factor), options) * each.factor) for each in segments
    )


def _width(group: Group, before: int, options: WidthOptions) -> int:
    root, share = group.root, group.share
    if root.pinned or options.multiplier == 1:
        return before
    divisor = math.lcm(root.divisor, *((each / options.divisor).denominator for each in root.shares))
    wanted = before / share * Fraction(str(options.multiplier))
    width = max(divisor, math.floor(wanted / divisor + Fraction(1, 2)) * divisor)
    if options.divisor > 1 and width < wanted * Fraction(9, 10):
        width += divisor
    return int(width * share)


def _resized(layer: nn.Module, entry: LayerFlow, options: WidthOptions, *, path: str) -> nn.Module | None:
    """The layer at its new width, or None where nothing changes."""
    sizes = _sizes(layer, entry, options)
    if all(getattr(layer, name) == size for name, size in sizes.items()):
        return None
    try:
        return _rebuilt(layer, sizes).train(layer.training)
    except ValueError as error:
        said = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise ReplacementError(
            f"'width' at {path}: {type(layer).__name__} does not take {said} ({error})",
            fix="use another multiplier, or the width option of the architecture itself",
        ) from error


def _sizes(layer: nn.Module, entry: LayerFlow, options: WidthOptions) -> dict[str, int]:
    taken = _channels(entry.taken, options)
    if isinstance(layer, nn.Linear):
        assert entry.made is not None
        made = _width(entry.made, layer.out_features, options)
        return {"in_features": taken, "out_features": made}
    if isinstance(layer, _ConvNd):
        if entry.made is None:
            times = layer.out_channels // layer.groups
            return {"in_channels": taken, "out_channels": taken * times, "groups": taken}
        return {"in_channels": taken, "out_channels": _width(entry.made, layer.out_channels, options)}
    if isinstance(layer, nn.GroupNorm):
        return {"num_channels": taken}
    if isinstance(layer, nn.PReLU):
        return {"num_parameters": taken} if layer.num_parameters > 1 else {}
    return {"num_features": taken}


def _rebuilt(layer: nn.Module, sizes: dict[str, int]) -> nn.Module:
    state = next(chain(layer.parameters(), layer.buffers()), None)
    if state is None:
        new = copy.deepcopy(layer)
        for name, size in sizes.items():
            setattr(new, name, size)
        return new
    said: dict[str, Any] = {}
    for name in inspect.signature(type(layer).__init__).parameters:
        if name == "bias":
            said[name] = layer.bias is not None
        elif name not in ("self", "device", "dtype") and hasattr(layer, name):
            said[name] = getattr(layer, name)
    return type(layer)(**{**said, **sizes}, device=state.device, dtype=state.dtype)


def _exchange(module: nn.Module, new: Mapping[nn.Module, nn.Module]) -> None:
    paths = [(path, each) for path, each in module.named_modules(remove_duplicate=False) if each in new]
    for path, each in paths:
        parent, _, attribute = path.rpartition(".")
        setattr(module.get_submodule(parent), attribute, new[each])


def _record(path: str, before: nn.Module, after: nn.Module) -> LayerReplacement:
    return LayerReplacement(
        path=path,
        stage="",
        before=_described(before),
        after=_described(after),
        parameters_before=sum(each.numel() for each in before.parameters()),
        parameters_after=sum(each.numel() for each in after.parameters()),
    )


def _described(layer: nn.Module) -> str:
    if isinstance(layer, nn.Linear):
        return f"Linear {layer.in_features}→{layer.out_features}"
    for name in ("num_features", "num_channels", "num_parameters"):
        if hasattr(layer, name):
            return f"{type(layer).__name__} {getattr(layer, name)}"
    return describe(layer)


replacement = Replacement(options=WidthOptions, network=change_width)
