"""A network as an ONNX file: what inference libraries read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from benchbench.backends.complaint import complaint
from benchbench.backends.exported import export_program, quiet_exporter
from benchbench.backends.placement import Placement, place_module
from benchbench.backends.telemetry import decline_telemetry
from benchbench.core.backends import Network, Setup
from benchbench.core.errors import ArtefactError, DependencyError, UnsupportedDeploymentError
from benchbench.core.imports import told

FILE = "model.onnx"
# A protobuf message ends at 2 GiB; some of it is the graph's.
_LARGEST_BYTES = 2**31 - 2**26
_OPERATOR = re.compile(r"OpOverload\(op='([\w.:]+)'")


def write_onnx(
    network: Network,
    setup: Setup,
    path: Path,
    *,
    dtype: torch.dtype = torch.float32,
    opset: int | None = None,
) -> Path:
    """Export the network: positional inputs, flat outputs, in the order of the call and of the result.

    Inputs are named `input`, `input_1`, ..., or as their keywords; with `shapes: dynamic` batch, height and
    width stay open. Weights lie inside the file up to 2 GiB, and beyond that in `model.onnx.data` beside it.
    The file holds no paths of this machine.

    Args:
        dtype: of the network's weights and floating-point inputs.
        opset: the ONNX operator set; by default the exporter's own.

    Raises:
        DependencyError: torch is older than 2.5, which brought this exporter.
        UnsupportedDeploymentError: an operator that ONNX does not have, or shapes that cannot be left open.
    """
    # The exporter looks for ONNX Runtime, and imports it.
    decline_telemetry()
    if _torch_version() < (2, 5):
        raise DependencyError(
            f"torch {torch.__version__} has no ONNX exporter of this kind", fix="pip install 'torch>=2.5'"
        )
    exported = export_program(_in_dtype(network, dtype), is_open=setup.deployment.shapes == "dynamic")
    try:
        with quiet_exporter():
            program: Any = torch.onnx.export(
                exported, dynamo=True, verbose=False, input_names=input_names(network), opset_version=opset
            )
    except Exception as error:  # the exporter raises kinds of its own, which no two versions share
        raise UnsupportedDeploymentError(f"it does not export to ONNX: {_reason(error)}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    _save(program, path)
    return path


def input_names(network: Network) -> list[str]:
    """What the inputs are called in a file: their keywords, or `input`, `input_1` and so on."""
    places = network.places or ("",) * len(network.inputs)
    names: list[str] = []
    for index, place in enumerate(places):
        plain = re.sub(r"\W+", "_", place.strip(".")) or ("input" if index == 0 else f"input_{index}")
        names.append(plain if plain not in names else f"{plain}_{index}")
    return names


def read_onnx(path: Path, network: Network, *, with_weights: bool = True) -> Any:
    """The `onnx.ModelProto` of a file that `write_onnx` made of the network.

    Raises:
        ArtefactError: the file is missing, damaged, no ONNX file, or of other inputs.
    """
    import onnx

    if not path.is_file():
        raise ArtefactError(f"{path} is missing", fix="export it again")
    try:
        model = onnx.load(path, load_external_data=with_weights)
        onnx.checker.check_model(str(path))
    except Exception as error:  # protobuf and the checker raise whatever a foreign file leads them to
        raise ArtefactError(
            f"{path} is damaged, or no ONNX file: {complaint(error)}", fix="export it again"
        ) from error
    shapes = [
        [dim.dim_value or None for dim in each.type.tensor_type.shape.dim] for each in model.graph.input
    ]
    check_inputs(shapes, network, path)
    return model


def check_inputs(shapes: list[list[int | None]], network: Network, path: Path) -> None:
    """Whether a file takes what the network takes; None is an open size.

    Raises:
        ArtefactError: it does not.
    """
    wanted = [list(each.shape) for each in network.inputs]
    same = len(shapes) == len(wanted) and all(
        len(shape) == len(own) and all(a in (None, b) for a, b in zip(shape, own, strict=True))
        for shape, own in zip(shapes, wanted, strict=True)
    )
    if not same:
        told_shapes = ", ".join(f"[{', '.join(str(each or '?') for each in shape)}]" for shape in shapes)
        raise ArtefactError(
            f"{path} takes {told_shapes or 'nothing'}, and the network {', '.join(map(str, wanted))}",
            fix="export it again",
        )


def _torch_version() -> tuple[int, int]:
    major, minor = re.findall(r"\d+", torch.__version__)[:2]
    return int(major), int(minor)


def _in_dtype(network: Network, dtype: torch.dtype) -> Network:
    if dtype == torch.float32:
        return network
    placement = Placement(torch.device("cpu"), dtype, torch.contiguous_format)
    with torch.inference_mode(False), torch.no_grad():
        module = place_module(network.module, placement)
        return Network(module, placement.convert(network.inputs), network.places)


def _reason(error: BaseException) -> str:
    """The operator that has no translation, or else the innermost complaint."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(inner)
    for each in reversed(chain):
        found = _OPERATOR.search(str(each))
        if found is not None:
            return f"the operator {found.group(1)} has no translation"
    return told(chain[-1]) if isinstance(chain[-1], Exception) else complaint(error)


def _save(program: Any, path: Path) -> None:
    import onnx

    size = sum(each.numel() * each.element_size() for each in program.exported_program.state_dict.values())
    for node in program.model.graph:
        # Where in somebody's source a node came from.
        node.metadata_props.clear()
        node.doc_string = None
    program.save(str(path), external_data=size > _LARGEST_BYTES)
    onnx.checker.check_model(str(path), full_check=True)
