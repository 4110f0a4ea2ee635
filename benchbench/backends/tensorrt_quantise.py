"""An ONNX file quantised as TensorRT takes it: int8 around zero, biases left in floating point."""

from __future__ import annotations

from pathlib import Path

from benchbench.backends.calibration import calibration_arrays, onnx_reader, quietly
from benchbench.core.backends import Network
from benchbench.core.errors import UnsupportedDeploymentError
from benchbench.core.imports import told

_HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def quantise_symmetrically(source: Path, network: Network, target: Path) -> Path:
    """Quantise weights per channel and activations per tensor, all zero points 0, by onnxruntime's tool.

    Args:
        source: what `write_onnx` wrote of the network, in float32.
        target: where the quantised file goes.

    Raises:
        CalibrationError: too few inputs to calibrate on, or of other shapes.
        UnsupportedDeploymentError: the tool cannot quantise the network.

    Source: NVIDIA's documentation of explicit quantisation, and onnxruntime's of its TensorRT provider, on
        which nodes TensorRT takes.
    """
    sets = calibration_arrays(network)
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    names = [each.name for each in onnx.load(source, load_external_data=False).graph.input]
    try:
        with quietly():
            quantize_static(
                str(source),
                str(target),
                onnx_reader(sets, names),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_HEAVY),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "AddQDQPairToWeight": True,
                    "QuantizeBias": False,
                },
            )
    except Exception as error:  # the tool raises whatever a graph leads it to
        raise UnsupportedDeploymentError(f"it cannot be quantised: {told(error)}") from error
    return target
