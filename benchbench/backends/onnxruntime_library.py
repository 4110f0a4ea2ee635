"""ONNX Runtime itself: what it has here, a file opened in it, and inputs bound to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchbench.backends.complaint import complaint
from benchbench.backends.onnx_file import check_onnx
from benchbench.backends.taken_inputs import Taken
from benchbench.backends.telemetry import decline_telemetry
from benchbench.core.backends import Lack, Setup
from benchbench.core.errors import ArtefactError, UnsupportedDeploymentError
from benchbench.core.precise import tf32_allowed

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def lacks_provider(setup: Setup) -> str | Lack | None:
    """What ONNX Runtime, as it is installed, lacks for a device."""
    decline_telemetry()
    import onnxruntime

    wanted = PROVIDERS[setup.device]
    there = onnxruntime.get_available_providers()
    if wanted in there:
        return None
    words = f"the onnxruntime installed here has no {wanted} (it has {', '.join(there)})"
    if setup.device == "cuda" and torch.cuda.is_available():
        # Both packages bring the module, and the one that was installed last would hide the other.
        return Lack(words, fix="pip uninstall onnxruntime, and then pip install onnxruntime-gpu in its place")
    return words


def session_options(setup: Setup) -> Any:
    """The library's `SessionOptions` of a setup; nothing in them is of a device."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setup.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "1" if setup.options.spinning else "0"
    )
    options.log_severity_level = 3  # errors, which are raised as well
    return options


def stream_of(setup: Setup) -> torch.cuda.Stream | None:
    """A stream for a session on a GPU to run on; None on the CPU."""
    # The library takes the address of torch's default stream, which is 0, for none.
    return torch.cuda.Stream() if setup.device == "cuda" else None  # type: ignore[no-untyped-call]


def _provider_options(setup: Setup, stream: torch.cuda.Stream | None) -> dict[str, str]:
    if setup.device != "cuda":
        return {}
    # As torch's convolutions do, which it is compared with; on its own it takes TF32.
    options = {"use_tf32": "1" if tf32_allowed()[1] else "0"}
    return options if stream is None else {**options, "user_compute_stream": str(stream.cuda_stream)}


def open_library(
    artefact: Path, options: Any, setup: Setup, *, stream: torch.cuda.Stream | None = None
) -> Any:
    """The library's `InferenceSession` of a file, on the setup's device alone.

    Args:
        artefact: `model.onnx`.
        options: the library's `SessionOptions`.
        stream: what it runs on, on a GPU; one that it makes itself, unseen by torch, where None is given.

    Raises:
        ArtefactError: the file is missing or damaged.
        UnsupportedDeploymentError: the provider is not there, or does not take the network.
    """
    import onnxruntime

    wanted = PROVIDERS[setup.device]
    lacking = lacks_provider(setup)
    if isinstance(lacking, Lack):
        raise UnsupportedDeploymentError(lacking.what, fix=lacking.fix)
    if lacking is not None:
        raise UnsupportedDeploymentError(lacking)
    try:
        library = onnxruntime.InferenceSession(
            str(artefact), options, providers=[wanted], provider_options=[_provider_options(setup, stream)]
        )
    except Exception as error:  # its errors share no base but this
        # Not asked before: it takes as long as to open the file, which is timed.
        check_onnx(artefact)
        name = type(error).__name__
        if name in ("InvalidProtobuf", "NoSuchFile", "InvalidGraph"):
            raise ArtefactError(
                f"{artefact} is damaged: {complaint(error)}", fix="export it again"
            ) from error
        raise UnsupportedDeploymentError(f"ONNX Runtime cannot open it: {complaint(error)}") from error
    # A provider whose libraries do not load is left out with a warning.
    if library.get_providers()[0] != wanted:
        raise UnsupportedDeploymentError(
            f"{wanted} could not be started, and {library.get_providers()[0]} would run in its place",
            fix="install the CUDA and cuDNN that this onnxruntime was built for"
            if setup.device == "cuda"
            else None,
        )
    return library


def taken_by(library: Any) -> list[Taken]:
    """What a session's file takes."""
    return [
        Taken(
            # An open size has a name, or none.
            tuple(size if isinstance(size, int) else None for size in each.shape),
            _dtype_of(each.type),
        )
        for each in library.get_inputs()
    ]


def _dtype_of(kind: str) -> str:
    # `tensor(float)` and `tensor(double)` are as C calls them, all others as torch does.
    name = kind.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(name, name)


def bind(library: Any, inputs: Sequence[Tensor], setup: Setup) -> Any:
    """An `IOBinding` of a session: inputs in memory of their own on the device, results left there."""
    import onnxruntime

    binding = library.io_binding()
    for each, value in zip(library.get_inputs(), inputs, strict=True):
        array = value.detach().cpu().contiguous().numpy()
        # Memory of its own: a binding does not keep alive what it is lent.
        own = onnxruntime.OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype, setup.device, 0)
        own.update_inplace(array)
        binding.bind_ortvalue_input(each.name, own)
    for each in library.get_outputs():
        binding.bind_output(each.name, setup.device)
    return binding
