"""Images per second against batch size, and the knee: the smallest batch that is nearly as fast as the best.

The batches of one network are timed in interleaved rounds, in a fresh process of its own, by the clock
of latency; docs/protocol-memory-energy.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from benchbench.core.contracts import Measure, Measured, Replicate, Subject
from benchbench.core.errors import BenchbenchError
from benchbench.core.host import read_memory_bytes
from benchbench.core.measurement import Failure, Measurement, Protocol
from benchbench.core.units import format_quantity
from benchbench.measures.alone import AloneOptions, comparison_alone
from benchbench.measures.counting import count
from benchbench.measures.latency.timers import Timer
from benchbench.measures.resized import with_batch
from benchbench.measures.sweep import failures_in, start_process, take_sweep

_NAME = "throughput"
KNEE_SHARE = 0.95  # of the best median


class ThroughputOptions(AloneOptions):
    """Options of the throughput measure; each device and thread count is a sweep of its own.

    Attributes:
        max_batch: the sweep is 1, 2, 4, ... up to this.
        memory_share: on the CPU a batch whose activations, by shape analysis, need more than this share of
            the memory that the process may use is not tried: the system would kill the process. On a
            GPU a batch is tried, and running out of memory ends the sweep.
        min_rounds, min_seconds, budget_s, half_width, warmup_s, warmup_limit_s: as for latency; the ratios
            are those of the batches to the smallest.
    """

    protocol: Literal["interleaved"] = "interleaved"
    max_batch: Annotated[int, Field(ge=1, le=65536)] = 32
    memory_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    min_rounds: Annotated[int, Field(ge=5)] = 10
    min_seconds: Annotated[float, Field(ge=0)] = 2.0
    budget_s: Annotated[float, Field(gt=0)] = 30.0
    warmup_limit_s: Annotated[float, Field(gt=0)] = 3.0

    @property
    def batches(self) -> tuple[int, ...]:
        """The sweep: powers of two, and the declared maximum where it is none."""
        powers = [2**power for power in range(self.max_batch.bit_length()) if 2**power <= self.max_batch]
        return tuple(dict.fromkeys((*powers, self.max_batch)))


def take(build: Callable[[], Subject], options: ThroughputOptions, seed: int) -> Replicate:
    """Time the batches of one network in this process.

    Raises:
        MeasurementError: torch runs another number of threads than declared, or the network has no batch.
    """
    timer = start_process(options)
    return take_batches(build(), options, timer=timer, seed=seed, memory_bytes=read_memory_bytes())


def take_batches(
    subject: Subject, options: ThroughputOptions, *, timer: Timer, seed: int, memory_bytes: int | None
) -> Replicate:
    """The sweep on a subject that is built, with a clock and a size of memory (None: not known)."""
    fitting, failed = _fitting(subject, options, memory_bytes)
    # A network that takes no other batch than its own is told as such before anything is timed.
    with_batch(subject, 1, seed=seed)
    points = {_label(batch): partial(with_batch, subject, batch, seed=seed) for batch in fitting}
    return take_sweep(points, options, timer=timer, seed=seed, failed=failed)


def _fitting(
    subject: Subject, options: ThroughputOptions, memory_bytes: int | None
) -> tuple[list[int], Mapping[str, str]]:
    if options.device[0] != "cpu" or memory_bytes is None:
        return list(options.batches), {}
    single = with_batch(subject, 1, seed=0)
    try:
        each_bytes = count(single.module, single.inputs, places=single.places).peak_activation_bytes
    except BenchbenchError:
        # What cannot be counted is not known to be too large.
        return list(options.batches), {}
    limit_bytes = options.memory_share * memory_bytes
    fitting = [batch for batch in options.batches if batch * each_bytes <= limit_bytes]
    if len(fitting) == len(options.batches):
        return fitting, {}
    first = options.batches[len(fitting)]
    reason = (
        f"not tried: its activations need {format_quantity(first * each_bytes, 'B')}, and "
        f"{format_quantity(limit_bytes, 'B')} are {options.memory_share:.0%} of the memory here"
    )
    return fitting, {_label(first): reason}


def _label(batch: int) -> str:
    return f"batch {batch}"


def summarise(replicates: Sequence[Replicate], options: ThroughputOptions) -> Measured:
    """Images per second at each batch, the knee, and what ended the sweep."""
    failed = failures_in(replicates)
    labels = {_label(batch): batch for batch in options.batches}
    found = []
    medians: dict[int, float] = {}
    for label, batch in labels.items():
        if label in failed or any(label not in each.samples for each in replicates):
            continue
        rates = tuple(tuple(batch / seconds for seconds in each.samples[label]) for each in replicates)
        # The batch over the median time, as latency has it, which is not the median of the rates.
        pooled = np.concatenate([np.asarray(each.samples[label]) for each in replicates])
        medians[batch] = batch / float(np.median(pooled))
        notes = sorted({note for each in replicates for note in each.notes.get(label, ())})
        found.append(
            Measurement(
                name=_NAME,
                setting=f"{options.setting}, {label}",
                unit="image/s",
                direction="higher",
                value=medians[batch],
                samples=rates,
                protocol=_protocol(options, batch),
                provenance="benchbench.measures.throughput",
                flags=tuple(notes),
            )
        )
    ended = [f"{label}: {reason}" for label, reason in failed.items()]
    if medians:
        knee = knee_of(medians)
        beyond = knee == max(medians) and len(medians) > 1
        more = (f"still rising at batch {knee}: the knee may lie beyond it",) if beyond else ()
        found.append(
            Measurement(
                name="knee_batch",
                setting=str(options.setting),
                unit="1",
                direction="lower",
                value=knee,
                protocol=_protocol(options, None),
                provenance="benchbench.measures.throughput",
                flags=(*more, *(f"the sweep ended at {each}" for each in ended)),
            )
        )
    failures = tuple(
        Failure(
            of=f"{_NAME}: {options.setting}, {label}",
            kind="skipped",
            reason=reason,
            fix="declare a smaller 'max_batch', or use a machine with more memory",
        )
        for label, reason in failed.items()
    )
    return Measured(measurements=tuple(found), failures=failures)


def knee_of(medians: Mapping[int, float]) -> int:
    """The smallest batch with at least 95 % of the best throughput; `medians` is images/s by batch."""
    best = max(medians.values())
    return min(batch for batch, rate in medians.items() if rate >= KNEE_SHARE * best)


def _protocol(options: ThroughputOptions, batch: int | None) -> Protocol:
    given = options.model_dump(
        mode="json", exclude={"device", "threads", "protocol", "baseline", "max_processes", "untimed"}
    )
    return Protocol(
        name=_NAME,
        settings={
            **given,
            "device": options.device[0],
            "threads": options.threads[0] if options.device[0] == "cpu" else None,
            "warmup_s": options.least_warmup_s,
            "batch": batch,
            "dtype": "float32",
            "order": "the batches of one network in interleaved rounds; networks one after the other",
            "statistic": "batch / median seconds of a call, end to end",
            "knee": f"smallest batch with at least {KNEE_SHARE:.0%} of the best",
        },
    )


def _limit_s(options: ThroughputOptions) -> float:
    # Rounds may run to twice the budget, and each batch is opened and warmed up.
    return 120.0 + 4 * (options.budget_s + (options.warmup_limit_s + 10.0) * len(options.batches))


measure = Measure(
    options=ThroughputOptions,
    names=(_NAME, "knee_batch"),
    comparison=comparison_alone(_NAME, take=take, summarise=summarise, limit_s=_limit_s),
)
