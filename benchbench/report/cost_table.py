"""The table of what training cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from benchbench.core.units import format_quantity, significant
from benchbench.report.document import Column, Grid, Item, Notes, Row
from benchbench.report.text import MISSING, duration
from benchbench.report.views.costs import CostRow, LevelCost
from benchbench.report.views.lines import Estimate
from benchbench.report.views.vocabulary import title

_NONE = Item(MISSING)
_PER_10K = "without scores, validation and checkpoints"
_SCORED = "scores were not taken alike (how often, or against what): these are not to be compared"
_PAPER = "the seconds are of the paper's machine: only ratios can be compared"


class _Part(NamedTuple):
    title: str
    items: list[Item]
    detail: str = ""
    notes: tuple[str, ...] = ()


def cost_grid(rows: Sequence[CostRow], notes: Notes) -> Grid:
    """What each line's training cost; a column that no line fills is left out."""
    parts = [
        _Part("steps", [_count(row.steps) for row in rows]),
        _Part("batch", [_count(row.batch) for row in rows]),
        _Part("training", [_flagged(row.time_s, notes) for row in rows]),
        _Part("10,000 steps", [_time(row.per_10k_s) for row in rows], notes=(_PER_10K,)),
        _Part("times the baseline's", [_times(row.ratio) for row in rows]),
        _Part("paper", [_times(row.paper_ratio) for row in rows], "times the baseline's", (_PAPER,)),
        _Part("parameters", [_count(row.parameters) for row in rows], "generator and discriminator"),
        _Part("peak memory", [_memory(row.peak_bytes) for row in rows]),
    ]
    for at, level in enumerate(rows[0].levels):
        costs = [row.levels[at] for row in rows]
        known = [each for each in costs if each.scored]
        alike = all(map(_is_alike, known, known[1:]))
        items = [_level(each) for each in costs]
        parts.append(_Part(f"to {title(level.level)}", items, "steps, time", () if alike else (_SCORED,)))
    kept = [part for part in parts if any(item != _NONE for item in part.items)]
    columns = (
        Column("variant", is_number=False),
        *(Column(part.title, detail=part.detail, notes=notes.number(*part.notes)) for part in kept),
    )
    made = tuple(
        Row(
            (Item(row.line.label), *(part.items[at] for part in kept)),
            level="baseline" if row.line.is_baseline else "line",
        )
        for at, row in enumerate(rows)
    )
    return Grid("What training cost", columns, made, notes.used_in(made, columns))


def _is_alike(one: LevelCost, other: LevelCost) -> bool:
    """Whether scores were taken alike at every seed that both have; a reference may differ with the seed."""
    seeds = one.scored.keys() & other.scored.keys()
    return all(one.scored[seed] == other.scored[seed] for seed in seeds)


def _time(figure: Estimate | None) -> Item:
    if figure is None:
        return _NONE
    spread = f"± {duration(figure.sd)}" if figure.sd is not None else ""
    return Item(duration(figure.value), spread, value=figure.value)


def _flagged(figure: Estimate, notes: Notes) -> Item:
    return replace(_time(figure), notes=notes.number(*figure.flags))


def _times(ratio: float | None) -> Item:
    return _NONE if ratio is None else Item(f"{significant(ratio)}x", value=ratio)


def _count(number: int | None) -> Item:
    return _NONE if number is None else Item(f"{number:,}", value=number)


def _memory(figure: Estimate | None) -> Item:
    if figure is None:
        return _NONE
    return Item(format_quantity(figure.value, "B"), figure.name.removeprefix("peak_"), value=figure.value)


def _level(cost: LevelCost) -> Item:
    if cost.steps is None:
        return Item("not reached") if cost.missed else _NONE
    steps, seeds = cost.steps, cost.steps.seeds
    spread = f" ± {steps.sd:,.0f}" if steps.sd is not None else ""
    time = duration(cost.time_s.value) if cost.time_s is not None else ""
    more = (f"{seeds} of {seeds + cost.missed} seeds",) if cost.missed else ()
    return Item(f"{steps.value:,.0f}{spread}", time, more=more, value=steps.value)
