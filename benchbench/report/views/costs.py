"""What each line's training cost, beside the baseline's and the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchbench.core.measurement import ResultTable
from benchbench.core.model import JsonValue
from benchbench.report.views.lines import Estimate, Line, estimate, reference_of, settings_of

# The first that was measured: what torch reserves on a GPU, else the memory of the process.
PEAKS = ("peak_reserved", "peak_allocated", "peak_resident")
PER_10K = "training_10k_steps"


@dataclass(frozen=True, slots=True)
class LevelCost:
    """What it took to a level of quality; None where it was never met.

    Attributes:
        level: as declared, `fd[rand-conv-64] <= 30`.
        steps: the first scored step that met it.
        time_s: of the training steps until then.
    """

    level: str
    steps: Estimate | None
    time_s: Estimate | None


@dataclass(frozen=True, slots=True)
class CostRow:
    """One line's costs.

    Attributes:
        per_10k_s: seconds for ten thousand steps.
        ratio: of these to the baseline's; None unless both were timed alike.
        paper_ratio: the same ratio of the paper's figures, where the suite expects both.
        parameters: of all networks that were trained, where they were counted.
        peak_bytes: the highest of memory, of the kind that its name tells.
    """

    line: Line
    steps: int | None
    batch: int | None
    time_s: Estimate
    per_10k_s: Estimate | None
    ratio: float | None
    paper_ratio: float | None
    parameters: int | None
    peak_bytes: Estimate | None
    levels: tuple[LevelCost, ...]


def cost_rows(tables: Sequence[ResultTable], lines: Sequence[Line]) -> tuple[CostRow, ...]:
    """A row per line that was trained."""
    levels = settings_of(lines, "steps_to_level")
    rows = []
    for line in lines:
        time_s = estimate(line.results, "training_time")
        if time_s is None:
            continue
        reference = reference_of(line, lines)
        per_10k_s = estimate(line.results, PER_10K)
        settings = time_s.by_seed[0][1].settings
        total = estimate(line.results, "total_parameters") or estimate(line.results, "parameters")
        rows.append(
            CostRow(
                line=line,
                steps=_whole(settings, "steps"),
                batch=_whole(settings, "batch"),
                time_s=time_s,
                per_10k_s=per_10k_s,
                ratio=_ratio(line, reference, per_10k_s),
                paper_ratio=_paper_ratio(tables[line.run], line, reference),
                parameters=int(total.value) if total is not None else None,
                peak_bytes=next(filter(None, (estimate(line.results, name) for name in PEAKS)), None),
                levels=tuple(
                    LevelCost(
                        level,
                        estimate(line.results, "steps_to_level", level),
                        estimate(line.results, "time_to_level", level),
                    )
                    for level in levels
                ),
            )
        )
    return tuple(rows)


def _whole(settings: Mapping[str, JsonValue], name: str) -> int | None:
    value = settings.get(name)
    return value if isinstance(value, int) else None


def _ratio(line: Line, reference: Line | None, ours: Estimate | None) -> float | None:
    if reference is None or reference is line or ours is None:
        return None
    theirs = estimate(reference.results, PER_10K)
    if theirs is None or not theirs.value or _how(ours) != _how(theirs):
        return None
    return ours.value / theirs.value


def _how(figure: Estimate) -> list[dict[str, JsonValue]]:
    """How it was timed, seed by seed; how long the training was does not matter to the time of a step."""
    return [
        {name: value for name, value in protocol.settings.items() if name != "steps"}
        for _, protocol in figure.by_seed
    ]


def _paper_ratio(table: ResultTable, line: Line, reference: Line | None) -> float | None:
    if reference is None or reference is line:
        return None
    ours, theirs = (
        table.suite.expect.get(variant, {}).get(PER_10K) for variant in (line.variant, reference.variant)
    )
    return ours.value / theirs.value if ours and theirs and theirs.value else None
