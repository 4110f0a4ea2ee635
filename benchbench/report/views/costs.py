"""What each line's training cost, beside the baseline's and the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchbench.core.measurement import Measurement, ResultTable
from benchbench.core.model import JsonValue
from benchbench.report.views.lines import Estimate, Line, estimate, find_figure, reference_of, settings_of

# The first that was measured: what torch reserves on a GPU, else the memory of the process.
PEAKS = ("peak_reserved", "peak_allocated", "peak_resident")
PER_10K = "training_10k_steps"
_LEVEL = "level: "


@dataclass(frozen=True, slots=True)
class LevelCost:
    """What it took to a level of quality.

    Attributes:
        level: as declared, `fd[rand-conv-64] <= 30`.
        steps: the first scored step that met it; None where no seed did.
        time_s: of the training steps until then.
        missed: how many seeds were to meet it and did not; with no `steps` and 0, it was not declared here.
        scored: how scores were taken, by seed: every how many steps, and the hash of their protocol.
    """

    level: str
    steps: Estimate | None
    time_s: Estimate | None
    missed: int
    scored: Mapping[int, tuple[JsonValue, JsonValue]]


@dataclass(frozen=True, slots=True)
class CostRow:
    """One line's costs.

    Attributes:
        per_10k_s: seconds for ten thousand steps.
        ratio: of these to the baseline's; None unless both were timed alike.
        paper_ratio: the same ratio of the paper's figures, where the suite expects both.
        parameters: of generator and discriminator together, where they were counted.
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
    levels = tuple(dict.fromkeys((*settings_of(lines, "steps_to_level"), *_missed(lines))))
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
                ratio=_ratio(line, reference),
                paper_ratio=_paper_ratio(tables[line.run], line, reference),
                parameters=int(total.value) if total is not None else None,
                peak_bytes=next(filter(None, (estimate(line.results, name) for name in PEAKS)), None),
                levels=tuple(_level(line, level) for level in levels),
            )
        )
    return tuple(rows)


def _whole(settings: Mapping[str, JsonValue], name: str) -> int | None:
    value = settings.get(name)
    return value if isinstance(value, int) else None


def _missed(lines: Sequence[Line]) -> tuple[str, ...]:
    """Every level that some training did not meet."""
    failures = (failure for line in lines for result in line.results for failure in result.failures)
    return tuple(
        dict.fromkeys(each.of.removeprefix(_LEVEL) for each in failures if each.of.startswith(_LEVEL))
    )


def _level(line: Line, level: str) -> LevelCost:
    steps = estimate(line.results, "steps_to_level", level)
    settings = {seed: protocol.settings for seed, protocol in steps.by_seed} if steps is not None else {}
    return LevelCost(
        level=level,
        steps=steps,
        time_s=estimate(line.results, "time_to_level", level),
        missed=sum(failure.of == f"{_LEVEL}{level}" for each in line.results for failure in each.failures),
        scored={
            seed: (each.get("score_every"), each.get("score_protocol")) for seed, each in settings.items()
        },
    )


def _ratio(line: Line, reference: Line | None) -> float | None:
    """Of the means over the seeds that both have, where these were timed alike."""
    if reference is None or reference is line:
        return None
    ours, theirs = _by_seed(line), _by_seed(reference)
    seeds = ours.keys() & theirs.keys()
    if not seeds or any(_how(ours[seed]) != _how(theirs[seed]) for seed in seeds):
        return None
    total = sum(theirs[seed].value for seed in seeds)
    return sum(ours[seed].value for seed in seeds) / total if total else None


def _by_seed(line: Line) -> dict[int, Measurement]:
    figures = ((each.cell.seed, find_figure(each, PER_10K, None, declared={})) for each in line.results)
    return {seed: figure for seed, figure in figures if figure is not None}


def _how(figure: Measurement) -> dict[str, JsonValue]:
    """How it was timed; how long the training was does not matter to the time of a step."""
    return {name: value for name, value in figure.protocol.settings.items() if name != "steps"}


def _paper_ratio(table: ResultTable, line: Line, reference: Line | None) -> float | None:
    if reference is None or reference is line:
        return None
    ours, theirs = (
        table.suite.expect.get(variant, {}).get(PER_10K) for variant in (line.variant, reference.variant)
    )
    return ours.value / theirs.value if ours and theirs and theirs.value else None
