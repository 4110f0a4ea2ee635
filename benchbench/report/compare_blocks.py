"""A comparison of runs as blocks that Markdown prints, and the terminal."""

from __future__ import annotations

from benchbench.core.changes import Change
from benchbench.core.units import format_quantity, significant
from benchbench.report.compare_model import ComparedRow, Comparison, Side
from benchbench.report.document import (
    Block,
    Column,
    Document,
    Grid,
    Item,
    Mark,
    Paragraph,
    Row,
    Section,
    text_columns,
)
from benchbench.report.text import MISSING, exact, short, span
from benchbench.report.views.vocabulary import title

_MARKS: dict[str, Mark] = {"better": "good", "worse": "bad"}
_RULE = (
    "Figures stand side by side only where the hash of their protocol is the same, and times only where "
    "device and threads are too; speed-ups are ratios within a run and compare across machines. "
    "Brackets are 95 % intervals."
)
_ONE_TRAINING = (
    "An interval of a quality is over the images of one training; another training may lie outside of it."
)


def compose_comparison(comparison: Comparison) -> Document:
    """The comparison as a document."""
    first, *others = comparison.runs
    cautions = tuple(Paragraph(f"Mind: {caution}.") for caution in comparison.cautions)
    sections = [
        Section("figures", "Side by side", (Paragraph(_RULE), *cautions, *comparison_grids(comparison))),
        Section("environment", "What may explain it", (facts_grid(comparison),)),
    ]
    return Document(
        title=f"{len(comparison.runs)} runs compared",
        lead=f"{', '.join(others)} against {first}.",
        link=None,
        sections=tuple(sections),
    )


def comparison_grids(comparison: Comparison) -> tuple[Block, ...]:
    """What is comparable, what is not and why, and the cells that a run lacks."""
    blocks: list[Block] = []
    if comparison.rows:
        blocks.append(figures_grid(comparison))
        if any(
            side and side.change and side.change.how == "image by image"
            for row in comparison.rows
            for side in row.sides
        ):
            blocks.append(Paragraph(_ONE_TRAINING))
    else:
        blocks.append(Paragraph("Nothing of these runs is comparable."))
    if comparison.refusals:
        blocks.append(refusal_grid(comparison))
    if comparison.missing:
        blocks.append(missing_grid(comparison))
    return tuple(blocks)


def figures_grid(comparison: Comparison) -> Grid:
    """A row per cell and measure; after each run but the first its ratio to the first."""
    columns = [
        Column("cell", is_number=False),
        Column("measure", is_number=False),
        Column(comparison.runs[0]),
    ]
    for run in comparison.runs[1:]:
        columns += [Column(run), Column(f"{run} / {comparison.runs[0]}"), Column("", is_number=False)]
    rows = []
    lacking = {(cell, run) for cell, runs in comparison.missing for run in runs}
    for row in comparison.rows:
        where = row.setting if any(side and side.setting != row.setting for side in row.sides) else ""
        items = [Item(row.cell), Item(title(row.name), row.setting), _figure(row, row.sides[0], where)]
        for run, side in zip(comparison.runs[1:], row.sides[1:], strict=True):
            is_there = (row.cell, run) not in lacking
            items += [_figure(row, side, where) if is_there else Item(MISSING), *_change(row, side)]
        rows.append(Row(tuple(items)))
    return Grid("What is comparable", tuple(columns), tuple(rows))


def refusal_grid(comparison: Comparison) -> Grid:
    """What is not compared, a row per reason."""
    rows = tuple(
        Row(
            (
                Item(comparison.runs[each.run]),
                Item(", ".join(each.measures)),
                Item(_cells(each.cells)),
                Item(each.reason),
            )
        )
        for each in comparison.refusals
    )
    return Grid("What is not compared, and why", text_columns("run", "measures", "cells", "why"), rows)


def missing_grid(comparison: Comparison) -> Grid:
    """The cells that a run lacks."""
    rows = tuple(Row((Item(cell), Item(", ".join(runs)))) for cell, runs in comparison.missing)
    return Grid("Cells that a run lacks", text_columns("cell", "lacking in"), rows)


def facts_grid(comparison: Comparison) -> Grid:
    """What differs between the machines and their software."""
    rows = tuple(
        Row((Item(fact.name), *map(Item, fact.values), Item("≠" if fact.differs else "")))
        for fact in comparison.facts
    )
    return Grid("Environments", text_columns("fact", *comparison.runs, "differs"), rows)


def _figure(row: ComparedRow, side: Side | None, usual: str) -> Item:
    if side is None:
        return Item("not compared", mark="quiet")
    figure = side.figure
    text = (
        exact(figure.value, row.unit)
        if row.unit in ("1", "MAC") and float(figure.value).is_integer()
        else (format_quantity(figure.value, row.unit) if row.unit != "1" else short(figure.value))
    )
    text += f" ± {format_quantity(figure.sd, row.unit, 2)}" if figure.sd else ""
    # A time's own interval says less than its quartiles, and stands in the run's report.
    detail = span(figure.interval) if figure.interval and row.unit == "1" else ""
    return Item(text, detail, more=(side.setting,) if usual and side.setting else ())


def _change(row: ComparedRow, side: Side | None) -> tuple[Item, Item]:
    change = side.change if side else None
    if change is None:
        return Item(MISSING), Item("")
    verdict = change.verdict(direction=row.direction)
    said = {"unknown": "no interval"}.get(verdict, verdict)
    return Item(_ratio(change, row.unit), span(change.interval) if change.interval else ""), Item(
        said, mark=_MARKS.get(verdict, "")
    )


def _ratio(change: Change, unit: str) -> str:
    if change.is_difference:
        sign = "+" if change.value > 0 else ""
        return f"{sign}{short(change.value)}{'' if unit == '1' else f' {unit}'}"
    if change.how == "exact" and change.value == 1:
        return "="
    return f"{significant(change.value, 4 if change.how == 'exact' else 3)}x"


def _cells(cells: tuple[str, ...]) -> str:
    return ", ".join(cells) if len(cells) <= 4 else f"{', '.join(cells[:3])} and {len(cells) - 3} more"
