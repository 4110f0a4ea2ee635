"""How the figures of a report came about: failures, protocols, environment."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.core.units import significant
from benchbench.report.answer import describe_failure
from benchbench.report.document import Block, Code, Column, Fold, Grid, Item, Paragraph, Row, text_columns
from benchbench.report.text import duration, percent, span
from benchbench.report.views.provenance import ProtocolRow, Verdict
from benchbench.report.views.quality import PROTOCOL as QUALITY
from benchbench.report.views.report import ReportView
from benchbench.report.views.vocabulary import failed_title, title

_MANY_PROTOCOLS = 3
AGREEMENT = "agreement"
_MEANINGS: dict[Verdict, str] = {
    "unknown": "no interval: nothing can be said",
    "noisy": "does not hold 1: repeat on a quieter machine",
    "wide": "holds 1, but is too wide to say that the machine was quiet",
    "quiet": "holds 1: quiet enough",
}


def failure_block(view: ReportView) -> Block:
    """What could not be measured and why; that there is nothing of the kind is said too."""
    if not view.failures and not view.absent:
        return Paragraph("Nothing failed or was skipped.")
    rows = tuple(
        Row(
            (
                Item(row.label),
                Item(failed_title(row.failure.of)),
                Item(describe_failure(row.failure)),
                Item(row.failure.fix or ""),
            )
        )
        for row in view.failures
    )
    rows += tuple(Row((Item(row.label), Item(row.what), Item(row.why), Item(row.fix))) for row in view.absent)
    return Grid("What could not be measured", text_columns("variant", "what", "why", "what to do"), rows)


def protocol_blocks(view: ReportView) -> tuple[Block, ...]:
    """The A/A control, and every protocol with its settings and hash."""
    blocks: list[Block] = []
    if view.controls:
        rows = tuple(
            Row(
                (
                    Item(row.label),
                    Item(f"{title(row.control.name)}, {row.control.setting}".rstrip(", ")),
                    Item(
                        significant(row.control.value, 4),
                        span(row.control.interval, digits=4) if row.control.interval else "",
                        value=row.control.value,
                    ),
                    Item(_MEANINGS[row.meaning], mark="" if row.meaning in ("quiet", "unknown") else "bad"),
                )
            )
            for row in view.controls
        )
        blocks.append(
            Paragraph(
                "A/A control: a duplicate of the baseline runs along as if it were a variant. "
                "Its true speed-up is 1, so an interval without 1 means that the machine was too noisy; "
                "one that is much wider than the protocol asks for tells nothing."
            )
        )
        columns = (
            *text_columns("variant", "timed"),
            Column("duplicate against baseline"),
            Column("meaning", is_number=False),
        )
        blocks.append(Grid("A/A control", columns, rows))
    if view.protocols:
        blocks.append(Paragraph("Figures are compared only where the hash of their protocol is the same."))
    # Each metric and seed of the quality measure has a protocol of its own, and many settings.
    long = [row for row in view.protocols if row.name == QUALITY]
    of_outputs = [row for row in view.protocols if row.name == AGREEMENT]
    if short := [row for row in view.protocols if row.name not in (QUALITY, AGREEMENT)]:
        blocks.append(_protocol_grid("Protocols", short))
    if of_outputs:
        # Each has the range of one network's outputs.
        grid = _protocol_grid("Protocols of output differences", of_outputs)
        blocks.append(grid if len(of_outputs) < _MANY_PROTOCOLS else Fold(grid.caption, (grid,)))
    if long:
        grid = _protocol_grid("Protocols of quality", long)
        blocks.append(grid if len(long) < _MANY_PROTOCOLS else Fold(grid.caption, (grid,)))
    return tuple(blocks)


def _protocol_grid(caption: str, protocols: Sequence[ProtocolRow]) -> Grid:
    rows = tuple(
        Row(
            (
                Item(row.name),
                Item(", ".join(row.measures)),
                Item("; ".join(row.settings) or "no settings"),
                Item(row.hash),
            )
        )
        for row in protocols
    )
    return Grid(caption, text_columns("protocol", "measures", "settings", "hash"), rows)


def environment_blocks(view: ReportView) -> tuple[Block, ...]:
    """Of each run: where the time went, what the machine said of itself, and how to repeat it."""
    blocks: list[Block] = []
    for run in view.runs:
        name = f" ({run.id})" if len(view.runs) > 1 else ""
        facts = tuple(Row((Item(fact.name), Item(fact.value))) for fact in run.facts)
        if run.phases:
            phases = tuple(
                Row(
                    (
                        Item(each.name),
                        Item(duration(each.seconds), value=each.seconds),
                        Item(percent(each.share), value=each.share),
                        Item(duration(each.inside_s), value=each.inside_s),
                    )
                )
                for each in run.phases
            )
            overhead = (
                f"; harness overhead {percent(run.overhead_share)}" if run.overhead_share is not None else ""
            )
            blocks += [
                Paragraph(
                    f"{duration(run.total_s)} in all{overhead}. Overhead is wall time outside of models, "
                    "data loading and library calls."
                ),
                Grid(f"Phases{name}", text_columns("phase", numbers=("time", "share", "inside")), phases),
            ]
        blocks.append(Grid(f"Environment{name}", text_columns("fact", "value"), facts))
        blocks += [
            Paragraph(
                f"benchbench {run.benchbench}, result schema {run.schema_version}; "
                f"run {run.id}, {run.started} to {run.finished}. To repeat it:"
            ),
            # With --resume it would find this very run complete, and repeat nothing.
            Code(run.command.replace(" --resume", "")),
        ]
    return tuple(blocks)
