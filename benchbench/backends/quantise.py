"""Int8 by post-training quantisation, per channel: NNCF for OpenVINO, ONNX Runtime's own for ONNX Runtime.

Each library runs best what its own tool writes. Where a norm follows every convolution, as in style transfer,
ONNX Runtime computes none of the convolutions of NNCF's ONNX model in int8, since their results are not
quantised, and takes longer than in float32; OpenVINO loses 7 to 14 dB with the model of ONNX Runtime's tool,
which quantises what enters the norms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from benchbench.backends.calibration import calibration_arrays, onnx_reader, quietly
from benchbench.backends.telemetry import decline_telemetry
from benchbench.core.backends import Network, Setup
from benchbench.core.errors import UnsupportedDeploymentError
from benchbench.core.imports import told

Preset = Literal["performance", "mixed"]

# Statistics over an image: what is rounded before them is multiplied by them.
_KEPT_IN_FLOAT = ("MVN",)
_HEAVY = ("Conv", "Gemm", "MatMul")
_WEIGHTED = (*_HEAVY, "ConvTranspose")


def quantise_openvino(model: Any, network: Network, setup: Setup, *, preset: Preset) -> Any:
    """An `openvino.Model` in int8, from one whose constants are folded.

    Weights per channel, activations per tensor, with NNCF's fast bias correction; what enters a
    normalisation stays in float.

    Args:
        preset: `performance` has symmetric ranges; `mixed` asymmetric ones where an activation may be
            negative.

    Raises:
        CalibrationError: too few inputs to calibrate on, or of other shapes.
        UnsupportedDeploymentError: NNCF cannot quantise the network.
    """
    decline_telemetry()
    weights_only = setup.deployment.quantise == "weights"
    is_open = setup.deployment.shapes == "dynamic"
    sets = [] if weights_only else calibration_arrays(network, is_open=is_open)
    import nncf

    try:
        with quietly():
            if weights_only:
                return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
            return nncf.quantize(
                model,
                nncf.Dataset([list(each) if len(each) > 1 else each[0] for each in sets]),
                preset=nncf.QuantizationPreset(preset),
                subset_size=len(sets),
                ignored_scope=nncf.IgnoredScope(types=list(_KEPT_IN_FLOAT), validate=False),
            )
    except Exception as error:  # NNCF raises kinds of its own, and those of the library below it
        raise UnsupportedDeploymentError(f"it cannot be quantised: {told(error)}") from error


def quantise_onnx(source: Path, target: Path, network: Network, setup: Setup, *, reduce_range: bool) -> None:
    """Write an ONNX file in int8: QuantizeLinear and DequantizeLinear around what is quantised.

    Weights per channel, int8; activations per tensor, uint8, by their least and largest values. Depthwise
    convolutions and transposed ones stay in float: ONNX Runtime is slower with the first in int8, and has no
    kernel for the second.

    Args:
        reduce_range: weights of seven bits, for x86 processors without VNNI, whose products saturate.

    Raises:
        CalibrationError: too few inputs to calibrate on, or of other shapes.
        UnsupportedDeploymentError: nothing in the network can be quantised.
    """
    if setup.deployment.quantise == "weights":
        quantise_onnx_weights(source, target)
        return
    sets = calibration_arrays(network, is_open=setup.deployment.shapes == "dynamic")
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    model = onnx.load(source)
    names = [each.name for each in model.graph.input]

    try:
        with quietly():
            quantize_static(
                str(source),
                str(target),
                onnx_reader(sets, names),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_HEAVY),
                per_channel=True,
                reduce_range=reduce_range,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_depthwise(model),
                use_external_data_format=_has_external_data(source),
            )
    except Exception as error:  # the tool raises whatever a graph leads it to
        raise UnsupportedDeploymentError(f"it cannot be quantised: {told(error)}") from error


def quantise_onnx_weights(source: Path, target: Path) -> None:
    """Write an ONNX file whose weights are int8 with a scale per output channel, and nothing else.

    Raises:
        UnsupportedDeploymentError: it has no weights of convolutions or products.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    held = {each.name: each for each in model.graph.initializer}
    turned = {
        node.output[0]: node
        for node in model.graph.node
        if node.op_type == "Transpose" and node.input[0] in held
    }
    added: list[Any] = []
    done: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type not in _WEIGHTED:
            continue
        name = node.input[1]
        behind = turned.get(name)
        weight = held.get(name if behind is None else behind.input[0])
        if weight is None or weight.data_type != onnx.TensorProto.FLOAT or len(weight.dims) < 2:
            continue
        if name not in done:
            values = numpy_helper.to_array(weight)
            if behind is not None:
                # Turned here, once, and not in every call.
                values = values.transpose(_permutation(behind))
            axis = _channel_axis(node, values.ndim)
            others = tuple(each for each in range(values.ndim) if each != axis)
            largest = np.abs(values).max(axis=others)
            scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
            shape = [-1 if each == axis else 1 for each in range(values.ndim)]
            rounded = np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8)
            model.graph.initializer.extend(
                [
                    numpy_helper.from_array(rounded, f"{name}_int8"),
                    numpy_helper.from_array(scale, f"{name}_scale"),
                ]
            )
            added.append(
                helper.make_node(
                    "DequantizeLinear",
                    [f"{name}_int8", f"{name}_scale"],
                    [f"{name}_float"],
                    name=f"{name}_dequantise",
                    axis=axis,
                )
            )
            done[name] = f"{name}_float"
        node.input[1] = done[name]
    if not added:
        raise UnsupportedDeploymentError("it has no weights of convolutions or products to quantise")
    results = {each.name for each in model.graph.output}
    used = results.union(_names_read(model.graph.node))
    # What turned weights in every call is not called any more.
    live = (each for each in model.graph.node if each.output[0] not in turned or each.output[0] in used)
    nodes = [*added, *live]
    used = results.union(_names_read(nodes))
    left = [each for each in model.graph.initializer if each.name in used]
    fields: tuple[tuple[Any, list[Any]], ...] = ((model.graph.node, nodes), (model.graph.initializer, left))
    for field, kept in fields:
        # A field's own messages are emptied with it.
        copies = [type(each).FromString(each.SerializeToString()) for each in kept]
        del field[:]
        field.extend(copies)
    onnx.save(model, target, save_as_external_data=_has_external_data(source))


def _channel_axis(node: Any, dims: int) -> int:
    """Along which axis of a weight its output channels lie."""
    if node.op_type == "Conv":
        return 0
    attributes = {each.name: each.i for each in node.attribute}
    if node.op_type == "ConvTranspose":
        # Those of a grouped one lie along two axes.
        return 1 if attributes.get("group", 1) == 1 else 0
    if node.op_type == "Gemm":
        return 0 if attributes.get("transB", 0) else 1
    return dims - 1


def _names_read(nodes: Iterable[Any]) -> Iterator[str]:
    """What nodes read, and what is read in their branches and loops."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _names_read(inner.node)
                yield from (each.name for each in inner.output)


def _permutation(transpose: Any) -> list[int] | None:
    return next((list(each.ints) for each in transpose.attribute if each.name == "perm"), None)


def _depthwise(model: Any) -> list[str]:
    shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv"
        and shapes.get(node.input[1], (0, 0))[1] == 1
        and any(each.name == "group" and each.i > 1 for each in node.attribute)
    ]


def _has_external_data(source: Path) -> bool:
    return source.with_name(f"{source.name}.data").exists()
