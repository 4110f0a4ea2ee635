"""Which deployment is fastest, what a variant is worth in each, and every pair of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchbench.report.views.deployment_model import Best, DeployedCell, Gain, Pair
from benchbench.report.views.latency_pairs import LatencyPairs, PairedRatio


def best_of(cells: Sequence[DeployedCell], pairs: LatencyPairs) -> Best:
    """The fastest of one variant's timed deployments, with those that are not told from it."""
    fastest = _fastest(cells, pairs)
    plain = [each for each in cells if each.line.deployment.precision == "fp32"]
    is_plain = fastest[0][0].line.deployment.precision == "fp32"
    return Best(
        cells=tuple(cell for cell, _ in fastest),
        ratios=tuple(ratio for _, ratio in fastest if ratio is not None),
        plain=() if is_plain or not plain else tuple(cell for cell, _ in _fastest(plain, pairs)),
    )


def gain_of(
    cells: Sequence[DeployedCell], baseline: Sequence[DeployedCell], pairs: LatencyPairs
) -> Gain | None:
    """What a variant is worth over the baseline, deployment by deployment; None where in fewer than two."""
    bases = {each.way: each for each in baseline}
    found = [
        (cell, bases[cell.way], worth)
        for cell in cells
        if cell.way in bases and (worth := cell.over_baseline) is not None
    ]
    if len(found) < 2:
        return None
    eager = next((each for each in found if each[0].line.deployment.is_reference), None)
    apart: dict[str, PairedRatio] = {}
    if eager is not None:
        for cell, base, _ in found:
            if cell is not eager[0]:
                ratio = pairs.gain_ratio(
                    line=cell.line,
                    baseline=base.line,
                    other_line=eager[0].line,
                    other_baseline=eager[1].line,
                )
                if ratio is not None:
                    apart[cell.way] = ratio
    furthest = max(apart, key=lambda way: abs(math.log(apart[way].value)), default=None)
    return Gain(
        variant=cells[0].variant,
        worth=tuple((cell.way, worth) for cell, _, worth in found),
        apart=None if furthest is None else apart[furthest],
        there=() if furthest is None else (furthest, *_not_told_from(furthest, found, apart, pairs)),
    )


def every_pair(cells: Sequence[DeployedCell], pairs: LatencyPairs) -> tuple[Pair, ...]:
    """Each two that were timed; of many lines this takes a while."""
    found = (
        (one, other, pairs.speedup(one.line, over=other.line))
        for at, other in enumerate(cells)
        for one in cells[at + 1 :]
    )
    return tuple(Pair(one, other, ratio) for one, other, ratio in found if ratio is not None)


def chosen_pairs(cells: Sequence[DeployedCell], pairs: LatencyPairs) -> tuple[Pair, ...]:
    """Each with its own eager float32, the baseline in the same deployment, and the baseline in eager."""
    by_place = {(each.variant, each.way): each for each in cells}
    references = {each.variant: each for each in cells if each.line.deployment.is_reference}
    baseline = next((each for each in cells if each.line.is_baseline), None)
    found: dict[tuple[int, int], tuple[DeployedCell, DeployedCell]] = {}
    for one in cells:
        there = None if baseline is None else by_place.get((baseline.variant, one.way))
        for other in (references.get(one.variant), there, baseline):
            if other is not None and other is not one:
                found[id(one), id(other)] = (one, other)
    made = ((one, other, pairs.speedup(one.line, over=other.line)) for one, other in found.values())
    return tuple(Pair(one, other, ratio) for one, other, ratio in made if ratio is not None)


def _fastest(
    cells: Sequence[DeployedCell], pairs: LatencyPairs
) -> list[tuple[DeployedCell, PairedRatio | None]]:
    timed = [(each.latency.value, each) for each in cells if each.latency is not None]
    ordered = [each for _, each in sorted(timed, key=lambda pair: pair[0])]
    first = ordered[0]
    for other in ordered[1:]:
        # Medians of a drifting machine may lie in another order than the rounds do.
        ratio = pairs.speedup(first.line, over=other.line)
        if ratio is not None and ratio.is_clear and ratio.value < 1:
            first = other
    found: list[tuple[DeployedCell, PairedRatio | None]] = [(first, None)]
    for other in ordered:
        ratio = None if other is first else pairs.speedup(first.line, over=other.line)
        if ratio is not None and ratio.is_open:
            found.append((other, ratio))
    return found


def _not_told_from(
    furthest: str,
    found: Sequence[tuple[DeployedCell, DeployedCell, PairedRatio]],
    apart: dict[str, PairedRatio],
    pairs: LatencyPairs,
) -> tuple[str, ...]:
    top = next(each for each in found if each[0].way == furthest)
    alike = []
    for cell, base, _ in found:
        if cell.way in apart and cell.way != furthest:
            ratio = pairs.gain_ratio(
                line=top[0].line, baseline=top[1].line, other_line=cell.line, other_baseline=base.line
            )
            if ratio is not None and ratio.is_open:
                alike.append(cell.way)
    return tuple(alike)
