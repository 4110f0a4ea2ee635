"""What the network makes of its seeded input: shape, digest and a few values, so that a change is seen."""

from __future__ import annotations

import dataclasses

from benchbench.core.arguments import assemble
from benchbench.core.contracts import Measure, MeasureContext, Measured, Subject
from benchbench.core.errors import MeasurementError
from benchbench.core.measurement import OutputRecord
from benchbench.core.model import Options
from benchbench.measures.seeded_output import seeded_output


class OutputOptions(Options):
    """`output` has no options."""


def record_output(subject: Subject, *, seed: int) -> OutputRecord:
    """What the subject makes of its inputs in eval mode; `made_with` says where its weights come from.

    Args:
        subject: a network in eval mode.
        seed: for what it draws itself.

    Raises:
        MeasurementError: it returns no tensors.
    """
    args, kwargs = assemble(subject.inputs, subject.places)
    device = next((each.device.type for each in subject.module.parameters()), "cpu")
    try:
        made = seeded_output(lambda: subject.module(*args, **kwargs), seed=seed, device=device)
    except TypeError as error:
        raise MeasurementError(
            f"{subject.name}: {error}", expected="tensors, in tuples, lists, mappings or dataclasses"
        ) from error
    facts = dataclasses.asdict(made)
    return OutputRecord(**{**facts, "made_with": {**made.made_with, "weights": _origin(subject)}})


def _origin(subject: Subject) -> str:
    train = subject.cell.train if subject.cell is not None else None
    if train is None or subject.checkpoint is None:
        return "seeded"
    return "trained" if train.recipe is not None else "loaded"


def _measure(subject: Subject, options: OutputOptions, context: MeasureContext) -> Measured:
    return Measured(output=record_output(subject, seed=context.seed))


measure = Measure(options=OutputOptions, per_cell=_measure, names=("output",))
