"""What deployments changed and left out, and every pair of them, in tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from benchbench.core.deployment_record import OperatorNote
from benchbench.core.model import JsonValue
from benchbench.core.units import significant
from benchbench.report.answer import describe_failure
from benchbench.report.deployment_words import psnr_text
from benchbench.report.document import Column, Grid, Item, Notes, Row, text_columns
from benchbench.report.text import MISSING, duration, short, span
from benchbench.report.views.deployment_model import DeployedCell, DeploymentGroup, Pair
from benchbench.report.views.lines import find_figure

_NONE = Item(MISSING)
_NOT_TOLD = Item("not told", mark="quiet")
_WHAT = {
    "fell_back": "fell back",
    "not_fused": "not fused",
    "not_quantised": "not quantised",
    "not_lowered": "not lowered",
}
_NAMED = 3


def pair_grid(pairs: Sequence[Pair]) -> Grid | None:
    """A row per two lines that were timed side by side; None without any."""
    rows = tuple(
        Row(
            (
                Item(pair.one.line.label),
                Item(pair.other.line.label),
                Item(
                    f"{significant(pair.ratio.value)}x",
                    span(pair.ratio.interval) if pair.ratio.interval else "no interval",
                    value=pair.ratio.value,
                ),
                Item("yes" if pair.ratio.is_clear else "no" if pair.ratio.is_open else "not known"),
                *(_latency(each) for each in (pair.one, pair.other)),
            )
        )
        for pair in pairs
    )
    columns = (
        *text_columns("this", "against"),
        Column("times as fast [95 %]"),
        Column("told apart", is_number=False),
        Column("latency", detail="this"),
        Column("latency", detail="against"),
    )
    return Grid("Pairs", columns, rows, is_of_pairs=True) if rows else None


def output_grid(group: DeploymentGroup, notes: Notes) -> Grid | None:
    """How far the outputs of each deployment are from eager float32's; None without any deployment."""
    found = [each for each in group.cells if not each.line.deployment.is_reference]
    rows = tuple(
        _output_row(each, notes)
        for each in found
        if each.agreement or (each.failure is not None and each.failure.kind == "differs")
    )
    columns = (
        Column("variant and deployment", is_number=False),
        Column("largest difference", detail="of the range"),
        Column("mean difference"),
        Column("PSNR"),
        Column("protocol", is_number=False),
    )
    return Grid("Outputs against eager float32", columns, rows, notes.used_in(rows)) if rows else None


def operator_grid(group: DeploymentGroup) -> Grid | None:
    """How many operators fell back, or were not fused or quantised; None where there is no record."""
    found = [each for each in group.cells if each.record is not None]
    rows = tuple(_operator_row(each) for each in found)
    columns = (
        Column("variant and deployment", is_number=False),
        Column("operators", detail="executed"),
        *(Column(name) for name in _WHAT.values()),
    )
    return Grid("Operators that were run otherwise", columns, rows) if rows else None


def operator_detail(group: DeploymentGroup) -> Grid | None:
    """A row per kind of operator that was run otherwise; None where there is none."""
    rows = tuple(
        Row(
            (
                Item(cell.line.label),
                Item(_WHAT[note.what]),
                Item(note.operator),
                Item(f"{note.count:,}", value=note.count),
                Item(note.detail),
            )
        )
        for cell in group.cells
        if cell.record is not None
        for note in cell.record.operators or ()
    )
    columns = (
        *text_columns("variant and deployment", "what", "operator"),
        Column("count"),
        Column("why", is_number=False),
    )
    return Grid("Each kind of operator", columns, rows) if rows else None


def fact_grid(group: DeploymentGroup) -> Grid | None:
    """What the libraries say of themselves; variants of which one says the same share a row."""
    said: dict[tuple[str, str], list[str]] = {}
    for cell in group.cells:
        if cell.record is not None and cell.record.facts:
            # Threads stand with what was timed; these are of the process that wrote and compared.
            told = {name: value for name, value in cell.record.facts.items() if name != "threads"}
            facts = "; ".join(f"{name} {_plain(value)}" for name, value in told.items())
            said.setdefault((cell.way, facts), []).append(cell.variant)
    rows = tuple(
        Row((Item(way), Item(", ".join(variants)), Item(facts))) for (way, facts), variants in said.items()
    )
    grid = Grid("What the libraries say", text_columns("deployment", "variants", "facts"), rows)
    return grid if rows else None


def _latency(cell: DeployedCell) -> Item:
    if cell.latency is None:
        return _NONE
    return Item(duration(cell.latency.value), value=cell.latency.value)


def _output_row(cell: DeployedCell, notes: Notes) -> Row:
    label = Item(cell.line.label)
    if cell.agreement is None:
        return Row((label,), reason=describe_failure(cell.failure) if cell.failure else "")
    protocol = cell.agreement.protocol
    largest, mean, psnr = (
        cell.figures.get(name) for name in ("output_max_abs", "output_mean_abs", "output_psnr")
    )
    bounds = cell.line.deployment.bounds
    allowed, asked = bounds.max_abs, bounds.psnr_db
    whole = None if cell.record is None else cell.record.value_range
    part = _of_range(cell)
    ranged = "outputs" if _is_of_that_range(cell) else "output with the lowest PSNR"
    # Beside a range of 1.9 a difference of 1.9e-6 is not 0.0 %.
    share = f"{significant(part * 100, 2)} %" if part is not None and math.isfinite(part) else ""
    return Row(
        (
            Item(cell.line.label, notes=notes.number(_inputs(protocol.settings, whole, ranged))),
            _NONE
            if largest is None
            else Item(
                short(largest.value),
                share,
                more=() if allowed is None else (f"{significant(allowed * 100, 2)} % is allowed",),
                value=largest.value,
            ),
            _NONE if mean is None else Item(short(mean.value), value=mean.value),
            _NONE
            if psnr is None
            else Item(
                psnr_text(cell),
                mark="bad" if cell.failure is not None and cell.failure.kind == "differs" else "",
                more=() if asked is None else (f"{asked:g} dB is asked",),
                value=psnr.value,
            ),
            Item(protocol.hash),
        )
    )


def _of_range(cell: DeployedCell) -> float | None:
    """The largest difference as a share of its output's range, as the tolerance takes it."""
    records = [each.deployment for each in cell.line.results if each.deployment is not None]
    told = [each.relative_max_abs for each in records if each.relative_max_abs is not None]
    if told and len(told) == len(records):
        return statistics.fmean(told)
    # Older results have one range alone, that of the output with the lowest PSNR.
    largest, whole = cell.figures.get("output_max_abs"), cell.record.value_range if cell.record else None
    return largest.value / whole if largest is not None and whole else None


def _is_of_that_range(cell: DeployedCell) -> bool:
    """Whether the share is of the range that is stored; of several outputs it may be another one's."""
    for result in cell.line.results:
        record, largest = result.deployment, find_figure(result, "output_max_abs", None, declared={})
        if record and largest and record.value_range and record.relative_max_abs is not None:
            share = largest.value / record.value_range
            if not math.isclose(share, record.relative_max_abs, rel_tol=1e-6):
                return False
    return True


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _inputs(settings: dict[str, JsonValue], whole: float | None, ranged: str) -> str:
    count = _number(settings.get("input_sets"))
    said = [f"inputs: {_plain(settings.get('inputs'))}"]
    said += [f"{count:g} sets"] if count is not None else []
    said += [f"range of the {ranged} {short(whole)}"] if whole is not None else []
    return ", ".join(said)


def _operator_row(cell: DeployedCell) -> Row:
    record = cell.record
    assert record is not None
    count = record.operator_count
    executed = _NOT_TOLD if count is None else Item(f"{count:,}", value=count)
    told = [_NOT_TOLD] * len(_WHAT)
    if record.operators is not None:
        known: Sequence[str] = record.operators_told or tuple(_WHAT)
        told = [
            _told([each for each in record.operators if each.what == what]) if what in known else _NOT_TOLD
            for what in _WHAT
        ]
    return Row((Item(cell.line.label), executed, *told))


def _told(found: Sequence[OperatorNote]) -> Item:
    total = sum(each.count for each in found)
    named = [f"{each.operator} {each.count:,}" for each in found[:_NAMED]]
    more = [f"and {len(found) - _NAMED} kinds more"] if len(found) > _NAMED else []
    return Item(f"{total:,}", more=(*named, *more), value=total)


def _plain(value: JsonValue) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
