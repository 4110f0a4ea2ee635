"""Several runs side by side: the same cells, what is comparable of them, and what is not."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.core.errors import StoreError, unknown_name
from benchbench.core.measurement import ResultTable
from benchbench.report.compare_cells import CellsCompared
from benchbench.report.compare_facts import differing_facts, noisy_settings
from benchbench.report.compare_model import Comparison
from benchbench.report.views.lines import Line, group_lines


def compare_runs(tables: Sequence[ResultTable], *, measures: Sequence[str] = ()) -> Comparison:
    """Set the runs side by side, cell by cell (variant and settings; the seeds that both have).

    Args:
        tables: two or more; the first is what the others are compared with.
        measures: names of those to compare; all where none is given.

    Raises:
        StoreError: fewer than two runs, or no cell that the first shares with another.
        UnknownNameError: a measure that no run has.
    """
    if len(tables) < 2:
        raise StoreError("there is one run to compare", expected="two or more that can be read")
    known = {each.name for table in tables for result in table.results for each in result.measurements}
    for name in measures:
        if name not in known:
            raise unknown_name("measure", name, known)
    runs = run_names(tables)
    by_run = [{_identity(line): line for line in group_lines([table])} for table in tables]
    labels = {key: line.label for lines in reversed(by_run) for key, line in lines.items()}
    ordered = list(dict.fromkeys(key for lines in by_run for key in lines))
    shared = [key for key in ordered if key in by_run[0] and any(key in lines for lines in by_run[1:])]
    if not shared:
        raise StoreError(
            f"no cell of {runs[0]} is in another run",
            expected=f"a variant of {', '.join(labels[key] for key in by_run[0]) or 'its suite'}",
            fix="compare runs of one suite",
        )
    gathered = CellsCompared(runs, tables, tuple(measures))
    for key in shared:
        gathered.add(labels[key], [lines.get(key) for lines in by_run])
    return Comparison(
        runs=runs,
        rows=tuple(gathered.rows),
        refusals=gathered.refusals(),
        missing=tuple(
            (labels[key], lacking)
            for key in ordered
            if (lacking := tuple(run for run, lines in zip(runs, by_run, strict=True) if key not in lines))
        ),
        cautions=(*_of_runs(runs, tables), *gathered.cautions),
        facts=differing_facts(tables),
    )


def run_names(tables: Sequence[ResultTable]) -> tuple[str, ...]:
    """What each run is called: its id, with its suite where they differ, numbered where that is no name."""
    is_mixed = len({table.suite.name for table in tables}) > 1
    plain = [f"{table.suite.name} {table.run.id}" if is_mixed else table.run.id for table in tables]
    return tuple(
        f"{name} ({plain[: at + 1].count(name)})" if plain.count(name) > 1 else name
        for at, name in enumerate(plain)
    )


def _identity(line: Line) -> tuple[str, str | None, str, str]:
    settings = " ".join(sorted(str(setting) for setting in line.settings))
    return line.variant, line.group, settings, line.deployment.label


def _of_runs(runs: Sequence[str], tables: Sequence[ResultTable]) -> list[str]:
    said = [
        f"{run} has not finished" for run, table in zip(runs, tables, strict=True) if not table.run.finished
    ]
    for run, table in zip(runs, tables, strict=True):
        said += [
            f"{run} was noisy ({setting}): its A/A control does not hold 1"
            for setting in noisy_settings(table)
        ]
    if len({table.suite.name for table in tables}) > 1:
        said.append("the runs are of different suites; cells are matched by the name of their variant")
    return said
