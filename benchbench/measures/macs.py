"""MACs: multiply-accumulates per layer and in all, by closed form, checked against torch's own counter."""

from __future__ import annotations

from benchbench.core.contracts import Measure, MeasureContext, Measured, Subject
from benchbench.core.measurement import Measurement, Protocol
from benchbench.core.model import JsonValue, Options
from benchbench.measures.counting import Counts, count


class MacsOptions(Options):
    """`macs` has no options: both conventions are counted, and told apart by name."""


_MEANINGS = {
    "macs": "transposed convolution at input size",
    "macs_output_size": "transposed convolution at output size (torchprofile, GAN Compression's tables)",
    "elementwise": "elements of norm, activation, bias, padding, resampling and other point-wise operators",
}


def _measure(subject: Subject, options: MacsOptions, context: MeasureContext) -> Measured:
    counts = count(subject.module, subject.inputs, stages=subject.stages)
    values = {
        "macs": counts.macs,
        "macs_output_size": counts.macs_output_size,
        "elementwise": sum(counts.elementwise.values()),
    }
    return Measured(
        measurements=tuple(_measurement(name, value, counts) for name, value in values.items()),
        layers=counts.layers,
    )


def _measurement(name: str, value: int, counts: Counts) -> Measurement:
    shapes: list[JsonValue] = [list(shape) for shape in counts.input_shapes]
    flags = list(counts.notes)
    if counts.unchecked_macs and name != "elementwise":
        flags.append(
            f"{counts.unchecked_macs:,} MACs not checked: FlopCounterMode does not know their operator"
        )
    return Measurement(
        name=name,
        unit="1" if name == "elementwise" else "MAC",
        direction="lower",
        value=value,
        protocol=Protocol(name="macs", settings={"input": shapes, "mode": "eval", "counts": _MEANINGS[name]}),
        provenance="benchbench.measures.counting",
        flags=tuple(flags),
    )


measure = Measure(options=MacsOptions, per_cell=_measure)
