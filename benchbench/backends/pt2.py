"""A network as torch.export saves it: one file that torch opens without the network's source."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchbench.backends.complaint import complaint
from benchbench.backends.exported import export_program, quiet_exporter
from benchbench.backends.placement import move_in_place, place_module, placement_of, torch_facts
from benchbench.backends.taken_inputs import Taken, check_inputs, dtype_name
from benchbench.backends.torch_session import torch_session
from benchbench.core.backends import Network, Session, Setup
from benchbench.core.errors import ArtefactError, UnsupportedDeploymentError

FILE = "model.pt2"


def write_pt2(network: Network, setup: Setup, folder: Path) -> Path:
    """Export the network in the setup's precision, positional tensors in, a tuple out.

    With `shapes: dynamic` the first size of every input, and height and width of those with 4 dimensions,
    are left open, within what the network itself asks (a multiple of 4, say).

    Returns:
        `model.pt2` in `folder`.

    Raises:
        UnsupportedDeploymentError: what the network does cannot be exported, or not with open shapes.
    """
    # Torch cannot save weights in channels_last whole; they are laid out when the file is opened.
    placement = placement_of(setup, memory_format="contiguous")
    module = place_module(network.module, placement)
    with torch.inference_mode(False), torch.no_grad():
        inputs = placement.convert(network.inputs)
    placed = Network(module, inputs, network.places)
    program = export_program(placed, is_open=setup.deployment.shapes == "dynamic")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    torch.export.save(program, path)
    return path


def open_pt2(path: Path, network: Network, setup: Setup) -> Session:
    """Open what `write_pt2` wrote, in eager torch. The network's module is not used.

    Only for files of one's own: torch's loader unpickles.

    Raises:
        ArtefactError: the file is missing, damaged, no exported program, or of other inputs.
    """
    placement = placement_of(setup)
    program = _load(path)
    fixed = setup.deployment.shapes == "static"
    inputs = placement.convert(network.inputs)
    check_inputs([_taken(each) for each in _inputs_of(program)], inputs, path)
    function = _held_to_shapes(move_in_place(program.module(), placement))
    flat_network = Network(network.module, inputs)
    facts = torch_facts(setup, placement)
    return torch_session(function, flat_network, placement, facts=facts, fixed=fixed)


def _held_to_shapes(module: nn.Module) -> Callable[..., object]:
    def call(*inputs: Tensor) -> object:
        try:
            made: object = module(*inputs)
        except (AssertionError, RuntimeError) as error:
            # As torch tells that inputs are outside of what the program was exported for.
            if str(error).startswith(("Guard failed", "Expected input")):
                raise UnsupportedDeploymentError(
                    f"the program was not exported for these shapes: {complaint(error)}"
                ) from error
            raise
        return made

    return call


def _inputs_of(program: Any) -> list[Any]:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    return [values[name] for name in program.graph_signature.user_inputs]


def _load(path: Path) -> Any:
    if not path.is_file():
        raise ArtefactError(f"{path} is missing", fix="export it again")
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        with quiet_exporter():
            program = None if broken else torch.export.load(path)
    except Exception as error:  # the loader raises whatever it stumbles over in a file that it did not write
        raise ArtefactError(
            f"{path} is damaged, or no exported program: {complaint(error)}", fix="export it again"
        ) from error
    if program is None:
        raise ArtefactError(f"{path} is damaged: {broken} does not have its checksum", fix="export it again")
    return program


def _taken(value: Any) -> Taken:
    # An open size is a symbol.
    sizes = tuple(size if isinstance(size, int) else None for size in value.shape)
    return Taken(sizes, dtype_name(value.dtype))
