"""What the protocol's choices cost and bring: the length of a turn, threads that spin, one process or two."""

from __future__ import annotations

import itertools
import math
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from gate_trials import LAYERS, MODEL, SIZE, project
from numpy.typing import NDArray

from benchbench.core.host import KEEP_MEMORY, usable_cpus
from benchbench.runner.gate_process import WorkerProcess
from benchbench.runner.lock import exclusive_latency

# (calls for nothing, timed calls) of a turn.
TURNS = ((0, 1), (1, 1), (0, 3), (1, 3), (2, 3), (1, 6))
SPINNING: Mapping[str, Mapping[str, str]] = {"as it comes": {}, "passive": {"OMP_WAIT_POLICY": "PASSIVE"}}


@contextmanager
def processes(
    folder: Path, count: int, variables: Mapping[str, str] | None = None, *, threads: str
) -> Iterator[list[WorkerProcess]]:
    """Processes that hold the project's network, warm."""
    threads = str(usable_cpus()) if threads == "auto" else threads
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    own = {**KEEP_MEMORY, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONPATH": path}
    team: list[WorkerProcess] = []
    try:
        for _ in range(count):
            team.append(
                WorkerProcess("base", folder=folder, environment={**os.environ, **own, **(variables or {})})
            )
        given: dict[str, Any] = {"overrides": [], "profile": None, "other": ""}
        _all(team, "open", suite=str(folder / "suite.yaml"), **given)
        placing = {"device": "cpu", "memory_format": "contiguous", "fold": "none", "static": False}
        _all(team, "prepare", cell="baseline", **placing)
        for each in team:
            _all([each], "warm", least_s=0.5, most_s=5.0)
        yield team
    finally:
        for each in team:
            each.end()


def _all(team: Sequence[WorkerProcess], what: str, **arguments: Any) -> list[dict[str, Any]]:
    for each in team:
        each.tell(what, **arguments)
    return [each.hear(limit_s=300.0) for each in team]


def take_turns(
    team: Sequence[WorkerProcess], turn: tuple[int, int], *, seconds: float, seed: int
) -> NDArray[np.float64]:
    """Seconds per call [rounds, processes]."""
    rng, order, rows = random.Random(seed), list(range(len(team))), []
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(rows) < 8:
        rng.shuffle(order)
        row = [0.0] * len(team)
        for index in order:
            (answer,) = _all([team[index]], "block", absorb=turn[0], calls=turn[1])
            row[index] = float(answer["seconds"])
        rows.append(row)
    return np.asarray(rows)


def compare_turns(*, seconds: float, threads: str, teams: int = 2) -> None:
    """Print a table: time against a process that is alone, and scatter, by turn and by how threads wait."""
    print("| threads wait | untimed, timed calls | rounds/s | ms, median | against alone | "
          "scatter of a round (IQR), one / two a side | after 3 s (IQR x 0.93 / sqrt(rounds)) |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    apart: list[float] = []
    with exclusive_latency("benchmarks/gate.py turns", say=print), project() as folder:
        for name, variables in SPINNING.items():
            with processes(folder, 1, variables, threads=threads) as (one,):
                alone = float(np.median(take_turns([one], (0, 1), seconds=seconds / 2, seed=0)))
            for number in range(teams):
                with processes(folder, 4, variables, threads=threads) as team:
                    for turn in TURNS:
                        began = time.monotonic()
                        times = take_turns(team, turn, seconds=seconds / teams, seed=number)
                        rate = len(times) / (time.monotonic() - began)
                        print(
                            f"| {name} | {turn[0]}, {turn[1]} | {_described(times, alone, rate)}", flush=True
                        )
                        logs = np.median(np.log(times), axis=0)
                        apart += [abs(float(left - right)) for left, right in itertools.combinations(logs, 2)]
    said = f"{np.median(apart):.2%} (median), {max(apart):.2%} (most)"
    print(f"\nTwo processes of the same code differed by {said}.")


def _described(times: NDArray[np.float64], alone: float, rate: float) -> str:
    logs = np.log(times)
    one = logs[:, 2] - logs[:, 0]
    two = np.log(times[:, 2:].mean(axis=1)) - np.log(times[:, :2].mean(axis=1))
    scatter = [float(np.subtract(*np.percentile(each, [75, 25]))) for each in (one, two)]
    # The standard error of a normal median is 1.25 sd / sqrt(n), and sd is IQR / 1.35.
    after = scatter[1] * 0.93 / math.sqrt(3.0 * rate)
    middle = float(np.median(times))
    return (
        f"{rate:.1f} | {middle * 1e3:.2f} | {middle / alone - 1:+.1%} | "
        f"{scatter[0]:.2%} / {scatter[1]:.2%} | {after:.2%} |"
    )


def calibrate(shares: Sequence[float], *, threads: str, seconds: float = 20.0) -> Iterator[dict[str, Any]]:
    """Rows of extra work that slow the network down by each share, as measured in turn with the plain one.

    To be run on a quiet machine: what fits noise is no slow-down.
    """
    with exclusive_latency("benchmarks/gate.py calibrate", say=print), project() as plain:
        for share in shares:
            rows = round(share * LAYERS * SIZE)
            tried: dict[int, float] = {}
            for _ in range(3):
                tried[rows] = _ratio(plain, rows, seconds=seconds, threads=threads) - 1
                print(f"{rows} rows: {tried[rows]:+.2%}", file=sys.stderr, flush=True)
                if abs(tried[rows] - share) <= 0.05 * share:
                    break
                rows = max(1, round(rows * min(max(share / max(tried[rows], 1e-3), 0.5), 2.0)))
            rows, measured = min(tried.items(), key=lambda each: abs(each[1] - share))
            macs = rows / (LAYERS * SIZE)
            yield {"part": "calibrate", "share": share, "rows": rows, "measured": measured, "macs": macs}


def _ratio(plain: Path, rows: int, *, seconds: float, threads: str) -> float:
    with project() as slower:
        (slower / "net.py").write_text(MODEL.replace("EXTRA = 0", f"EXTRA = {rows}"))
        with processes(plain, 2, threads=threads) as base, processes(slower, 2, threads=threads) as head:
            times = np.log(take_turns([*base, *head], (1, 3), seconds=seconds, seed=rows))
    return float(np.exp(np.median(times[:, 2:].mean(axis=1) - times[:, :2].mean(axis=1))))
