"""Paired ratios of latencies that were sampled side by side, round by round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.core.changes import LATENCIES
from benchbench.core.measurement import Measurement
from benchbench.core.statistics import RatioEstimate, paired_ratio
from benchbench.report.views.lines import Line, estimate, find_figure
from benchbench.report.views.summary import TimeKey

# Of many lines each pair gets fewer resamples, so that a report of a hundred of them is not kept waiting.
MANY_LINES = 30
_RESAMPLES, _FEWER_RESAMPLES = 1000, 400

# Under any other protocol entry i of two lines is no round that both were in.
_SIDE_BY_SIDE = "latency/interleaved"

_Rounds = list[NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class PairedRatio:
    """How many times as fast one is as another.

    Attributes:
        value: over several seeds the geometric mean, so that the inverse of it is the other one's.
        interval: None where their rounds are not aligned; then `value` is of medians.
        flags: those of the speed-ups of all lines behind it, and how many seeds are paired if not all.
    """

    value: float
    interval: tuple[float, float] | None
    flags: tuple[str, ...] = ()

    @property
    def is_clear(self) -> bool:
        """Whether there is an interval, and 1 is not in it."""
        return self.interval is not None and not self.interval[0] <= 1.0 <= self.interval[1]

    @property
    def is_open(self) -> bool:
        """Whether there is an interval, and 1 is in it: the two are not told apart."""
        return self.interval is not None and not self.is_clear

    @property
    def inverse(self) -> PairedRatio:
        """The same two, seen from the other."""
        interval = None if self.interval is None else (1 / self.interval[1], 1 / self.interval[0])
        return PairedRatio(1 / self.value, interval, self.flags)


class LatencyPairs:
    """Ratios at one way of timing; each is estimated once."""

    def __init__(self, key: TimeKey, *, lines: int) -> None:
        self._key = key
        self._resamples = _RESAMPLES if lines <= MANY_LINES else _FEWER_RESAMPLES
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], PairedRatio | None] = {}

    def speedup(self, line: Line, *, over: Line) -> PairedRatio | None:
        """Latency of `over` / latency of `line`; None where one of them was not timed."""
        return self._ratio((over,), (line,))

    def gain_ratio(
        self, *, line: Line, baseline: Line, other_line: Line, other_baseline: Line
    ) -> PairedRatio | None:
        """How many times the other gain is this: (`baseline` / `line`) / (`other_baseline` / `other_line`).

        All four are taken round by round, so that what slows down all of them cancels.
        """
        return self._ratio((baseline, other_line), (line, other_baseline))

    def _ratio(self, top: tuple[Line, ...], bottom: tuple[Line, ...]) -> PairedRatio | None:
        key = tuple(each.label for each in top), tuple(each.label for each in bottom)
        if key not in self._known:
            known = self._known.get((key[1], key[0]))
            self._known[key] = known.inverse if known is not None else self._estimate(top, bottom)
        return self._known[key]

    def _estimate(self, top: Sequence[Line], bottom: Sequence[Line]) -> PairedRatio | None:
        lines = (*top, *bottom)
        seeds = set.intersection(*({each.cell.seed for each in line.results} for line in lines))
        found = [self._of_seed(top, bottom, seed) for seed in sorted(seeds)]
        paired = [each for each in found if each is not None]
        if not paired:
            return self._of_medians(top, bottom)
        values = [each.value for each in paired]
        timed = {
            each.cell.seed
            for line in lines
            for each in line.results
            if self._figure(line, each.cell.seed) is not None
        }
        return PairedRatio(
            value=statistics.geometric_mean(values) if len(values) > 1 else values[0],
            # As for every figure over seeds: the hull, which is never too narrow.
            interval=(min(each.interval.low for each in paired), max(each.interval.high for each in paired)),
            flags=(
                *self._flags(lines),
                *([f"paired in {len(paired)} of {len(timed)} seeds"] if len(paired) < len(timed) else []),
            ),
        )

    def _of_seed(self, top: Sequence[Line], bottom: Sequence[Line], seed: int) -> RatioEstimate | None:
        figures = [[self._figure(line, seed) for line in side] for side in (top, bottom)]
        known = [each for side in figures for each in side if each is not None]
        if len(known) < len(top) + len(bottom) or len({each.protocol.hash for each in known}) > 1:
            return None
        if known[0].protocol.name != _SIDE_BY_SIDE:
            return None
        shapes = {tuple(len(chunk) for chunk in each.samples) for each in known}
        if len(shapes) > 1 or any(length < 2 for length in next(iter(shapes))) or not next(iter(shapes)):
            return None
        if any(not 0 < sample < math.inf for each in known for chunk in each.samples for sample in chunk):
            return None
        over, under = ([each for each in side if each is not None] for side in figures)
        return paired_ratio(_product(over), _product(under), resamples=self._resamples)

    def _flags(self, lines: Sequence[Line]) -> tuple[str, ...]:
        name, setting = LATENCIES[self._key.name], self._key.setting
        made = (find_figure(result, name, setting, declared={}) for line in lines for result in line.results)
        return tuple(dict.fromkeys(flag for each in made if each is not None for flag in each.flags))

    def _figure(self, line: Line, seed: int) -> Measurement | None:
        result = next((each for each in line.results if each.cell.seed == seed), None)
        if result is None:
            return None
        return find_figure(result, self._key.name, self._key.setting, declared={})

    def _of_medians(self, top: Sequence[Line], bottom: Sequence[Line]) -> PairedRatio | None:
        sides = [
            [estimate(line.results, self._key.name, self._key.setting) for line in side]
            for side in (top, bottom)
        ]
        values = [[each.value for each in side if each is not None and each.value > 0] for side in sides]
        if [len(each) for each in values] != [len(top), len(bottom)]:
            return None
        ratio = math.prod(values[0]) / math.prod(values[1])
        return PairedRatio(ratio, None, self._flags((*top, *bottom)))


def _product(figures: Sequence[Measurement]) -> _Rounds:
    rounds = [[np.asarray(chunk, dtype=np.float64) for chunk in each.samples] for each in figures]
    return [np.asarray(np.prod(np.stack(chunks), axis=0)) for chunks in zip(*rounds, strict=True)]
