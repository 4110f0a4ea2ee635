"""The Python face of the backends: a module in, a module that a backend runs out."""

from __future__ import annotations

import contextlib
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from benchbench.backends.deployed import Deployed
from benchbench.backends.flat import Structure
from benchbench.backends.given_inputs import as_sets, as_tensors, named
from benchbench.backends.placement import copy_sharing
from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.backends.repeatable import check_repeatable
from benchbench.core.arguments import assemble
from benchbench.core.backends import Network
from benchbench.core.deployment import Deployment, MemoryFormat, Precision, Shapes
from benchbench.core.errors import CalibrationError, MeasurementError, OptionError, UnsupportedDeploymentError
from benchbench.core.imports import told
from benchbench.core.model import JsonValue, explain_validation
from benchbench.core.registry import BACKENDS


def deploy(
    module: nn.Module,
    inputs: Sequence[int] | tuple[Tensor, ...] | Mapping[str, Sequence[int] | Tensor],
    *,
    backend: str = "eager",
    precision: Precision = "fp32",
    memory_format: MemoryFormat = "contiguous",
    shapes: Shapes = "static",
    device: Literal["cpu", "cuda"] = "cpu",
    calibration: Iterable[Tensor | Sequence[Tensor] | Mapping[str, Tensor]] = (),
    threads: int | None = None,
    options: Mapping[str, JsonValue] | None = None,
    folder: Path | str | None = None,
) -> Deployed:
    """A module that runs `module` as a backend does: `benchbench list backends` names them.

    It is called as the module is, and returns what it returns: the same dictionary, list or tuple, with
    tensors on the CPU, floating-point ones in float32; so what `bb.compare_latency` times of it includes the
    copies. What is no tensor in it, such as None, is as eager torch made it of `inputs`. Weights under
    spectral or weight norm are left to the backend as they are; `benchbench run` folds them first.

    Args:
        module: stays as it is; it is run in eval mode, on the CPU in float32.
        inputs: the shape of one float32 input, such as (1, 3, 256, 256), or a tuple of tensors; by keyword a
            mapping of names to either: {"x": (1, 3, 256, 256), "style": style}.
        backend: a registered name.
        precision: of weights and activations.
        memory_format: where the backend leaves the choice.
        shapes: `dynamic` leaves batch, height and width open.
        device: where it runs.
        calibration: sets of inputs for int8, each a tuple of tensors, a mapping as `inputs`, or the only
            tensor.
        threads: on the CPU; by default as many as torch uses. What runs in torch has torch's.
        options: the backend's own.
        folder: where files go, if the backend writes any; by default a temporary one, which goes with the
            module that is returned.

    Raises:
        UnknownNameError: no such backend.
        OptionError: an option that the backend does not have, or a wrong value of an argument.
        MeasurementError: inputs that are neither shapes nor tensors, or that the module does not take.
        DependencyError: a package is missing.
        UnsupportedDeploymentError: the network, the machine or the number of threads does not go with it;
            the network draws random numbers, or returns no tensor.
        CalibrationError: too few sets of inputs for int8.
    """
    if not isinstance(module, nn.Module):
        raise OptionError(
            f"module: got {named(module)}",
            expected="a torch.nn.Module",
            fix="call the function in the `forward` of one",
            option=("module",),
        )
    deployment = _declared(
        backend=backend,
        precision=precision,
        memory_format=memory_format,
        shapes=shapes,
        options={} if options is None else options,
    )
    examples, places = as_tensors(inputs)
    sets = as_sets(calibration, places)
    setup = setup_for(deployment, device=device, threads=_thread_count(threads))
    runner = BACKENDS.load(backend)
    if device == "cpu" and not runner.has_threads and setup.threads != torch.get_num_threads():
        raise UnsupportedDeploymentError(
            f"'{backend}' runs on torch's threads, of which there are {torch.get_num_threads()}, "
            f"and {setup.threads} were asked for",
            fix=f"call torch.set_num_threads({setup.threads}) first",
        )
    with contextlib.ExitStack() as stack, torch.inference_mode(False), torch.no_grad():
        own = _in_float32(module)
        returned = Structure(check_repeatable(_caller(own, places), examples))
        network = Network(own, examples, places, calibration=sets)
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchbench-"))
        try:
            artefact = write_artefact(network, setup, Path(folder))
        except CalibrationError as error:
            # Its usual advice is for a suite.
            error.fix = "pass `calibration=[...]`: 8 or more tensors, or tuples of them, shaped as `inputs`"
            raise
        session = open_session(network, setup, artefact)
        fixed = shapes == "static" and runner.fixes_shapes
        front = Deployed(
            session, examples, places=places, fixed=fixed, label=deployment.label, structure=returned
        )
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


def _in_float32(module: nn.Module) -> nn.Module:
    """In eval mode on the CPU: the module itself where it is so."""
    tensors = (*module.parameters(), *module.buffers())
    elsewhere = any(each.device.type not in ("cpu", "meta") for each in tensors)
    if elsewhere or any(each.is_floating_point() and each.dtype != torch.float32 for each in tensors):
        return copy_sharing(module).eval().to("cpu", torch.float32)
    return copy_sharing(module).eval() if any(part.training for part in module.modules()) else module


def _caller(module: nn.Module, places: tuple[str, ...]) -> Callable[[tuple[Tensor, ...]], object]:
    def call(given: tuple[Tensor, ...]) -> object:
        args, kwargs = assemble(given, places)
        try:
            made: object = module(*args, **kwargs)
        except Exception as error:  # somebody's network may raise anything
            names = [f"{place}=" if place else "" for place in places or ("",) * len(given)]
            shapes = ", ".join(f"{name}{list(each.shape)}" for name, each in zip(names, given, strict=True))
            raise MeasurementError(
                f"a {type(module).__name__} does not take these inputs, {shapes}: {told(error)}",
                expected="what it takes in eager torch, on the CPU in float32",
                fix="give other `inputs`: a shape, tensors, or a mapping of keyword arguments to them",
            ) from error
        return made

    return call
