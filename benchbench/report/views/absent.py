"""What a report cannot show because it is not there: files that were not read, cells without a result."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice

from benchbench.core.cell import Setting, deployed_settings
from benchbench.core.deployment import deployment_label
from benchbench.core.measurement import ResultTable
from benchbench.core.model import canonical_json
from benchbench.core.plan_names import network_names
from benchbench.core.visible import on_one_line

MOST_LISTED = 100
_ANY = "–"
_RESUME = "run it again with --resume"


@dataclass(frozen=True, slots=True)
class AbsentRow:
    """One thing: of which variant, what it is, why it is not there, what to do ("" for nothing)."""

    label: str
    what: str
    why: str
    fix: str = ""


def absent_rows(tables: Sequence[ResultTable]) -> tuple[AbsentRow, ...]:
    """A row per file that was left out in reading, and per declared cell that has no result at all.

    Cells that nobody asked for (`--only`) are not looked for. At most `MOST_LISTED` cells of a run.
    """
    rows: list[AbsentRow] = []
    for table in tables:
        rows += [AbsentRow(_ANY, "a result file", f"left out: {line}") for line in table.unread]
        rows += _cells(table, run=table.run.id if len(tables) > 1 else "")
    return tuple(rows)


def _cells(table: ResultTable, *, run: str) -> Iterator[AbsentRow]:
    where = f" ({run})" if run else ""
    why, fix = _reason(table)
    found = _missing(table)
    for label in islice(found, MOST_LISTED):
        yield AbsentRow(on_one_line(f"{label}{where}"), "the whole cell", why, fix)
    # Of a matrix with millions of places one more is enough to know.
    if next(found, None) is not None:
        yield AbsentRow(f"{_ANY}{where}", "more cells", f"only the first {MOST_LISTED} are listed", fix)


def _reason(table: ResultTable) -> tuple[str, str]:
    if _words(table)[:2] != ["benchbench", "run"]:
        return "no result in this run", ""
    if table.run.finished is None:
        return "no result: the run has not finished", _RESUME
    lost = ", or its file is gone" + (" or was left out" if table.unread else "")
    return f"no result: not run{lost}", _RESUME


def _missing(table: ResultTable) -> Iterator[str]:
    """The label of each declared cell that has no result."""
    there = {_key(result.cell.variant, result.cell.settings, result.cell.seed) for result in table.results}
    only = table.run.only
    for name, settings in network_names(table.suite):
        seed = next((each.value for each in settings if each.key == "seed"), 0)
        group = table.suite.variants[name].group
        for deployment in table.suite.deployments:
            label = " ".join(filter(None, (name, *map(str, settings), deployment_label(deployment.named))))
            texts = [text for text in (name, label, group, table.suite.name) if text]
            if only is not None and not any(fnmatchcase(text, glob) for text in texts for glob in only):
                continue
            if _key(name, (*settings, *deployed_settings(deployment)), seed) not in there:
                yield label


def _key(variant: str, settings: Sequence[Setting], seed: object) -> str:
    plain = sorted((each.key, canonical_json(each.value)) for each in settings if each.key != "seed")
    return repr((variant, plain, seed))


def _words(table: ResultTable) -> list[str]:
    try:
        return shlex.split(table.run.command)
    except ValueError:
        return []
