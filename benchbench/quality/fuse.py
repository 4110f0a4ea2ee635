"""A recorded network made faster without another result: norms folded, siblings joined, channels last.

Measured against plain eager in benchmarks/quality.py. Nothing is approximated: what differs is the order of
additions, and a network that comes out different is refused when it is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from benchbench.core.errors import MeasurementError
from benchbench.quality.capture import Call, Recording, Slot, record, unoptimised

_NORMS = ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
_RELUS = ("relu", "relu_")
_ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
# Of float32 convolutions against themselves in another order. 3e-6 is common, and 1e-5 was seen where random
# weights let rounding grow from layer to layer; a wrong network is off by far more.
TOLERANCE = 2e-5


@dataclass(frozen=True, slots=True)
class _Convolution:
    """weight, bias and the rest; `parts` are (output slot, first channel, channels) of joined siblings."""

    source: Slot
    weight: Tensor
    bias: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    parts: tuple[tuple[Slot, int, int], ...]
    relu: bool = False


_Step = _Convolution | Call


class FusedNetwork:
    """The network as steps; called with float32 [N, C, H, W] it gives what the original gives.

    Args:
        network: frozen, in eval mode, on `device`.
        example: [1, C, H, W], of the size that it will be called with.

    Raises:
        MeasurementError: it does not give what `network` gives, on a seeded probe of two images.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], example: Tensor) -> None:
        recording = record(network, example)
        self._result = recording.result
        self._steps = _last_channels(_joined(_folded(recording)))
        self._last_use = _last_uses(self._steps, self._result)
        self._check(network, example)

    def __call__(self, images: Tensor) -> Tensor:
        """What the network makes of float32 [N, C, H, W]; call it without gradients."""
        values: dict[Slot, Tensor] = {Slot(0): images.contiguous(memory_format=torch.channels_last)}
        for place, step in enumerate(self._steps):
            if isinstance(step, Call):
                values[step.output] = _run_call(step, values)
            else:
                _run_convolution(step, values)
            for slot in self._last_use.get(place, ()):
                del values[slot]
        return values[self._result]

    def _check(self, network: Callable[[Tensor], Tensor], example: Tensor) -> None:
        generator = torch.Generator().manual_seed(0)
        probe = torch.rand((2, *example.shape[1:]), generator=generator).to(example.device) * 2 - 1
        with torch.no_grad(), unoptimised():
            wanted = network(probe)
            try:
                got = self(probe)
            except RuntimeError as error:
                raise _differs(f"does not take two images ({str(error).splitlines()[0]})") from None
        if wanted.shape != got.shape:
            raise _differs(f"gives {list(got.shape)} and not {list(wanted.shape)}")
        largest, off = float(wanted.abs().max()), float((wanted - got).abs().max())
        # So written that NaN is refused, and a network that gives nothing but zero is not.
        if not off <= TOLERANCE * largest:
            raise _differs(f"is off by {off / largest if largest else off:.1e} of its largest output")


def _differs(how: str) -> MeasurementError:
    return MeasurementError(
        f"the faster form of this network {how}",
        expected=f"what the network itself gives, to {TOLERANCE:.0e} of its largest output",
        fix="set optimise: none on the extractor",
    )


def _run_call(step: Call, values: dict[Slot, Tensor]) -> Tensor:
    def given(value: Any) -> Any:
        return values[value] if isinstance(value, Slot) else value

    made = step.target(*tree_map(given, step.args), **tree_map(given, step.kwargs))
    first: Tensor = made[0] if isinstance(made, (tuple, list)) else made
    return first


def _run_convolution(step: _Convolution, values: dict[Slot, Tensor]) -> None:
    source, weight, bias = values[step.source], step.weight, step.bias
    if _ONEDNN and source.device.type == "cpu" and source.dtype is torch.float32:
        # conv2d leaves oneDNN for small batches in one thread: slower, and with other last digits.
        made = torch.mkldnn_convolution(
            source, weight, bias, step.padding, step.stride, step.dilation, step.groups
        )
    else:
        made = F.conv2d(source, weight, bias, step.stride, step.padding, step.dilation, step.groups)
    if step.relu:
        made.relu_()
    for slot, first, channels in step.parts:
        values[slot] = made if channels == made.shape[1] else made.narrow(1, first, channels)


def _name(step: _Step) -> str:
    return step.target.overloadpacket.__name__ if isinstance(step, Call) else ""


def _folded(recording: Recording) -> list[_Step]:
    """Batch norms and ReLUs that follow a convolution alone, made part of it."""
    uses = Counter(leaf for call in recording.calls for leaf in _slots(call))
    uses[recording.result] += 1
    made_by: dict[Slot, int] = {}
    steps: list[_Step] = []
    for call in recording.calls:
        name = _name(call)
        source = call.args[0] if call.args else None
        place = made_by.get(source) if isinstance(source, Slot) and uses[source] == 1 else None
        before = steps[place] if place is not None else None
        if name == "convolution" and _is_plain(call):
            step: _Step = _as_convolution(call)
        elif (
            place is not None
            and isinstance(before, _Convolution)
            and not before.relu
            and _is_frozen_norm(call)
        ):
            folded = _with_norm(before, call)
            steps[place] = replace(folded, parts=((call.output, 0, folded.weight.shape[0]),))
            made_by[call.output] = place
            continue
        elif place is not None and isinstance(before, _Convolution) and not before.relu and name in _RELUS:
            steps[place] = replace(before, relu=True, parts=((call.output, 0, before.weight.shape[0]),))
            made_by[call.output] = place
            continue
        else:
            step = call
        made_by[call.output] = len(steps)
        steps.append(step)
    return steps


def _is_plain(call: Call) -> bool:
    # Of two dimensions, not transposed, with weights that are not computed.
    return isinstance(call.args[1], Tensor) and call.args[1].dim() == 4 and not call.args[6]


def _is_frozen_norm(call: Call) -> bool:
    # Where it says so, `training` is the sixth argument.
    return _name(call) in _NORMS and call.args[5] is not True


def _as_convolution(call: Call) -> _Convolution:
    source, weight, bias, stride, padding, dilation, _, _, groups = call.args
    return _Convolution(
        source=source,
        weight=weight.detach(),
        bias=weight.new_zeros(weight.shape[0]) if bias is None else bias.detach(),
        stride=tuple(stride),
        padding=tuple(padding),
        dilation=tuple(dilation),
        groups=groups,
        parts=((call.output, 0, weight.shape[0]),),
    )


def _with_norm(step: _Convolution, call: Call) -> _Convolution:
    scale, shift, mean, variance = (None if value is None else value.double() for value in (call.args[1:5]))
    epsilon = call.args[-1]
    assert mean is not None
    assert variance is not None
    factor = (variance + epsilon).rsqrt() * (1.0 if scale is None else scale)
    bias = (step.bias.double() - mean) * factor + (0.0 if shift is None else shift)
    weight = step.weight.double() * factor[:, None, None, None]
    return replace(step, weight=weight.to(step.weight.dtype), bias=bias.to(step.bias.dtype))


def _joined(steps: list[_Step]) -> list[_Step]:
    """1x1 convolutions of one input as one, where nothing needs its source before them all."""
    families: dict[tuple[Any, ...], list[int]] = {}
    for place, step in enumerate(steps):
        if isinstance(step, _Convolution) and step.weight.shape[2:] == (1, 1) and step.groups == 1:
            families.setdefault((step.source, step.stride, step.padding, step.relu), []).append(place)
    joined = dict(enumerate(steps))
    for places in families.values():
        members = [steps[place] for place in places]
        if len(members) < 2:
            continue
        convolutions = [each for each in members if isinstance(each, _Convolution)]
        parts: list[tuple[Slot, int, int]] = []
        first = 0
        for each in convolutions:
            channels = each.weight.shape[0]
            parts.append((each.parts[0][0], first, channels))
            first += channels
        joined[places[0]] = replace(
            convolutions[0],
            weight=torch.cat([each.weight for each in convolutions]),
            bias=torch.cat([each.bias for each in convolutions]),
            parts=tuple(parts),
        )
        for place in places[1:]:
            del joined[place]
    return [joined[place] for place in sorted(joined)]


def _last_channels(steps: list[_Step]) -> list[_Step]:
    return [
        replace(step, weight=step.weight.contiguous(memory_format=torch.channels_last))
        if isinstance(step, _Convolution)
        else step
        for step in steps
    ]


def _last_uses(steps: list[_Step], result: Slot) -> dict[int, list[Slot]]:
    last: dict[Slot, int] = {}
    for place, step in enumerate(steps):
        for slot in _slots(step) if isinstance(step, Call) else [step.source]:
            last[slot] = place
    dead: dict[int, list[Slot]] = {}
    for slot, place in last.items():
        if slot != result:
            dead.setdefault(place, []).append(slot)
    return dead


def _slots(call: Call) -> list[Slot]:
    found: list[Slot] = []

    def note(value: Any) -> Any:
        if isinstance(value, Slot):
            found.append(value)
        return value

    tree_map(note, (call.args, dict(call.kwargs)))
    return found
