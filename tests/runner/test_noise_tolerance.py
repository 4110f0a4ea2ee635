from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.core.errors import GateError
from benchbench.core.gating import PairedSet, PairedTiming
from benchbench.core.paired_sets import estimate, excludes_slower
from benchbench.runner import noise_tolerance
from benchbench.runner.noise_tolerance import advise, check_tolerance, take_null_sets


def null_set(*, spread: float, apart: float = 0.0, seed: int = 0) -> PairedSet:
    """Four processes of one code: rounds scatter by `spread`, the second of each side is `apart` off."""
    random = np.random.default_rng(seed)
    logs = random.normal(0, spread, (4, 40))
    logs[[1, 3]] += apart
    times = (0.01 * np.exp(logs)).tolist()
    return PairedSet(base=tuple(map(tuple, times[:2])), head=tuple(map(tuple, times[2:])))


def test_the_tolerance_is_the_smallest_at_which_the_gate_passes() -> None:
    sets = [null_set(spread=0.02, apart=0.01, seed=seed) for seed in range(3)]

    def passes(order: Sequence[PairedSet], tolerance: float) -> bool:
        so_far = [order[:taken] for taken in range(1, len(order) + 1)]
        found = [estimate(each, tolerance=tolerance) for each in so_far]
        return any(
            excludes_slower(each, tolerance) and each.interval.low >= 1 / (1 + tolerance) for each in found
        )

    orders = [sets[first:] + sets[:first] for first in range(3)]
    advice = advise(sets)
    assert all(passes(order, advice.tolerance) for order in orders)
    assert not all(passes(order, advice.tolerance - 0.01) for order in orders)
    assert advice.tolerance == pytest.approx(round(advice.tolerance, 2), abs=1e-12)
    assert advice.tolerance <= math.ceil(100 * max(each.needed for each in advice.sets)) / 100 + 1e-12


def test_processes_that_differ_ask_for_more_than_rounds_that_scatter() -> None:
    quiet, layout = (advise([null_set(spread=0.005, apart=apart)]) for apart in (0.0, 0.04))
    assert layout.tolerance > quiet.tolerance
    assert layout.sets[0].control == pytest.approx(0.04, abs=0.01)


def test_no_set_is_no_advice() -> None:
    with pytest.raises(ValueError, match="no sets"):
        advise([])


@pytest.mark.parametrize(
    ("sets", "status", "said", "fix"),
    [
        ([null_set(spread=0.002)], "ok", "in 1 set of", "leave the usual 10 %"),
        ([null_set(spread=0.01, apart=0.12)] * 3, "warn", "in 3 sets of", "would often be ambiguous"),
        ([null_set(spread=0.1, apart=0.6)], "warn", "processes 9", "gate on counts alone"),
    ],
)
def test_the_finding_says_why_and_what_to_write(
    sets: Sequence[PairedSet], status: str, said: str, fix: str
) -> None:
    finding = check_tolerance(lambda: sets)
    assert (finding.name, finding.status) == ("tolerance", status)
    assert said in finding.what
    assert finding.fix is not None
    assert fix in finding.fix


def test_what_it_suggests_is_what_a_suite_takes() -> None:
    import yaml

    from benchbench.core.gate_rules import GateRules

    finding = check_tolerance(lambda: [null_set(spread=0.01, apart=0.01)])
    assert finding.fix is not None
    declared = yaml.safe_load(finding.fix.split("`")[1])
    tolerance = GateRules.model_validate(declared["gate"]).measures["latency"].tolerance
    assert tolerance == pytest.approx(advise([null_set(spread=0.01, apart=0.01)]).tolerance)


def test_a_machine_without_git_is_told() -> None:
    def take() -> Sequence[PairedSet]:
        raise GateError("git is not here", fix="install it")

    finding = check_tolerance(take)
    assert (finding.status, finding.what, finding.fix) == (
        "warn",
        "not measured: git is not here",
        "install it",
    )


def test_base_and_head_are_one_revision_of_a_suite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, Any] = {}

    def measure(suite: Path, *, against: str, tolerance_of: Callable[[str], float], **_: Any) -> Any:
        seen.update(against=against, text=suite.read_text(), git=(suite.parent / ".git").is_dir())
        pair = PairedTiming(cell="base", sets=(null_set(spread=0.01),))
        return type("Measured", (), {"pairs": (pair,), "sides": ()})

    monkeypatch.setattr(noise_tolerance, "measure_revisions", measure)
    assert len(take_null_sets(say=print)) == 1
    assert (seen["against"], seen["git"]) == ("HEAD", True)
    from benchbench.core.plain_yaml import read_plain
    from benchbench.core.suite import Suite

    assert Suite.model_validate(read_plain(seen["text"])).name == "noise"


@pytest.mark.slow
def test_this_machine_gets_advice() -> None:
    finding = check_tolerance(lambda: take_null_sets(say=print))
    assert "would not have been ambiguous" in finding.what
