"""What benchmarks/gate.py tries the gate on: a project, a slow-down of its head, restless neighbours."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytest_benchmark.stats import Stats
from pytest_benchmark.utils import parse_compare_fail

from benchbench.core.gating import PairedSet, SetsEstimate
from benchbench.core.paired_sets import estimate, needs_another
from benchbench.gate.timing import decide
from benchbench.runner.gate_sets import measure_revisions

CELL = "baseline"
# 16 equal layers at 72 x 72; `EXTRA` rows of further work of the same kind are a share of EXTRA / (16 * 72).
LAYERS, SIZE = 16, 72
MODEL = f"""
from torch import nn
from torch.nn import functional

EXTRA = 0  # rows


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(24, 24, 3, padding=1) for _ in range({LAYERS}))

    def forward(self, x):
        left = EXTRA
        for layer in self.layers:
            x = functional.relu_(layer(x))
            if left:
                # Work of the same kind as a layer's, on some of the rows; its result is dropped.
                rows = min(left, {SIZE})
                functional.relu_(layer(x[:, :, :rows]))
                left -= rows
        return x
"""
SUITE = f"""
name: gate-benchmark
architecture: {{import: "net:Net", input: [1, 24, {SIZE}, {SIZE}]}}
measure: [parameters, macs, latency: {{threads: THREADS}}]
"""
# Busy for half a second on average, then idle for one; matrices of 2 MB take cache and memory as well.
NEIGHBOUR = """
import os, random, sys, time
import numpy as np
rng = random.Random(int(sys.argv[1]))
product = np.ones((512, 512), dtype=np.float32)
parent = os.getppid()
while os.getppid() == parent:
    until = time.monotonic() + rng.expovariate(1 / 0.5)
    while time.monotonic() < until:
        product = np.tanh(product @ product)
    time.sleep(rng.expovariate(1 / 1.0))
"""


@contextlib.contextmanager
def project(threads: str = "auto") -> Iterator[Path]:
    """A repository with one commit; `slow_down` changes what is not committed."""
    with tempfile.TemporaryDirectory(prefix="gate-benchmark-") as text:
        folder = Path(text)
        (folder / "net.py").write_text(MODEL)
        (folder / "suite.yaml").write_text(SUITE.replace("THREADS", threads))
        who = (
            "-c",
            "user.name=benchbench",
            "-c",
            "user.email=benchbench@localhost",
            "-c",
            "commit.gpgsign=false",
        )
        for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "--no-verify", "-m", "base")):
            subprocess.run(["git", *words], cwd=folder, check=True)
        yield folder


def slow_down(folder: Path, rows: int) -> None:
    """Let head do so much more than base."""
    (folder / "net.py").write_text(MODEL.replace("EXTRA = 0", f"EXTRA = {rows}"))


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Processes that are busy in bursts; they end with this one."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, "-c", NEIGHBOUR, str(seed)], env=environment)
        for seed in range(count)
    ]
    try:
        yield
    finally:
        for each in started:
            each.kill()
            each.wait()


def take_trial(folder: Path, *, tolerance: float, seed: int) -> dict[str, Any]:
    """One gate of the working tree against its commit, as the command line takes it; all samples are kept."""
    began = time.monotonic()
    found = measure_revisions(
        folder / "suite.yaml",
        against="HEAD",
        tolerance_of=lambda _: tolerance,
        say=lambda line: print(f"    {line}", file=sys.stderr, flush=True),
        seed=seed,
    )
    seconds = time.monotonic() - began
    ((base, head),) = found.sides
    if not found.pairs:
        raise SystemExit(f"nothing was timed: {base.problem or head.problem}")
    sets = found.pairs[0].sets
    estimated = estimate(sets, tolerance=tolerance)
    status, reason = judge(estimated, tolerance)
    return {
        "status": status,
        "reason": reason,
        "seconds": seconds,
        "ratio": estimated.ratio,
        "macs": [base.macs, head.macs],
        "sets": [each.model_dump(mode="json") for each in sets],
    }


def judge(found: SetsEstimate, tolerance: float, *, cells: int = 1) -> tuple[str, str]:
    """The gate's verdict; with `cells`, among so many, of which the others are equal."""
    others = {index: found.model_copy(update={"p_slower": 1.0}) for index in range(1, cells)}
    status, reason = decide({0: found, **others}, dict.fromkeys(range(cells), tolerance))[0]
    return {"fail": "red", "pass": "green"}.get(status, status), reason


def by_means(taken: PairedSet) -> tuple[bool, bool]:
    """Whether pytest-benchmark's own `mean:10%` is red on one process of each side.

    As interleaved; and with base's first half against head's second, as if one ran after the other.
    """
    base, head = taken.base[0], taken.head[0]
    half = len(base) // 2
    return _compare_fails(base, head), _compare_fails(base[:half], head[half:])


def _compare_fails(base: Sequence[float], head: Sequence[float]) -> bool:
    made = []
    for samples in (base, head):
        stats = Stats()
        for each in samples:
            stats.update(each)
        made.append({"mean": stats.mean})
    return bool(parse_compare_fail("mean:10%").fails(made[1], made[0]))


def simulate(
    pool: Sequence[PairedSet], *, ratio: float, tolerance: float, rng: np.random.Generator
) -> tuple[str, bool]:
    """One trial on noise of recorded sets of equal revisions: the gate's verdict, and pytest-benchmark's.

    Each fresh set is a recorded one whose four processes, all of the same code, are dealt to the sides anew,
    and whose rounds are drawn again in blocks; head's times are multiplied by `ratio`.
    """
    sets: list[PairedSet] = []
    found = None
    while needs_another(found, tolerance=tolerance, taken=len(sets)):
        sets.append(_dealt_anew(pool[int(rng.integers(len(pool)))], ratio, rng))
        found = estimate(sets, tolerance=tolerance)
    assert found is not None
    return judge(found, tolerance)[0], by_means(sets[0])[1]


def _dealt_anew(taken: PairedSet, ratio: float, rng: np.random.Generator) -> PairedSet:
    times = np.asarray([*taken.base, *taken.head])[rng.permutation(4)]
    rounds = times.shape[1]
    block = max(2, round(rounds ** (1 / 3)))
    starts = rng.integers(0, rounds, size=-(-rounds // block))
    index = ((starts[:, None] + np.arange(block)) % rounds).reshape(-1)[:rounds]
    dealt = times[:, index]
    return PairedSet(
        base=tuple(map(tuple, dealt[:2].tolist())), head=tuple(map(tuple, (dealt[2:] * ratio).tolist()))
    )
