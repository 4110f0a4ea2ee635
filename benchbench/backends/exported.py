"""A network as a graph of torch.export: what is written for an inference library is written from it."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import is_concrete_int

from benchbench.backends.complaint import complaint
from benchbench.backends.flat import Flat
from benchbench.core.backends import Network
from benchbench.core.errors import UnsupportedDeploymentError
from benchbench.core.imports import told

# torch tells the line of the network that it was in, where it knows it.
_CALL = re.compile(
    r'following call raised this error:\s*File "(?P<file>[^"]+)", line (?P<line>\d+)[^\n]*\n(?P<code>[^\n]*)'
)
_OPEN = {0: "batch", 2: "height", 3: "width"}


def export_program(network: Network, *, is_open: bool) -> Any:
    """The network with positional tensors in and a tuple of them out, as a `torch.export.ExportedProgram`.

    Args:
        is_open: whether the first size of every input, and height and width of those with 4 dimensions, are
            left open, within what the network itself asks (a multiple of 4, say).

    Raises:
        UnsupportedDeploymentError: what the network does cannot be exported, or not with open shapes.
    """
    with torch.inference_mode(False), torch.no_grad():
        module = _outside_inference_mode(network.module)
        inputs = tuple(each.clone() if each.is_inference() else each for each in network.inputs)
        if is_open:
            inputs = tuple(_doubled(each) for each in inputs)
        shapes = (tuple(_open_dims(each) for each in inputs),) if is_open else None
        flat = Flat(Network(module, inputs, network.places)).eval()
        try:
            with quiet_exporter():
                program = torch.export.export(flat, inputs, dynamic_shapes=shapes, strict=False)
        except Exception as error:  # the exporter runs the network's own code, which may raise anything
            raise _refusal(error) from error
    if is_open:
        _check_open(program, inputs)
    return program


def _refusal(error: Exception) -> UnsupportedDeploymentError:
    found = _CALL.search(str(error))
    at = f" ({Path(found['file']).name}:{found['line']}: {found['code'].strip()})" if found else ""
    if "data-dependent" in str(error):
        return UnsupportedDeploymentError(
            f"its forward pass depends on the values of tensors, and cannot be one graph{at}",
            fix="choose by `torch.where` or `torch.cond`, or leave this backend out",
        )
    return UnsupportedDeploymentError(
        f"it cannot be exported: {complaint(error)}{at}",
        fix="write that part of `forward` with operators that export, or leave this backend out",
    )


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Nothing of what torch's exporters print, log, or warn of in their own code."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            contextlib.redirect_stderr(io.StringIO()),
            contextlib.redirect_stdout(io.StringIO()),
            warnings.catch_warnings(),
        ):
            # torch copies its own tree specifications by a way that it deprecated.
            warnings.filterwarnings("ignore", message=r".*treespec, LeafSpec", category=FutureWarning)
            yield
    finally:
        logging.disable(before)


def _outside_inference_mode(module: nn.Module) -> nn.Module:
    made_in_it = [each for each in (*module.parameters(), *module.buffers()) if each.is_inference()]
    if not made_in_it:
        return module
    memo: dict[int, Any] = {
        id(each): nn.Parameter(each.clone(), requires_grad=False)
        if isinstance(each, nn.Parameter)
        else each.clone()
        for each in made_in_it
    }
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # somebody's part may refuse to be copied in any way
        raise UnsupportedDeploymentError(
            f"its weights were made in inference mode, and it cannot be copied: {told(error)}",
            fix="build it outside of `torch.inference_mode`",
        ) from error


def _open_dims(value: Tensor) -> dict[int, Any]:
    auto = getattr(torch.export.Dim, "AUTO", None)
    if auto is None:
        raise UnsupportedDeploymentError(
            f"torch {torch.__version__} does not find out which shapes can be left open",
            fix="pip install 'torch>=2.6', or declare `shapes: static`",
        )
    return {index: auto for index in _OPEN if index < value.dim() and (index == 0 or value.dim() == 4)}


def _doubled(value: Tensor) -> Tensor:
    # A size of 1 would be taken for a constant.
    return value.repeat_interleave(2, 0) if value.dim() and value.shape[0] == 1 else value


def _check_open(program: Any, inputs: tuple[Tensor, ...]) -> None:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    names = program.graph_signature.user_inputs
    for index, (name, value) in enumerate(zip(names, inputs, strict=True)):
        for dim in _open_dims(value):
            size = values[name].shape[dim]
            # A size that turned out to be fixed is still a symbol, of one value.
            if is_concrete_int(size):
                raise UnsupportedDeploymentError(
                    f"the {_OPEN[dim]} of input {index} cannot be left open: the network fixes it at {size}",
                    fix="declare `shapes: static`",
                )
