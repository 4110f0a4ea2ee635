"""Which quality figures there are, and which of them stand in the main table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.core.measurement import CellResult, Measurement
from benchbench.report.views.lines import Estimate, Line, estimate, find_figure
from benchbench.report.views.vocabulary import is_quality

MOST_IN_MAIN = 3
# The parts of the loss are read after the loss; a set of four stands together or not at all.
_SETS = {
    **dict.fromkeys(("content_loss", "style_loss"), "parts of the loss"),
    **dict.fromkeys(("precision", "recall", "density", "coverage"), "neighbours"),
}
# What a suite may ask of one metric twice, in the order in which a reader is told.
_DISTINGUISHING = ("reference", "named", "tile", "generated_count", "reference_count", "estimator", "resize")


@dataclass(frozen=True, slots=True)
class QualityKey:
    """One quality measure at one setting.

    `declared` are settings of its protocol, where cells have several figures of one name: a distance
    from the baseline's outputs, and one from the data.
    """

    name: str
    setting: str
    declared: tuple[tuple[str, str | int | None], ...] = ()

    def of(self, result: CellResult) -> Measurement | None:
        """The figure of one cell."""
        return find_figure(result, self.name, self.setting, declared=dict(self.declared))

    def over(self, results: Sequence[CellResult]) -> Estimate | None:
        """The figure of a line."""
        return estimate(results, self.name, self.setting, declared=dict(self.declared))


def quality_keys(lines: Sequence[Line]) -> tuple[QualityKey, ...]:
    """Every quality measure that any line has: the perceptual loss, then distances and scores, then sets."""
    found: dict[tuple[str, str], list[list[Measurement]]] = {}
    for line in lines:
        for result in line.results:
            mine: dict[tuple[str, str], list[Measurement]] = {}
            for each in result.measurements:
                if is_quality(each.name, each.unit):
                    mine.setdefault((each.name, each.setting), []).append(each)
            for key, figures in mine.items():
                found.setdefault(key, []).append(figures)
    keys = [each for key, cells in found.items() for each in _told_apart(*key, cells)]
    return tuple(sorted(keys, key=_rank))


def main_keys(keys: Sequence[QualityKey]) -> tuple[QualityKey, ...]:
    """Those that stand in the main table; whole sets, and a wider table is not read."""
    if len(keys) <= MOST_IN_MAIN:
        return tuple(keys)
    families: dict[tuple[str, str], list[QualityKey]] = {}
    for key in keys:
        base, _, label = key.name.partition("[")
        families.setdefault((_SETS.get(base, key.name), label + key.setting + str(key.declared)), []).append(
            key
        )
    chosen: list[QualityKey] = []
    for family in families.values():
        if len(chosen) + len(family) <= MOST_IN_MAIN:
            chosen += family
    return tuple(chosen) or tuple(keys[:MOST_IN_MAIN])


def count_figures(key: QualityKey, result: CellResult) -> int:
    """How many figures of one cell the key fits: 1, unless they differ in nothing that is known here."""
    wanted = [name for name, _ in key.declared]
    return sum(
        (each.name, each.setting) == (key.name, key.setting) and _declared(each, wanted) == key.declared
        for each in result.measurements
    )


def _told_apart(name: str, setting: str, cells: Sequence[Sequence[Measurement]]) -> list[QualityKey]:
    wanted: list[str] = []
    for setting_name in _DISTINGUISHING:
        if not _are_mixed(cells, wanted):
            break
        values = {_declared(each, (setting_name,)) for figures in cells for each in figures}
        if len(values) > 1:
            wanted.append(setting_name)
    declared = dict.fromkeys(_declared(each, wanted) for figures in cells for each in figures)
    return [QualityKey(name, setting, each) for each in declared]


def _are_mixed(cells: Sequence[Sequence[Measurement]], wanted: Sequence[str]) -> bool:
    return any(len({_declared(each, wanted) for each in figures}) < len(figures) for figures in cells)


def _declared(figure: Measurement, wanted: Sequence[str]) -> tuple[tuple[str, str | int | None], ...]:
    settings = figure.protocol.settings
    pairs = ((key, settings.get(key)) for key in wanted)
    return tuple((key, value if isinstance(value, str | int) else None) for key, value in pairs)


def _rank(key: QualityKey) -> int:
    base = key.name.partition("[")[0]
    if base == "perceptual_loss":
        return 0
    return {"parts of the loss": 3, "neighbours": 2}.get(_SETS.get(base, ""), 1)
