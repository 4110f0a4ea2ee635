"""Two identical networks, measured over and over: how often does the interval exclude 1?

    python benchmarks/aa.py --load

Each repeat is one fresh process, started as a suite starts it. Beside the paired ratio stands what
separate means would say of the same samples, with a threshold of 10 %.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchbench.core.cell import Cell
from benchbench.core.contracts import Replicate
from benchbench.core.measurement import Measurement
from benchbench.core.registry import MEASURES
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures.latency import LatencyOptions
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import Job, ReplicateJob
from benchbench.runner.lock import exclusive_latency

THRESHOLD = 0.1


@contextlib.contextmanager
def loaded_core(*, wanted: bool) -> Iterator[None]:
    """Another process that keeps one core busy."""
    if not wanted:
        yield
        return
    # It ends by itself when this process is killed.
    busy = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    with subprocess.Popen([sys.executable, "-c", busy]) as neighbour:
        try:
            yield
        finally:
            neighbour.kill()


def take(cells: tuple[Cell, ...], options: LatencyOptions, *, seed: int) -> list[Replicate]:
    """One measurement: a fresh process for each replicate."""
    comparison = MEASURES.load("latency").comparison
    assert comparison is not None
    replicates = []
    for index in range(options.processes):
        job = ReplicateJob(
            cells=cells,
            measure="latency",
            options=options.model_dump(mode="json"),
            folder="",
            seed=seed,
            index=index,
        )
        answer = run_isolated(
            Job(replicate=job),
            environment=comparison.environment(options),
            limit_s=comparison.limit_s(options, len(cells)),
        )
        if answer.replicate is None:
            raise SystemExit(f"the measurement failed: {answer.failure}")
        replicates.append(answer.replicate)
    return replicates


def ratio_of(measurements: tuple[Measurement, ...], name: str) -> Measurement:
    """The measurement of that name, which has an interval."""
    return next(each for each in measurements if each.name == name and each.interval is not None)


def naive_ratios(replicates: list[Replicate], baseline: str, other: str) -> tuple[float, float]:
    """Ratio of means over all rounds; and of the first half's to the second's, as if timed in turn."""
    first = [value for each in replicates for value in each.samples[baseline]]
    second = [value for each in replicates for value in each.samples[other]]
    half = len(first) // 2
    in_turn = statistics.fmean(first[:half]) / statistics.fmean(second[half:])
    return statistics.fmean(first) / statistics.fmean(second), in_turn


def main() -> None:
    """Print a line for every repeat and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--load", action="store_true", help="another process keeps one core busy")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--size", type=int, default=128, help="edge of the input picture")
    parser.add_argument("--threads", type=int, help="all usable CPUs by default")
    parser.add_argument("--budget-s", type=float, default=10.0)
    parser.add_argument("--warmup-limit-s", type=float, default=2.0)
    given = parser.parse_args()
    network = ArchitectureSpec.model_validate(
        {"name": "transformer_net", "input": [1, 3, given.size, given.size]}
    )
    baseline, again = (Cell(variant=name, architecture=network) for name in ("baseline", "again"))
    measure = MEASURES.load("latency")
    assert measure.comparison is not None
    declared = measure.options.model_validate(
        {
            "processes": given.processes,
            "budget_s": given.budget_s,
            "warmup_limit_s": given.warmup_limit_s,
            "threads": given.threads or "auto",
        }
    )
    (options,) = measure.comparison.split(declared)
    counts: dict[str, int] = dict.fromkeys(("speed-up", "A/A control", "means", "means in turn"), 0)
    started = time.monotonic()
    print(f"{'':>3}  {'speed-up':24}  {'A/A control':24}  {'means':>6}  {'in turn':>7}  rounds  flags")
    with exclusive_latency("benchmarks/aa.py", say=print), loaded_core(wanted=given.load):
        for repeat in range(given.repeats):
            replicates = take((baseline, again), options, seed=repeat)
            found = measure.comparison.summarise(replicates, baseline.id, options)
            ratios: dict[str, Any] = {
                "speed-up": ratio_of(found[again.id].measurements, "speedup"),
                "A/A control": ratio_of(found[baseline.id].measurements, "aa_control"),
            }
            means = naive_ratios(replicates, baseline.id, again.id)
            cells = []
            for name, ratio in ratios.items():
                missed = 1.0 not in ratio.interval
                counts[name] += missed
                span = f"{ratio.value:.4f} [{ratio.interval.low:.4f}, {ratio.interval.high:.4f}]"
                cells.append(f"{span}{'*' if missed else ' '}")
            for name, mean in zip(("means", "means in turn"), means, strict=True):
                counts[name] += not 1 / (1 + THRESHOLD) <= mean <= 1 + THRESHOLD
            rounds = sum(len(each.samples[baseline.id]) for each in replicates)
            flags = "; ".join(ratios["speed-up"].flags)
            print(f"{repeat + 1:3}  {cells[0]:24}  {cells[1]:24}  {means[0]:6.3f}  {means[1]:7.3f}"
                  f"  {rounds:6}  {flags}", flush=True)  # fmt: skip
    seconds = time.monotonic() - started
    print(f"\n{given.repeats} repeats, {options.setting}, {'a core loaded' if given.load else 'unloaded'}, "
          f"{seconds:.0f} s; two identical networks were told apart by")  # fmt: skip
    print(f"  the interval of the speed-up     {counts['speed-up']}")
    print(f"  the interval of the A/A control  {counts['A/A control']}")
    print(f"  means, {THRESHOLD:.0%} threshold             {counts['means']}")
    print(f"  means of one half each           {counts['means in turn']}")


if __name__ == "__main__":
    main()
