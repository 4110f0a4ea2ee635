"""Columns of quality: how the figures of each were measured, and which of them may be compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench.core.cell import Setting
from benchbench.core.comparable import differing_settings
from benchbench.core.measurement import CellResult, Direction, Measurement, Protocol, Yardstick
from benchbench.core.model import JsonValue
from benchbench.core.paired_means import MeanRatio, is_mean_of_samples, ratio_of_means
from benchbench.report.views.lines import Line
from benchbench.report.views.quality_keys import QualityKey, count_figures, quality_keys

PROTOCOL = "quality"
BASELINE_OUTPUTS = "outputs of the baseline"
Comparison = tuple[int, str | None, tuple[Setting, ...]]
Difference = tuple[str, JsonValue, JsonValue]


@dataclass(frozen=True, slots=True)
class QualityColumn:
    """One quality measure, and how its figures came to be.

    Attributes:
        protocols: the different ones behind its figures, in order of appearance.
        yardsticks: the different ones, likewise.
        common_flags: what every figure says of itself.
        against_baseline: comparisons (`Line.compared_with`) whose baseline is what the others are compared
            with, and so has no figure.
        by_seed: settings that differ between the seeds of one line.
        by_comparison: settings that differ between comparisons: (setting, its values).
        apart: what tells those comparisons apart: runs, groups, swept values.
        odd: (comparison, seed, label) of a figure that was measured otherwise than those it stands beside
            -> the settings that differ: (setting, its own, theirs).
        repeated: whether some cell has several figures of this name, of which the first is shown.
    """

    key: QualityKey
    unit: str
    direction: Direction
    protocols: tuple[Protocol, ...]
    yardsticks: tuple[Yardstick, ...]
    common_flags: tuple[str, ...]
    against_baseline: frozenset[Comparison]
    by_seed: tuple[str, ...]
    by_comparison: tuple[tuple[str, tuple[JsonValue, ...]], ...]
    apart: tuple[str, ...]
    odd: dict[tuple[Comparison, int, str], tuple[Difference, ...]]
    repeated: bool

    @property
    def is_declared(self) -> bool:
        """Whether its protocols are those of the quality measure, with counts and extractor."""
        return all(each.name == PROTOCOL for each in self.protocols)


@dataclass(frozen=True, slots=True)
class _Figure:
    line: Line
    seed: int
    made: Measurement


def quality_columns(lines: Sequence[Line]) -> tuple[QualityColumn, ...]:
    """A column per key, in the order of `quality_keys`."""
    return tuple(_column(key, lines) for key in quality_keys(lines))


def is_reference(line: Line, column: QualityColumn) -> bool:
    """Whether the line has no figure because it is what the others are compared with."""
    broken = all(
        any(failure.of == "cell" or failure.of.startswith(PROTOCOL) for failure in result.failures)
        for result in line.results
    )
    return line.is_baseline and line.compared_with in column.against_baseline and not broken


def quality_ratio(
    line: Line, results: Sequence[CellResult], key: QualityKey, reference: Line | None
) -> MeanRatio | None:
    """Line / baseline, paired image by image; None where the two do not pair up, or were made otherwise."""
    if reference is None or line.is_baseline:
        return None
    seeds = {result.cell.seed for result in results}
    others = [result for result in reference.results if result.cell.seed in seeds]
    ours, theirs = ({each.cell.seed: key.of(each) for each in side} for side in (results, others))
    pairs = [(ours[seed], theirs.get(seed)) for seed in sorted(ours)]
    flat: tuple[list[float], list[float]] = [], []
    for mine, its in pairs:
        if mine is None or its is None or mine.protocol.hash != its.protocol.hash:
            return None
        for side, each in zip(flat, (mine, its), strict=True):
            if not is_mean_of_samples(each):
                return None
            side += [value for chunk in each.samples for value in chunk]
    return ratio_of_means(*flat)


def _column(key: QualityKey, lines: Sequence[Line]) -> QualityColumn:
    figures = [
        _Figure(line, result.cell.seed, each)
        for line in lines
        for result in line.results
        if (each := key.of(result)) is not None
    ]
    first = figures[0].made
    flags = [each.made.flags for each in figures]
    odd, usual = _odd_ones(figures)
    return QualityColumn(
        key=key,
        unit=first.unit,
        direction=first.direction,
        protocols=tuple({each.made.protocol.hash: each.made.protocol for each in figures}.values()),
        yardsticks=tuple(dict.fromkeys(each.made.yardstick for each in figures if each.made.yardstick)),
        common_flags=tuple(flag for flag in flags[0] if all(flag in others for others in flags)),
        against_baseline=frozenset(
            each.line.compared_with
            for each in figures
            if each.made.protocol.settings.get("reference") == BASELINE_OUTPUTS
        ),
        by_seed=_between_seeds(usual),
        by_comparison=_between_comparisons(usual),
        apart=tuple(
            name
            for at, name in enumerate(("runs", "groups", "swept values"))
            if len({each.line.compared_with[at] for each in usual}) > 1
        ),
        odd=odd,
        repeated=any(count_figures(key, result) > 1 for line in lines for result in line.results),
    )


def _odd_ones(
    figures: Sequence[_Figure],
) -> tuple[dict[tuple[Comparison, int, str], tuple[Difference, ...]], list[_Figure]]:
    places: dict[tuple[Comparison, int], list[_Figure]] = {}
    for each in figures:
        places.setdefault((each.line.compared_with, each.seed), []).append(each)
    odd: dict[tuple[Comparison, int, str], tuple[Difference, ...]] = {}
    usual: list[_Figure] = []
    for (comparison, seed), found in places.items():
        counts = Counter(each.made.protocol.hash for each in found)
        base = next((each for each in found if each.line.is_baseline), None)
        wanted = base.made.protocol.hash if base else counts.most_common(1)[0][0]
        like = next(each.made.protocol for each in found if each.made.protocol.hash == wanted)
        for each in found:
            if each.made.protocol.hash == wanted:
                usual.append(each)
            else:
                odd[comparison, seed, each.line.label] = _differences(each.made.protocol, like)
    return odd, usual


def _differences(ours: Protocol, theirs: Protocol) -> tuple[Difference, ...]:
    found = differing_settings(ours.settings, theirs.settings)
    named: tuple[Difference, ...] = ()
    if ours.name != theirs.name:
        named = (("protocol", ours.name, theirs.name),)
    return (*named, *((key, one, other) for key, (one, other) in found.items()))


def _between_seeds(usual: Iterable[_Figure]) -> tuple[str, ...]:
    firsts: dict[tuple[Comparison, str], Protocol] = {}
    keys: dict[str, None] = {}
    for each in usual:
        first = firsts.setdefault((each.line.compared_with, each.line.label), each.made.protocol)
        keys.update(dict.fromkeys(differing_settings(first.settings, each.made.protocol.settings)))
    return tuple(sorted(keys))


def _between_comparisons(usual: Sequence[_Figure]) -> tuple[tuple[str, tuple[JsonValue, ...]], ...]:
    by_seed: dict[int, dict[Comparison, Protocol]] = {}
    for each in usual:
        by_seed.setdefault(each.seed, {}).setdefault(each.line.compared_with, each.made.protocol)
    found: dict[str, list[JsonValue]] = {}
    for protocols in by_seed.values():
        first, *others = protocols.values()
        for other in others:
            for key, (one, two) in differing_settings(first.settings, other.settings).items():
                values = found.setdefault(key, [])
                values += [value for value in (one, two) if value not in values]
    return tuple((key, tuple(values)) for key, values in sorted(found.items()))
