"""A CUDA graph of the eager network: its kernels are recorded once, and launched together ever after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from benchbench.backends.complaint import complaint
from benchbench.backends.placement import FLOATING, lacks_precision, place_module, placement_of, torch_facts
from benchbench.backends.torch_session import check_shapes, results_of
from benchbench.core.arguments import assemble
from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.errors import UnsupportedDeploymentError
from benchbench.core.model import Options

_WARM_UP_CALLS = 3


class CudaGraphOptions(Options):
    """A CUDA graph has no options."""


def open_graph(network: Network, setup: Setup, artefact: Path | None = None) -> Session:
    """Capture one call of the network on the example inputs.

    `call` replays it on the buffers that hold the example inputs. `run` copies other values of the same
    shapes there, replays, and copies the examples back.

    Raises:
        UnsupportedDeploymentError: the network waits for the GPU or does something else that cannot be
            captured, or it cannot be copied to the GPU.
    """
    placement = placement_of(setup)
    module = place_module(network.module, placement)
    with torch.inference_mode(False), torch.no_grad():
        examples = placement.convert(network.inputs)
        buffers = tuple(each.clone() for each in examples)
    args, kwargs = assemble(buffers, network.places)
    graph = torch.cuda.CUDAGraph()

    def forward() -> object:
        return module(*args, **kwargs)

    # The graph's kernels read weights and inputs where they lay, and it keeps none of them alive.
    def call(kept: object = forward) -> object:
        graph.replay()
        return made

    try:
        with torch.inference_mode():
            # On a stream of its own, as torch asks: libraries choose kernels and take memory in first calls.
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP_CALLS):
                    forward()
            torch.cuda.current_stream().wait_stream(aside)
            made = _captured(graph, forward)
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise _refusal(error) from error

    def fill(values: Sequence[Tensor]) -> None:
        for buffer, value in zip(buffers, values, strict=True):
            buffer.copy_(value)

    def run(given: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
        check_shapes(given, buffers)
        with torch.inference_mode(False), torch.no_grad():
            fill(placement.convert(given))
            results = results_of(call())
            fill(examples)
        return results

    facts = {**torch_facts(setup, placement), "warm_up_calls": _WARM_UP_CALLS}
    return Session(call=call, run=run, facts=facts)


def _captured(graph: torch.cuda.CUDAGraph, forward: Callable[[], object]) -> object:
    made: object = None
    raised: Exception | None = None
    try:
        with torch.cuda.graph(graph):
            try:
                made = forward()
            except Exception as error:
                raised = error
                raise
    except Exception as error:
        # Ending a recording that failed raises anew, and says nothing of the operator.
        cause = raised or error
        if isinstance(cause, torch.cuda.OutOfMemoryError):
            raise cause from None
        raise _refusal(cause) from cause
    return made


def _refusal(error: Exception) -> UnsupportedDeploymentError:
    return UnsupportedDeploymentError(
        f"the network cannot be captured as a CUDA graph: {complaint(error)}",
        fix="leave this backend out, or take `.item()`, `.cpu()` and branches on values out of `forward`",
    )


backend = Backend(
    options=CudaGraphOptions,
    precisions={"cuda": FLOATING},
    open=open_graph,
    memory_formats=("contiguous", "channels_last"),
    shapes=("static",),
    lacks=lacks_precision,
)
