"""Which tolerance a gate can have on this machine: told from base against base, by the gate's own sets."""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchbench.core.errors import BenchbenchError, GateError
from benchbench.core.gating import PairedSet
from benchbench.core.paired_sets import estimate, excludes_slower
from benchbench.runner.doctor import Finding
from benchbench.runner.gate_rounds import Pace
from benchbench.runner.gate_sets import measure_revisions

USUAL = 0.10
STEP = 0.01
# Beyond this a gate by time tells nothing that a person would not see.
MOST = 0.5
# No set passes at so little, so that all of them are taken.
_NONE_PASSES = 1e-4
_SUITE = """\
name: noise
architecture: {name: transformer_net, width: 8}
variants:
  base: {}
measure:
  - latency
"""


@dataclass(frozen=True, slots=True)
class SetNoise:
    """What one set of equal processes found, as shares.

    Attributes:
        half_width: of the interval of head / base, both of which are the same code.
        control: how far two processes of the same side were from one another, the worse of both sides.
        needed: the smallest tolerance at which this set by itself would have let the gate pass.
    """

    half_width: float
    control: float
    needed: float


@dataclass(frozen=True, slots=True)
class ToleranceAdvice:
    """The smallest tolerance, in whole per cent, at which a gate passes whichever set comes first."""

    tolerance: float
    sets: tuple[SetNoise, ...]


def advise(sets: Sequence[PairedSet]) -> ToleranceAdvice:
    """The tolerance that sets of equal processes ask for.

    Asked of the gate's own rule at one per cent after another: which sets are quiet depends on the tolerance.
    Base and head are equal here, so the lower end of an interval is as good a witness as the upper.

    Raises:
        ValueError: no set, or one that nothing can be estimated from.
    """
    if not sets:
        raise ValueError("no sets")
    orders = [(*sets[first:], *sets[:first]) for first in range(len(sets))]
    alone = tuple(_noise_of([each]) for each in sets)
    # What every set would pass at by itself is passed in any order.
    most = math.ceil(round(max(each.needed for each in alone) / STEP, 6))
    asked = (per_cent * STEP for per_cent in range(1, most))
    fit = (each for each in asked if all(_passes(order, each) for order in orders))
    return ToleranceAdvice(tolerance=next(fit, most * STEP), sets=alone)


def _passes(order: Sequence[PairedSet], tolerance: float) -> bool:
    def passes(taken: int) -> bool:
        found = estimate(order[:taken], tolerance=tolerance)
        return excludes_slower(found, tolerance) and found.interval.low >= 1 / (1 + tolerance)

    return any(passes(taken) for taken in range(1, len(order) + 1))


def _noise_of(taken: Sequence[PairedSet]) -> SetNoise:
    found = estimate(taken, tolerance=USUAL)
    ends = max(math.log(found.interval.high), -math.log(found.interval.low))
    control = max(abs(math.log(value)) for value, _ in found.controls)
    widest = max(math.log(span.high / span.low) / 2 for _, span in found.controls)
    half_width = math.log(found.interval.high / found.interval.low) / 2
    return SetNoise(
        half_width=math.expm1(half_width),
        control=math.expm1(control),
        needed=math.expm1(max(ends, control, widest)),
    )


def take_null_sets(*, say: Callable[[str], None], pace: Pace | None = None) -> tuple[PairedSet, ...]:
    """Sets of base against base, as `benchbench gate --against` takes them; about a minute.

    The base is a revision of a small suite in a temporary repository, and the working tree is that revision.

    Raises:
        GateError: git is not here, or nothing could be timed.
        LockedError: another process measures latency for too long.
    """
    with tempfile.TemporaryDirectory(prefix="benchbench-noise-") as folder:
        suite = Path(folder) / "noise.yaml"
        suite.write_text(_SUITE, encoding="utf-8")
        _commit(Path(folder))
        found = measure_revisions(
            suite,
            against="HEAD",
            tolerance_of=lambda _: _NONE_PASSES,
            say=say,
            pace=pace or Pace(budget_s=5.0),
        )
    sets = tuple(each for pair in found.pairs for each in pair.sets)
    if not sets:
        problem = next((each.problem for pair in found.sides for each in pair if each.problem), "no reason")
        raise GateError(f"nothing could be timed: {problem}")
    return sets


def _commit(folder: Path) -> None:
    who = (
        "-c",
        "user.name=benchbench",
        "-c",
        "user.email=benchbench@localhost",
        "-c",
        "commit.gpgsign=false",
    )
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "base", "--no-verify")):
        try:
            subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise GateError("git is not here", expected="git, which gates work with") from None
        except subprocess.CalledProcessError as error:
            raise GateError(f"git {words[0]}: {' '.join(error.stderr.split())}") from None


def check_tolerance(take: Callable[[], Sequence[PairedSet]]) -> Finding:
    """Which tolerance to write into a gate here, and why; `take` gives the sets."""
    try:
        advice = advise(take())
    except BenchbenchError as error:
        return Finding("tolerance", "warn", f"not measured: {error.problem}", error.fix)
    sets = "; ".join(
        f"interval ±{_percent(each.half_width)}, processes {_percent(each.control)} apart, "
        f"{_percent(each.needed)} if it were the only one"
        for each in advice.sets
    )
    many = len(advice.sets)
    what = (
        f"{_percent(advice.tolerance)} would not have been ambiguous, whichever set came first: base against "
        f"base in {many} set{'' if many == 1 else 's'} of fresh processes: {sets}"
    )
    if advice.tolerance > MOST:
        fix = "end other programs, or gate on counts alone here: time tells nothing on this machine now"
        return Finding("tolerance", "warn", what, fix)
    declared = f"gate: {{measures: {{latency: {_percent(advice.tolerance)}}}}}"
    if advice.tolerance > USUAL:
        fix = f"`{declared}` in the suite; the usual {_percent(USUAL)} would often be ambiguous here"
        return Finding("tolerance", "warn", what, fix)
    fix = f"`{declared}` in the suite, or leave the usual {_percent(USUAL)}; measure at a busy hour too"
    return Finding("tolerance", "ok", what, fix)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %".replace(".0 %", " %")
