"""OpenVINO: an inference library for Intel's and other processors, with kernels made for each layer."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchbench.backends.complaint import complaint
from benchbench.backends.flat import as_module_returns
from benchbench.backends.onnx_file import write_onnx
from benchbench.backends.openvino_graph import executed_layers, notes_on_layers, notes_on_weights
from benchbench.backends.quantise import Preset, quantise_openvino
from benchbench.backends.taken_inputs import Taken, check_inputs, in_dtype
from benchbench.backends.telemetry import decline_telemetry
from benchbench.backends.torch_session import check_shapes
from benchbench.core.backends import Backend, Fact, Network, Session, Setup
from benchbench.core.deployment_record import OperatorNote
from benchbench.core.errors import ArtefactError, UnsupportedDeploymentError
from benchbench.core.model import Options

FILE = "model.xml"
# Int8 too: on processors that compute in bfloat16, what is left in float would go to it unasked.
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
_CAPABILITIES = {"bf16": "BF16", "fp16": "FP16", "int8": "INT8"}


class OpenVinoOptions(Options):
    """How OpenVINO computes.

    Attributes:
        preset: with int8: `performance`, symmetric ranges; `mixed`, asymmetric ones for activations that may
            be negative.
    """

    preset: Preset = "performance"


def write_openvino(network: Network, setup: Setup, folder: Path) -> Path:
    """Write `model.xml` and `model.bin`, in float32 or int8; narrower floats are made when it is opened.

    The way is by ONNX, whose graph OpenVINO runs faster than what it makes of torch's own.

    Raises:
        DependencyError: torch is older than 2.5.
        UnsupportedDeploymentError: an operator that does not go through, or that cannot be quantised.
        CalibrationError: too few inputs to calibrate on.
    """
    decline_telemetry()
    import openvino

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchbench-") as temporary:
        source = write_onnx(network, setup, Path(temporary) / "model.onnx")
        try:
            model = openvino.Core().read_model(source)
        except RuntimeError as error:
            raise UnsupportedDeploymentError(
                f"OpenVINO does not take it: {complaint(error)}",
                fix="write that part of `forward` with other operators, or leave this backend out",
            ) from error
        _fold_constants(model)
        if setup.deployment.precision == "int8":
            model = quantise_openvino(model, network, setup, preset=setup.options.preset)
        path = folder / FILE
        openvino.save_model(model, path, compress_to_fp16=False)
    return path


def open_openvino(network: Network, setup: Setup, artefact: Path | None) -> Session:
    """Open what `write_openvino` wrote, on the CPU, for one inference at a time.

    Raises:
        ArtefactError: a file is missing, damaged or of other inputs.
        UnsupportedDeploymentError: OpenVINO cannot compile it, or takes fewer threads than were asked for.
    """
    decline_telemetry()
    import openvino

    if artefact is None:
        raise ArtefactError("OpenVINO was given no file to open", fix="write the artefact first")
    core = openvino.Core()
    model = _read(core, artefact, network)
    try:
        compiled = core.compile_model(model, "CPU", _settings(setup))
    except RuntimeError as error:
        raise UnsupportedDeploymentError(f"OpenVINO cannot compile it: {complaint(error)}") from error
    facts = _facts(compiled)
    if facts["threads"] != setup.threads:
        raise UnsupportedDeploymentError(
            f"OpenVINO takes {facts['threads']} threads here, and {setup.threads} were asked for",
            fix="ask for no more threads than the process has processors",
        )
    request = compiled.create_infer_request()
    # Into memory of its own: it does not keep alive what it is lent.
    for index, each in enumerate(network.inputs):
        tensor = request.get_input_tensor(index)
        tensor.shape = list(each.shape)
        tensor.data[...] = each.detach().numpy()
    other = compiled.create_infer_request()
    fixed = setup.deployment.shapes == "static"

    def call() -> object:
        return request.infer(share_outputs=True)

    def run(given: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
        if fixed:
            check_shapes(given, network.inputs)
        made = other.infer([each.detach().contiguous().numpy() for each in given], share_inputs=True)
        return as_module_returns(tuple(torch.tensor(made[index]) for index in range(len(compiled.outputs))))

    layers = executed_layers(compiled)

    def operators() -> tuple[OperatorNote, ...]:
        notes = notes_on_layers(layers, setup)
        return (*notes, *notes_on_weights(artefact)) if setup.deployment.quantise == "weights" else notes

    return Session(
        call=call,
        run=run,
        facts=facts,
        operators=operators,
        tells=("fell_back", "not_quantised", "not_lowered"),
        operator_count=len(layers),
    )


def lacks_capability(setup: Setup) -> str | None:
    """What the processor lacks for a precision, by OpenVINO's account."""
    decline_telemetry()
    import openvino

    wanted = _CAPABILITIES.get(setup.deployment.precision)
    if wanted is None or (wanted == "INT8" and setup.deployment.quantise == "weights"):
        return None
    there = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if wanted in there:
        return None
    return (
        f"OpenVINO has no {setup.deployment.precision} on this processor (it has {', '.join(sorted(there))})"
    )


def _start() -> None:
    decline_telemetry()
    import openvino

    openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")


def _fold_constants(model: Any) -> None:
    # The ONNX reader leaves grouped weights behind a computed reshape, where NNCF takes the wrong axis for
    # the channels, and depthwise convolutions then stay in float.
    from openvino.passes import ConstantFolding, Manager

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)


def _settings(setup: Setup) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": setup.threads,
        # With a hint for latency it would leave every second hardware thread idle.
        "ENABLE_HYPER_THREADING": True,
        "SCHEDULING_CORE_TYPE": "ANY_CORE",
        # Affinity is the process's, as it is for every other backend.
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": _HINTS[setup.deployment.precision],
    }


def _read(core: Any, artefact: Path, network: Network) -> Any:
    for path in (artefact, artefact.with_suffix(".bin")):
        if not path.is_file():
            raise ArtefactError(f"{path} is missing", fix="export it again")
    try:
        model = core.read_model(artefact)
    except RuntimeError as error:
        raise ArtefactError(
            f"{artefact} is damaged, or no OpenVINO model: {complaint(error)}", fix="export it again"
        ) from error
    taken = [
        Taken(
            tuple(dim.get_length() if dim.is_static else None for dim in each.get_partial_shape()),
            each.get_element_type().to_dtype().name,
        )
        for each in model.inputs
    ]
    # Narrower floats are made inside: a file takes float32.
    check_inputs(taken, in_dtype(network.inputs, torch.float32), artefact)
    return model


def _facts(compiled: Any) -> dict[str, Fact]:
    import openvino

    told = compiled.get_property
    return {
        "openvino": openvino.__version__,
        "threads": int(told("INFERENCE_NUM_THREADS")),
        "precision_hint": told("INFERENCE_PRECISION_HINT").get_type_name(),
        "streams": int(told("NUM_STREAMS")),
        "pinning": bool(told("ENABLE_CPU_PINNING")),
    }


backend = Backend(
    options=OpenVinoOptions,
    precisions={"cpu": ("fp32", "bf16", "fp16", "int8")},
    open=open_openvino,
    write=write_openvino,
    packages=("onnx", "onnxscript", "openvino", "nncf"),
    extra="openvino",
    start=_start,
    lacks=lacks_capability,
    has_threads=True,
)
