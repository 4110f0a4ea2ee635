"""A table as it leaves a report: every figure whole, with its unit, interval and protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.measurement import CellResult, Direction
from benchbench.report.views.lines import Estimate, Line
from benchbench.report.views.vocabulary import explain_flag

Form = Literal["text", "figure", "times", "percent"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number in SI units, nothing rounded.

    Attributes:
        unit: `1` for counts and ratios.
        interval: (low, high) at `level`.
        sd: over seeds, `seeds` of them.
        source: the estimate that says how it was measured; None for what compares with everything.
    """

    value: float
    unit: str = "1"
    interval: tuple[float, float] | None = None
    level: float | None = None
    sd: float | None = None
    seeds: int = 1
    source: Estimate | None = None
    flags: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the printed table must know; the members of a mean stand in CSV and JSON."""
        return tuple(flag for flag in self.flags if not flag.startswith("mean of "))

    @property
    def protocol(self) -> str:
        """The hash of its protocol; `seed:hash` of each where the seeds' differ; else empty."""
        if self.source is None:
            return ""
        if len(self.source.protocols) == 1:
            return next(iter(self.source.protocols))
        return " ".join(f"{seed}:{protocol.hash}" for seed, protocol in self.source.by_seed)

    def is_comparable(self, other: Figure) -> bool:
        """Whether both were measured alike."""
        if self.source is None or other.source is None:
            return self.source is other.source
        return self.source.is_comparable(other.source)


Content = Figure | str | None


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """A column; `key` is its name in CSV and JSON, `direction` None where no figure is the best."""

    key: str
    title: str
    form: Form = "figure"
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One row: the line (and seed) it is of, where it is of one, and a content per column."""

    contents: tuple[Content, ...]
    line: Line | None = None
    seed: int | None = None
    reason: str = ""

    @property
    def is_baseline(self) -> bool:
        """Whether the others are compared with it."""
        return self.line is not None and self.line.is_baseline


@dataclass(frozen=True, slots=True)
class ExportTable:
    """One table of a report; `name` is what asks for it."""

    name: str
    caption: str
    columns: tuple[ExportColumn, ...]
    rows: tuple[ExportRow, ...]


def text_columns(*names: str) -> tuple[ExportColumn, ...]:
    """Columns of texts; a key is its title with underscores."""
    return tuple(ExportColumn(name.replace(" ", "_"), name, "text") for name in names)


def measured(estimate: Estimate | None, results: Sequence[CellResult]) -> Figure | None:
    """An estimate of a line (or a seed) as a figure."""
    if estimate is None:
        return None
    levels = (
        each.interval.level
        for result in results
        for each in result.measurements
        if (each.name, each.setting) == (estimate.name, estimate.setting) and each.interval
    )
    return Figure(
        value=estimate.value,
        unit=estimate.unit,
        interval=estimate.interval,
        level=next(levels, None) if estimate.interval else None,
        sd=estimate.sd,
        seeds=estimate.seeds,
        source=estimate,
        flags=tuple(map(explain_flag, estimate.flags)),
    )


def plain(value: float | None, unit: str = "1", *, source: Estimate | None = None) -> Figure | None:
    """A number without an interval, derived from `source` where there is one."""
    return None if value is None else Figure(value, unit, source=source)


def filled(
    name: str, caption: str, columns: Iterable[ExportColumn], rows: Sequence[ExportRow]
) -> ExportTable:
    """A table without the columns that no row fills; the first column stays."""
    listed = list(columns)
    kept = [
        at
        for at in range(len(listed))
        if at == 0 or any(at < len(row.contents) and row.contents[at] not in (None, "") for row in rows)
    ]
    return ExportTable(
        name,
        caption,
        tuple(listed[at] for at in kept),
        tuple(
            ExportRow(
                tuple(row.contents[at] for at in kept if at < len(row.contents)),
                row.line,
                row.seed,
                row.reason,
            )
            for row in rows
        ),
    )


def best_places(table: ExportTable) -> frozenset[tuple[int, int]]:
    """(row, column) of the best figure among the lines that are compared with one another.

    A column has a best where it has a direction, some line that is no baseline fills it, two or more
    lines were measured alike, and not all of them are equal. Where several protocols are mixed it is
    the best of those that most lines share. A seed's row is never one; equal best figures all are.
    """
    places = set()
    for at, column in enumerate(table.columns):
        if column.direction is None:
            continue
        groups: dict[object, list[tuple[int, Figure]]] = {}
        for number, row in enumerate(table.rows):
            found = row.contents[at] if at < len(row.contents) else None
            if row.line is not None and row.seed is None and isinstance(found, Figure):
                groups.setdefault(row.line.compared_with, []).append((number, found))
        for group in groups.values():
            if all(table.rows[number].is_baseline for number, _ in group):
                continue
            alike = _most_alike(group)
            values = [figure.value for _, figure in alike if figure.value == figure.value]
            if len(values) < 2 or min(values) == max(values):
                continue
            best = min(values) if column.direction == "lower" else max(values)
            places |= {(number, at) for number, figure in alike if figure.value == best}
    return frozenset(places)


def _most_alike(group: Sequence[tuple[int, Figure]]) -> list[tuple[int, Figure]]:
    sets: list[list[tuple[int, Figure]]] = []
    for number, figure in group:
        mine = next((each for each in sets if each[0][1].is_comparable(figure)), None)
        if mine is None:
            sets.append([(number, figure)])
        else:
            mine.append((number, figure))
    sets.sort(key=len, reverse=True)
    # Two sets of one size: neither is the one that the others depart from.
    return [] if len(sets) > 1 and len(sets[0]) == len(sets[1]) else sets[0]
