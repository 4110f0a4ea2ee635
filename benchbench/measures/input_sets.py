"""Sets of inputs of a network, as it is given them once it is deployed: to compare with, to calibrate on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from benchbench.core.arguments import assemble
from benchbench.core.contracts import Subject
from benchbench.core.errors import BenchbenchError, CalibrationError, DataError, UnsupportedDeploymentError
from benchbench.core.examples import ImageSet, Splits
from benchbench.core.imports import told
from benchbench.core.registry import ARCHITECTURES
from benchbench.measures.drawn_inputs import contents_among, draw_inputs, fields_taken


@dataclass(frozen=True, slots=True)
class InputSets:
    """Sets of inputs, and where they come from in words.

    Attributes:
        sets: each as the network's example inputs are shaped.
        origin: `4 of the test split`, `4 drawn with seed 0`.
        digest: of the data; None where nothing of them is in the sets.
    """

    sets: Sequence[tuple[Tensor, ...]]
    origin: str
    digest: str | None = None


def comparison_inputs(subject: Subject, images: Callable[[], Splits], *, count: int, seed: int) -> InputSets:
    """Sets of held-out images where the network takes images that the suite has, else seeded ones.

    What the example inputs are, noise, is outside of what a trained network knows: int8 would be judged by
    what it never meets. Where shapes were left open, other sizes are among them: the example's own would not
    show that they are.

    Raises:
        UnsupportedDeploymentError: shapes are to be open, and the network itself takes no other ones.
    """
    found = _held_out(subject, images, count=count, seed=seed)
    if subject.deployment.shapes != "dynamic":
        return found
    others = _of_other_sizes(subject, found.sets)
    return replace(
        found,
        sets=(*found.sets, *others.values()),
        origin=f"{found.origin}, and {' and '.join(others)}",
    )


def _held_out(subject: Subject, images: Callable[[], Splits], *, count: int, seed: int) -> InputSets:
    if not any(fields_taken(subject)):
        drawn = [_drawn(subject, None, _indices(subject, at), seed) for at in range(count)]
        return InputSets(drawn, f"{count} drawn with seed {seed}")
    try:
        splits = images()
        contents = contents_among(subject, splits.test)
        sets = [
            _drawn(subject, contents, _indices(subject, at), seed)
            for at in range(_fits(subject, contents, count))
        ]
        _check_shapes(subject, sets)
    except BenchbenchError as error:
        # Said beside the figure: an int8 that is judged on noise is judged harder than on pictures.
        reason = error.problem.splitlines()[0]
        return InputSets([subject.inputs], f"the example input, seeded noise ({reason})")
    return InputSets(sets, f"{len(sets)} of the test split", splits.digest)


def _of_other_sizes(subject: Subject, sets: Sequence[tuple[Tensor, ...]]) -> dict[str, tuple[Tensor, ...]]:
    """Two sets as one batch, and one set of twice the height and width; by what they are, in words."""
    found = {"a batch of twice the size": tuple(map(torch.cat, zip(sets[0], sets[-1], strict=True)))}
    larger = tuple(_enlarged(each) for each in sets[0])
    if any(each.shape != before.shape for each, before in zip(larger, sets[0], strict=True)):
        found["one of twice the height and width"] = larger
    for words, given in found.items():
        args, kwargs = assemble(given, subject.places)
        try:
            with torch.inference_mode(), torch.random.fork_rng(devices=[]):
                subject.module(*args, **kwargs)
        except Exception as error:  # the network's own code, which may raise anything
            raise UnsupportedDeploymentError(
                f"its shapes cannot be left open: the network itself does not take {words}: {told(error)}",
                fix="declare `shapes: static`",
            ) from error
    return found


def _enlarged(value: Tensor) -> Tensor:
    if value.dim() != 4:
        return value
    # A size of 1 is that of a latent, not of a picture.
    for dim in (2, 3):
        value = value.repeat_interleave(2, dim) if value.shape[dim] > 1 else value
    return value


def calibration_inputs(subject: Subject, images: Callable[[], Splits], *, count: int, seed: int) -> InputSets:
    """Training images where the network takes images, else seeded inputs, in batches, for quantisation.

    Args:
        count: of examples.

    Raises:
        CalibrationError: there are no data, fewer than asked, or they do not fit the network's input.
    """
    batch = subject.inputs[0].shape[0]
    many = math.ceil(count / batch)
    if not any(fields_taken(subject)):
        drawn = [_drawn(subject, None, _indices(subject, at), seed) for at in range(many)]
        return InputSets(drawn, f"{many * batch} drawn with seed {seed}")
    try:
        splits = images()
        contents = contents_among(subject, splits.train)
    except DataError as error:
        raise CalibrationError(
            f"int8 is calibrated on images, and there are none: {error.problem}",
            expected="data that the network can be given",
            fix=_data_fix(subject),
        ) from error
    there = 0 if contents is None else len(contents)
    if there < count:
        raise CalibrationError(
            f"the calibration set is too small: {there} examples in the train split, {count} asked",
            fix=f"declare `calibration: {{images: {there}}}`, or more data"
            if there >= 8
            else "declare more data",
        )
    assert contents is not None
    order = torch.randperm(len(contents), generator=torch.Generator().manual_seed(seed)).tolist()
    # A last batch that is not full begins anew.
    order = [order[at % count] for at in range(many * batch)]
    try:
        sets = [_drawn(subject, contents, order[at * batch : (at + 1) * batch], seed) for at in range(many)]
        _check_shapes(subject, sets)
    except DataError as error:
        raise CalibrationError(error.problem, expected=error.expected, fix=error.fix) from error
    return InputSets(sets, f"{count} of the train split, seed {seed}", splits.digest)


def _data_fix(subject: Subject) -> str:
    shape = subject.inputs[0].shape
    size = shape[-1] if len(shape) == 4 else 256
    said = f"declare the suite's `data`, or `calibration: {{data: {{source: photos, size: {size}}}}}`"
    try:
        _range_of(subject)
    except DataError:
        said += ", and `range: unit` or `range: signed` beside it: the pixels that the network takes"
    return said


def _fits(subject: Subject, contents: ImageSet | None, count: int) -> int:
    there = 0 if contents is None else len(contents) // subject.inputs[0].shape[0]
    if there == 0:
        raise DataError("there are no test images")
    return min(count, there)


def _indices(subject: Subject, at: int) -> range:
    batch = subject.inputs[0].shape[0]
    return range(at * batch, (at + 1) * batch)


def _drawn(
    subject: Subject, contents: ImageSet | None, indices: Sequence[int], seed: int
) -> tuple[Tensor, ...]:
    signed = contents is not None and _range_of(subject) == "signed"
    with torch.inference_mode(False):
        made = draw_inputs(subject, contents, indices, seed=seed, signed=signed)
    return tuple(
        each.to(example.dtype) if example.is_floating_point() else each
        for each, example in zip(made, subject.inputs, strict=True)
    )


def _check_shapes(subject: Subject, sets: Sequence[tuple[Tensor, ...]]) -> None:
    if subject.deployment.shapes == "dynamic":
        return
    for given, example in zip(sets[0], subject.inputs, strict=True):
        if given.shape != example.shape:
            raise DataError(
                f"the data are {list(given.shape)}, and the network's input is {list(example.shape)}",
                expected="images of the size that the network is deployed for",
                fix="declare data of that size (`calibration: {data: ...}` for calibration alone), the "
                "architecture's `input`, or `shapes: dynamic`",
            )


def _range_of(subject: Subject) -> Literal["signed", "unit"]:
    declared = subject.deployment.range
    name = subject.cell.architecture.name if subject.cell is not None else None
    if declared is None and name is None:
        raise DataError(
            f"'{subject.name}' does not say the range of its pixels",
            expected="range: signed (-1..1) or range: unit (0..1)",
            fix="add it to `deploy`",
        )
    return declared or ARCHITECTURES.load(str(name)).values
