"""How steady this machine is: one fixed piece of work, timed over and over for a few seconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchbench.core.host import read_cpu_times, steal_share

# Above these a 2 % difference between two means is not to be believed; paired ratios still are.
QUIET_SPREAD = 0.05
QUIET_P90 = 1.15
QUIET_STEAL = 0.01


@dataclass(frozen=True, slots=True)
class Noise:
    """How the time of equal pieces of work varied.

    Attributes:
        repeats: how many pieces were timed.
        median_s: of one piece.
        spread: interquartile range over the median.
        p90: ninth decile over the median.
        worst: longest over the median.
        steal_share: share of CPU time that the hypervisor gave to others, None = unknown.
    """

    repeats: int
    median_s: float
    spread: float
    p90: float
    worst: float
    steal_share: float | None

    @property
    def quiet(self) -> bool:
        """Whether single timings can be trusted to a few per cent."""
        stolen = self.steal_share or 0.0
        return self.spread <= QUIET_SPREAD and self.p90 <= QUIET_P90 and stolen <= QUIET_STEAL


def measure_noise(
    *,
    seconds: float = 5.0,
    work: Callable[[], object] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    cpu_times: Callable[[], tuple[int, ...] | None] = read_cpu_times,
) -> Noise:
    """Repeat `work` (default: matrix products of a few milliseconds) for `seconds`.

    At least twenty pieces are timed, after a warm-up of a tenth of the time.
    """
    task = work or _products()
    warm_until = clock() + seconds / 10
    while clock() < warm_until:
        task()
    before, samples = cpu_times(), list[float]()
    end = clock() + seconds
    while clock() < end or len(samples) < 20:
        start = clock()
        task()
        samples.append(clock() - start)
    low, median, high = statistics.quantiles(samples, n=4)
    return Noise(
        repeats=len(samples),
        median_s=median,
        spread=(high - low) / median,
        p90=statistics.quantiles(samples, n=10)[8] / median,
        worst=max(samples) / median,
        steal_share=steal_share(before, cpu_times()),
    )


def _products() -> Callable[[], object]:
    import numpy as np

    random = np.random.default_rng(0)
    left, right = random.standard_normal((2, 512, 512), dtype=np.float32)

    def work() -> object:
        product = left
        for _ in range(4):
            product = product @ right
        return product

    return work
