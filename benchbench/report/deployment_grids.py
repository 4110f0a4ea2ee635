"""Deployments in tables: a matrix variant x deployment, and every figure of each."""

from __future__ import annotations

from collections.abc import Callable

from benchbench.core.units import format_quantity, significant
from benchbench.report.answer import describe_failure
from benchbench.report.deployment_words import psnr_text, quality_change, times_text
from benchbench.report.document import Column, Grid, Item, Notes, Row
from benchbench.report.quality_words import column_name, column_title, told_apart
from benchbench.report.text import MISSING, choose_scale, duration, heading, short, span
from benchbench.report.views.deployment_model import DeployedCell, DeploymentGroup
from benchbench.report.views.latency_pairs import PairedRatio
from benchbench.report.views.lines import Estimate
from benchbench.report.views.vocabulary import explain_flag, title

_MOST_ACROSS = 5
_NONE = Item(MISSING)
Make = Callable[[DeployedCell], Item]


def matrix_grids(group: DeploymentGroup, notes: Notes) -> tuple[Grid, ...]:
    """Variants down and deployments across; the other way round, or in parts, where that is too wide."""
    is_turned = len(group.ways) > _MOST_ACROSS and len(group.variants) < len(group.ways)
    down, across = (group.ways, group.variants) if is_turned else (group.variants, group.ways)
    parts = [across[at : at + _MOST_ACROSS] for at in range(0, len(across), _MOST_ACROSS)]
    factor, unit = choose_scale([each.latency.value for each in group.cells if each.latency], "s")
    what = f"Latency{f', {unit}' if group.key else ''}, and what it is compared with"
    reference = next((each.way for each in group.cells if each.line.deployment.is_reference), None)
    grids = []
    for number, part in enumerate(parts, start=1):
        columns = (
            Column("deployment" if is_turned else "variant", is_number=False),
            *(Column(name) for name in part),
        )
        rows = tuple(
            Row(
                (
                    Item(one),
                    *(
                        _place(group.cell(*((other, one) if is_turned else (one, other))), notes, factor)
                        for other in part
                    ),
                ),
                level="baseline" if one == (reference if is_turned else group.baseline) else "line",
            )
            for one in down
        )
        more = f" ({number} of {len(parts)})" if len(parts) > 1 else ""
        grids.append(Grid(f"{what}{more}", columns, rows, notes.used_in(rows)))
    return tuple(grids)


def full_grid(group: DeploymentGroup, notes: Notes) -> Grid:
    """A row per variant and deployment with every figure; what none has is no column."""
    columns: list[tuple[Column, Make]] = []
    timed = [each.latency.value for each in group.cells if each.latency]
    if timed:
        factor, unit = choose_scale(timed, "s")
        columns += [
            (Column(heading("latency [quartiles]", unit)), lambda cell: _latency(cell, factor, notes)),
            (Column("over its eager", detail="[95 %]"), lambda cell: _ratio(cell.over_eager, notes)),
            (
                Column("over the baseline", detail="in the same deployment"),
                lambda cell: _ratio(cell.over_baseline, notes),
            ),
            (Column("over the baseline", detail="in eager"), lambda cell: _ratio(cell.over_reference, notes)),
        ]
    columns += _figures(group, "file_size")
    if any("output_psnr" in each.figures for each in group.cells):
        columns.append((Column("PSNR", detail="to its eager"), _psnr))
    keys = {judged.column.key: judged.column for cell in group.cells for judged in cell.qualities}
    for column in keys.values():
        said = Column(column_title(column), detail=told_apart(column) or column.key.setting)
        columns.append((said, lambda cell, key=column.key: _judged(cell, key)))  # type: ignore[misc]
    for name in ("export_time", "compile_time", "first_call", "cold_start", "memory_resident"):
        columns += _figures(group, name)
    rows = tuple(
        Row((Item(cell.line.label),), reason=describe_failure(cell.line.failure))
        if cell.line.failure is not None
        else Row(
            (Item(cell.line.label), *(make(cell) for _, make in columns)),
            level="baseline" if cell.line.is_baseline else "line",
        )
        for cell in group.cells
    )
    titles = (Column("variant and deployment", is_number=False), *(column for column, _ in columns))
    return Grid("Every deployment in full", titles, rows, notes.used_in(rows))


def why_failed(cell: DeployedCell) -> str:
    """The reason on one line, with what to do about it; empty where it works."""
    failure = cell.failure or (cell.untimed if cell.latency is None else None)
    if failure is None:
        return ""
    fix = f" ({failure.fix})" if failure.fix else ""
    return f"{describe_failure(failure)}{fix}"


def _place(cell: DeployedCell | None, notes: Notes, factor: float) -> Item:
    if cell is None:
        return _NONE
    if cell.failure is not None and cell.line.failure is not None:
        return Item(
            cell.failure.kind.replace("_", " "),
            notes=notes.number(why_failed(cell)),
            mark="quiet" if cell.failure.kind == "skipped" else "bad",
            more=(psnr_text(cell),) if "output_psnr" in cell.figures else (),
        )
    why = why_failed(cell)
    lines = []
    if cell.over_eager is not None:
        lines.append(f"eager {times_text(cell.over_eager)}")
    if cell.over_baseline is not None:
        lines.append(f"baseline {times_text(cell.over_baseline)}")
    parts = []
    if "file_size" in cell.figures:
        parts.append(format_quantity(cell.figures["file_size"].value, "B"))
    if "output_psnr" in cell.figures:
        parts.append(psnr_text(cell))
    if parts:
        lines.append(", ".join(parts))
    if cell.qualities:
        first = cell.qualities[0]
        change = quality_change(first)
        lines.append(
            f"{column_name(first.column)} {short(first.figure.value)}{f' ({change})' if change else ''}"
        )
    value = cell.latency.value if cell.latency else None
    text = significant(value / factor) if value is not None else MISSING
    return Item(text, notes=notes.number(*([why] if why else [])), more=tuple(lines), value=value)


def _latency(cell: DeployedCell, factor: float, notes: Notes) -> Item:
    figure = cell.latency
    if figure is None:
        why = why_failed(cell)
        return Item(MISSING, notes=notes.number(*([why] if why else [])))
    text = significant(figure.value / factor)
    if figure.sd:
        text += f" ± {significant(figure.sd / factor, 2)}"
    detail = span(figure.quartiles, factor=factor) if figure.quartiles else ""
    return Item(text, detail, notes.number(*map(explain_flag, figure.flags)), value=figure.value)


def _ratio(ratio: PairedRatio | None, notes: Notes) -> Item:
    if ratio is None:
        return _NONE
    detail = span(ratio.interval) if ratio.interval else "no interval"
    flags = notes.number(*map(explain_flag, ratio.flags))
    return Item(f"{significant(ratio.value)}x", detail, flags, value=ratio.value)


def _psnr(cell: DeployedCell) -> Item:
    figure = cell.figures.get("output_psnr")
    return _NONE if figure is None else Item(psnr_text(cell), value=figure.value)


def _judged(cell: DeployedCell, key: object) -> Item:
    judged = next((each for each in cell.qualities if each.column.key == key), None)
    if judged is None:
        return _NONE
    change = quality_change(judged)
    detail = span(judged.figure.interval) if judged.figure.interval else ""
    more = (f"{change} against eager",) if change else ()
    return Item(short(judged.figure.value), detail, more=more, value=judged.figure.value)


def _figures(group: DeploymentGroup, name: str) -> list[tuple[Column, Make]]:
    found = [each.figures[name] for each in group.cells if name in each.figures]
    if not found:
        return []
    is_time = found[0].unit == "s"
    factor, unit = choose_scale([each.value for each in found], found[0].unit)
    column = Column(title(name) if is_time else heading(title(name), unit))
    return [(column, lambda cell: _figure(cell.figures.get(name), factor, is_time=is_time))]


def _figure(figure: Estimate | None, factor: float, *, is_time: bool) -> Item:
    if figure is None:
        return _NONE
    text = duration(figure.value) if is_time else significant(figure.value / factor)
    return Item(text, value=figure.value)
