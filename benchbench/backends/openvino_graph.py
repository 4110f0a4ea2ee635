"""What OpenVINO made of a graph: read from the compiled model, and of weights from the file's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchbench.core.backends import Setup
from benchbench.core.deployment_record import OperatorNote

_PASSIVE = frozenset({"Const", "Constant", "Input", "Parameter", "Output", "Result"})
_HEAVY = frozenset({"Convolution", "GroupConvolution", "Deconvolution", "FullyConnected", "MatMul"})
_MOVES = frozenset({"Reorder", "Reshape", "Transpose", "Concatenation", "Split", "Broadcast", "Gather"})
# The same as they are called before they are compiled.
_WEIGHTED = frozenset(
    {
        "Convolution",
        "GroupConvolution",
        "ConvolutionBackpropData",
        "GroupConvolutionBackpropData",
        "MatMul",
    }
)
_TO_WEIGHTS = frozenset({"Convert", "FakeQuantize", "Multiply", "Reshape", "Subtract", "Transpose"})


class Layer(NamedTuple):
    """One layer that is executed, in OpenVINO's own words."""

    kind: str
    kernel: str
    precision: str


def executed_layers(compiled: Any) -> list[Layer]:
    """The layers of an `openvino.CompiledModel`."""
    found = []
    for each in compiled.get_runtime_model().get_ops():
        about = each.get_rt_info()
        layer = Layer(
            *(
                about[key].astype(str) if key in about else ""
                for key in ("layerType", "primitiveType", "runtimePrecision")
            )
        )
        if layer.kind not in _PASSIVE:
            found.append(layer)
    return found


def notes_on_layers(layers: Sequence[Layer], setup: Setup) -> tuple[OperatorNote, ...]:
    """Reference kernels, and what runs in a wider precision than was asked for."""
    precision = setup.deployment.precision
    reference = Counter((kind, kernel) for kind, kernel, _ in layers if kernel.startswith("ref"))
    notes = [
        OperatorNote(operator=kind, count=count, what="fell_back", detail=kernel)
        for (kind, kernel), count in sorted(reference.items())
    ]
    if precision == "int8" and setup.deployment.quantise == "all":
        left = Counter(
            (kind, used) for kind, _, used in layers if kind in _HEAVY and used not in ("i8", "u8")
        )
        notes += [
            OperatorNote(operator=kind, count=count, what="not_quantised", detail=used)
            for (kind, used), count in sorted(left.items())
        ]
    narrow = precision in ("bf16", "fp16")
    wider = Counter(
        (kind, used) for kind, _, used in layers if narrow and used == "f32" and kind not in _MOVES
    )
    notes += [
        OperatorNote(operator=kind, count=count, what="not_lowered", detail=used)
        for (kind, used), count in sorted(wider.items())
    ]
    return tuple(notes)


def notes_on_weights(artefact: Path) -> tuple[OperatorNote, ...]:
    """Convolutions and products whose weights a file holds in floating point."""
    import openvino

    left: Counter[tuple[str, str]] = Counter()
    for node in openvino.Core().read_model(artefact).get_ops():
        kind = node.get_type_name()
        if kind in _WEIGHTED:
            held = _constant_behind(node.input_value(1).get_node())
            if held is not None and held.get_element_type().is_real():
                left[kind, held.get_element_type().to_string()] += 1
    return tuple(
        OperatorNote(operator=kind, count=count, what="not_quantised", detail=used)
        for (kind, used), count in sorted(left.items())
    )


def _constant_behind(node: Any) -> Any:
    """The constant that an operand is made of; None where it is computed from something else."""
    while node.get_type_name() in _TO_WEIGHTS:
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None
