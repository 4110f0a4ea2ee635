"""The Python face of the backends: a module in, a module that a backend runs out."""

from __future__ import annotations

import contextlib
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from benchbench.backends.deployed import Deployed
from benchbench.backends.placement import copy_sharing
from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.core.backends import Network
from benchbench.core.deployment import Deployment, MemoryFormat, Precision, Shapes
from benchbench.core.errors import MeasurementError, OptionError, UnsupportedDeploymentError
from benchbench.core.model import JsonValue, explain_validation
from benchbench.core.registry import BACKENDS


def deploy(
    module: nn.Module,
    inputs: Sequence[int] | tuple[Tensor, ...],
    *,
    backend: str = "eager",
    precision: Precision = "fp32",
    memory_format: MemoryFormat = "contiguous",
    shapes: Shapes = "static",
    device: Literal["cpu", "cuda"] = "cpu",
    calibration: Iterable[Tensor | tuple[Tensor, ...]] = (),
    threads: int | None = None,
    options: Mapping[str, JsonValue] | None = None,
    folder: Path | str | None = None,
) -> Deployed:
    """A module that runs `module` as a backend does: `benchbench list backends` names them.

    It takes and returns tensors on the CPU, floating-point results in float32; so what
    `bb.compare_latency` times of it includes these copies. Weights under spectral or weight norm are
    left to the backend as they are; `benchbench run` folds them first.

    Args:
        module: stays as it is; it is run in eval mode, on the CPU in float32.
        inputs: the shape of one float32 input, such as (1, 3, 256, 256), or a tuple of tensors.
        backend: a registered name.
        precision: of weights and activations.
        memory_format: where the backend leaves the choice.
        shapes: `dynamic` leaves batch, height and width open.
        device: where it runs.
        calibration: sets of inputs for int8, each a tuple of tensors, or the only tensor.
        threads: on the CPU; by default as many as torch uses. What runs in torch has torch's.
        options: the backend's own.
        folder: where files go, if the backend writes any; by default a temporary one, which goes with the
            module that is returned.

    Raises:
        UnknownNameError: no such backend.
        OptionError: an option that the backend does not have, or a wrong value of an argument.
        MeasurementError: inputs that are neither a shape nor tensors.
        DependencyError: a package is missing.
        UnsupportedDeploymentError: the network, the machine or the number of threads does not go with it.
        CalibrationError: too few sets of inputs for int8.
    """
    deployment = _declared(
        backend=backend,
        precision=precision,
        memory_format=memory_format,
        shapes=shapes,
        options={} if options is None else options,
    )
    examples = _as_tensors(inputs)
    setup = setup_for(deployment, device=device, threads=_thread_count(threads))
    runner = BACKENDS.load(backend)
    if device == "cpu" and not runner.has_threads and setup.threads != torch.get_num_threads():
        raise UnsupportedDeploymentError(
            f"'{backend}' runs on torch's threads, of which there are {torch.get_num_threads()}, "
            f"and {setup.threads} were asked for",
            fix=f"call torch.set_num_threads({setup.threads}) first",
        )
    with contextlib.ExitStack() as stack, torch.inference_mode(False), torch.no_grad():
        own = module if not any(part.training for part in module.modules()) else copy_sharing(module).eval()
        network = Network(own, examples, calibration=tuple(_as_set(each) for each in calibration))
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchbench-"))
        artefact = write_artefact(network, setup, Path(folder))
        session = open_session(network, setup, artefact)
        fixed = shapes == "static" and runner.fixes_shapes
        front = Deployed(session, examples, fixed=fixed, label=deployment.label)
        # A library may read its file for as long as it runs it.
        weakref.finalize(front, stack.pop_all().close)
    front.eval()
    return front


def _declared(**arguments: object) -> Deployment:
    try:
        return Deployment.model_validate(arguments)
    except ValidationError as error:
        place, problem, expected, fix = explain_validation(error, Deployment)
        name = ".".join(map(str, place))
        raise OptionError(f"{name}: {problem}", expected=expected, fix=fix, option=place) from None


def _thread_count(threads: int | None) -> int:
    if threads is None:
        return torch.get_num_threads()
    if not isinstance(threads, int) or threads < 1:
        raise OptionError(
            f"threads: got {threads!r}",
            expected="a whole number, 1 or more, or None for as many as torch uses",
            option=("threads",),
        )
    return threads


def _as_tensors(inputs: Sequence[int] | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    # A tensor by itself would be taken apart along its first dimension.
    is_several = isinstance(inputs, Iterable) and not isinstance(inputs, Tensor)
    parts: tuple[object, ...] = tuple(inputs) if is_several else ()
    tensors = tuple(each for each in parts if isinstance(each, Tensor))
    if parts and len(tensors) == len(parts):
        return tensors
    sizes = [each for each in parts if isinstance(each, int) and each > 0]
    if parts and len(sizes) == len(parts):
        return (torch.randn(*sizes, generator=torch.Generator().manual_seed(0)),)
    raise MeasurementError(
        f"inputs are neither a shape nor tensors: {repr(inputs).splitlines()[0]:.80}",
        expected="the sizes of one input, such as (1, 3, 256, 256), or a tuple of tensors, such as (x,)",
    )


def _as_set(given: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (given,) if isinstance(given, Tensor) else tuple(given)
