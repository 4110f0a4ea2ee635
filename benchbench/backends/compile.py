"""torch.compile with inductor: kernels generated for this network, neighbouring operators fused."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from benchbench.backends.compiler_record import limits_of, recorded
from benchbench.backends.complaint import complaint
from benchbench.backends.placement import FLOATING, lacks_precision, place_module, placement_of, torch_facts
from benchbench.backends.torch_session import torch_session
from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.errors import UnsupportedDeploymentError
from benchbench.core.model import Options

Mode = Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"]

_RECOMPILES = 100_000  # one class may be compiled once per session; torch gives up after 8
_COMPILER_FIX = "install a C++ compiler and Python's headers, for example `apt install g++ python3-dev`"
_serial = itertools.count()


class CompileOptions(Options):
    """How `torch.compile` is called.

    Attributes:
        mode: torch's own names; all but `default` take longer to compile.
        fullgraph: whether a network that cannot be captured as one graph is refused; otherwise parts of it
            run in eager torch.
    """

    mode: Mode = "default"
    fullgraph: bool = False


def open_compiled(network: Network, setup: Setup, artefact: Path | None = None) -> Session:
    """Compile the network and call it, so that the session is at its steady state.

    Torch keeps what it compiled on disk, and takes it from there another time; the fact `graphs_from_cache`
    counts it. With `shapes: dynamic`, `run` may compile once more, where a size was 1 and is not any longer.

    Raises:
        UnsupportedDeploymentError: the network cannot be compiled, or, with `fullgraph`, not as one graph.
    """
    options: CompileOptions = setup.options
    placement = placement_of(setup)
    module = place_module(network.module, placement)
    fixed = setup.deployment.shapes == "static"
    compiled = torch.compile(
        _own_function(module), fullgraph=options.fullgraph, dynamic=not fixed, mode=options.mode
    )
    on_graphs = setup.device == "cuda" and options.mode in ("reduce-overhead", "max-autotune")
    function = _next_step(compiled) if on_graphs else compiled
    facts = {**torch_facts(setup, placement), "mode": options.mode}
    if not fixed:
        function = _unlimited(function)
    session = torch_session(function, network, placement, facts=facts, fixed=fixed)
    with recorded() as record, _compiling():
        # CUDA graphs are recorded in the second call, and replayed from the third on.
        for _ in range(3 if on_graphs else 1):
            session.call()
    session.facts = {**facts, **record.facts}
    found = record.operators
    session.operators = None if found is None else lambda: found
    session.tells = ("fell_back", "not_fused")
    session.operator_count = record.operator_count
    return session


def _start() -> None:
    # What the first compilation of a process imports and starts, whatever it compiles.
    with _compiling():
        torch.compile(lambda values: values + 1)(torch.zeros(1))


def _own_function(module: nn.Module) -> Callable[..., object]:
    # Torch counts compilations by code object, and gives up after a few of one: two sessions share none.
    def forward(*args: Any, **kwargs: Any) -> object:
        return module(*args, **kwargs)

    forward.__code__ = forward.__code__.replace(co_name=f"forward_{next(_serial)}")
    return forward


def _next_step(compiled: Callable[..., object]) -> Callable[..., object]:
    def call(*args: Any, **kwargs: Any) -> object:
        # Without it torch keeps earlier outputs alive, and leaves the graphs for it.
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return compiled(*args, **kwargs)

    return call


def _unlimited(compiled: Callable[..., object]) -> Callable[..., object]:
    def call(*args: Any, **kwargs: Any) -> object:
        with _compiling():
            return compiled(*args, **kwargs)

    return call


@contextmanager
def _hushed() -> Iterator[None]:
    # Graph breaks are told in the session's record, not by pages of warnings.
    loggers = [logging.getLogger(name) for name in ("torch._dynamo", "torch._inductor")]
    before = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(logging.ERROR)
        yield
    finally:
        for each, level in zip(loggers, before, strict=True):
            each.setLevel(level)


@contextmanager
def _compiling() -> Iterator[None]:
    import torch._dynamo.config
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import CppCompileError

    try:
        # What follows a graph break is compiled under the class's own code, which sessions do share.
        with torch._dynamo.config.patch(limits_of(torch._dynamo.config, _RECOMPILES)), _hushed():
            yield
    except (TorchDynamoException, CppCompileError) as error:
        if _is_compiler_failure(error):
            raise UnsupportedDeploymentError(
                f"the C++ compiler fails: {_compiler_line(error)}", fix=_COMPILER_FIX
            ) from error
        raise UnsupportedDeploymentError(f"it cannot be compiled: {complaint(error)}") from error


def _is_compiler_failure(error: Exception) -> bool:
    return any(
        name in f"{type(error).__name__} {error}" for name in ("CppCompileError", "InvalidCxxCompiler")
    )


def _compiler_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line), lines[0] if lines else type(error).__name__)


def _lacks(setup: Setup) -> str | None:
    lacking = lacks_precision(setup)
    if lacking is not None:
        return lacking
    if setup.device == "cuda":
        from torch.utils._triton import has_triton

        return None if has_triton() else "torch finds no Triton, which writes its GPU kernels"
    from torch._inductor import config

    asked = config.cpp.cxx
    names = (asked,) if isinstance(asked, str) else tuple(each for each in asked if each)
    if any(shutil.which(each) for each in names):
        return None
    return f"there is no C++ compiler ({', '.join(names)}); {_COMPILER_FIX}"


backend = Backend(
    options=CompileOptions,
    precisions={"cpu": FLOATING, "cuda": FLOATING},
    open=open_compiled,
    memory_formats=("contiguous", "channels_last"),
    start=_start,
    lacks=_lacks,
)
