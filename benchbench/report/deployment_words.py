"""What deployments come to, in sentences: the best of each variant, and what a variant is worth in each."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.core.units import significant
from benchbench.report.answer import Sentence
from benchbench.report.document import Answer
from benchbench.report.quality_words import column_name
from benchbench.report.text import choose_scale, duration, short, signed, signed_percent, span
from benchbench.report.views.deployment_model import Best, DeployedCell, DeploymentGroup, Gain, JudgedQuality
from benchbench.report.views.latency_pairs import PairedRatio

# A greater one is stored as this: float32 resolves no more.
_MOST_DB = 200.0
_MOST_LISTED = 8
_MOST_NAMED = 3
# Of a share with one decimal in percent: less is rounding of sums, and reads like a finding.
_LEAST_CHANGE = 0.0005


def best_sentences(group: DeploymentGroup) -> Answer:
    """Per variant the fastest deployment, what it gains and what it changes."""
    noise = () if group.noise is None else (_noisy(group.noise),)
    return Answer(tuple(_best(best, group) for best in group.bests), noise)


def gain_sentences(group: DeploymentGroup) -> Answer:
    """Per variant how much it gains over the baseline in one deployment and in another."""
    return Answer(
        tuple(
            Sentence(
                gain.variant,
                _gain(gain, group.baseline),
                tuple(_flagged([ratio for _, ratio in gain.worth], group)),
            )
            for gain in group.gains
        )
    )


def times_text(ratio: PairedRatio) -> str:
    """`4.10x [4.05, 4.14]`."""
    interval = span(ratio.interval) if ratio.interval else "without an interval"
    return f"{significant(ratio.value)}x {interval}"


def psnr_text(cell: DeployedCell) -> str:
    """`31.2 dB`; that outputs are equal where no value of them differs. Only of one that has a PSNR."""
    value, largest = cell.figures["output_psnr"].value, cell.figures.get("output_max_abs")
    # One value that is off by its last digit has more dB than the most that is stored, and is not equal.
    if largest is not None and largest.value == 0:
        return "equal"
    return f"{significant(value)} dB" if value < _MOST_DB else f"at least {significant(value)} dB"


def quality_change(judged: JudgedQuality) -> str:
    """Deployed against eager: a share where images pair up, else the difference; empty without eager."""
    if judged.eager is None:
        return ""
    if judged.change is not None:
        change = judged.change.value - 1
        return signed_percent(change) if abs(change) >= _LEAST_CHANGE else "±0.0 %"
    difference = judged.figure.value - judged.eager.value
    return "±0" if difference == 0 else signed(difference, 2)


def _noisy(interval: tuple[float, float]) -> str:
    return f"noisy machine: the A/A control {span(interval)} does not hold 1"


def _best(best: Best, group: DeploymentGroup) -> Sentence:
    first = best.cells[0]
    ways = [each for each in group.cells if each.variant == first.variant and each is not first]
    if first.line.deployment.is_reference and ways and all(each.latency is None for each in ways):
        text = f"was timed in {first.way} alone, {_latency(first)}: none of its deployments was"
        return Sentence(first.variant, text, tuple(_cautions(first, group)))
    said = [f"runs best in {_where(best.cells)}{_untold(best)}{_against(best.cells)}", *_changed(first)]
    text = "; ".join(said)
    if best.plain:
        apart = ", not told apart" if len(best.plain) > 1 else ""
        # What follows the full stop is of another deployment.
        text += f". In float32 best in {_where(best.plain)}{apart}{_against(best.plain)}"
    return Sentence(first.variant, text, tuple(_cautions(first, group)))


def _where(cells: Sequence[DeployedCell]) -> str:
    if len(cells) == 1:
        return f"{cells[0].way}: {_latency(cells[0])}"
    return _listed([f"{cell.way} ({_latency(cell)})" for cell in cells])


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_MOST_NAMED])
    more = [f"{len(names) - len(shown)} more"] if len(names) > len(shown) else []
    *others, last = [*shown, *more]
    return f"{', '.join(others)} and {last}" if others else last


def _untold(best: Best) -> str:
    return f", not told apart ({times_text(best.ratios[0])})" if best.ratios else ""


def _latency(cell: DeployedCell) -> str:
    return duration(cell.latency.value) if cell.latency else "not timed"


def _against(cells: Sequence[DeployedCell]) -> str:
    cell = cells[0]
    parts = []
    if cell.over_eager is not None:
        parts.append(_as_fast(cell.over_eager, "in eager float32"))
    # For the baseline's own cells the two are one.
    if cell.over_reference is not None and cell.over_baseline is not None:
        parts.append(_as_fast(cell.over_reference, "the baseline in eager float32"))
    which = f"; {cell.way} is " if len(cells) > 1 and parts else ", " if parts else ""
    return which + ", ".join(parts)


def _as_fast(ratio: PairedRatio, other: str) -> str:
    if ratio.interval is None:
        return f"{significant(ratio.value)}x as fast as {other}, without an interval"
    if ratio.is_open:
        return f"not measurably faster or slower than {other} ({times_text(ratio)})"
    return f"{times_text(ratio)} as fast as {other}"


def _changed(cell: DeployedCell) -> list[str]:
    parts = []
    if "output_psnr" in cell.figures:
        said = psnr_text(cell)
        parts.append(
            "its outputs are equal to eager float32's"
            if said == "equal"
            else f"its outputs have a PSNR of {said} to eager float32's"
        )
    if cell.qualities and (said := _judged(cell.qualities[0])):
        parts.append(said)
    return [" and ".join(parts)] if parts else []


def _judged(judged: JudgedQuality) -> str:
    name, unit = column_name(judged.column), choose_scale([], judged.figure.unit)[1]
    if judged.eager is None:
        return f"{name} is {short(judged.figure.value)} {unit}".rstrip()
    here, there = short(judged.figure.value), short(judged.eager.value)
    if judged.change is not None:
        low, high = (
            signed_percent(end - 1) for end in (judged.change.interval.low, judged.change.interval.high)
        )
        said = f"{quality_change(judged)} [{low}, {high}]"
        if 1.0 in judged.change.interval:
            return f"no measurable difference in {name} ({said})"
    else:
        said = quality_change(judged)
    if here == there:
        return f"{name} stays at {here} {unit}".rstrip()
    word = "rises" if judged.figure.value > judged.eager.value else "falls"
    apart = "" if judged.change is not None else _overlap(judged)
    return f"{name} {word} from {there} to {here}{f' {unit}' if unit else ''} ({said}{apart})"


def _overlap(judged: JudgedQuality) -> str:
    ours, eager = judged.figure.interval, judged.eager.interval if judged.eager else None
    if ours is None or eager is None:
        return ""
    return "" if ours[0] > eager[1] or ours[1] < eager[0] else ", the intervals overlap"


def _cautions(cell: DeployedCell, group: DeploymentGroup) -> list[str]:
    ratios = [each for each in (cell.over_eager, cell.over_reference) if each is not None]
    said = _flagged(ratios, group)
    seeds, timed = len(cell.line.results), cell.latency.seeds if cell.latency else 0
    if seeds > 1:
        said.append(f"mean of {seeds} seeds" if timed == seeds else f"{timed} of {seeds} seeds")
    return said


def _flagged(ratios: Sequence[PairedRatio], group: DeploymentGroup) -> list[str]:
    flags = dict.fromkeys(flag for each in ratios for flag in each.flags)
    is_told = group.noise is not None
    kept = [each for each in flags if not (is_told and each.startswith("A/A control"))]
    return ["latency unconverged" if each.startswith("unconverged") else each for each in kept]


def _gain(gain: Gain, baseline: str) -> str:
    worth = dict(gain.worth)
    listed = list(worth)
    if len(listed) > _MOST_LISTED:
        kept = {*listed[: _MOST_LISTED - 1], *gain.there}
        listed = [way for way in listed if way in kept]
    more = f", and in {len(worth) - len(listed)} more" if len(listed) < len(worth) else ""
    said = ", ".join(f"{times_text(worth[way])} in {way}" for way in listed)
    text = f"is worth {said}{more}, each against {baseline} in the same deployment"
    if gain.apart is None:
        return text
    if gain.apart.interval is None:
        times = f"{significant(gain.apart.value)}x as much"
        return f"{text}: the same change is worth {times} in {gain.there[0]} as in eager, without an interval"
    if gain.apart.is_open:
        furthest = f"{times_text(gain.apart)} of eager's, in {gain.there[0]}"
        return f"{text}: no measurable difference between deployments (the furthest is {furthest})"
    alike = f" ({_listed(gain.there)} are not told apart)" if len(gain.there) > 1 else ""
    times = times_text(gain.apart)
    return f"{text}: the same change is worth {times} as much in {gain.there[0]} as in eager{alike}"
