"""The parts of a report in their order: views put into blocks that Markdown and HTML both print."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.core.units import significant
from benchbench.report.answer import describe_failure, write_answer
from benchbench.report.document import (
    Answer,
    Block,
    Code,
    Column,
    Document,
    Fold,
    Gallery,
    Grid,
    Item,
    Notes,
    Paragraph,
    Plots,
    Row,
    Section,
)
from benchbench.report.grids import SHOWN_TIMES, paper_grid, summary_grid, timing_grid
from benchbench.report.plot_blocks import curve_plots, gain_plots, stage_plots, tradeoff_plots
from benchbench.report.quality_grids import further_quality, quality_detail
from benchbench.report.text import duration, percent, span
from benchbench.report.views.provenance import ProtocolRow
from benchbench.report.views.quality import PROTOCOL as QUALITY
from benchbench.report.views.report import ReportView
from benchbench.report.views.structure import Replaced
from benchbench.report.views.training import CurvePanel, PictureGrid
from benchbench.report.views.vocabulary import failed_title, title

_MANY_PROTOCOLS = 3


def compose(view: ReportView) -> Document:
    """The whole report as blocks; a part without content is left out, failures never are."""
    suite = view.suites[0]
    notes = Notes()
    sections = [
        Section("answer", "The answer", (Answer(*write_answer(view)), *_run_line(view))),
        Section("table", "The table", _tables(view, notes)),
        Section("trade-offs", "Trade-offs", _tradeoffs(view)),
        Section("training", "Training", _training(view.curves)),
        Section("pictures", "Pictures", tuple(_gallery(grid) for grid in view.pictures)),
        Section("cost", "Where the cost sits", _stages(view)),
        Section("replaced", "What was replaced", tuple(_replaced(each) for each in view.replaced)),
        Section("failures", "What failed or was skipped", (_failures(view),)),
        Section("protocol", "How it was measured", _protocol(view)),
        Section("environment", "Environment and time", _environment(view)),
    ]
    paper = suite.paper
    about = [suite.description] if suite.description else []
    if paper is not None:
        who = f"{paper.authors}, {paper.year}" if paper.authors else str(paper.year)
        about.append(f"Paper: {paper.title} ({who}).")
        about += [paper.note] if paper.note else []
    return Document(
        title=suite.title or suite.name,
        lead=" ".join(about),
        link=(paper.title, paper.url) if paper is not None and paper.url else None,
        sections=tuple(section for section in sections if section.blocks),
    )


def _run_line(view: ReportView) -> tuple[Block, ...]:
    names = ", ".join(f"{run.id} ({run.started})" for run in view.runs)
    word = "Run" if len(view.runs) == 1 else "Runs"
    of = "group" if len({row.line.group for row in view.summary}) > 1 else "run"
    timed = f"Speed-ups are paired ratios to the baseline of the same {of}, with 95 % intervals."
    said = timed if view.times else f"Changes are against the baseline of the same {of}."
    paired = [row for row in view.summary if any(row.quality_ratios[:1])]
    if paired and all(len(row.line.results) == 1 for row in paired):
        said += (
            " Quality is compared image by image; its interval is over the test images of one training "
            "each, and another seed may lie outside of it."
        )
    return (Paragraph(f"{word} {names}. {said}"),)


def _training(panels: Sequence[CurvePanel]) -> tuple[Block, ...]:
    main = [panel for panel in panels if panel.is_main]
    parts = [panel for panel in panels if not panel.is_main]
    if not main or not parts:
        return (Plots(curve_plots(panels)),) if panels else ()
    # All at once, so that no two of them get one file name.
    plots = dict(zip((panel.name for panel in panels), curve_plots(panels), strict=True))
    return (
        Plots(tuple(plots[panel.name] for panel in main)),
        Fold("The other curves", (Plots(tuple(plots[panel.name] for panel in parts)),)),
    )


def _tables(view: ReportView, notes: Notes) -> tuple[Block, ...]:
    blocks: list[Block] = [summary_grid(view, notes)]
    if (further := further_quality(view, notes)) is not None:
        blocks.append(further)
    if view.paper:
        blocks.append(paper_grid(view.paper, notes))
    if view.times:
        grid = timing_grid(view, notes)
        blocks.append(grid if len(view.times) > SHOWN_TIMES else Fold(grid.caption, (grid,)))
    if (detail := quality_detail(view, notes)) is not None:
        blocks.append(Fold(detail.caption, (detail,)))
    return tuple(blocks)


def _tradeoffs(view: ReportView) -> tuple[Block, ...]:
    plots = (*tradeoff_plots(view.tradeoffs), *gain_plots(view.gains))
    if not plots:
        return ()
    said = (
        "The dashed line is the Pareto front: no other point is better in both. "
        "Bars are 95 % intervals; a latency without one has its quartiles."
    )
    return (Paragraph(said), Plots(plots))


def _gallery(grid: PictureGrid) -> Gallery:
    captions = [each.caption for row in grid.rows for each in row.pictures if each.heading == "content"]
    name = f"Content image {grid.index}{f' ({captions[0]})' if captions and captions[0] else ''}"
    return Gallery(f"pictures-{grid.index}", f"{name}: every variant at the early and the final step", grid)


def _stages(view: ReportView) -> tuple[Block, ...]:
    return (Plots(stage_plots(view.stages)),) if view.stages else ()


def _replaced(each: Replaced) -> Block:
    done = Grid(
        f"{each.label}: exchanged layers",
        _columns("layer", "stage", "before", "after", numbers=("parameters before", "parameters after")),
        tuple(
            Row(
                (
                    Item(layer.path),
                    Item(layer.stage),
                    Item(layer.before),
                    Item(layer.after or ""),
                    Item(f"{layer.parameters_before:,}"),
                    Item(f"{layer.parameters_after:,}"),
                )
            )
            for layer in each.done
        ),
    )
    declined = Grid(
        f"{each.label}: declined layers",
        _columns("layer", "stage", "layer kept", "why"),
        tuple(
            Row(
                (
                    Item(layer.path),
                    Item(layer.stage),
                    Item(layer.before),
                    Item(layer.reason or "no reason given"),
                )
            )
            for layer in each.declined
        ),
    )
    said = f"{each.label}: {_plural(len(each.done), 'layer')} exchanged, {len(each.declined)} declined"
    return Fold(said, tuple(grid for grid in (done, declined) if grid.rows))


def _failures(view: ReportView) -> Block:
    if not view.failures:
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
    return Grid("What could not be measured", _columns("variant", "what", "why", "what to do"), rows)


def _protocol(view: ReportView) -> tuple[Block, ...]:
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
                    ),
                    Item(_meaning(row.is_quiet), mark="bad" if row.is_quiet is False else ""),
                )
            )
            for row in view.controls
        )
        blocks.append(
            Paragraph(
                "A/A control: a duplicate of the baseline runs along as if it were a variant. "
                "Its true speed-up is 1, so an interval without 1 means that the machine was too noisy."
            )
        )
        columns = (
            *_columns("variant", "timed"),
            Column("duplicate against baseline"),
            Column("meaning", is_number=False),
        )
        blocks.append(Grid("A/A control", columns, rows))
    if view.protocols:
        blocks.append(Paragraph("Figures are compared only where the hash of their protocol is the same."))
    # Each metric and seed of the quality measure has a protocol of its own, and many settings.
    long = [row for row in view.protocols if row.name == QUALITY]
    if short := [row for row in view.protocols if row.name != QUALITY]:
        blocks.append(_protocol_grid("Protocols", short))
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
    return Grid(caption, _columns("protocol", "measures", "settings", "hash"), rows)


def _meaning(is_quiet: bool | None) -> str:
    if is_quiet is None:
        return "no interval: nothing can be said"
    return "holds 1: quiet enough" if is_quiet else "does not hold 1: repeat on a quieter machine"


def _environment(view: ReportView) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for run in view.runs:
        name = f" ({run.id})" if len(view.runs) > 1 else ""
        facts = tuple(Row((Item(fact.name), Item(fact.value))) for fact in run.facts)
        if run.phases:
            phases = tuple(
                Row(
                    (
                        Item(each.name),
                        Item(duration(each.seconds)),
                        Item(percent(each.share)),
                        Item(duration(each.inside_s)),
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
                Grid(f"Phases{name}", _columns("phase", numbers=("time", "share", "inside")), phases),
            ]
        blocks.append(Grid(f"Environment{name}", _columns("fact", "value"), facts))
        blocks += [
            Paragraph(
                f"benchbench {run.benchbench}, result schema {run.schema_version}; "
                f"run {run.id}, {run.started} to {run.finished}. To repeat it:"
            ),
            # With --resume it would find this very run complete, and repeat nothing.
            Code(run.command.replace(" --resume", "")),
        ]
    return tuple(blocks)


def _columns(*texts: str, numbers: Sequence[str] = ()) -> tuple[Column, ...]:
    return (*(Column(name, is_number=False) for name in texts), *(Column(name) for name in numbers))


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
