"""A subject with another batch, or another height and width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchbench.architectures.inputs import check_shapes, example_inputs
from benchbench.core.contracts import InputSpec, Subject
from benchbench.core.errors import MeasurementError
from benchbench.core.model import parse_options
from benchbench.core.registry import ARCHITECTURES


def batch_of(subject: Subject) -> int:
    """How many images one call makes: the first size of the first input.

    Raises:
        MeasurementError: it has no such size.
    """
    shapes = [tuple(each.shape) for each in subject.inputs]
    if not shapes or not shapes[0] or shapes[0][0] < 1:
        given = f"its first input has the shape {list(shapes[0])}" if shapes else "it has no input"
        raise MeasurementError(
            f"'{subject.name}' has no batch: {given}",
            expected="an input whose first size is the number of images",
        )
    return shapes[0][0]


def with_batch(subject: Subject, batch: int, *, seed: int) -> Subject:
    """The same network with fresh inputs of `batch` images.

    Every input that has the batch of the first one changes with it.

    Raises:
        MeasurementError: it has no batch, or nobody says what its inputs are.
    """
    own = batch_of(subject)
    shapes = [
        (batch, *spec.shape[1:]) if spec.shape[:1] == (own,) else spec.shape for spec in _specs(subject)
    ]
    return _with_shapes(subject, shapes, seed=seed)


def size_of(subject: Subject) -> tuple[int, int] | None:
    """Height and width of its first image-like input; None where it has none."""
    sizes = (tuple(each.shape[-2:]) for each in subject.inputs if each.ndim == 4 and max(each.shape[-2:]) > 1)
    found = next(sizes, None)
    return None if found is None else (int(found[0]), int(found[1]))


def with_size(subject: Subject, side: int, *, seed: int) -> Subject:
    """The same network with fresh square inputs of `side` pixels.

    Every input of the first image's height and width changes with it.

    Raises:
        MeasurementError: no input has a height and width, or nobody says what its inputs are.
        ArchitectureError: a registered architecture does not take that size.
    """
    own = size_of(subject)
    if own is None:
        raise MeasurementError(
            f"no input of '{subject.name}' has a height and width",
            fix="leave 'size' out, and give the size as an option of the architecture, if it has one",
        )
    specs = _specs(subject)
    shapes = [
        (*spec.shape[:2], side, side) if len(spec.shape) == 4 and spec.shape[-2:] == own else spec.shape
        for spec in specs
    ]
    declared = subject.cell.architecture if subject.cell is not None else None
    if declared is not None and declared.name is not None:
        known = ARCHITECTURES.load(declared.name)
        options = parse_options("architecture", declared.name, known.options, declared.options)
        multiple = known.size_multiple(options) if known.size_multiple is not None else None
        check_shapes(shapes, specs, name=declared.name, multiple=multiple)
    return _with_shapes(subject, shapes, seed=seed)


def _specs(subject: Subject) -> tuple[InputSpec, ...]:
    if not subject.specs:
        raise MeasurementError(
            f"nobody says what the inputs of '{subject.name}' are",
            expected="'input' in the suite",
        )
    return subject.specs


def _with_shapes(subject: Subject, shapes: Sequence[tuple[int, ...]], *, seed: int) -> Subject:
    specs = tuple(
        spec.model_copy(update={"shape": shape}) for spec, shape in zip(subject.specs, shapes, strict=True)
    )
    device = subject.inputs[0].device if subject.inputs else "cpu"
    return replace(subject, specs=specs, inputs=example_inputs(specs, seed=seed, device=device))
