"""Parameters: elements of every weight, a shared one counted once."""

from __future__ import annotations

from benchbench.core.contracts import Measure, MeasureContext, Measured, Subject
from benchbench.core.measurement import Measurement, Protocol
from benchbench.core.model import Options


class ParametersOptions(Options):
    """`parameters` has no options."""


def _measure(subject: Subject, options: ParametersOptions, context: MeasureContext) -> Measured:
    parameters = sum(each.numel() for each in subject.module.parameters())
    return Measured(
        measurements=(
            Measurement(
                name="parameters",
                unit="1",
                direction="lower",
                value=parameters,
                protocol=Protocol(name="parameters", settings={"shared": "once", "buffers": "not counted"}),
                provenance="benchbench.measures.parameters",
            ),
        )
    )


measure = Measure(options=ParametersOptions, per_cell=_measure)
