"""Rounds of one cell: every process has its turn once, in a random order, until enough is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.core.gating import PairedSet
from benchbench.core.model import Frozen
from benchbench.core.statistics import estimate_median

# (calls for nothing, timed calls) -> seconds per timed call.
Turn = Callable[[int, int], float]


class Pace(Frozen):
    """How long a set takes; docs/protocol-gate.md says why.

    Attributes:
        warmup_s: of each process, at least, and two calls.
        block_s: how long the timed calls of a turn take together, about; one call at least.
        absorb_below_s: calls shorter than this are preceded by one that is not timed, which takes what the
            neighbours' threads and a cold cache cost.
        min_rounds, min_seconds: of each cell, at least.
        budget_s: where a cell stops, whatever is known; past twice of it `fewest_rounds` will do.
        share: the half-width of the ratio's interval over rounds that is enough, as a share of the
            tolerance; the controls' may be twice that.
    """

    warmup_s: float = 0.3
    block_s: float = 0.01
    absorb_below_s: float = 0.2
    min_rounds: int = 20
    fewest_rounds: int = 8
    min_seconds: float = 3.0
    budget_s: float = 15.0
    share: float = 0.25

    def calls(self, call_s: float) -> int:
        """Timed calls of a turn, for a call that takes so long."""
        return max(1, round(self.block_s / max(call_s, 1e-9)))

    def absorb(self, call_s: float) -> int:
        """Calls of a turn that are not timed."""
        return 1 if call_s < self.absorb_below_s else 0


_LOOK_AGAIN = 1.5  # times as many rounds until the next look
_OVERRUN = 2


@dataclass(frozen=True, slots=True)
class Turns:
    """The processes of one set, as turns that each can be given."""

    base: tuple[Turn, ...]
    head: tuple[Turn, ...]


def take_rounds(
    turns: Turns, *, call_s: float, pace: Pace, tolerance: float, seed: int, now_s: Callable[[], float]
) -> PairedSet:
    """Rounds until head / base is known well enough for the tolerance, or the time is up.

    How many there are depends on how widely they scatter, never on what they say; looks are few, because
    who looks often stops at a lucky moment.

    Args:
        turns: two or more a side.
        call_s: seconds of a call, about.
        pace: how long.
        tolerance: share by which head may be slower.
        seed: of the order within rounds.
        now_s: a monotonic clock.
    """
    every = (*turns.base, *turns.head)
    absorb, calls = pace.absorb(call_s), pace.calls(call_s)
    rows: list[list[float]] = []
    order = list(range(len(every)))
    rng = random.Random(seed)
    started = now_s()
    next_look = pace.min_rounds
    notes: tuple[str, ...] = ()
    while True:
        rng.shuffle(order)
        row = [0.0] * len(every)
        for index in order:
            row[index] = every[index](absorb, calls)
        rows.append(row)
        count, spent = len(rows), now_s() - started
        if count < pace.min_rounds:
            if spent < _OVERRUN * pace.budget_s or count < pace.fewest_rounds:
                continue
            notes = (f"only {count} rounds: calls are long for the budget",)
            break
        is_late = spent >= pace.budget_s
        if not is_late and (count < next_look or spent < pace.min_seconds):
            continue
        if _is_known(np.log(rows), len(turns.base), pace.share * math.log1p(tolerance)):
            break
        if is_late:
            notes = ("unconverged: the rounds scatter too widely for the tolerance",)
            break
        next_look = max(count + 1, int(count * _LOOK_AGAIN))
    by_process = tuple(tuple(values) for values in np.asarray(rows).T.tolist())
    settings = {"calls": calls, "untimed_calls": absorb, "rounds": len(rows), "seconds": now_s() - started}
    return PairedSet(
        base=by_process[: len(turns.base)],
        head=by_process[len(turns.base) :],
        notes=notes,
        settings=dict(settings),
    )


def _is_known(logs: NDArray[np.float64], base: int, enough: float) -> bool:
    sides = (logs[:, :base], logs[:, base:])
    ratio = sides[1].mean(axis=1) - sides[0].mean(axis=1)
    controls = [side[:, 1] - side[:, 0] for side in sides if side.shape[1] > 1]
    return estimate_median(ratio).half_width() <= enough and all(
        estimate_median(each).half_width() <= 2 * enough for each in controls
    )
