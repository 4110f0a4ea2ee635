"""`benchbench_latency`: modules or calls timed side by side in the test's own process.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import nn

from benchbench.core.errors import MeasurementError
from benchbench.core.statistics import RatioEstimate, paired_ratio
from benchbench.measures.latency.compare import LatencyComparison, compare_calls, compare_latency
from benchbench.measures.latency.timers import Call, Timer
from benchbench.pytest_plugin import AmbiguousVerdict
from benchbench.pytest_plugin.judging import Judgement, Take, judge
from benchbench.runner.lock import exclusive_latency

COPY = "(baseline, copied)"
Again = Callable[[int], LatencyComparison]


@dataclass(slots=True)
class TimedModules:
    """Modules that were timed side by side, and can be again.

    Attributes:
        comparison: the first take: medians, ratios, samples; `print` it.
    """

    comparison: LatencyComparison
    _again: Again
    _takes: list[LatencyComparison] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._takes.append(self.comparison)

    def __str__(self) -> str:
        return str(self.comparison)

    @property
    def names(self) -> tuple[str, ...]:
        """All but the baseline."""
        return tuple(name for name in self.comparison.speedup if name != COPY)

    def assert_not_slower(self, *, tolerance: float = 0.05) -> TimedModules:
        """Every module takes at most 1 + `tolerance` times as long as the first.

        Raises:
            AssertionError: one is slower, by two takes of which each says so by itself.

        Warns:
            AmbiguousVerdict: the measurement is too uncertain to say.
        """
        __tracebackhide__ = True
        self._check(limit=1 + tolerance, tolerance=tolerance)
        return self

    def assert_faster(self, times: float, *, tolerance: float = 0.1) -> TimedModules:
        """Every module is at least `times` as fast as the first, within `tolerance`.

        Raises:
            AssertionError: one is not, by two takes of which each says so by itself.

        Warns:
            AmbiguousVerdict: the measurement is too uncertain to say.
        """
        __tracebackhide__ = True
        self._check(limit=(1 + tolerance) / times, tolerance=tolerance)
        return self

    def _check(self, *, limit: float, tolerance: float) -> None:
        __tracebackhide__ = True
        if not (tolerance > 0 and limit > 0):
            raise MeasurementError(f"tolerance {tolerance:g}", expected="a share above 0: 0.05")
        found = [self._judge(name, limit=limit, tolerance=tolerance) for name in self.names]
        wrong = [each.reason for each in found if each.status == "fail"]
        for each in found:
            if each.status == "ambiguous":
                warnings.warn(AmbiguousVerdict(each.reason), stacklevel=3)
        if wrong:
            raise AssertionError("\n".join(wrong))

    def _judge(self, name: str, *, limit: float, tolerance: float) -> Judgement:
        return judge(
            lambda index: self._take(index, name),
            name=name,
            baseline=self.comparison.baseline,
            limit=limit,
            tolerance=tolerance,
        )

    def _take(self, index: int, name: str) -> Take:
        while len(self._takes) <= index:
            self._takes.append(self._again(len(self._takes)))
        taken = self._takes[index]
        against = [taken.samples[taken.baseline]]
        controls: tuple[RatioEstimate, ...] = (taken.aa_control,)
        if COPY in taken.samples:
            controls += (paired_ratio([taken.samples[COPY]], against),)
        return Take(ratio=paired_ratio([taken.samples[name]], against), controls=controls)


class LatencyGate:
    """What the fixture gives. The machine's latency lock is held while it measures.

    Args:
        what: is shown to those who wait for the lock.
        timer: another clock; the lock is then left alone.
    """

    def __init__(self, *, what: str = "a test", timer: Timer | None = None) -> None:
        self._what = what
        self._timer = timer

    def compare(
        self,
        modules: Mapping[str, nn.Module],
        inputs: Sequence[int] | tuple[torch.Tensor, ...],
        *,
        budget_s: float = 20.0,
        half_width: float = 0.02,
        seed: int = 0,
    ) -> TimedModules:
        """Time modules in interleaved rounds; the first is what the others are compared with.

        A copy of the first runs along: a process that cannot tell it from the original to within the
        tolerance (memory that lies elsewhere) makes the verdict ambiguous. Takes after the first
        are of fresh copies of all. It runs at the caller's thread count; what a fresh process would
        say, `benchbench gate` asks.

        Args:
            modules: name -> module; at least two.
            inputs: the shape of one random float32 input, or a tuple of tensors.
            budget_s: where each of at most three takes stops, converged or not.
            half_width: of the 95 % interval that is enough.
            seed: of the input and of every order.

        Raises:
            MeasurementError: fewer than two modules, or one does not take the inputs.
        """
        _need_two(modules)

        def again(index: int) -> LatencyComparison:
            # In another order: where a copy lies in memory is by chance, not by its place in the mapping.
            names = list(modules)[:: -1 if index % 2 else 1]
            made = {name: modules[name] if index == 0 else _copied(modules[name]) for name in names}
            ordered = {name: made[name] for name in modules}
            ordered[COPY] = _copied(next(iter(modules.values())))
            with self._alone():
                return compare_latency(
                    ordered,
                    inputs,
                    budget_s=budget_s,
                    half_width=half_width,
                    seed=seed + index,
                    timer=self._timer,
                )

        return TimedModules(again(0), again)

    def compare_calls(
        self,
        calls: Mapping[str, Call],
        *,
        budget_s: float = 20.0,
        half_width: float = 0.02,
        seed: int = 0,
    ) -> TimedModules:
        """The same for any functions without arguments; the first is what the others are compared with."""
        _need_two(calls)

        def again(index: int) -> LatencyComparison:
            with self._alone():
                return compare_calls(
                    calls, budget_s=budget_s, half_width=half_width, seed=seed + index, timer=self._timer
                )

        return TimedModules(again(0), again)

    def _alone(self) -> AbstractContextManager[None]:
        return nullcontext() if self._timer is not None else exclusive_latency(self._what, say=_say)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _need_two(named: Mapping[str, object]) -> None:
    if len(named) < 2:
        raise MeasurementError(
            f"{len(named)} to compare", expected='two or more: {"old": model, "new": lighter}'
        )


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except Exception:  # somebody's part may refuse to be copied in any way; the original is timed again
        return module
