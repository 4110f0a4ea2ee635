"""A network as an ONNX file: what inference libraries read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
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
# Before operator set 22 ONNX's convolutions know no bfloat16; for other kinds the exporter's own set will do.
_OPSETS = {torch.bfloat16: 22}
_OPERATOR = re.compile(r"OpOverload\(op='([\w.:]+)'")


def write_onnx(
    network: Network,
    setup: Setup,
    path: Path,
    *,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Export the network: positional inputs, flat outputs, in the order of the call and of the result.

    Inputs are named `input`, `input_1`, ..., or as their keywords, with a `_` behind where the graph has the
    name already; with `shapes: dynamic` batch, height and width stay open. Weights lie inside the file up to
    2 GiB, and beyond that in `model.onnx.data` beside it. The file holds no paths of this machine. Where it
    cannot be written whole there is none.

    Args:
        dtype: of the network's weights and floating-point inputs.

    Raises:
        DependencyError: torch is older than 2.5, which brought this exporter.
        UnsupportedDeploymentError: an operator that ONNX does not have, or not in this precision, or shapes
            that cannot be left open.
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
                exported, dynamo=True, verbose=False, opset_version=_OPSETS.get(dtype)
            )
    except Exception as error:  # the exporter raises kinds of its own, which no two versions share
        raise UnsupportedDeploymentError(
            f"it does not export to ONNX: {_reason(error)}",
            fix="write that part of `forward` with other operators, or leave this backend out",
        ) from error
    _name_inputs(program.model.graph, network)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _save(program, path)
    except BaseException as error:
        for each in (path, path.with_name(f"{path.name}.data")):
            each.unlink(missing_ok=True)
        if isinstance(error, OSError) or not isinstance(error, Exception):
            raise  # a full disk is no fault of the network
        raise UnsupportedDeploymentError(f"what it exports to is not valid ONNX: {_reason(error)}") from error
    return path


def input_names(network: Network, taken: Collection[str] = ()) -> list[str]:
    """What the inputs are called in a file: their keywords, or `input`, `input_1` and so on.

    Args:
        taken: names that other values of the file have.
    """
    places = network.places or ("",) * len(network.inputs)
    names: list[str] = []
    for index, place in enumerate(places):
        plain = re.sub(r"\W+", "_", place.strip(".")) or ("input" if index == 0 else f"input_{index}")
        name = plain if plain not in names else f"{plain}_{index}"
        while name in names or name in taken:
            name += "_"
        names.append(name)
    return names


def check_onnx(path: Path) -> None:
    """Whether a file is there, and whole.

    Raises:
        ArtefactError: it is missing, damaged or no ONNX file.
    """
    import onnx

    if not path.is_file():
        raise ArtefactError(f"{path} is missing", fix="export it again")
    try:
        onnx.checker.check_model(str(path))
    except Exception as error:  # protobuf and the checker raise whatever a foreign file leads them to
        raise ArtefactError(
            f"{path} is damaged, or no ONNX file: {complaint(error)}", fix="export it again"
        ) from error


def _torch_version() -> tuple[int, int]:
    major, minor = re.findall(r"\d+", torch.__version__)[:2]
    return int(major), int(minor)


def _in_dtype(network: Network, dtype: torch.dtype) -> Network:
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


def _name_inputs(graph: Any, network: Network) -> None:
    # The exporter calls values as their operators, and would give a name a second time.
    own = set(graph.inputs)
    taken = {
        value.name
        for part in _with_inner(graph)
        for value in (
            *part.inputs,
            *part.initializers.values(),
            *(made for node in part for made in node.outputs),
        )
        if value not in own
    }
    for value, name in zip(graph.inputs, input_names(network, taken), strict=True):
        value.name = name


def _with_inner(graph: Any) -> Iterator[Any]:
    """A graph, and those of its branches and loops."""
    yield graph
    for node in graph:
        for attribute in node.attributes.values():
            kind = attribute.type.name
            inner = (attribute.value,) if kind == "GRAPH" else attribute.value if kind == "GRAPHS" else ()
            for each in inner:
                yield from _with_inner(each)


def _save(program: Any, path: Path) -> None:
    import onnx

    size = sum(each.numel() * each.element_size() for each in program.exported_program.state_dict.values())
    for whole in (program.model.graph, *program.model.functions.values()):
        for node in (each for part in _with_inner(whole) for each in part):
            # Where in somebody's source a node came from.
            node.metadata_props.clear()
            node.doc_string = None
    program.save(str(path), external_data=size > _LARGEST_BYTES)
    onnx.checker.check_model(str(path), full_check=True)
