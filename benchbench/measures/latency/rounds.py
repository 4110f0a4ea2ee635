"""Warm-up by stability, then interleaved rounds until every paired ratio is known well enough.

Source: docs/protocol-latency.md; Kalibera and Jones 2013; Georges et al. 2007.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchbench.core.statistics import paired_ratio
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.timers import Call, Timer

STABLE = 0.02  # two windows whose medians differ by less are stable
OVERHEAD_SHARE = 1e-4  # the clock may cost this share of a sample
LOOK_AGAIN = 1.5  # times as many rounds until the next look at the interval
OVERRUN = 2  # times the budget: where a process stops short of its least rounds, but for
FEWEST_ROUNDS = 5
FIXED_RUNS = 100  # GAN Compression's protocol


@dataclass(slots=True)
class Rounds:
    """Samples by subject, aligned by round, and what a reader must know of them."""

    samples: dict[str, list[float]]
    device_samples: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    warmup_s: dict[str, float] = field(default_factory=dict)

    @property
    def inside_s(self) -> float:
        """Seconds spent within the subjects: warm-up and every timed call."""
        timed = (self.samples, self.device_samples)
        calls = sum(self.repeats[name] * sum(values) for each in timed for name, values in each.items())
        return calls + sum(self.warmup_s.values())


def warm_up(call: Call, timer: Timer, options: LatencyOptions) -> tuple[float, float, bool]:
    """Call in windows that double until time and stability are enough.

    Returns:
        (median seconds of a call in the last window, seconds spent, whether it was capped).
    """
    started = timer.now_s()
    window, previous = 1, None
    while True:
        times = [timer.end_to_end_s(call, 1) for _ in range(window)]
        median = statistics.median(times)
        spent = timer.now_s() - started
        stable = previous is not None and abs(median - previous) < STABLE * previous
        if spent >= options.least_warmup_s and stable:
            return median, spent, False
        if spent >= options.warmup_limit_s:
            return median, spent, True
        previous = median
        # Doubling must not overshoot the cap by a whole window.
        left = max(options.warmup_limit_s - spent, 0.0)
        window = max(1, min(window * 2, int(left / median) if median > 0 else window * 2))


def take_interleaved(
    calls: Mapping[str, Call],
    *,
    baseline: str,
    timer: Timer,
    options: LatencyOptions,
    seed: int,
    untimed: int = 0,
) -> Rounds:
    """Rounds in which every subject runs once, in a random order, until the ratios converge.

    Args:
        calls: subject name -> one inference; the baseline's duplicate (A/A control) among them.
        baseline: the subject that ratios refer to.
        timer: the clock.
        options: least rounds and seconds, budget, target half-width.
        seed: of the order within rounds.
        untimed: calls of a subject before each sample of it.

    Returns:
        Seconds per call; `repeats` calls make one sample where a call is too short for the clock.
    """
    rounds = Rounds(samples={name: [] for name in calls}, notes={name: [] for name in calls})
    if timer.has_device_clock:
        rounds.device_samples = {name: [] for name in calls}
    shortest = timer.overhead_s() / OVERHEAD_SHARE
    for name, call in calls.items():
        median, spent, capped = warm_up(call, timer, options)
        rounds.warmup_s[name] = spent
        rounds.repeats[name] = max(1, int(shortest / max(median, 1e-9)) + 1) if median < shortest else 1
        if capped:
            rounds.notes[name].append("warm-up capped")
    rng = random.Random(seed)
    order = list(calls)
    started = timer.now_s()
    next_check = options.min_rounds
    count = 0
    while True:
        rng.shuffle(order)
        for name in order:
            repeats = rounds.repeats[name]
            for _ in range(untimed):
                timer.end_to_end_s(calls[name], 1)
            rounds.samples[name].append(timer.end_to_end_s(calls[name], repeats) / repeats)
        if timer.has_device_clock:
            counts = [rounds.repeats[name] for name in order]
            seconds = timer.device_s([calls[name] for name in order], counts)
            for name, repeats, total in zip(order, counts, seconds, strict=True):
                rounds.device_samples[name].append(total / repeats)
        count += 1
        spent = timer.now_s() - started
        if spent >= options.budget_s and count >= options.min_rounds:
            return rounds
        if spent >= OVERRUN * options.budget_s and count >= FEWEST_ROUNDS:
            for notes in rounds.notes.values():
                notes.append(f"only {count} rounds: calls are long for the budget")
            return rounds
        if count >= next_check and spent >= options.min_seconds:
            if widest(rounds.samples, baseline) <= options.half_width:
                return rounds
            # Looking after every round would stop at a lucky moment, and cost time.
            next_check = max(count + 1, int(count * LOOK_AGAIN))


def widest(samples: Mapping[str, Sequence[float]], baseline: str) -> float:
    """The largest relative half-width among one process's ratios to the baseline."""
    return max(
        (
            paired_ratio([values], [samples[baseline]], resamples=400).relative_half_width
            for name, values in samples.items()
            if name != baseline
        ),
        default=0.0,
    )


def take_fixed(calls: Mapping[str, Call], *, timer: Timer) -> Rounds:
    """GAN Compression's protocol: 100 warm-up and 100 timed runs, one subject after the other."""
    rounds = Rounds(samples={}, notes={name: [] for name in calls})
    for name, call in calls.items():
        for _ in range(FIXED_RUNS):
            timer.end_to_end_s(call, 1)
        rounds.samples[name] = [timer.end_to_end_s(call, 1) for _ in range(FIXED_RUNS)]
        rounds.repeats[name] = 1
        if timer.has_device_clock:
            rounds.device_samples[name] = timer.device_s([call] * FIXED_RUNS, [1] * FIXED_RUNS)
    return rounds
