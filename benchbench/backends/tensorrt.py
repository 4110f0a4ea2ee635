"""NVIDIA TensorRT: an engine built from the network's ONNX form for the GPU that it is built on."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from benchbench.backends.placement import lacks_precision
from benchbench.backends.taken_inputs import Taken, check_inputs, dtype_name, in_dtype
from benchbench.backends.tensorrt_quantise import quantise_symmetrically
from benchbench.backends.torch_session import check_shapes, results_of
from benchbench.core.backends import Backend, Fact, Network, Session, Setup
from benchbench.core.errors import ArtefactError, MeasurementError, UnsupportedDeploymentError
from benchbench.core.model import Options
from benchbench.core.precise import tf32_allowed

FILE = "model.engine"
_DTYPES = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT8": torch.int8,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
}


class TensorRTOptions(Options):
    """How an engine is built.

    Attributes:
        optimization_level: 0 to 5: how long TensorRT looks for fast kernels; its own default is 3.
    """

    optimization_level: Annotated[int, Field(ge=0, le=5)] = 3


def write_engine(network: Network, setup: Setup, folder: Path) -> Path:
    """Build an engine for this machine's GPU; it runs on no other kind.

    Networks are strongly typed, as TensorRT 11 has them alone: the ONNX form is written in the precision
    that is asked for, with quantising and dequantising nodes for int8.

    Returns:
        `model.engine` in `folder`.

    Raises:
        UnsupportedDeploymentError: the network does not go to ONNX, or TensorRT does not take it.
        CalibrationError: int8 with too few inputs to calibrate on, or of other shapes.
    """
    from benchbench.backends.onnx_file import write_onnx

    precision = setup.deployment.precision
    with tempfile.TemporaryDirectory(prefix="benchbench-") as scratch:
        path = write_onnx(network, setup, Path(scratch) / "model.onnx", dtype=_dtype(setup))
        if precision == "int8":
            path = quantise_symmetrically(path, network, Path(scratch) / "quantised.onnx")
        plan = _build(path, setup.options)
    engine = folder / FILE
    engine.write_bytes(plan)
    return engine


def open_engine(network: Network, setup: Setup, artefact: Path | None) -> Session:
    """Open an engine, with its inputs and outputs in fixed places on the GPU.

    `call` runs on the example inputs, on a stream of its own that the current one waits for. `run` copies
    other values of the same shapes there, and the examples back.

    Raises:
        ArtefactError: the file is missing, damaged, of another GPU or TensorRT, or of other inputs.
    """
    import tensorrt as trt

    log = _log(trt)
    runtime = trt.Runtime(log)
    engine = _read(runtime, artefact, log)
    context = engine.create_execution_context()
    if context is None:
        raise MeasurementError(f"TensorRT cannot prepare the engine to run: {log.first}")
    dtypes = {getattr(trt.DataType, name): dtype for name, dtype in _DTYPES.items()}
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    taken = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    bound = {
        name: torch.empty(
            tuple(engine.get_tensor_shape(name)),
            dtype=dtypes[engine.get_tensor_dtype(name)],
            device=setup.device,
        )
        for name in names
    }
    buffers = [bound[name] for name in taken]
    made = tuple(bound[name] for name in names if name not in taken)
    taken = [Taken(tuple(each.shape), dtype_name(each.dtype)) for each in buffers]
    check_inputs(taken, in_dtype(network.inputs, _dtype(setup)), artefact)
    for name, buffer in bound.items():
        context.set_tensor_address(name, buffer.data_ptr())
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    _fill(buffers, network.inputs)

    # The engine lives no longer than its runtime.
    def call(runtime: Any = runtime) -> object:
        # On the default stream TensorRT would wait for the whole device at each call.
        stream.wait_stream(torch.cuda.current_stream())
        if not context.execute_async_v3(stream.cuda_stream):
            raise MeasurementError(f"TensorRT fails to run the engine: {log.first}")
        torch.cuda.current_stream().wait_stream(stream)
        return made

    def run(given: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
        check_shapes(given, buffers)
        with torch.inference_mode(False), torch.no_grad():
            _fill(buffers, given)
            call()
            results = results_of(made)
            _fill(buffers, network.inputs)
        return results

    facts: dict[str, Fact] = {
        "tensorrt": trt.__version__,
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name(),
        "precision": setup.deployment.precision,
        "tf32": _allows_tf32(),
    }
    return Session(call=call, run=run, facts=facts, operator_count=engine.num_layers)


def _dtype(setup: Setup) -> torch.dtype:
    wide = torch.float32
    return {"fp16": torch.float16, "bf16": torch.bfloat16}.get(setup.deployment.precision, wide)


def _allows_tf32() -> bool:
    # One switch for convolutions and products: as torch's convolutions do, which take most of the time, and
    # on its own TensorRT rounds both.
    return tf32_allowed()[1]


def _fill(buffers: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)


def _build(path: Path, options: TensorRTOptions) -> bytes:
    import tensorrt as trt

    log = _log(trt)
    builder = trt.Builder(log)
    # TensorRT 11 knows no other networks, and ignores the flag.
    definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(definition, log)
    if not parser.parse_from_file(str(path)):
        raise UnsupportedDeploymentError(f"TensorRT does not take the network: {_parse_error(parser, log)}")
    config = builder.create_builder_config()
    config.builder_optimization_level = options.optimization_level
    if not _allows_tf32():
        config.clear_flag(trt.BuilderFlag.TF32)
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        raise UnsupportedDeploymentError(f"TensorRT builds no engine of the network: {log.first}")
    return bytes(plan)


def _parse_error(parser: Any, log: Any) -> str:
    if not parser.num_errors:
        return str(log.first)
    error = parser.get_error(0)
    operator = error.node_operator()
    said = " ".join(str(error.desc()).split())
    return f"{operator}: {said}" if operator else said


def _read(runtime: Any, artefact: Path | None, log: Any) -> Any:
    if artefact is None or not artefact.is_file():
        raise ArtefactError(f"the engine {artefact or FILE} is missing", fix="build it again")
    engine = runtime.deserialize_cuda_engine(artefact.read_bytes())
    if engine is None:
        raise ArtefactError(
            f"{artefact} is damaged, or of another GPU or TensorRT: {log.first}", fix="build it again"
        )
    return engine


def _log(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]
        """Keeps the errors; the library prints nothing."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                self.errors.append(" ".join(msg.split()))

        @property
        def first(self) -> str:
            return self.errors[0] if self.errors else "no reason given"

    return Log()


def _lacks(setup: Setup) -> str | None:
    if setup.deployment.quantise == "weights":
        return "it quantises weights and activations, not weights alone"
    return lacks_precision(setup)


backend = Backend(
    options=TensorRTOptions,
    precisions={"cuda": ("fp32", "bf16", "fp16", "int8")},
    open=open_engine,
    write=write_engine,
    packages=("tensorrt", "onnx", "onnxruntime", "onnxscript"),
    extra="tensorrt",
    shapes=("static",),
    lacks=_lacks,
)
