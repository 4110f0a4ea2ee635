"""Every complete run of one suite over time: a series per cell and measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchbench.core.changes import COUNTED
from benchbench.core.declared import declared_otherwise
from benchbench.core.environment import Environment
from benchbench.core.errors import StoreError, unknown_name
from benchbench.core.measurement import Direction, ResultTable
from benchbench.core.reading import read_runs
from benchbench.report.compare_rules import OF_THE_RUN, is_another_network
from benchbench.report.compare_view import run_names
from benchbench.report.history_model import History, Marked, MeasureHistory, Point, RunPoint, Series
from benchbench.report.history_steps import find_changes, find_steps
from benchbench.report.views.lines import Line, group_lines
from benchbench.report.views.quality_keys import QualityKey, quality_keys
from benchbench.report.views.vocabulary import is_quality

# Parts of what is drawn; they are drawn where they are asked for by name.
_DETAILS = frozenset(
    {
        *("macs_output_size", "elementwise", "discriminator_parameters", "discriminator_macs"),
        *("build", "load", "first_call", "latency_p90", "latency_p95", "latency_p99"),
        *("content_loss", "style_loss", "training_time"),
    }
)


def read_history(
    folder: str | Path, *, tell: Callable[[str], None]
) -> tuple[tuple[ResultTable, ...], tuple[str, ...]]:
    """The complete runs of one suite, oldest first, and a line for each that is left out.

    Args:
        folder: of the suite, `results/<suite>`.
        tell: is given each line, too.

    Raises:
        StoreError: it is no suite's folder, or no complete run is in it.
    """
    root = Path(folder)
    files = [path for path in sorted(root.glob("*/run.json")) if not path.parent.is_symlink()]
    if not files:
        is_run = (root / "run.json").is_file()
        raise StoreError(
            f"{'one run' if is_run else 'no runs'} at {folder}",
            expected="the folder of a suite, which holds its runs: results/SUITE",
            fix=f"benchbench history {root.resolve().parent}"
            if is_run
            else "`benchbench run SUITE` makes runs",
        )
    said: list[str] = []
    found = read_runs([path.parent for path in files], tell=said.append)
    complete = []
    for table in found.tables:
        if table.run.finished is None:
            said.append(f"left out: {table.folder} has not finished")
        else:
            complete.append(table)
    for line in said:
        tell(line)
    if not complete:
        raise StoreError(f"no run at {folder} has finished", fix="go on with --resume")
    return tuple(sorted(complete, key=lambda table: (table.run.started, table.run.id))), tuple(said)


def view_history(
    tables: Sequence[ResultTable], *, told: Sequence[str] = (), measures: Sequence[str] = ()
) -> History:
    """The series of one suite's runs.

    Args:
        tables: oldest first.
        told: what was left out when they were read.
        measures: names of those to show; without any, all but the parts of others.

    Raises:
        UnknownNameError: a measure that no run has.
    """
    known = {each.name for table in tables for result in table.results for each in result.measurements}
    for name in measures:
        if name not in known:
            raise unknown_name("measure", name, known)
    names = run_names(tables)
    kinds = dict.fromkeys(_machine(table.environment) for table in tables)
    environments = tuple(kinds)
    of_run = [environments.index(_machine(table.environment)) for table in tables]
    lines = [group_lines([table]) for table in tables]
    changes = [
        (*_changed(tables[at - 1], table), *_declared(lines[at - 1], lines[at])) if at else ()
        for at, table in enumerate(tables)
    ]
    keys = _keys([line for each in lines for line in each], measures)
    made = (_measure(key, lines, of_run) for key in keys)
    return History(
        suite=tables[0].suite.name,
        title=tables[-1].suite.title or tables[-1].suite.name,
        runs=tuple(
            RunPoint(names[at], table.run.started, of_run[at], changed)
            for at, (table, changed) in enumerate(zip(tables, changes, strict=True))
        ),
        environments=environments,
        measures=tuple(each for each in made if each is not None),
        told=(
            *told,
            *(
                f"{name} is not in {run}"
                for name in measures
                for run, table in zip(names, tables, strict=True)
                if not any(each.name == name for result in table.results for each in result.measurements)
            ),
        ),
    )


def _keys(lines: Sequence[Line], measures: Sequence[str]) -> list[QualityKey]:
    found = {
        (each.name, each.setting): None
        for line in lines
        for result in line.results
        for each in result.measurements
        if not is_quality(each.name, each.unit)
    }
    keys = [*(QualityKey(name, setting) for name, setting in found), *quality_keys(lines)]
    if measures:
        return [key for key in keys if key.name in measures]
    return [key for key in keys if key.name not in _DETAILS and key.name not in OF_THE_RUN]


def _measure(
    key: QualityKey, lines: Sequence[Sequence[Line]], of_run: Sequence[int]
) -> MeasureHistory | None:
    points: dict[str, list[Point]] = {}
    unit = "1"
    direction: Direction = "lower"
    for run, each in enumerate(lines):
        for line in each:
            figure = key.over(line.results)
            if figure is None:
                continue
            unit, direction = figure.unit, figure.direction
            protocol = " ".join(sorted(figure.protocols))
            point = Point(run, figure.value, figure.interval, of_run[run], protocol)
            points.setdefault(line.label, []).append(point)
    if not points:
        return None
    series = tuple(
        Series(cell, tuple(found), _steps(found, is_counted=key.name in COUNTED))
        for cell, found in points.items()
    )
    declared = ", ".join(f"{name} {value}" for name, value in key.declared)
    return MeasureHistory(key.name, key.setting, declared, unit, direction, series)


def _steps(points: Sequence[Point], *, is_counted: bool) -> tuple[Marked, ...]:
    # What counts the same on every machine is one series; what is timed or trained is one per machine.
    apart: dict[tuple[int, str], list[Point]] = {}
    for point in points:
        apart.setdefault((0 if is_counted else point.environment, point.protocol), []).append(point)
    found = []
    for mine in apart.values():
        values = [point.value for point in mine]
        for step in find_changes(values) if is_counted else find_steps(values):
            found.append(Marked(mine[step.at].run, mine[step.at].environment, step))
    return tuple(sorted(found, key=lambda marked: marked.run))


def _machine(environment: Environment) -> str:
    gpus = ", ".join(dict.fromkeys(gpu.name for gpu in environment.gpus))
    parts = [
        environment.cpu_model or "unknown CPU",
        f"{environment.cpus_usable or 'unknown'} CPUs",
        *([gpus] if gpus else []),
        f"{environment.torch_threads or 'unknown'} threads",
    ]
    return ", ".join(parts)


def _changed(before: ResultTable, now: ResultTable) -> tuple[str, ...]:
    was, has = before.environment.packages, now.environment.packages
    changed = [
        f"{name} {was.get(name, 'none')} → {has.get(name, 'none')}"
        for name in sorted({*was, *has})
        if was.get(name) != has.get(name)
    ]
    old, new = before.environment.git_revision, now.environment.git_revision
    if old != new:
        changed.append(f"revision {(old or 'unknown')[:10]} → {(new or 'unknown')[:10]}")
    return tuple(changed)


def _declared(before: Sequence[Line], now: Sequence[Line]) -> tuple[str, ...]:
    """What the cells of both runs declare otherwise: the same name may be another network."""
    known = {line.label: line.results[0] for line in before}
    changed = []
    for line in now:
        was, has = known.get(line.label), line.results[0]
        if was is None:
            continue
        if is_another_network(was, has):
            changed.append(f"{line.label}: another network under the same name")
        else:
            changed += [f"{line.label}: {told}" for told in declared_otherwise(was.cell, has.cell)]
    return tuple(changed)
