"""The main table: what each line costs, how fast it is and how good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.changes import LATENCIES
from benchbench.core.measurement import CellResult, Failure
from benchbench.core.paired_means import MeanRatio
from benchbench.report.views.lines import Estimate, Line, estimate, reference_of, settings_of
from benchbench.report.views.quality import quality_ratio
from benchbench.report.views.quality_keys import quality_keys

CONTROLS = {"latency": "aa_control", "device_latency": "device_aa_control"}


@dataclass(frozen=True, slots=True)
class TimeKey:
    """One way of timing: `latency` or `device_latency`, at one setting."""

    name: str
    setting: str


@dataclass(frozen=True, slots=True)
class TimeFigures:
    """How fast one line is in one way of timing.

    Attributes:
        speedup: paired ratio baseline / line; None for the baseline.
        control: the A/A control of the line's run; its interval should hold 1.
        achieved: MAC/s.
        roof_share: `achieved` as a share of the machine's measured compute roof.
        cold_start_s: build, load and first call.
    """

    key: TimeKey
    latency: Estimate | None
    speedup: Estimate | None
    control: Estimate | None
    achieved: float | None
    roof_share: float | None
    cold_start_s: float | None

    @property
    def is_noisy(self) -> bool:
        """Whether the run could tell two identical models apart."""
        return self.control is not None and self.control.interval is not None and not holds(self.control, 1.0)


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One line, or one seed of it.

    Attributes:
        parameters_change: relative to the baseline: -0.876 is 87.6 % fewer; None without one.
        macs_ratio: baseline / line.
        qualities: in the order of the report's quality keys.
        quality_ratios: line / baseline, paired image by image; None where they do not pair up.
        failure: why there is nothing to show; None where something was measured.
    """

    label: str
    level: Literal["line", "seed"]
    line: Line
    is_baseline: bool
    parameters: Estimate | None
    parameters_change: float | None
    macs: Estimate | None
    macs_ratio: float | None
    peak_activation: Estimate | None
    discriminator_parameters: Estimate | None
    total_parameters: Estimate | None
    times: tuple[TimeFigures, ...]
    qualities: tuple[Estimate | None, ...]
    quality_ratios: tuple[MeanRatio | None, ...]
    training_time: Estimate | None
    failure: Failure | None


def holds(figure: Estimate, value: float) -> bool:
    """Whether the estimate's interval contains `value`; False without an interval."""
    return figure.interval is not None and figure.interval[0] <= value <= figure.interval[1]


def time_keys(lines: Sequence[Line]) -> tuple[TimeKey, ...]:
    """Every way of timing that any line has, end-to-end first."""
    return tuple(TimeKey(name, setting) for name in LATENCIES for setting in settings_of(lines, name))


def summary_rows(lines: Sequence[Line]) -> tuple[SummaryRow, ...]:
    """A row per line, and below it one per seed where it has several."""
    rows: list[SummaryRow] = []
    for line in lines:
        rows.append(_row(line, line.results, lines, level="line"))
        if len(line.results) > 1:
            rows += [_row(line, (result,), lines, level="seed") for result in line.results]
    return tuple(rows)


def _row(
    line: Line, results: Sequence[CellResult], lines: Sequence[Line], *, level: Literal["line", "seed"]
) -> SummaryRow:
    reference = reference_of(line, lines)
    parameters, macs = estimate(results, "parameters"), estimate(results, "macs")
    base_parameters = estimate(reference.results, "parameters") if reference else None
    base_macs = estimate(reference.results, "macs") if reference else None
    change = ratio = None
    if parameters and base_parameters and base_parameters.value and not line.is_baseline:
        change = parameters.value / base_parameters.value - 1
    if macs and base_macs and macs.value and not line.is_baseline:
        ratio = base_macs.value / macs.value
    failures = [result.failure for result in results]
    nothing = not any(result.measurements for result in results)
    return SummaryRow(
        label=line.label if level == "line" else f"seed {results[0].cell.seed}",
        level=level,
        line=line,
        is_baseline=line.is_baseline,
        parameters=parameters,
        parameters_change=change,
        macs=macs,
        macs_ratio=ratio,
        peak_activation=estimate(results, "peak_activation"),
        discriminator_parameters=estimate(results, "discriminator_parameters"),
        total_parameters=estimate(results, "total_parameters"),
        times=tuple(_times(line, results, key, lines) for key in time_keys(lines)),
        qualities=tuple(key.over(results) for key in quality_keys(lines)),
        quality_ratios=tuple(quality_ratio(line, results, key, reference) for key in quality_keys(lines)),
        training_time=estimate(results, "training_time"),
        failure=next((failure for failure in failures if failure is not None), None) if nothing else None,
    )


def _times(line: Line, results: Sequence[CellResult], key: TimeKey, lines: Sequence[Line]) -> TimeFigures:
    latency = estimate(results, key.name, key.setting)
    macs = estimate(results, "macs")
    cold = estimate(results, "cold_start", key.setting)
    roof = _of_run(line, lines, "roof_compute", key.setting)
    achieved = macs.value / latency.value if macs and latency and latency.value > 0 else None
    return TimeFigures(
        key=key,
        latency=latency,
        speedup=estimate(results, LATENCIES[key.name], key.setting) if not line.is_baseline else None,
        control=_of_run(line, lines, CONTROLS[key.name], key.setting),
        achieved=achieved,
        roof_share=achieved / roof.value if achieved and roof and roof.value > 0 else None,
        cold_start_s=cold.value if cold else None,
    )


def _of_run(line: Line, lines: Sequence[Line], name: str, setting: str) -> Estimate | None:
    """A figure that stands on the baseline's cell and holds for its whole comparison."""
    reference = reference_of(line, lines)
    others = [
        other for other in lines if other.run == line.run and other.group == line.group and other.is_baseline
    ]
    for candidate in ([reference] if reference else []) + others:
        found = estimate(candidate.results, name, setting)
        if found is not None:
            return found
    return None
