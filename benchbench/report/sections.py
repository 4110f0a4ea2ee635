"""The parts of a report in their order: views put into blocks that Markdown and HTML both print."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.report.answer import write_answer
from benchbench.report.cost_table import cost_grid
from benchbench.report.curve_blocks import curve_plots
from benchbench.report.deployment_blocks import deployment_blocks
from benchbench.report.document import (
    Answer,
    Block,
    Document,
    Fold,
    Grid,
    Item,
    Notes,
    Paragraph,
    Plots,
    Row,
    Section,
    text_columns,
)
from benchbench.report.explorer import explore
from benchbench.report.grids import SHOWN_TIMES, summary_grid, timing_grid
from benchbench.report.paper_table import paper_grid
from benchbench.report.picture_blocks import picture_blocks
from benchbench.report.plot_blocks import gain_plots, stage_plots, tradeoff_plots
from benchbench.report.profile_blocks import profile_blocks
from benchbench.report.provenance_blocks import environment_blocks, failure_block, protocol_blocks
from benchbench.report.quality_grids import further_quality, quality_detail
from benchbench.report.scaling_blocks import scaling_blocks
from benchbench.report.views.report import ReportView
from benchbench.report.views.structure import Replaced
from benchbench.report.views.training import CurvePanel

_MANY_VARIANTS = 16
_WHY = "Why it is as fast as it is"


def compose(view: ReportView) -> Document:
    """The whole report as blocks; a part without content is left out, failures never are."""
    suite = view.suites[0]
    notes = Notes()
    chart = explore(view)
    sections = [
        Section("answer", "The answer", (Answer(*write_answer(view)), *_variants(view), *_run_line(view))),
        Section("table", "The table", _tables(view, notes)),
        Section("deployment", "Deployment", deployment_blocks(view.deployments, notes)),
        Section("trade-offs", "Trade-offs", _tradeoffs(view), chart=chart),
        Section("training", "Training", (*_costs(view, notes), *_training(view.curves))),
        Section("pictures", "Pictures", picture_blocks(view.pictures, view.picture_indices)),
        Section("cost", "Where the cost sits", _stages(view)),
        Section("why", _WHY, profile_blocks(view.profiles)),
        Section("resources", "Memory, energy and throughput", scaling_blocks(view.lines, notes)),
        Section("replaced", "What was replaced", tuple(_replaced(each) for each in view.replaced)),
        Section("failures", "What failed or was skipped", (failure_block(view),)),
        Section("protocol", "How it was measured", protocol_blocks(view)),
        Section("environment", "Environment and time", environment_blocks(view)),
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
        sections=tuple(section for section in sections if section.blocks or section.chart),
        explorer=chart,
    )


def _variants(view: ReportView) -> tuple[Block, ...]:
    """What the suite says its variants are; nothing where it says nothing."""
    shown = {line.variant for line in view.lines}
    said: dict[tuple[str, str, str], None] = {}
    for suite in view.suites:
        for name, variant in suite.variants.items():
            if name in shown and (variant.title or variant.note):
                said[name, variant.title or "", variant.note or ""] = None
    if not said:
        return ()
    has_notes = any(note for _, _, note in said)
    rows = tuple(
        Row((Item(name), Item(text), *((Item(note),) if has_notes else ()))) for name, text, note in said
    )
    titles = ("variant", "what it is", *(("note",) if has_notes else ()))
    grid = Grid("The variants", text_columns(*titles), rows)
    return (grid if len(rows) <= _MANY_VARIANTS else Fold(grid.caption, (grid,)),)


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


def _costs(view: ReportView, notes: Notes) -> tuple[Block, ...]:
    return (cost_grid(view.costs, notes),) if view.costs else ()


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
    is_profiled = view.profiles is not None and bool(view.profiles.groups)
    why = f"“{_WHY}” says where the time goes" if is_profiled else "“benchbench profile” tells why"
    plots = (*tradeoff_plots(view.tradeoffs), *gain_plots(view.gains, why=why))
    if not plots:
        return ()
    said = (
        "The dashed line is the Pareto front: no other point is better in both. "
        "Bars are 95 % intervals; a latency without one has its quartiles."
    )
    return (Paragraph(said), Plots(plots))


def _stages(view: ReportView) -> tuple[Block, ...]:
    return (Plots(stage_plots(view.stages)),) if view.stages else ()


def _replaced(each: Replaced) -> Block:
    done = Grid(
        f"{each.label}: exchanged layers",
        text_columns("layer", "stage", "before", "after", numbers=("parameters before", "parameters after")),
        tuple(
            Row(
                (
                    Item(layer.path),
                    Item(layer.stage),
                    Item(layer.before),
                    Item(layer.after or ""),
                    Item(f"{layer.parameters_before:,}", value=layer.parameters_before),
                    Item(f"{layer.parameters_after:,}", value=layer.parameters_after),
                )
            )
            for layer in each.done
        ),
    )
    declined = Grid(
        f"{each.label}: declined layers",
        text_columns("layer", "stage", "layer kept", "why"),
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


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
