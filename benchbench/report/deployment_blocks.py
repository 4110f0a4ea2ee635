"""The section on deployments: the answer in sentences, the matrix, the chart, and what is behind them."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.report.deployment_grids import full_grid, matrix_grids
from benchbench.report.deployment_plots import deployment_plot
from benchbench.report.deployment_tables import (
    fact_grid,
    operator_detail,
    operator_grid,
    output_grid,
    pair_grid,
)
from benchbench.report.deployment_words import best_sentences, gain_sentences
from benchbench.report.document import Answer, Block, Fold, Grid, Notes, Paragraph, Plots
from benchbench.report.views.deployment_model import DeploymentGroup

_MOST_SENTENCES = 12
_MOST_ROWS = 24
_READ = (
    "In each place: the median latency; how many times as fast it is as the same variant in eager float32 "
    "(eager) and as the baseline in the same deployment (baseline), {intervals}; the size of its "
    "files, and the PSNR of its outputs to eager float32's; quality, in brackets its difference to eager."
)
_PAIRED = "All were timed side by side, round by round: each ratio is paired, with its 95 % interval."
_NOT_ALL_PAIRED = (
    "A ratio with an interval (95 %) is paired, round by round. One without is of medians: the two were "
    "timed one after the other, or their rounds do not align."
)
_OF_THE_TWO = "Of the two, the first is so many times as fast as the second."


def deployment_blocks(groups: Sequence[DeploymentGroup], notes: Notes) -> tuple[Block, ...]:
    """All groups one after the other; nothing where nothing is deployed."""
    blocks: list[Block] = []
    for number, group in enumerate(groups, start=1):
        if len(groups) > 1:
            blocks.append(Paragraph(f"{_heading(group)}:"))
        blocks += _group(group, notes, number=number if len(groups) > 1 else 0)
    if blocks:
        # Outputs and operators are the same however a group was timed.
        for group in _once(groups):
            blocks += _behind(group, notes)
    return tuple(blocks)


def _heading(group: DeploymentGroup) -> str:
    timed = "" if group.key is None else group.key.setting
    clock = "device time" if group.key is not None and group.key.name == "device_latency" else ""
    return ", ".join(filter(None, (group.name, clock, timed))) or "Deployments"


def _group(group: DeploymentGroup, notes: Notes, *, number: int) -> list[Block]:
    blocks: list[Block] = []
    if group.bests:
        blocks += _sentences(best_sentences(group), "The best deployment of each variant")
    if group.gains:
        said = "What each variant gains over the baseline, by what runs it"
        blocks += [Paragraph(f"{said}:"), *_sentences(gain_sentences(group), "What each is worth")]
    where = f" Timed: {group.key.setting}." if group.key is not None and group.key.setting else ""
    blocks += [Paragraph(f"{_READ.format(intervals=_intervals(group))}{where}"), *matrix_grids(group, notes)]
    if (plot := deployment_plot(group, number=number)) is not None:
        blocks.append(Plots((plot,)))
    full = full_grid(group, notes)
    blocks.append(Fold(full.caption, (full,)))
    if (pairs := pair_grid(group.pairs)) is not None:
        title = f"Every pair ({len(group.pairs)})"
        has_all = all(pair.ratio.interval is not None for pair in group.pairs)
        said = f"{_PAIRED if has_all else _NOT_ALL_PAIRED} {_OF_THE_TWO}"
        if group.pairs_left_out:
            title = f"Pairs with eager float32 and with the baseline ({len(group.pairs)})"
            said += (
                f" {group.pairs_left_out:,} further pairs are in `benchbench table RUN --table pairs`: here "
                "are those with the same variant in eager float32, and with the baseline in the same "
                "deployment and in eager float32."
            )
        blocks.append(Fold(title, (Paragraph(said), pairs)))
    return blocks


def _intervals(group: DeploymentGroup) -> str:
    ratios = (each for cell in group.cells for each in (cell.over_eager, cell.over_baseline))
    found = [each.interval for each in ratios if each is not None]
    has_none = bool(found) and not any(found)
    return "of medians, without intervals" if has_none else "with 95 % intervals"


def _sentences(answer: Answer, title: str) -> list[Block]:
    many = len(answer.sentences)
    return [answer] if many <= _MOST_SENTENCES else [Fold(f"{title} ({many})", (answer,))]


def _behind(group: DeploymentGroup, notes: Notes) -> list[Block]:
    blocks: list[Block] = []
    if (outputs := output_grid(group, notes)) is not None:
        blocks.append(_folded(outputs))
    if (operators := operator_grid(group)) is not None:
        blocks.append(_folded(operators))
    if (detail := operator_detail(group)) is not None:
        blocks.append(Fold(detail.caption, (detail,)))
    if (facts := fact_grid(group)) is not None:
        blocks.append(Fold(facts.caption, (facts,)))
    return blocks


def _folded(grid: Grid) -> Block:
    return grid if len(grid.rows) <= _MOST_ROWS else Fold(grid.caption, (grid,))


def _once(groups: Sequence[DeploymentGroup]) -> list[DeploymentGroup]:
    first: dict[tuple[str, ...], DeploymentGroup] = {}
    for group in groups:
        first.setdefault(tuple(cell.line.label for cell in group.cells), group)
    return list(first.values())
