"""Latency against threads and against resolution: the sizes of one network in interleaved rounds.

Each thread count is set before a fresh process starts; docs/protocol-memory-energy.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from benchbench.core.contracts import Measure, Measured, Replicate, Subject
from benchbench.core.errors import MeasurementError
from benchbench.core.measurement import Failure, Measurement, Protocol
from benchbench.core.model import Options
from benchbench.core.statistics import summarise as summary_of
from benchbench.measures.alone import AloneOptions, comparison_alone
from benchbench.measures.latency.options import LatencyOptions, Threads
from benchbench.measures.latency.timers import Timer
from benchbench.measures.resized import size_of, with_size
from benchbench.measures.sweep import failures_in, start_process, take_sweep

_NAME = "scaling"
_OWN = "own size"


class Sweep(Options):
    """What is swept.

    Attributes:
        threads: thread counts on the CPU, each in processes of its own.
        size: height and width of square inputs, in pixels.
    """

    threads: tuple[Threads | Literal["auto"], ...] = ()
    size: tuple[Annotated[int, Field(ge=1, le=65536)], ...] = ()


class ScalingOptions(AloneOptions):
    """Options of the scaling measure.

    Attributes:
        sweep: thread counts, sizes or both; every size is timed at every thread count. Without sizes it
            is the inputs' own.
        min_rounds, min_seconds, budget_s, half_width, warmup_s, warmup_limit_s: as for latency; the ratios
            are those of the sizes to the first.
    """

    protocol: Literal["interleaved"] = "interleaved"
    sweep: Sweep
    min_rounds: Annotated[int, Field(ge=5)] = 10
    min_seconds: Annotated[float, Field(ge=0)] = 2.0
    budget_s: Annotated[float, Field(gt=0)] = 30.0
    warmup_limit_s: Annotated[float, Field(gt=0)] = 3.0

    @model_validator(mode="after")
    def _something_is_swept(self) -> Self:
        if not self.sweep.threads and not self.sweep.size:
            raise ValueError("sweep is empty: give it threads, size or both, such as {threads: [1, 2]}")
        stated = "threads" in self.model_fields_set and self.sweep.threads not in ((), self.threads)
        if stated:
            raise ValueError("threads stand in 'threads' and in 'sweep': leave one of them out")
        return self

    def split(self, usable_threads: int) -> Sequence[LatencyOptions]:
        """One set of options per device and thread count."""
        swept = self.sweep.threads
        whole = self.model_copy(update={"threads": swept}) if swept else self
        parts = []
        for part in AloneOptions.split(whole, usable_threads):
            # Both say the same, so that a part can be read back as it was written.
            again = self.sweep.model_copy(update={"threads": part.threads if swept else ()})
            parts.append(part.model_copy(update={"sweep": again}))
        return tuple(parts)


def take(build: Callable[[], Subject], options: ScalingOptions, seed: int) -> Replicate:
    """Time the sizes of one network in this process.

    Raises:
        MeasurementError: torch runs another number of threads than declared, or no size can be timed.
    """
    timer = start_process(options)
    return take_sizes(build(), options, timer=timer, seed=seed)


def take_sizes(subject: Subject, options: ScalingOptions, *, timer: Timer, seed: int) -> Replicate:
    """The sweep on a subject that is built, with a clock."""
    own = size_of(subject)
    if options.sweep.size:
        if own is None:
            with_size(subject, options.sweep.size[0], seed=seed)  # raises, and says why
        points = {_label(side): partial(with_size, subject, side, seed=seed) for side in options.sweep.size}
    else:
        points = {_OWN: partial(_itself, subject)}
    taken = take_sweep(points, options, timer=timer, seed=seed)
    if not taken.samples:
        reasons = "; ".join(f"{label}: {reason}" for label, reason in failures_in([taken]).items())
        raise MeasurementError(f"no size can be timed: {reasons}", fix="correct 'sweep: {size: [...]}'")
    batch = int(subject.inputs[0].shape[0]) if subject.inputs and subject.inputs[0].ndim else None
    height, width = own or (None, None)
    extra = {"own_height": height, "own_width": width, "batch": batch}
    return taken.model_copy(update={"settings": {**taken.settings, **extra}})


def _itself(subject: Subject) -> Subject:
    return subject


def _label(side: int) -> str:
    return f"{side}x{side}"


def summarise(replicates: Sequence[Replicate], options: ScalingOptions) -> Measured:
    """Median seconds of a call at each size, at this thread count."""
    failed = failures_in(replicates)
    settings = replicates[0].settings
    own = settings.get("own_height"), settings.get("own_width")
    sides: dict[str, tuple[object, object]] = {_label(side): (side, side) for side in options.sweep.size}
    found = []
    for label, (height, width) in (sides or {_OWN: own}).items():
        if label in failed or any(label not in each.samples for each in replicates):
            continue
        samples = tuple(each.samples[label] for each in replicates)
        pooled = np.concatenate([np.asarray(each) for each in samples])
        size = f", {height}x{width}" if height is not None else ""
        notes = sorted({note for each in replicates for note in each.notes.get(label, ())})
        found.append(
            Measurement(
                name="swept_latency",
                setting=f"{options.setting}{size}",
                unit="s",
                direction="lower",
                value=summary_of(pooled).median,
                samples=samples,
                protocol=_protocol(options, height, width, settings.get("batch")),
                provenance="benchbench.measures.scaling",
                flags=tuple(notes),
            )
        )
    failures = tuple(
        Failure(of=f"{_NAME}: {options.setting}, {label}", kind="skipped", reason=reason)
        for label, reason in failed.items()
    )
    return Measured(measurements=tuple(found), failures=failures)


def _protocol(options: ScalingOptions, height: object, width: object, batch: object) -> Protocol:
    given = options.model_dump(
        mode="json",
        exclude={"device", "threads", "protocol", "baseline", "max_processes", "sweep", "untimed"},
    )
    return Protocol.model_validate(
        {
            "name": _NAME,
            "settings": {
                **given,
                "device": options.device[0],
                "threads": options.threads[0] if options.device[0] == "cpu" else None,
                "warmup_s": options.least_warmup_s,
                "height": height,
                "width": width,
                "batch": batch,
                "dtype": "float32",
                "order": "the sizes of one network in interleaved rounds; thread counts and networks one "
                "after the other",
                "statistic": "median",
            },
        }
    )


def _limit_s(options: ScalingOptions) -> float:
    points = max(len(options.sweep.size), 1)
    return 120.0 + 4 * (options.budget_s + (options.warmup_limit_s + 10.0) * points)


measure = Measure(
    options=ScalingOptions,
    names=("swept_latency",),
    comparison=comparison_alone(_NAME, take=take, summarise=summarise, limit_s=_limit_s),
)
