"""Parameters: elements of every weight, a shared one counted once; the discriminator's beside them."""

from __future__ import annotations

from torch import nn

from benchbench.core.contracts import Measure, MeasureContext, Measured, Subject
from benchbench.core.measurement import Measurement, Protocol
from benchbench.core.model import Options


class ParametersOptions(Options):
    """`parameters` has no options."""


def _measure(subject: Subject, options: ParametersOptions, context: MeasureContext) -> Measured:
    own = _count(subject.module)
    figures = {"parameters": own}
    if subject.discriminator is not None:
        other = _count(subject.discriminator.module)
        figures |= {"discriminator_parameters": other, "total_parameters": own + other}
    return Measured(measurements=tuple(_measurement(name, value) for name, value in figures.items()))


def _count(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def _measurement(name: str, value: int) -> Measurement:
    return Measurement(
        name=name,
        unit="1",
        direction="lower",
        value=value,
        protocol=Protocol(name="parameters", settings={"shared": "once", "buffers": "not counted"}),
        provenance="benchbench.measures.parameters",
    )


measure = Measure(
    options=ParametersOptions,
    per_cell=_measure,
    needs="structure",
    names=("parameters", "discriminator_parameters", "total_parameters"),
)
