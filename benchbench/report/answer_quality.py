"""What the answer says of quality: against the baseline's figure, or as a distance from its outputs."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.core.comparable import differing_settings
from benchbench.core.paired_means import MeanRatio
from benchbench.core.units import significant
from benchbench.report.quality_words import column_name, is_abroad
from benchbench.report.text import short, signed, signed_percent, span
from benchbench.report.views.lines import Estimate
from benchbench.report.views.quality import QualityColumn, is_reference
from benchbench.report.views.summary import SummaryRow
from benchbench.report.views.vocabulary import title

_MOST_SETTINGS = 4


def own_quality(row: SummaryRow, qualities: Sequence[QualityColumn]) -> list[str]:
    """The first quality of a line that is compared with nothing."""
    if not row.qualities:
        return []
    first = row.qualities[0]
    if first is None:
        return ["its outputs are the others' reference"] if is_reference(row.line, qualities[0]) else []
    spread = f" ± {significant(first.sd, 2)}" if first.sd else ""
    return [f"{column_name(qualities[0])} {_with_unit(short(first.value), first)}{spread}"]


def quality_parts(row: SummaryRow, reference: SummaryRow, qualities: Sequence[QualityColumn]) -> list[str]:
    """How the first quality changes against the baseline's, and how far the outputs are from its outputs."""
    return [*_change(row, reference, qualities), *_distance(row, qualities)]


def quality_cautions(row: SummaryRow, qualities: Sequence[QualityColumn]) -> list[str]:
    """What must be known of the figures that the sentence names."""
    cautions: list[str] = []
    at = _distance_column(qualities)
    for position, (column, figure) in enumerate(zip(qualities, row.qualities, strict=True)):
        if position not in (0, at):
            continue
        if figure is not None and position == 0:
            cautions += [flag for flag in figure.flags if flag.startswith("random-weights")]
        is_here = figure is not None or is_reference(row.line, column)
        if is_here and column.is_declared and is_abroad(column):
            cautions.append(f"{title(column.key.name)}: not comparable to the literature")
    return cautions


def _change(row: SummaryRow, reference: SummaryRow, qualities: Sequence[QualityColumn]) -> list[str]:
    if not row.qualities:
        return []
    ours, base = row.qualities[0], reference.qualities[0]
    if ours is None or base is None:
        return []
    name = column_name(qualities[0])
    if not ours.is_comparable(base):
        return [f"{name} not comparable with the baseline's (another protocol{_settings(ours, base)})"]
    ratio = row.quality_ratios[0]
    if ratio is not None:
        return [_paired_change(name, ratio) + _parts(row, ratio)]
    # Of a value that may as well be 0, or of decibels, a share says nothing.
    if ours.unit == "1" and base.value > 0 and (base.interval is None or base.interval[0] > 0):
        change = signed_percent(ours.value / base.value - 1)
    else:
        change = _with_unit(signed(ours.value - base.value, 2), ours)
    return [f"{name} {change}{_clearness(ours, base)}"]


def _settings(ours: Estimate, base: Estimate) -> str:
    theirs = dict(base.by_seed)
    keys = {
        key
        for seed, protocol in ours.by_seed
        for key in differing_settings(protocol.settings, theirs.get(seed, base.by_seed[0][1]).settings)
    }
    if not keys:
        return ""
    more = f" and {len(keys) - _MOST_SETTINGS} more" if len(keys) > _MOST_SETTINGS else ""
    return f": {', '.join(sorted(keys)[:_MOST_SETTINGS])}{more}"


def _distance_column(qualities: Sequence[QualityColumn]) -> int | None:
    """The first distance from the baseline's outputs."""
    found = (
        at for at, column in enumerate(qualities) if column.against_baseline and column.direction == "lower"
    )
    return next(found, None)


def _distance(row: SummaryRow, qualities: Sequence[QualityColumn]) -> list[str]:
    at = _distance_column(qualities)
    figure = row.qualities[at] if at is not None else None
    if at is None or figure is None or row.line.compared_with not in qualities[at].against_baseline:
        return []
    between = f" {span(figure.interval)}" if figure.interval else ""
    said = (
        f"its outputs differ from the baseline's by {title(figure.name)} "
        f"{_with_unit(short(figure.value), figure)}{between}"
    )
    stick = figure.yardstick
    if stick is None:
        return [said]
    halves = "two halves of the baseline's own outputs"
    if stick.ratio is None:
        return [f"{said} ({halves}: {short(stick.value)})"]
    return [f"{said} ({short(stick.ratio)}x as far as {halves})"]


def _parts(row: SummaryRow, whole: MeanRatio) -> str:
    # Two clear changes may cancel in a sum, and "no difference" would then hide both.
    if 1.0 not in whole.interval:
        return ""
    clear = [
        f"{title(ours.name)} {signed_percent(ratio.value - 1)}"
        for ours, ratio in zip(row.qualities[1:], row.quality_ratios[1:], strict=True)
        if ours is not None and ratio is not None and 1.0 not in ratio.interval
    ]
    return f", but {' and '.join(clear)}" if clear else ""


def _paired_change(name: str, ratio: MeanRatio) -> str:
    low, high = (signed_percent(end - 1) for end in (ratio.interval.low, ratio.interval.high))
    said = f"{signed_percent(ratio.value - 1)} [{low}, {high}]"
    return f"no measurable difference in {name} ({said})" if 1.0 in ratio.interval else f"{name} {said}"


def _clearness(ours: Estimate, base: Estimate) -> str:
    if ours.interval is None or base.interval is None:
        return ""
    apart = ours.interval[0] > base.interval[1] or ours.interval[1] < base.interval[0]
    return "" if apart else " (the intervals overlap)"


def _with_unit(text: str, figure: Estimate) -> str:
    return text if figure.unit == "1" else f"{text} {figure.unit}"
