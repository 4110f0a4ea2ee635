"""What a backend must bring to be registered: what runs a network once it is trained.

A backend either writes an artefact, which `open` reads in whichever process the network is to run in, or it
works from the module itself in that process. Torch appears in annotations only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchbench.core.deployment import Deployment, MemoryFormat, Precision, Shapes
from benchbench.core.deployment_record import OperatorFate, OperatorNote
from benchbench.core.model import Options

if TYPE_CHECKING:
    import torch
    from torch import nn

Fact = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Network:
    """What is to be deployed.

    Attributes:
        module: in eval mode, on the CPU, float32, weights under norms folded. On the meta device, without
            weights, where a backend opens an artefact that holds them.
        inputs: one set of example inputs, on the CPU.
        places: where each goes in the call (core/arguments.py); empty means all positional.
        calibration: further sets of inputs of the same shapes, for quantisation; empty where none is asked.
    """

    module: nn.Module
    inputs: tuple[torch.Tensor, ...]
    places: tuple[str, ...] = ()
    calibration: Sequence[tuple[torch.Tensor, ...]] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """How a network is to be run; the same for every backend of a comparison.

    Attributes:
        deployment: precision, memory format, shapes, quantisation.
        options: the backend's own, checked.
        device: `cpu` or `cuda`.
        threads: on the CPU, how many compute; affinity is the process's, and no backend pins any of them.
    """

    deployment: Deployment
    options: Any
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1


@dataclass(slots=True)
class Session:
    """A network that is ready to run in this process.

    Attributes:
        call: one inference of the example inputs, which lie where and as the backend wants them; results
            stay where it leaves them. This is what is timed.
        run: inputs on the CPU as the module takes them -> its output on the CPU in float32, a tensor or a
            tuple of them. Raises UnsupportedDeploymentError for shapes that it was not opened for.
        facts: what the library says of itself: version, threads, provider, precision in use.
        operators: which operators were left out of fusion, of quantisation, or fell back; None where the
            library does not tell. It may take a while, and is asked for once.
        tells: which of an operator's fates `operators` would name: of the others nothing is known.
        operator_count: how many operators the library executes; None where it does not tell.
    """

    call: Callable[[], object]
    run: Callable[[Sequence[torch.Tensor]], torch.Tensor | tuple[torch.Tensor, ...]]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    operators: Callable[[], tuple[OperatorNote, ...]] | None = None
    tells: tuple[OperatorFate, ...] = ()
    operator_count: int | None = None


@dataclass(frozen=True, slots=True)
class Lack:
    """What is lacking for a setup and can be had on this machine.

    Attributes:
        what: in words.
        fix: how to have it: a command where there is one.
    """

    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to run a network.

    Attributes:
        options: its options.
        precisions: device -> the precisions that it has there; a device that is missing it does not run on.
        open: (network, setup, artefact or None) -> a session. Raises UnsupportedDeploymentError for
            operators, shapes or precisions that it does not have, ArtefactError for a file that it cannot
            read.
        write: (network, setup, folder) -> the artefact's main file, in that folder; other files may lie
            beside it. None where `open` works from the module. Raises as `open`, and CalibrationError.
        packages: what must be importable.
        extra: the extra of benchbench that brings them.
        memory_formats: those that it leaves the choice of.
        shapes: those that it can be opened for.
        start: what the library does once in a process, its import above all; nobody's cold start.
        lacks: what this machine's processor or driver lacks for a setup, in words, with what to do about it
            where something can be done; None where nothing.
        has_threads: whether it brings a thread pool of its own, beside torch's.
        fixes_shapes: whether a session for `static` shapes takes no others.
        short_for: the fields of a deployment that its name is short for; empty for one of its own.
    """

    options: type[Options]
    precisions: Mapping[str, tuple[Precision, ...]]
    open: Callable[[Network, Setup, Path | None], Session]
    write: Callable[[Network, Setup, Path], Path] | None = None
    packages: tuple[str, ...] = ()
    extra: str = ""
    memory_formats: tuple[MemoryFormat, ...] = ("contiguous",)
    shapes: tuple[Shapes, ...] = ("static", "dynamic")
    start: Callable[[], None] = field(default=lambda: None)
    lacks: Callable[[Setup], str | Lack | None] = field(default=lambda setup: None)
    has_threads: bool = False
    fixes_shapes: bool = True
    short_for: Mapping[str, str] = field(default_factory=dict)
