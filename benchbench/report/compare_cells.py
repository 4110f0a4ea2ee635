"""One cell after the other: what of it is comparable, and why the rest is not."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from benchbench.core.changes import Change, change_between
from benchbench.core.declared import declared_otherwise
from benchbench.core.measurement import CellResult, Measurement, ResultTable
from benchbench.report.compare_model import ComparedRow, Refusal, Side
from benchbench.report.compare_rules import (
    OF_THE_RUN,
    SPEEDUPS,
    is_another_network,
    why_not,
)
from benchbench.report.views.lines import Line
from benchbench.report.views.quality_keys import QualityKey, quality_keys
from benchbench.report.views.vocabulary import is_quality


class CellsCompared:
    """Rows and refusals of one comparison, cell by cell."""

    def __init__(self, runs: Sequence[str], tables: Sequence[ResultTable], measures: tuple[str, ...]) -> None:
        self.rows: list[ComparedRow] = []
        self.cautions: list[str] = []
        self._runs, self._tables, self._measures = runs, tables, measures
        self._refused: dict[tuple[int, str, str], dict[str, None]] = {}

    def add(self, cell: str, lines: Sequence[Line | None]) -> None:
        """Compare one cell; the first run has it."""
        first = lines[0]
        assert first is not None
        usable = [line is not None for line in lines]
        for run, line in enumerate(lines):
            if line is None or run == 0:
                continue
            if is_another_network(first.results[0], line.results[0]):
                usable[run] = False
                self._refuse(run, "every measure", cell, "another network under the same name")
            elif told := declared_otherwise(first.results[0].cell, line.results[0].cell):
                self.cautions.append(f"{cell} is declared otherwise in {self._runs[run]}: {'; '.join(told)}")
        present = [line for line, is_usable in zip(lines, usable, strict=True) if line and is_usable]
        for key in self._keys(present):
            self._compare(cell, key, [line if ok else None for line, ok in zip(lines, usable, strict=True)])

    def refusals(self) -> tuple[Refusal, ...]:
        """One per run, reason and set of cells."""
        joined: dict[tuple[int, str, tuple[str, ...]], list[str]] = {}
        for (run, reason, measure), cells in self._refused.items():
            joined.setdefault((run, reason, tuple(cells)), []).append(measure)
        return tuple(
            Refusal(run, reason, tuple(measures), cells) for (run, reason, cells), measures in joined.items()
        )

    def _keys(self, lines: Sequence[Line]) -> list[QualityKey]:
        names: dict[tuple[str, str], None] = {}
        for line in lines:
            for result in line.results:
                for each in result.measurements:
                    if not is_quality(each.name, each.unit) and each.name not in OF_THE_RUN:
                        # Where one is timed otherwise it is found under the first run's setting.
                        names.setdefault((each.name, each.setting), None)
        keys = [*(QualityKey(name, setting) for name, setting in names), *quality_keys(lines)]
        chosen = [key for key in keys if not self._measures or key.name in self._measures]
        return [key for key in chosen if not _is_met_elsewhere(key, lines)]

    def _compare(self, cell: str, key: QualityKey, lines: Sequence[Line | None]) -> None:
        settings = _settings(lines[0], key.name)
        figures = [{} if line is None else _by_seed(line, key, taken=settings) for line in lines]
        first = figures[0]
        name = f"{key.name} ({key.setting})" if key.setting else key.name
        if not first:
            for run, found in enumerate(figures):
                if found:
                    self._refuse(run, name, cell, f"{self._runs[0]} has no such figure{_why(lines[0], key)}")
            return
        sides: list[Side | None] = [_side(lines[0], key, first, tuple(first), None)]
        for run, found in enumerate(figures[1:], start=1):
            line = lines[run]
            if line is None:
                sides.append(None)
                continue
            seeds = tuple(seed for seed in first if seed in found)
            reason = self._reason(run, first, found, seeds) if found else f"not measured{_why(line, key)}"
            if reason:
                self._refuse(run, name, cell, reason)
                sides.append(None)
                continue
            change = change_between([(first[seed], found[seed]) for seed in seeds])
            sides.append(_side(line, key, found, seeds, change))
        if any(sides[1:]):
            example = next(iter(first.values()))
            self.rows.append(
                ComparedRow(
                    cell,
                    key.name,
                    key.setting,
                    example.unit,
                    example.direction,
                    example.protocol.hash,
                    tuple(sides),
                )
            )

    def _reason(
        self,
        run: int,
        first: dict[int, Measurement],
        found: dict[int, Measurement],
        seeds: Sequence[int],
    ) -> str:
        if not seeds:
            return f"other seeds: {', '.join(map(str, first))} and {', '.join(map(str, found))}"
        machines = self._tables[0].environment, self._tables[run].environment
        reasons = (why_not(first[seed], found[seed], machines=machines) for seed in seeds)
        return next(filter(None, reasons), "")

    def _refuse(self, run: int, measure: str, cell: str, reason: str) -> None:
        self._refused.setdefault((run, reason, measure), {})[cell] = None


def _side(
    line: Line | None,
    key: QualityKey,
    found: dict[int, Measurement],
    seeds: Sequence[int],
    change: Change | None,
) -> Side:
    assert line is not None
    setting = next(iter(found.values())).setting
    chosen: list[CellResult] = [each for each in line.results if each.cell.seed in seeds]
    figure = QualityKey(key.name, setting, key.declared).over(chosen)
    assert figure is not None
    return Side(figure, setting, change)


def _by_seed(line: Line, key: QualityKey, *, taken: Collection[str]) -> dict[int, Measurement]:
    found = {result.cell.seed: key.of(result) for result in line.results}
    if not any(found.values()):
        # Timed at one other setting: worth a reason, and of a speed-up a comparison.
        found = {result.cell.seed: _only(result, key) for result in line.results}
        return {seed: each for seed, each in found.items() if each is not None and each.setting not in taken}
    return {seed: each for seed, each in found.items() if each is not None}


def _settings(line: Line | None, name: str) -> set[str]:
    results = line.results if line is not None else ()
    return {each.setting for result in results for each in result.measurements if each.name == name}


def _only(result: CellResult, key: QualityKey) -> Measurement | None:
    same = [each for each in result.measurements if each.name == key.name]
    return same[0] if len(same) == 1 and same[0].setting and key.setting else None


def _is_met_elsewhere(key: QualityKey, lines: Sequence[Line]) -> bool:
    """Whether the first run has the measure at one setting, another than this, and another run only this."""
    if any(key.of(result) for result in lines[0].results) or not key.setting:
        return False
    return any(_only(result, key) for result in lines[0].results)


def _why(line: Line | None, key: QualityKey) -> str:
    if line is None:
        return ""
    told = {
        " ".join(failure.reason.split())
        for result in line.results
        for failure in result.failures
        if failure.of in ("cell", key.name, f"quality: {key.name}")
        or (failure.of == "latency" and key.name in SPEEDUPS)
    }
    return f": {'; '.join(sorted(told))}" if told else ""
