"""ONNX Runtime: an inference library with kernels of its own, on the CPU or through CUDA."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchbench.backends.flat import as_module_returns
from benchbench.backends.onnx_file import FILE, write_onnx
from benchbench.backends.onnxruntime_graph import notes_on_graph, notes_on_providers
from benchbench.backends.onnxruntime_library import (
    PROVIDERS,
    bind,
    lacks_provider,
    open_library,
    session_options,
    stream_of,
    taken_by,
)
from benchbench.backends.quantise import quantise_onnx
from benchbench.backends.taken_inputs import check_inputs, in_dtype
from benchbench.backends.telemetry import decline_telemetry
from benchbench.backends.torch_session import check_shapes
from benchbench.core.backends import Backend, Fact, Network, Session, Setup
from benchbench.core.deployment_record import OperatorFate, OperatorNote
from benchbench.core.errors import ArtefactError
from benchbench.core.model import Options
from benchbench.core.precise import tf32_allowed

_TOLD: tuple[OperatorFate, ...] = ("fell_back", "not_fused", "not_quantised")


class OnnxRuntimeOptions(Options):
    """How ONNX Runtime computes.

    Attributes:
        spinning: whether its threads wait busily for more work. They then take the processor from whatever
            else runs there, other sessions of the same comparison among it.
        reduce_range: with int8, weights of seven bits: for x86 processors without VNNI instructions, where
            sums of products of eight bits saturate.
    """

    spinning: bool = False
    reduce_range: bool = False


def write_onnxruntime(network: Network, setup: Setup, folder: Path) -> Path:
    """Write `model.onnx`, in float32, in float16 for CUDA, or in int8.

    Raises:
        DependencyError: torch is older than 2.5.
        UnsupportedDeploymentError: an operator that does not export, or nothing to quantise.
        CalibrationError: too few inputs to calibrate on.
    """
    decline_telemetry()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    precision = setup.deployment.precision
    if precision != "int8":
        return write_onnx(network, setup, path, dtype=_dtype(setup))
    with tempfile.TemporaryDirectory(prefix="benchbench-") as temporary:
        source = write_onnx(network, setup, Path(temporary) / FILE)
        quantise_onnx(source, path, network, setup, reduce_range=setup.options.reduce_range)
    return path


def open_onnxruntime(network: Network, setup: Setup, artefact: Path | None) -> Session:
    """Open what `write_onnxruntime` wrote.

    Inputs have their memory from the start, on the device, and with fixed shapes results from the first call
    on. On a GPU `call` waits for torch's current stream, which in turn waits for it: events that are recorded
    there before and after a call hold it. The session's `operators` also sets its `operator_count`: the
    library tells both of a second copy of the graph alone.

    Raises:
        ArtefactError: the file is missing, damaged or of other inputs.
        UnsupportedDeploymentError: the provider is not there, or does not take the network.
    """
    decline_telemetry()
    if artefact is None:
        raise ArtefactError("ONNX Runtime was given no file to open", fix="write the artefact first")
    stream = stream_of(setup)
    library = open_library(artefact, session_options(setup), setup, stream=stream)
    inputs = in_dtype(network.inputs, _dtype(setup))
    check_inputs(taken_by(library), inputs, artefact)
    binding = bind(library, inputs, setup)
    fixed = setup.deployment.shapes == "static"
    is_bound = False

    def call() -> object:
        nonlocal is_bound
        if stream is not None:
            stream.wait_stream(torch.cuda.current_stream())
        library.run_with_iobinding(binding)
        if stream is not None:
            torch.cuda.current_stream().wait_stream(stream)
        if fixed and not is_bound:
            # The memory of the first results serves all later ones.
            is_bound = True
            for each, value in zip(library.get_outputs(), binding.get_outputs(), strict=True):
                binding.bind_ortvalue_output(each.name, value)
        return binding

    def run(given: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
        if fixed:
            check_shapes(given, network.inputs)
        own = bind(library, in_dtype(given, _dtype(setup)), setup)
        library.run_with_iobinding(own)
        # A copy: the library's memory goes with the binding.
        return as_module_returns(tuple(torch.tensor(each) for each in own.copy_outputs_to_cpu()))

    def operators() -> tuple[OperatorNote, ...]:
        notes, session.operator_count = _read_graph(artefact, setup, inputs)
        return notes

    session = Session(call=call, run=run, facts=_facts(library, setup), operators=operators, tells=_TOLD)
    return session


def _start() -> None:
    decline_telemetry()
    import onnxruntime

    onnxruntime.get_available_providers()


def _dtype(setup: Setup) -> torch.dtype:
    return torch.float16 if setup.deployment.precision == "fp16" else torch.float32


def _facts(library: Any, setup: Setup) -> dict[str, Fact]:
    import onnxruntime

    options = library.get_session_options()
    facts: dict[str, Fact] = {
        "onnxruntime": onnxruntime.__version__,
        "provider": library.get_providers()[0],
        "threads": options.intra_op_num_threads,
        "spinning": options.get_session_config_entry("session.intra_op.allow_spinning") == "1",
    }
    if setup.device == "cuda":
        facts["tf32"] = tf32_allowed()[1]
        told = library.get_provider_options().get(PROVIDERS["cuda"], {})
        facts["cudnn_conv_algo_search"] = told.get("cudnn_conv_algo_search")
    return facts


def _read_graph(
    artefact: Path, setup: Setup, inputs: Sequence[Tensor]
) -> tuple[tuple[OperatorNote, ...], int]:
    import onnx

    with tempfile.TemporaryDirectory(prefix="benchbench-") as temporary:
        options = session_options(setup)
        optimised = Path(temporary) / FILE
        options.optimized_model_filepath = str(optimised)
        profiled = setup.device == "cuda"
        if profiled:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(temporary) / "profile")
        library = open_library(artefact, options, setup)
        graph = onnx.load(optimised, load_external_data=False).graph
        notes = notes_on_graph(graph, setup)
        if profiled:
            library.run_with_iobinding(bind(library, inputs, setup))
            notes += notes_on_providers(Path(library.end_profiling()), PROVIDERS[setup.device])
    return notes, len(graph.node)


backend = Backend(
    options=OnnxRuntimeOptions,
    precisions={"cpu": ("fp32", "int8"), "cuda": ("fp32", "fp16")},
    open=open_onnxruntime,
    write=write_onnxruntime,
    packages=("onnx", "onnxscript", "onnxruntime"),
    extra="onnx",
    start=_start,
    lacks=lacks_provider,
    has_threads=True,
)
