"""The answer: one sentence per variant, written from the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchbench.core.measurement import Failure
from benchbench.core.units import format_quantity, significant
from benchbench.report.answer_quality import own_quality, quality_cautions, quality_parts
from benchbench.report.text import duration, percent, span
from benchbench.report.views.quality import QualityColumn
from benchbench.report.views.report import ReportView
from benchbench.report.views.summary import SummaryRow, TimeFigures, holds


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one line gains and loses; `cautions` are what must be known before believing it."""

    label: str
    text: str
    cautions: tuple[str, ...]


def write_answer(view: ReportView) -> tuple[tuple[Sentence, ...], tuple[str, ...]]:
    """A sentence per line in the order of the suite (a failed line says so), and common cautions.

    A caution that every measured line shares is said once.
    """
    rows = [row for row in view.summary if row.level == "line"]
    references = {row.line.compared_with: row for row in rows if row.is_baseline and row.failure is None}
    sentences = [_sentence(row, references.get(row.line.compared_with), view.qualities) for row in rows]
    measured = [each for each, row in zip(sentences, rows, strict=True) if row.failure is None]
    common = [
        caution
        for caution in (measured[0].cautions if len(measured) > 1 else ())
        if all(caution in each.cautions for each in measured)
    ]
    kept = (
        replace(each, cautions=tuple(text for text in each.cautions if text not in common))
        for each in sentences
    )
    return tuple(kept), tuple(common)


def _sentence(row: SummaryRow, reference: SummaryRow | None, qualities: Sequence[QualityColumn]) -> Sentence:
    if row.failure is not None:
        return Sentence(row.label, f"not measured: {describe_failure(row.failure)}", ())
    if row.is_baseline or reference is None:
        parts = [*_own_figures(row), *own_quality(row, qualities)]
        named = f"the baseline of {row.line.group}" if row.line.group else "the baseline"
        kind = named if row.is_baseline else "no baseline to compare with"
        return Sentence(row.label, ", ".join([kind, *parts]), tuple(_cautions(row, qualities)))
    parts = [_parameters(row), _macs(row), *_times(row, reference), *quality_parts(row, reference, qualities)]
    text = ", ".join(part for part in parts if part) or "nothing was measured that can be compared"
    return Sentence(row.label, text, tuple(_cautions(row, qualities)))


def describe_failure(failure: Failure) -> str:
    """Kind, step and reason on one line."""
    step = f" at step {failure.step:,}" if failure.step is not None else ""
    reason = "; ".join(line.strip() for line in failure.reason.splitlines())
    return f"{failure.kind.replace('_', ' ')}{step}: {reason}"


def _own_figures(row: SummaryRow) -> list[str]:
    parts = []
    if row.parameters:
        parts.append(f"{row.parameters.value:,.0f} parameters")
    if row.macs:
        parts.append(format_quantity(row.macs.value, "MAC"))
    for time in row.times:
        if time.latency:
            parts.append(f"{duration(time.latency.value)} {_place(time)}")
    return parts


def _parameters(row: SummaryRow) -> str:
    change = row.parameters_change
    if change is None:
        return ""
    if change == 0:
        return "the same parameters"
    return f"{percent(abs(change))} {'fewer' if change < 0 else 'more'} parameters"


def _macs(row: SummaryRow) -> str:
    ratio = row.macs_ratio
    if ratio is None:
        return ""
    if ratio == 1:
        return "the same MACs"
    return f"{_times_text(max(ratio, 1 / ratio))} {'fewer' if ratio > 1 else 'more'} MACs"


def _times_text(ratio: float) -> str:
    return f"{significant(ratio, 2 if 1.1 <= ratio < 100 else 3)}x"


def _times(row: SummaryRow, reference: SummaryRow) -> list[str]:
    bases = {time.key: time for time in reference.times}
    parts = [(time, _faster(time, bases.get(time.key))) for time in row.times]
    said = [(time, text) for time, text in parts if text]
    if len(said) == 1:
        return [said[0][1]]
    return [f"{text} {_place(time)}" for time, text in said]


def _place(time: TimeFigures) -> str:
    where = f"({time.key.setting})" if time.key.setting else ""
    return f"in device time {where}".rstrip() if time.key.name == "device_latency" else where


def _faster(time: TimeFigures, base: TimeFigures | None) -> str:
    if time.speedup is None:
        if time.latency is None or base is None or base.latency is None or time.latency.value <= 0:
            return ""
        ratio = base.latency.value / time.latency.value
        return (
            f"{_times_text(max(ratio, 1 / ratio))} {'faster' if ratio >= 1 else 'slower'} without an interval"
        )
    ratio, interval = time.speedup.value, time.speedup.interval
    if interval is None:
        word = "faster" if ratio >= 1 else "slower"
        return f"{_times_text(max(ratio, 1 / ratio))} {word} without an interval"
    if holds(time.speedup, 1.0):
        return f"no measurable difference in latency ({significant(ratio)}x {span(interval)})"
    if ratio >= 1:
        return f"{significant(ratio)}x faster {span(interval)}"
    return f"{significant(1 / ratio)}x slower {span((1 / interval[1], 1 / interval[0]))}"


def _cautions(row: SummaryRow, qualities: Sequence[QualityColumn]) -> Sequence[str]:
    cautions = []
    for time in row.times:
        flags = [*(time.latency.flags if time.latency else ()), *(time.speedup.flags if time.speedup else ())]
        if any(flag.startswith("unconverged") for flag in flags):
            cautions.append(f"latency unconverged {_place(time)}".rstrip())
        # Of a protocol that calls one network after the other.
        cautions += [flag for flag in flags if flag.startswith("not interleaved")]
        if time.is_noisy and time.control and time.control.interval:
            place = f" {_place(time)}".rstrip()
            cautions.append(
                f"noisy machine{place}: the A/A control {span(time.control.interval)} does not hold 1"
            )
    cautions += quality_cautions(row, qualities)
    seeds = len(row.line.results)
    if seeds > 1:
        measured = sum(result.failure is None for result in row.line.results)
        cautions.append(f"mean of {seeds} seeds" if measured == seeds else f"{measured} of {seeds} seeds")
    return tuple(dict.fromkeys(cautions))
