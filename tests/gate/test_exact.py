from __future__ import annotations

import math
from types import ModuleType

import pytest

from benchbench.gate.exact import count_verdict, output_verdict, probe_difference
from benchbench.gate.making import Maker
from benchbench.gate.rules import Rule

MAKE = Maker("v1", "v1", lambda only: f"again {only}")
EXACT = Rule("exact", None, "fail")


@pytest.mark.parametrize(
    ("base", "head", "rule", "status", "told"),
    [
        (10, 10, EXACT, "pass", "equal"),
        (10, 12, EXACT, "fail", "10 -> 12 (+20.0 %); the rule is exact"),
        (10, 8, EXACT, "fail", "10 -> 8 (−20.0 %); the rule is exact"),
        (0, 8, EXACT, "fail", "0 -> 8; the rule is exact"),
        (100, 104, Rule("within", 0.05, "fail"), "pass", "(+4.0 %), tolerance 5 %"),
        (100, 106, Rule("within", 0.05, "fail"), "fail", "(+6.0 %), tolerance 5 %"),
        (100, 50, Rule("within", 0.05, "fail"), "pass", "(−50.0 %)"),
        (100, 106, Rule("within", 0.05, "warn"), "note", "a warning by its rule"),
    ],
)
def test_counts(base: int, head: int, rule: Rule, status: str, told: str) -> None:
    verdict = count_verdict(MAKE, "parameters", base, head, rule, unit="1")
    assert verdict.status == status
    assert told in verdict.reason
    assert verdict.is_warning == (rule.on == "warn")
    assert verdict.rerun == ("again v1" if status == "fail" or verdict.is_warning else "")


def test_macs_that_move_between_operators_are_a_change() -> None:
    by_operator = ({"conv": 5, "linear": 5}, {"conv": 4, "linear": 6})
    verdict = count_verdict(MAKE, "macs", 10, 10, EXACT, unit="MAC", by_operator=by_operator)
    assert verdict.status == "fail"
    assert verdict.reason == "10 MAC in all, shared out otherwise: conv 5 -> 4, linear 5 -> 6"


ELSEWHERE = {"torch": "2.14", "cpu": "Xeon", "threads": 1}
OUTPUTS = {
    "the same bits": ({}, EXACT, "pass", "equal to the last bit"),
    "other bits, made alike": (
        {"digest": "b", "probe": (1.0, -2.000001)},
        EXACT,
        "fail",
        "made alike: the probed values differ by up to 5e-07",
    ),
    "other bits, elsewhere": (
        {"digest": "b", "probe": (1.0, -2.001), "made_with": ELSEWHERE},
        EXACT,
        "note",
        "made elsewhere (cpu EPYC and Xeon, torch 2.13 and 2.14)",
    ),
    "too far, elsewhere": (
        {"digest": "b", "probe": (1.0, -2.01), "made_with": ELSEWHERE},
        EXACT,
        "fail",
        "beyond the 0.001",
    ),
    "another shape": ({"shape": (1, 3, 4, 4)}, EXACT, "fail", "its shape was 1x3x8x8 and is 1x3x4x4"),
    "NaN": ({"digest": "b", "probe": (1.0, math.nan)}, EXACT, "fail", "by no finite amount"),
    "no probe": ({"digest": "b", "probe": ()}, EXACT, "ambiguous", "no probe"),
    "trained anew": ({"digest": "b", "made_with": {"weights": "trained"}}, EXACT, "note", "trained anew"),
    "within its tolerance": (
        {"digest": "b", "probe": (1.0, -2.01)},
        Rule("within", 0.01, "fail"),
        "pass",
        "tolerance 1 %",
    ),
    "beyond its tolerance": (
        {"digest": "b", "probe": (1.0, -2.1)},
        Rule("within", 0.01, "fail"),
        "fail",
        "tolerance 1 %",
    ),
}


@pytest.mark.parametrize(("changed", "rule", "status", "told"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_outputs(factory: ModuleType, changed: dict, rule: Rule, status: str, told: str) -> None:
    head = factory.output().model_copy(update=changed)
    verdict = output_verdict(MAKE, factory.output(), head, rule)
    assert verdict.status == status
    assert told in verdict.reason


def test_probes_of_odd_values() -> None:
    assert probe_difference((math.nan, 1.0), (math.nan, 1.0)) == 0.0
    assert probe_difference((math.inf,), (-math.inf,)) == math.inf
    assert probe_difference((0.0,), (0.0,)) == 0.0
    assert probe_difference((0.0,), (1e-9,)) == math.inf
    assert probe_difference((1.0,), (1.0, 2.0)) is None
