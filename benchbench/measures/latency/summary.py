"""From raw samples to figures: medians with spread, paired ratios with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchbench.core.backends import Fact
from benchbench.core.contracts import Measured, Replicate
from benchbench.core.measurement import Direction, Interval, Measurement, Protocol
from benchbench.core.statistics import (
    PERCENTILE_MINIMUM,
    RatioEstimate,
    classify_outliers,
    paired_ratio,
    percentile,
    summarise,
)
from benchbench.measures.latency.opening import failures_of
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.process import CONTROL, DEPLOYED, UNTIMED
from benchbench.measures.latency.rounds import widest

PROVENANCE = "benchbench.measures.latency"
_MANY_OUTLIERS = 0.05  # normal noise has 0.7 % of its samples beyond the fences
_RESAMPLES = 2000
_BUSY_PERCENT = 10.0  # of time that something waited for a CPU; a quiet machine has 0 to 3


def summarise_replicates(
    replicates: Sequence[Replicate], baseline: str, options: LatencyOptions
) -> Mapping[str, Measured]:
    """Every figure of a comparison, by subject name.

    The baseline's own figures are `aa_control` (its duplicate against it) and the machine's roofs;
    every other subject has `speedup`, baseline / subject. On a GPU the same again by device time.
    """
    facts = replicates[0].settings
    protocol = _deployed(protocol_of(options, untimed=int(facts.get(UNTIMED) or 0)), facts)
    names = [name for name in _common(replicates) if name != CONTROL]
    found: dict[str, list[Measurement]] = {name: [] for name in names}
    clocks = [("", [each.samples for each in replicates])]
    if replicates[0].device_samples:
        clocks.append(("device_", [each.device_samples for each in replicates]))

    def record(
        name: str,
        what: str,
        unit: str,
        value: float,
        *,
        direction: Direction = "lower",
        samples: tuple[tuple[float, ...], ...] = (),
        interval: Interval | None = None,
        flags: Sequence[str] = (),
    ) -> None:
        found[name].append(
            Measurement(
                name=what,
                setting=options.setting,
                unit=unit,
                direction=direction,
                value=value,
                samples=samples,
                interval=interval,
                baseline=baseline if what.endswith(("speedup", "aa_control")) else None,
                protocol=protocol,
                provenance=PROVENANCE,
                flags=tuple(flags),
            )
        )

    for prefix, per_process in clocks:
        control = _ratio(per_process, baseline, CONTROL, options)
        noisy = () if 1.0 in control.interval else ("A/A control excludes 1: the machine was too noisy",)
        for name in names:
            samples = tuple(each[name] for each in per_process)
            pooled = np.concatenate([np.asarray(each) for each in samples])
            notes = sorted({note for each in replicates for note in each.notes.get(name, ())})
            notes += _busy(replicates)
            outliers = classify_outliers(pooled)
            if outliers.total > _MANY_OUTLIERS * pooled.size:
                notes.append(f"{outliers.total} of {pooled.size} samples beyond Tukey's fences")
            record(name, f"{prefix}latency", "s", summarise(pooled).median, samples=samples, flags=notes)
            for rank in PERCENTILE_MINIMUM:
                high = percentile(pooled, rank)
                if high is not None:
                    record(name, f"{prefix}latency_p{rank}", "s", high)
            ratio = control if name == baseline else _ratio(per_process, baseline, name, options)
            what = "aa_control" if name == baseline else "speedup"
            flags = list(noisy)
            if ratio.relative_half_width > options.half_width:
                flags.append(_why_wide(per_process, baseline, CONTROL if name == baseline else name, options))
            if options.protocol == "gan_compression":
                flags.append("not interleaved: a drift of the machine is in this ratio")
            record(
                name,
                f"{prefix}{what}",
                "1",
                ratio.value,
                direction="higher",
                interval=ratio.interval,
                flags=flags,
            )
    for name in names:
        cold = np.asarray([each.cold_start[name] for each in replicates if name in each.cold_start])
        for column, what in enumerate(("build", "load", "first_call")):
            record(
                name, what, "s", float(np.median(cold[:, column])), samples=(tuple(cold[:, column].tolist()),)
            )
        total = cold.sum(axis=1)
        record(name, "cold_start", "s", float(np.median(total)), samples=(tuple(total.tolist()),))
    for what, unit in (("roof_compute", "MAC/s"), ("roof_memory", "B/s")):
        key = "roof_macs_per_s" if what == "roof_compute" else "roof_bytes_per_s"
        readings = tuple(float(each.settings[key] or 0.0) for each in replicates)
        record(baseline, what, unit, max(readings), direction="higher", samples=(readings,))
    taken = {name: Measured(measurements=tuple(measurements)) for name, measurements in found.items()}
    return {**taken, **_failures(replicates, options)}


def _busy(replicates: Sequence[Replicate]) -> list[str]:
    """That other work had the CPUs, where several backends are side by side.

    The A/A control is eager against eager, and sees nothing of it: threads that spin lose far more than
    threads that sleep.
    """
    if not any(key.startswith(DEPLOYED) for key in replicates[0].settings):
        return []
    found = [each.settings.get("pressure_cpu_some_10s_after") for each in replicates]
    worst = max((float(each) for each in found if isinstance(each, int | float)), default=0.0)
    if worst <= _BUSY_PERCENT:
        return []
    return [f"other work had the CPUs (pressure {worst:.0f} %): backends lose to it unequally"]


def _common(replicates: Sequence[Replicate]) -> list[str]:
    """The subjects that every process has samples of."""
    return [name for name in replicates[0].samples if all(name in each.samples for each in replicates)]


def _failures(replicates: Sequence[Replicate], options: LatencyOptions) -> dict[str, Measured]:
    """Why a subject could not be timed, of those that some process could not open or call."""
    found: dict[str, Measured] = {}
    for name, failure in (item for each in replicates for item in failures_of(each).items()):
        # What this machine skips at one setting it may have at another.
        said = f"{options.setting}: {failure.reason}" if failure.kind == "skipped" else failure.reason
        found[name] = Measured(failures=(failure.model_copy(update={"reason": said}),))
    return found


def _deployed(protocol: Protocol, facts: Mapping[str, Fact]) -> Protocol:
    return as_deployed(protocol) if any(key.startswith(DEPLOYED) for key in facts) else protocol


def as_deployed(protocol: Protocol) -> Protocol:
    """The protocol of a comparison in which something is deployed, from that of eager float32 alone."""
    # One protocol for all that are side by side; what each is deployed as, its cell says.
    own = {"dtype": "as deployed", "memory_format": "as deployed"}
    return protocol.model_copy(update={"settings": {**protocol.settings, **own}})


def has_converged(replicates: Sequence[Replicate], baseline: str, options: LatencyOptions) -> bool:
    """Whether every ratio to the baseline is known to the half-width that was asked for."""
    samples = [each.samples for each in replicates]
    return all(
        _ratio(samples, baseline, name, options).relative_half_width <= options.half_width
        for name in _common(replicates)
        if name not in (baseline, CONTROL)
    )


def _ratio(
    per_process: Sequence[Mapping[str, tuple[float, ...]]], baseline: str, name: str, options: LatencyOptions
) -> RatioEstimate:
    return paired_ratio(
        [each[baseline] for each in per_process], [each[name] for each in per_process], resamples=_RESAMPLES
    )


def _why_wide(
    per_process: Sequence[Mapping[str, tuple[float, ...]]], baseline: str, name: str, options: LatencyOptions
) -> str:
    pairs = [{baseline: each[baseline], name: each[name]} for each in per_process]
    if max(widest(pair, baseline) for pair in pairs) > options.half_width:
        return "unconverged"
    return "processes differ: the interval is wider than within each of them"


def protocol_of(options: LatencyOptions, *, untimed: int = 0) -> Protocol:
    """How one device and thread count is measured; `untimed` calls went before each timed one."""
    left_out = {"device", "threads", "protocol", "baseline", "untimed"}
    settings = options.model_dump(mode="json", exclude=left_out)
    if untimed:
        # Only where there were any: figures without are those of older runs.
        settings["untimed"] = untimed
    return Protocol(
        name=f"latency/{options.protocol}",
        settings={
            **settings,
            "device": options.device[0],
            "threads": options.threads[0] if options.device[0] == "cpu" else None,
            "warmup_s": options.least_warmup_s,
            "batch": "as the input",
            "dtype": "float32",
            "statistic": "median; ratio: mean over processes of the median log-ratio of rounds",
            "interval": "95 %, bootstrap over processes, then blocks of rounds, 2000 resamples; "
            "over processes Student's where that is wider",
            "cold_start": "build, load and first call, after the library's own start-up",
        },
    )
