"""MACs and activation memory per layer and in all, by closed form, checked against torch's own counter."""

from __future__ import annotations

from benchbench.core.contracts import Measure, MeasureContext, Measured, Subject
from benchbench.core.measurement import Measurement, Protocol
from benchbench.core.model import JsonValue, Options
from benchbench.measures.counting import Counts, count


class MacsOptions(Options):
    """`macs` has no options: both conventions are counted, and told apart by name."""


# Name -> unit, and what is counted.
_FIGURES = {
    "macs": ("MAC", "transposed convolution at input size"),
    "macs_output_size": (
        "MAC",
        "transposed convolution at output size (torchprofile, GAN Compression's tables)",
    ),
    "elementwise": (
        "1",
        "elements of norm, activation, bias, padding, resampling and other point-wise operators",
    ),
    "discriminator_macs": ("MAC", "the discriminator, transposed convolution at input size"),
    "peak_activation": ("B", "inputs, outputs and what lies between, the most that is alive at one moment"),
}


def _measure(subject: Subject, options: MacsOptions, context: MeasureContext) -> Measured:
    counts = _count(subject)
    values = {
        "macs": counts.macs,
        "macs_output_size": counts.macs_output_size,
        "elementwise": sum(counts.elementwise.values()),
        "peak_activation": counts.peak_activation_bytes,
    }
    found = [_measurement(name, value, counts) for name, value in values.items()]
    if subject.discriminator is not None:
        against = _count(subject.discriminator)
        found.append(_measurement("discriminator_macs", against.macs, against))
    return Measured(measurements=tuple(found), layers=counts.layers)


def _count(subject: Subject) -> Counts:
    return count(subject.module, subject.inputs, stages=subject.stages, places=subject.places)


def _measurement(name: str, value: int, counts: Counts) -> Measurement:
    unit, counted = _FIGURES[name]
    shapes: list[JsonValue] = [list(shape) for shape in counts.input_shapes]
    flags = list(counts.notes)
    if counts.unchecked_macs and unit == "MAC":
        flags.append(
            f"{counts.unchecked_macs:,} MACs not checked: FlopCounterMode does not know their operator"
        )
    return Measurement(
        name=name,
        unit=unit,
        direction="lower",
        value=value,
        protocol=Protocol(name="macs", settings={"input": shapes, "mode": "eval", "counts": counted}),
        provenance="benchbench.measures.counting",
        flags=tuple(flags),
    )


measure = Measure(options=MacsOptions, per_cell=_measure, needs="structure", names=tuple(_FIGURES))
